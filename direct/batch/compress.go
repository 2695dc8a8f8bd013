package batch

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Compressor compresses the records of batch after batch with the same encoders. Its zero
// value is ready. It is not safe for concurrent use.
type Compressor struct {
	// Level is the codec's compression level, 0 for its default: gzip 1 to 9, lz4 1 to 9
	// (its default is faster than 1), zstd 1 to 22, of which four are told apart (1, 3, 7,
	// 11 and the numbers above each). Higher is smaller and slower. Snappy has none. It
	// is read when a codec is used for the first time.
	Level int

	to    appender
	gzip  *gzip.Writer
	zstd  *zstd.Encoder
	block func(src, dst []byte) (int, error) // lz4's
}

// appender is a Writer at the end of a slice.
type appender struct{ b []byte }

// Write appends.
func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// append compresses records behind dst.
func (c *Compressor) append(codec Codec, dst, records []byte) ([]byte, error) {
	if err := c.open(codec); err != nil {
		return nil, err
	}
	switch codec {
	case None:
		return append(dst, records...), nil
	case Gzip:
		return c.gzipped(dst, records)
	case Snappy:
		n := len(dst)
		dst = grow(dst, s2.MaxEncodedLen(len(records)))
		return dst[:n+len(s2.EncodeSnappy(dst[n:], records))], nil
	case LZ4:
		return appendLZ4(dst, records, c.block), nil
	case Zstd:
		return c.zstd.EncodeAll(records, dst), nil
	}
	return nil, codec.unknown()
}

func (c *Compressor) gzipped(dst, records []byte) ([]byte, error) {
	c.to.b = dst
	c.gzip.Reset(&c.to)
	if _, err := c.gzip.Write(records); err != nil {
		return nil, err
	}
	err := c.gzip.Close()
	dst, c.to.b = c.to.b, nil
	return dst, err
}

// open makes what a codec needs, at the first time.
func (c *Compressor) open(codec Codec) (err error) {
	switch {
	case codec == Gzip && c.gzip == nil:
		c.gzip, err = newGzip(c.Level)
	case codec == LZ4 && c.block == nil:
		c.block, err = newLZ4(c.Level)
	case codec == Zstd && c.zstd == nil:
		c.zstd, err = newZstd(c.Level)
	}
	return err
}

func newGzip(level int) (*gzip.Writer, error) {
	if level == 0 {
		return gzip.NewWriter(io.Discard), nil
	}
	if err := inRange(Gzip, level, gzip.BestCompression); err != nil {
		return nil, err
	}
	return gzip.NewWriterLevel(io.Discard, level)
}

func newLZ4(level int) (func(src, dst []byte) (int, error), error) {
	if level == 0 {
		return new(lz4.Compressor).CompressBlock, nil
	}
	if err := inRange(LZ4, level, 9); err != nil {
		return nil, err
	}
	hc := &lz4.CompressorHC{Level: lz4.Level1 << (level - 1)}
	return hc.CompressBlock, nil
}

func newZstd(level int) (*zstd.Encoder, error) {
	options := []zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true)}
	if level != 0 {
		if err := inRange(Zstd, level, 22); err != nil {
			return nil, err
		}
		options = append(options, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)))
	}
	return zstd.NewWriter(nil, options...)
}

func inRange(c Codec, level, most int) error {
	if level < 1 || level > most {
		return fmt.Errorf("compression level %d does not exist for %s: take 1 to %d, or 0 for its default", level, c, most)
	}
	return nil
}

// Close gives up what the compressor holds. It can be used again.
func (c *Compressor) Close() {
	if c.zstd != nil {
		_ = c.zstd.Close() // no stream is open, of which something could be left to write
	}
	c.gzip, c.zstd, c.block = nil, nil, nil
}

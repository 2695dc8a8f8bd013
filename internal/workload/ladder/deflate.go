package ladder

import (
	"fmt"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// String is Kafka's name for it.
func (c codec) String() string {
	if c >= 0 && int(c) < len(codecNames) {
		return codecNames[c]
	}
	return fmt.Sprintf("codec %d", int(c))
}

// deflater compresses the records of batches, at each codec's usual level.
type deflater struct {
	codec codec
	to    appender
	zstd  *zstd.Encoder
	gzip  *gzip.Writer
	lz4   *lz4.Writer
}

// appender is a Writer at the end of a slice.
type appender struct{ b []byte }

// Write appends.
func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

func newDeflater(c codec) (*deflater, error) {
	d := &deflater{codec: c}
	var err error
	switch c {
	case gzipped:
		d.gzip = gzip.NewWriter(nil)
	case lz4ed:
		d.lz4 = lz4.NewWriter(nil)
	case zstded:
		d.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	}
	return d, err
}

// append compresses records behind dst.
func (d *deflater) append(dst, records []byte) ([]byte, error) {
	switch d.codec {
	case snappied:
		n := len(dst)
		dst = slices.Grow(dst, s2.MaxEncodedLen(len(records)))
		return dst[:n+len(s2.EncodeSnappy(dst[n:cap(dst)], records))], nil
	case zstded:
		return d.zstd.EncodeAll(records, dst), nil
	case gzipped:
		d.to.b = dst
		d.gzip.Reset(&d.to)
		return d.finish(d.gzip, records)
	case lz4ed:
		d.to.b = dst
		d.lz4.Reset(&d.to)
		return d.finish(d.lz4, records)
	}
	return append(dst, records...), nil
}

func (d *deflater) finish(w interface {
	Write([]byte) (int, error)
	Close() error
}, records []byte) ([]byte, error) {
	if _, err := w.Write(records); err != nil {
		return nil, err
	}
	err := w.Close()
	return d.to.b, err
}

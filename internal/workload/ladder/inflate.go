package ladder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// codec is how the records of a batch are compressed, by Kafka's number.
type codec int

const (
	uncompressed codec = iota
	gzipped
	snappied
	lz4ed
	zstded
)

var codecNames = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// maxInflated is the most that the records of one batch may decompress to, in bytes.
const maxInflated = 128 << 20

var errTooLarge = fmt.Errorf("records that decompress to more than %d MiB", maxInflated>>20)

// inflater decompresses batches into one buffer that is used again and again.
type inflater struct {
	out    []byte
	source bytes.Reader
	zstd   *zstd.Decoder
	gzip   *gzip.Reader
	lz4    *lz4.Reader
}

// records of a batch, decompressed: valid until the next call.
func (f *inflater) records(b *batch) ([]byte, error) {
	var err error
	switch in := b.records(); b.codec() {
	case uncompressed:
		return in, nil
	case gzipped:
		err = f.gunzip(in)
	case snappied:
		err = f.unsnappy(in)
	case lz4ed:
		err = f.unlz4(in)
	case zstded:
		err = f.unzstd(in)
	default:
		err = fmt.Errorf("codec %d, which does not exist", b.codec())
	}
	if err == nil && b.count > len(f.out)/smallestRecord {
		err = fmt.Errorf("%d records in %d bytes", b.count, len(f.out))
	}
	return f.out, err
}

func (f *inflater) unzstd(in []byte) (err error) {
	if f.zstd == nil {
		if f.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxInflated), zstd.IgnoreChecksum(true)); err != nil {
			return err
		}
	}
	f.out, err = f.zstd.DecodeAll(in, f.out[:0])
	return err
}

func (f *inflater) gunzip(in []byte) (err error) {
	f.source.Reset(in)
	if f.gzip == nil {
		f.gzip, err = gzip.NewReader(&f.source)
	} else {
		err = f.gzip.Reset(&f.source)
	}
	if err != nil {
		return err
	}
	return f.drain(f.gzip)
}

func (f *inflater) unlz4(in []byte) error {
	f.source.Reset(in)
	if f.lz4 == nil {
		f.lz4 = lz4.NewReader(nil)
	}
	f.lz4.Reset(&f.source)
	return f.drain(f.lz4)
}

// drain reads all there is into out.
func (f *inflater) drain(from io.Reader) error {
	f.out = f.out[:cap(f.out)]
	n := 0
	for {
		if n == len(f.out) {
			if n > maxInflated {
				f.out = f.out[:0]
				return errTooLarge
			}
			f.out = append(f.out, make([]byte, max(n, 1<<20))...)
		}
		m, err := from.Read(f.out[n:])
		n += m
		if err != nil {
			f.out = f.out[:n]
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// xerial is how the snappy of Java begins: blocks follow, each with its length.
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const (
	xerialHeader = 16
	// mostOfSnappy bounds what a block can claim to hold: it takes 3 bytes for 64.
	mostOfSnappy = 32
)

func (f *inflater) unsnappy(in []byte) error {
	f.out = f.out[:0]
	if len(in) < xerialHeader || !bytes.HasPrefix(in, xerial) {
		return f.unblock(in)
	}
	for in = in[xerialHeader:]; len(in) > 0; {
		if len(in) < 4 {
			return io.ErrUnexpectedEOF
		}
		n := int64(binary.BigEndian.Uint32(in))
		if n > int64(len(in)-4) {
			return io.ErrUnexpectedEOF
		}
		if err := f.unblock(in[4 : 4+n]); err != nil {
			return err
		}
		in = in[4+n:]
	}
	return nil
}

// unblock appends one block of snappy to out.
func (f *inflater) unblock(in []byte) error {
	size, err := s2.DecodedLen(in)
	if err != nil {
		return err
	}
	have := len(f.out)
	if size > maxInflated-have || size > mostOfSnappy*len(in) {
		return errTooLarge
	}
	if need := have + size; need > cap(f.out) {
		f.out = append(make([]byte, 0, need+need/4), f.out...)
	}
	if _, err = s2.Decode(f.out[have:have+size], in); err != nil {
		return err
	}
	f.out = f.out[:have+size]
	return nil
}

func (f *inflater) close() {
	if f.zstd != nil {
		f.zstd.Close()
	}
}

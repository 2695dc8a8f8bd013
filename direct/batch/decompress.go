package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// ErrTooLarge is the error for records that decompress to more than they may.
var ErrTooLarge = errors.New("the records decompress to more than Decompressor.MaxBytes allows")

var errCutOff = errors.New("the compressed records end too early")

// defaultMaxBytes is what the records of one batch may decompress to.
const defaultMaxBytes = 128 << 20

// Decompressor decompresses batch after batch into one buffer, which grows to the largest
// batch and stays. Its zero value is ready. It is not safe for concurrent use.
//
// A codec's own checksums are not looked at: the batch's CRC is over the same bytes.
type Decompressor struct {
	// MaxBytes is the most that the records of one batch may decompress to, 128 MiB for
	// zero. It bounds the memory that a hostile batch takes; a batch can also take no more
	// than its codec can have made of the bytes that came.
	MaxBytes int

	out    []byte
	source bytes.Reader
	gzip   *gzip.Reader
	zstd   *zstd.Decoder
}

// Records are the records of a batch, decompressed: valid until the next call, and of an
// uncompressed batch the batch's own bytes.
func (d *Decompressor) Records(b *Batch) ([]byte, error) {
	in := b.Bytes()
	if b.Codec() == None {
		return in, nil
	}
	d.out = d.out[:0]
	if err := d.decompress(b.Codec(), in); err != nil {
		return nil, err
	}
	switch {
	case len(d.out) > d.most():
		return nil, ErrTooLarge
	case b.count > len(d.out)/smallestRecord:
		return nil, fmt.Errorf("the batch claims %d records, and decompresses to %d bytes", b.count, len(d.out))
	}
	return d.out, nil
}

func (d *Decompressor) decompress(c Codec, in []byte) error {
	switch c {
	case Gzip:
		return d.gunzip(in)
	case Snappy:
		return d.unsnappy(in)
	case LZ4:
		return d.unlz4(in)
	case Zstd:
		return d.unzstd(in)
	}
	return c.unknown()
}

// Close gives up what the decompressor holds. It can be used again.
func (d *Decompressor) Close() {
	if d.zstd != nil {
		d.zstd.Close()
	}
	d.zstd, d.gzip, d.out = nil, nil, nil
}

func (d *Decompressor) most() int {
	if d.MaxBytes > 0 {
		return d.MaxBytes
	}
	return defaultMaxBytes
}

// room makes room for n more bytes behind those in out. It doubles, up to the limit, so
// that memory follows what was decompressed and not what was announced.
func (d *Decompressor) room(n int) error {
	have, most := len(d.out), d.most()
	if have > most {
		return ErrTooLarge
	}
	if cap(d.out)-have < n {
		d.out = append(make([]byte, 0, max(have+n, min(2*cap(d.out), most))), d.out...)
	}
	return nil
}

// smallestRead is the room that gzip decompresses into at once.
const smallestRead = 64 << 10

func (d *Decompressor) gunzip(in []byte) (err error) {
	d.source.Reset(in)
	if d.gzip == nil {
		d.gzip, err = gzip.NewReader(&d.source)
	} else {
		err = d.gzip.Reset(&d.source)
	}
	for err == nil {
		if len(d.out) == cap(d.out) {
			if err = d.room(smallestRead); err != nil {
				return err
			}
		}
		var n int
		n, err = d.gzip.Read(d.out[len(d.out):cap(d.out)])
		d.out = d.out[:len(d.out)+n]
	}
	if errors.Is(err, io.EOF) && len(in) > 0 {
		return nil
	}
	return err
}

// xerial is how the snappy of Java begins: blocks follow, each with its length.
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const (
	xerialHeader = 16
	// mostOfSnappy bounds what a block can claim to hold: it takes 3 bytes for 64.
	mostOfSnappy = 32
)

func (d *Decompressor) unsnappy(in []byte) error {
	if len(in) < xerialHeader || !bytes.HasPrefix(in, xerial) {
		return d.unsnapBlock(in)
	}
	for in = in[xerialHeader:]; len(in) > 0; {
		if len(in) < 4 {
			return errCutOff
		}
		n := int64(binary.BigEndian.Uint32(in))
		if n > int64(len(in)-4) {
			return errCutOff
		}
		if err := d.unsnapBlock(in[4 : 4+n]); err != nil {
			return err
		}
		in = in[4+n:]
	}
	return nil
}

// unsnapBlock appends one block to out.
func (d *Decompressor) unsnapBlock(in []byte) error {
	size, err := s2.DecodedLen(in)
	if err != nil {
		return err
	}
	have := len(d.out)
	switch {
	case size > mostOfSnappy*len(in):
		return fmt.Errorf("a block of %d bytes claims to hold %d", len(in), size)
	case size > d.most()-have:
		return ErrTooLarge
	}
	if err := d.room(size); err != nil {
		return err
	}
	if _, err = s2.Decode(d.out[have:have+size], in); err != nil {
		return err
	}
	d.out = d.out[:have+size]
	return nil
}

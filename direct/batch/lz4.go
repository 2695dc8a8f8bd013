package batch

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pierrec/lz4/v4"
)

// A frame of LZ4:
//
//	0 magic 4    5 the largest block 1            then blocks: length 4 (0: no more),
//	4 flags 1    6 (content size 8) checksum 1         bytes, (checksum 4); (checksum 4)
const (
	lz4Magic  = 0x184D2204
	lz4Header = 7 // the least of it

	lz4VersionMask     = 0xc0
	lz4Version         = 0x40
	lz4Independent     = 0x20 // blocks do not refer to those before
	lz4BlockChecksum   = 0x10
	lz4HasSize         = 0x08
	lz4ContentChecksum = 0x04
	lz4Dictionary      = 0x01

	lz4Stored = 1 << 31 // a block's bytes as they are

	// lz4Window is how far a block refers back.
	lz4Window = 64 << 10
	// mostOfLZ4 bounds what a block can hold: a byte stands for up to 255.
	mostOfLZ4 = 256
)

var errLZ4 = errors.New("bytes that are no LZ4 frame")

// unlz4 appends the content of all frames to out. The frames are read here, and blocks
// decompressed to where they belong: lz4.Reader copies what it decompresses, and what it
// makes for a frame is garbage after it.
func (d *Decompressor) unlz4(in []byte) (err error) {
	if len(in) == 0 {
		return errCutOff
	}
	for len(in) > 0 && err == nil {
		in, err = d.unlz4Frame(in)
	}
	return err
}

// unlz4Frame appends the content of the first frame to out and returns what follows it.
func (d *Decompressor) unlz4Frame(in []byte) (rest []byte, err error) {
	if len(in) < lz4Header || binary.LittleEndian.Uint32(in) != lz4Magic {
		return nil, errLZ4
	}
	f := lz4Frame{flags: in[4], start: len(d.out)}
	sizeCode := in[5] >> 4 & 7
	if f.flags&lz4VersionMask != lz4Version || f.flags&lz4Dictionary != 0 || sizeCode < 4 {
		return nil, fmt.Errorf("an LZ4 frame with flags %#x and block size %d, which is not read here", f.flags, sizeCode)
	}
	f.block = 1 << (8 + 2*sizeCode)
	size, in := uint64(0), in[6:]
	if f.flags&lz4HasSize != 0 {
		if len(in) < 8 {
			return nil, errCutOff
		}
		size, in = binary.LittleEndian.Uint64(in), in[8:]
	}
	if len(in) == 0 {
		return nil, errCutOff
	}
	if in, err = d.unlz4Blocks(f, in[1:]); err != nil {
		return nil, err
	}
	if got := uint64(len(d.out) - f.start); f.flags&lz4HasSize != 0 && size != got {
		return nil, fmt.Errorf("an LZ4 frame that says that it holds %d bytes holds %d", size, got)
	}
	if f.flags&lz4ContentChecksum != 0 {
		if len(in) < 4 {
			return nil, errCutOff
		}
		in = in[4:]
	}
	return in, nil
}

// lz4Frame is what a frame says of its blocks.
type lz4Frame struct {
	flags byte
	block int // the most that one holds
	start int // of its content
}

func (d *Decompressor) unlz4Blocks(f lz4Frame, in []byte) (rest []byte, err error) {
	for {
		if len(in) < 4 {
			return nil, errCutOff
		}
		head := binary.LittleEndian.Uint32(in)
		in = in[4:]
		if head == 0 {
			return in, nil
		}
		size := int64(head &^ lz4Stored)
		if size > int64(len(in)) {
			return nil, errCutOff
		}
		if err := d.unlz4Block(f, in[:size], head&lz4Stored != 0); err != nil {
			return nil, err
		}
		in = in[size:]
		if f.flags&lz4BlockChecksum != 0 {
			if len(in) < 4 {
				return nil, errCutOff
			}
			in = in[4:]
		}
	}
}

func (d *Decompressor) unlz4Block(f lz4Frame, in []byte, stored bool) error {
	if len(in) > f.block {
		return fmt.Errorf("an LZ4 block of %d bytes in a frame whose largest have %d", len(in), f.block)
	}
	if stored {
		err := d.room(len(in))
		if err == nil {
			d.out = append(d.out, in...)
		}
		return err
	}
	most := min(f.block, mostOfLZ4*len(in))
	if err := d.room(most); err != nil {
		return err
	}
	have := len(d.out)
	var before []byte
	if f.flags&lz4Independent == 0 {
		before = d.out[max(f.start, have-lz4Window):have]
	}
	n, err := lz4.UncompressBlockWithDict(in, d.out[have:have+most], before)
	if err != nil {
		return err
	}
	d.out = d.out[:have+n]
	return nil
}

// What is written: version 1, independent blocks of 64 KiB, no checksums, as Java's
// producer does, with the checksum of these two bytes.
var lz4WrittenHeader = [lz4Header]byte{0x04, 0x22, 0x4D, 0x18, lz4Version | lz4Independent, 4 << 4, 0x82}

const lz4WrittenBlock = 64 << 10

// appendLZ4 appends records to dst as one frame. compress is a block compressor's.
func appendLZ4(dst, records []byte, compress func(src, dst []byte) (int, error)) []byte {
	dst = append(dst, lz4WrittenHeader[:]...)
	for len(records) > 0 {
		block := records[:min(lz4WrittenBlock, len(records))]
		records = records[len(block):]
		at := len(dst)
		dst = grow(dst, 4+len(block))
		// No room for more than what came: what would grow is stored.
		to := dst[at+4 : at+4+len(block)]
		n, err := compress(block, to)
		head := uint32(n)
		if n <= 0 || err != nil {
			n = copy(to, block)
			head = uint32(n) | lz4Stored
		}
		binary.LittleEndian.PutUint32(dst[at:at+4], head)
		dst = dst[:at+4+n]
	}
	return append(dst, 0, 0, 0, 0)
}

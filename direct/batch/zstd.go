package batch

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// zstdSlack is capacity behind the end with which the decoder does not have to look where
// it writes.
const zstdSlack = zstdBlock + 64

// unzstd decompresses into capacity that is there before: the library allocates nothing,
// and windows, which frames announce as large as they like, take nothing either.
func (d *Decompressor) unzstd(in []byte) (err error) {
	least, most, err := zstdSize(in)
	if err != nil {
		return err
	}
	if least > d.most() {
		return ErrTooLarge
	}
	if err = d.room(min(most, d.most()) + zstdSlack); err != nil {
		return err
	}
	if d.zstd == nil {
		if d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true), zstd.IgnoreChecksum(true)); err != nil {
			return err
		}
	}
	out, err := d.zstd.DecodeAll(in, d.out)
	switch {
	case err != nil && most > d.most():
		return fmt.Errorf("%w, or they are no zstd: %w", ErrTooLarge, err)
	case err != nil:
		return err
	}
	d.out = out
	return nil
}

// A frame of zstd: a header, blocks with a header of 3 bytes each (whether it is the last,
// its type, its size), and 4 bytes of checksum.
const (
	zstdBlock     = 128 << 10 // the most that one holds
	zstdBlockHead = 3
	zstdRaw       = 0
	zstdRun       = 1
	zstdChecksum  = 4
)

// zstdSize is how many bytes the frames hold at least and at most, by what they say, if
// they do, and by their blocks. It is an error to say more than the blocks can hold.
func zstdSize(in []byte) (least, most int, err error) {
	var h zstd.Header
	for len(in) > 0 {
		if err := h.Decode(in); err != nil {
			return 0, 0, err
		}
		in = in[h.HeaderSize:]
		if h.Skippable {
			if int64(h.SkippableSize) > int64(len(in)) {
				return 0, 0, errCutOff
			}
			in = in[h.SkippableSize:]
			continue
		}
		var holds int
		if holds, in, err = passBlocks(in); err != nil {
			return 0, 0, err
		}
		if h.HasFCS {
			if h.FrameContentSize > uint64(holds) {
				return 0, 0, fmt.Errorf("a zstd frame claims %d bytes, and its blocks hold %d at most", h.FrameContentSize, holds)
			}
			holds = int(h.FrameContentSize)
			least += holds
		}
		most += holds
		if h.HasCheckSum {
			if len(in) < zstdChecksum {
				return 0, 0, errCutOff
			}
			in = in[zstdChecksum:]
		}
	}
	return least, most, nil
}

// passBlocks returns what the blocks of a frame hold at most, and what follows them.
func passBlocks(in []byte) (most int, rest []byte, err error) {
	for last := false; !last; {
		if len(in) < zstdBlockHead {
			return 0, nil, errCutOff
		}
		head := uint32(in[0]) | uint32(in[1])<<8 | uint32(in[2])<<16
		last = head&1 != 0
		kind, size := head>>1&3, int(head>>3)
		holds, takes := zstdBlock, size
		switch kind {
		case zstdRaw:
			holds = size
		case zstdRun:
			holds, takes = size, 1
		}
		if in = in[zstdBlockHead:]; takes > len(in) {
			return 0, nil, errCutOff
		}
		most, in = most+holds, in[takes:]
	}
	return most, in, nil
}

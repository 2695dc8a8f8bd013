package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

var codecs = []Codec{Gzip, Snappy, LZ4, Zstd}

func TestMaxBytesIsTheMostThatRecordsDecompressTo(t *testing.T) {
	for _, c := range codecs {
		b := plain(300, bytes.Repeat([]byte("value "), 100))
		records := b.Records
		ways := map[string][]byte{"": compressed(c, records)}
		switch c {
		case Snappy:
			ways[" as Java does"] = asJavaSnaps(records, 32<<10)
		case Zstd:
			ways[" as Java does"] = zstdStream(t, records)
		}
		for way, in := range ways {
			cut := only(t, sealed(with(c, b, in)))
			for _, size := range []int{len(records), len(records) + 1, 0} {
				d := Decompressor{MaxBytes: size}
				if out, err := d.Records(cut); err != nil || !bytes.Equal(out, records) {
					t.Errorf("%s%s: %d bytes that may be %d: %v", c, way, len(records), size, err)
				}
			}
			var d Decompressor
			for _, size := range []int{len(records) - 1, len(records) / 2, 1} {
				for range 2 { // with a buffer of any size
					d.MaxBytes = size
					if _, err := d.Records(cut); !errors.Is(err, ErrTooLarge) {
						t.Errorf("%s%s: %d bytes that may be %d: %v", c, way, len(records), size, err)
					}
					d.MaxBytes = 0
					if _, err := d.Records(cut); err != nil {
						t.Errorf("%s%s: after an error: %v", c, way, err)
					}
				}
			}
			d.Close()
		}
	}
}

// allocated is how many bytes a function allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A batch of a few bytes cannot make the reader allocate what it announces, and one that
// is a bomb not much more than it may become.
func TestABombIsAnErrorAndTakesNoMemory(t *testing.T) {
	zeros := make([]byte, 64<<20)
	const allowed, most = 1 << 20, 8 << 20
	le := binary.LittleEndian
	zstdHead := []byte{0x28, 0xb5, 0x2f, 0xfd}
	zstdClaim := le.AppendUint32(append(bytes.Clone(zstdHead), 0xa0), 120<<20)
	zstdClaim = append(zstdClaim, 0x01|1<<3, 0, 0, 'x')                     // one raw block of a byte
	zstdRuns := append(bytes.Clone(zstdHead), 0x00, 0x58)                   // window of 2 MiB, size unknown
	zstdRuns = append(zstdRuns, bytes.Repeat([]byte{2, 0, 16, 0}, 5000)...) // 5000 × 128 KiB of zeros
	for _, c := range []struct {
		name  string
		codec Codec
		in    []byte
		count int
	}{
		{"zeros", Gzip, compressed(Gzip, zeros), 0},
		{"zeros", Snappy, s2.EncodeSnappy(nil, zeros), 0},
		{"zeros as Java does", Snappy, asJavaSnaps(zeros, 32<<10), 0},
		{"zeros", LZ4, lz4Frames(zeros), 0},
		{"zeros", Zstd, compressed(Zstd, zeros), 0},
		{"runs of zeros", Zstd, zstdRuns, 0},
		{"a claim of 120 MiB", Zstd, zstdClaim, 0},
		{"claims of 120 MiB", Zstd, bytes.Repeat(zstdClaim, 3), 0},
		{"a claim of 4 GiB", Snappy, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}, 0},
		{"a block of 4 GiB", Snappy, append(append(bytes.Clone(xerial), make([]byte, 8)...), 0xff, 0xff, 0xff, 0xff, 0), 0},
		{"a claim of a million records", Gzip, compressed(Gzip, zeros[:100]), 1e6},
		{"a claim of a million records", Snappy, compressed(Snappy, zeros[:100]), 1e6},
		{"a claim of a million records", LZ4, compressed(LZ4, zeros[:100]), 1e6},
		{"a claim of a million records", Zstd, compressed(Zstd, zeros[:100]), 1e6},
	} {
		for _, limit := range []int{0, allowed} {
			if limit == 0 && len(c.in) > 1000 {
				continue // it may become that large
			}
			cut := only(t, sealed(with(c.codec, kmsg.RecordBatch{Magic: 2, NumRecords: int32(c.count), LastOffsetDelta: int32(max(0, c.count-1))}, c.in)))
			d := Decompressor{MaxBytes: limit}
			var err error
			took := allocated(func() { _, err = d.Records(cut) })
			if err == nil || took > most {
				t.Errorf("%s of %s (%d bytes) that may become %d take %d bytes: %v", c.name, c.codec, len(c.in), limit, took, err)
			}
			d.Close()
		}
	}
}

func TestACodecThatDoesNotExistIsAnError(t *testing.T) {
	var d Decompressor
	for c := Codec(5); c < 8; c++ {
		if _, err := d.Records(only(t, sealed(with(c, plain(1, nil), []byte("whatever"))))); err == nil {
			t.Errorf("%s is read", c)
		}
	}
}

// Compressed records that end too early are an error here, or make too few records, which
// is one when they are walked.
func TestCompressedRecordsThatEndTooEarlyAreFound(t *testing.T) {
	for _, c := range codecs {
		b := plain(20, []byte("some value, some value"))
		ways := [][]byte{compressed(c, b.Records)}
		switch c {
		case Snappy:
			ways = append(ways, asJavaSnaps(b.Records, 100))
		case LZ4:
			ways = append(ways, lz4Frames(b.Records, lz4.BlockChecksumOption(true), lz4.SizeOption(uint64(len(b.Records)))))
		case Zstd:
			ways = append(ways, zstdStream(t, b.Records))
		}
		for _, in := range ways {
			var d Decompressor
			for n := range in {
				cut := only(t, sealed(with(c, b, in[:n])))
				records, err := d.Records(cut)
				if err != nil {
					continue
				}
				w := cut.Walk(records)
				for w.Next() {
					continue
				}
				if w.Err() == nil {
					t.Errorf("%s: %d of %d bytes make a whole batch", c, n, len(in))
				}
			}
			d.Close()
		}
	}
}

func TestEveryCodecReadsWhatOneDecompressorReadBefore(t *testing.T) {
	var d Decompressor
	defer d.Close()
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.Byte(), 0, 1000).Draw(t, "records")
		records = bytes.Repeat(records, rapid.SampledFrom([]int{1, 1, 50, 300}).Draw(t, "times"))
		c := Codec(rapid.IntRange(1, 4).Draw(t, "codec"))
		b, _, _, err := Cut(sealed(with(c, kmsg.RecordBatch{Magic: 2}, drawCompressed(t, c, records))))
		if err != nil {
			t.Fatal(err)
		}
		if out, err := d.Records(&b); err != nil || !bytes.Equal(out, records) {
			t.Fatalf("%d bytes, where there were %d: %v", len(out), len(records), err)
		}
	})
}

// zstdStream is a frame of zstd that does not say how much it holds. Go's writer knows
// that beforehand, Java's does not.
func zstdStream(t testing.TB, records []byte) []byte {
	t.Helper()
	var to bytes.Buffer
	w, err := zstd.NewWriter(&to, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	half := len(records) / 2
	for _, part := range [][]byte{records[:half], records[half:]} {
		if _, err = w.Write(part); err == nil {
			err = w.Flush()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err = w.Close(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := zstdSize(to.Bytes()); n != 0 || err != nil {
		t.Fatalf("the size is known: %d, %v", n, err)
	}
	return to.Bytes()
}

func TestZstdOfUnknownSizeIsRead(t *testing.T) {
	b := plain(5000, bytes.Repeat([]byte("value "), 100))
	var d Decompressor
	defer d.Close()
	out, err := d.Records(only(t, sealed(with(Zstd, b, zstdStream(t, b.Records)))))
	if err != nil || !bytes.Equal(out, b.Records) {
		t.Fatalf("%d bytes, where there were %d: %v", len(out), len(b.Records), err)
	}
}

func TestFramesOfLZ4FollowEachOther(t *testing.T) {
	b := plain(200, bytes.Repeat([]byte("value "), 100))
	half := len(b.Records) / 2
	in := append(lz4Frames(b.Records[:half]), lz4Frames(b.Records[half:], lz4.ChecksumOption(false))...)
	var d Decompressor
	out, err := d.Records(only(t, sealed(with(LZ4, b, in))))
	if err != nil || !bytes.Equal(out, b.Records) {
		t.Fatalf("%d bytes, where there were %d: %v", len(out), len(b.Records), err)
	}
	if _, err = d.Records(only(t, sealed(with(LZ4, b, append(in, "and more"...))))); err == nil {
		t.Fatal("what follows a frame is no frame, and no error")
	}
}

func TestAFrameOfLZ4ThatCannotBeIsAnError(t *testing.T) {
	b := plain(200, bytes.Repeat([]byte("value "), 100))
	whole := lz4Frames(b.Records, lz4.SizeOption(uint64(len(b.Records))), lz4.BlockSizeOption(lz4.Block64Kb))
	const size, block = 6, 15
	for name, change := range map[string]func(in []byte){
		"another magic":         func(in []byte) { in[0]++ },
		"version 2":             func(in []byte) { in[4] ^= lz4VersionMask },
		"a dictionary":          func(in []byte) { in[4] |= lz4Dictionary },
		"block size 3":          func(in []byte) { in[5] = 3 << 4 },
		"another size":          func(in []byte) { in[size]++ },
		"a size below zero":     func(in []byte) { in[size+7] = 0x80 },
		"a block beyond all":    func(in []byte) { in[block+2] = 0x7f },
		"a block of 2 GiB":      func(in []byte) { in[block+3] = 0x7f },
		"a stored block of all": func(in []byte) { binary.LittleEndian.PutUint32(in[block:], lz4Stored|uint32(len(in)-block-4)) },
		"a block that is none":  func(in []byte) { clear(in[block+4:]) },
	} {
		in := bytes.Clone(whole)
		change(in)
		var d Decompressor
		if _, err := d.Records(only(t, sealed(with(LZ4, b, in)))); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// linked makes a frame whose blocks refer to those before, and its content. The library
// reads such frames and writes none.
func linked(t *rapid.T) (frame, content []byte) {
	frame = []byte{0x04, 0x22, 0x4d, 0x18, lz4Version, 4 << 4, 0}
	for {
		if ok, _ := lz4.ValidFrameHeader(frame); ok {
			break
		}
		frame[6]++ // the header's checksum
	}
	for range rapid.IntRange(1, 6).Draw(t, "blocks") {
		var block []byte
		from := len(content)
		for range rapid.IntRange(0, 5).Draw(t, "sequences") {
			literals := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "literals")
			content = append(content, literals...)
			if len(content) == 0 {
				break
			}
			length := rapid.IntRange(4, 9000).Draw(t, "length")
			offset := rapid.IntRange(1, min(len(content), 65535)).Draw(t, "offset")
			block = appendSequence(block, literals, offset, length)
			for range length {
				content = append(content, content[len(content)-offset])
			}
		}
		last := rapid.SliceOfN(rapid.Byte(), 12, 300).Draw(t, "last literals")
		content = append(content, last...)
		block = appendSequence(block, last, 0, 0)
		if len(content)-from > 64<<10 {
			t.Fatal("a block too large")
		}
		frame = append(binary.LittleEndian.AppendUint32(frame, uint32(len(block))), block...)
	}
	return append(frame, 0, 0, 0, 0), content
}

// appendSequence appends literals, and a match where there is an offset.
func appendSequence(block, literals []byte, offset, length int) []byte {
	at := len(block)
	block = append(block, 0)
	more := func(n int) byte {
		if n < 15 {
			return byte(n)
		}
		for n -= 15; n >= 255; n -= 255 {
			block = append(block, 255)
		}
		block = append(block, byte(n))
		return 15
	}
	token := more(len(literals)) << 4
	block = append(block, literals...)
	if offset > 0 {
		block = binary.LittleEndian.AppendUint16(block, uint16(offset))
		token |= more(length - 4)
	}
	block[at] = token
	return block
}

func TestLinkedBlocksOfLZ4AreRead(t *testing.T) {
	var d Decompressor
	rapid.Check(t, func(t *rapid.T) {
		frame, content := linked(t)
		library, err := io.ReadAll(lz4.NewReader(bytes.NewReader(frame)))
		if err != nil || !bytes.Equal(library, content) {
			t.Fatalf("the frame that was drawn is none: %v", err)
		}
		b, _, _, err := Cut(sealed(with(LZ4, kmsg.RecordBatch{Magic: 2}, frame)))
		if err != nil {
			t.Fatal(err)
		}
		if out, err := d.Records(&b); err != nil || !bytes.Equal(out, content) {
			t.Fatalf("%d bytes, where there were %d: %v", len(out), len(content), err)
		}
	})
}

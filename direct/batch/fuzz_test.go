package batch

import (
	"bytes"
	"math"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// Whatever a broker sends, a walk ends without a panic, shows offsets that rise within the
// batch's, and shows by its short way what it shows by the long one. The CRC is made good,
// so that what lies behind it is reached.
func FuzzWalk(f *testing.F) {
	for seed := range 40 {
		d := rapid.Custom(drawBatches).Example(seed)
		f.Add(d.bytes, d.from, int64(math.MaxInt64))
	}
	f.Fuzz(func(t *testing.T, raw []byte, from, end int64) {
		d := Decompressor{MaxBytes: 1 << 20}
		defer d.Close()
		for rest := remade(raw); ; {
			b, next, ok, err := Cut(rest)
			if err != nil || !ok {
				return
			}
			if !b.Intact() || len(next) >= len(rest) {
				t.Fatalf("%d bytes are left of %d, intact %v", len(next), len(rest), b.Intact())
			}
			rest = next
			records, err := d.Records(&b)
			if err != nil {
				continue
			}
			_, _ = b.Mark(records)
			sameBothWays(t, &b, records, from, end)
		}
	})
}

func sameBothWays(t *testing.T, b *Batch, records []byte, from, end int64) {
	t.Helper()
	quick, long := b.Walk(records), b.Walk(records)
	if from > end%1000 { // whole batches too
		quick.Between(from, end)
		long.Between(from, end)
	}
	before := b.FirstOffset() - 1
	for n := 0; ; n++ {
		a, z := quick.Next(), long.next()
		if a != z || a && !sameRecord(&quick, &long) {
			t.Fatalf("%+v, where parsing says %+v", quick, long)
		}
		if !a {
			break
		}
		if quick.Offset <= before || quick.Offset > b.LastOffset() || n >= b.Len() {
			t.Fatalf("offset %d behind %d is number %d of %d", quick.Offset, before, n, b.Len())
		}
		before = quick.Offset
	}
	if (quick.Err() == nil) != (long.Err() == nil) || quick.Next() {
		t.Fatalf("%v, where parsing says %v", quick.Err(), long.Err())
	}
}

func sameRecord(a, b *Walk) bool {
	if a.Offset != b.Offset || a.Timestamp != b.Timestamp || !same(a.Key, b.Key) || !same(a.Value, b.Value) || a.HeaderCount() != b.HeaderCount() {
		return false
	}
	n := 0
	for key := range a.Headers() {
		if key == nil {
			return false
		}
		n++
	}
	return n == a.HeaderCount()
}

func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// Whatever is compressed, decompressing it ends within its limit, and makes what franz-go
// makes of it, where that makes something.
func fuzzCodec(f *testing.F, c Codec) {
	f.Helper()
	f.Add([]byte{})
	for seed := range 20 {
		records := rapid.SliceOfN(rapid.Byte(), 0, 300).Example(seed)
		f.Add(rapid.Custom(func(t *rapid.T) []byte { return drawCompressed(t, c, bytes.Repeat(records, 1+seed%5)) }).Example(seed))
	}
	if c == LZ4 {
		for seed := range 5 {
			f.Add(rapid.Custom(func(t *rapid.T) []byte {
				frame, _ := linked(t)
				return frame
			}).Example(seed))
		}
	}
	d := Decompressor{MaxBytes: 1 << 20}
	f.Fuzz(func(t *testing.T, in []byte) {
		b, _, _, err := Cut(sealed(with(c, kmsg.RecordBatch{Magic: 2}, in)))
		if err != nil {
			t.Fatal(err)
		}
		out, err := d.Records(&b)
		if err != nil {
			return
		}
		if len(out) > d.MaxBytes {
			t.Fatalf("%d bytes, where %d are the most", len(out), d.MaxBytes)
		}
		theirs, err := kgo.DefaultDecompressor().Decompress(in, kgo.CompressionCodecType(c))
		if err == nil && !bytes.Equal(out, theirs) {
			t.Fatalf("%d bytes, where franz-go makes %d", len(out), len(theirs))
		}
	})
}

func FuzzGzip(f *testing.F)   { fuzzCodec(f, Gzip) }
func FuzzSnappy(f *testing.F) { fuzzCodec(f, Snappy) }
func FuzzLZ4(f *testing.F)    { fuzzCodec(f, LZ4) }
func FuzzZstd(f *testing.F)   { fuzzCodec(f, Zstd) }

// Whatever is put into a batch comes out of it.
func FuzzBuild(f *testing.F) {
	f.Add(int64(0), int64(0), []byte("key"), []byte("value"), "header", uint8(1), uint16(3))
	f.Add(int64(-1), int64(1<<62), []byte{}, []byte{}, "", uint8(0xff), uint16(200))
	f.Add(int64(1700000000000), int64(1), bytes.Repeat([]byte("k"), 64), bytes.Repeat([]byte("v"), 8192), "h", uint8(0x70), uint16(129))
	var (
		b Builder
		c Compressor
		d Decompressor
	)
	f.Fuzz(func(t *testing.T, ms, step int64, key, value []byte, header string, flags uint8, count uint16) {
		r := record{Value: value}
		if flags&0x10 != 0 {
			r.Key = key
		}
		if flags&0x20 != 0 {
			r.Headers = []Header{{Key: header, Value: value}, {Key: header}}
		}
		if flags&0x40 != 0 {
			r.Value = nil
		}
		n := int64(count%300) + 1
		b.Begin(b.buf)
		for i := range n {
			b.Append(ms+i*step, r.Key, r.Value, r.Headers)
		}
		raw, err := b.Seal(Codec(flags%5), &c, nil)
		if err != nil {
			t.Fatal(err)
		}
		cut := only(t, raw)
		records, err := d.Records(cut)
		if err != nil || !cut.Intact() {
			t.Fatalf("intact %v: %v", cut.Intact(), err)
		}
		w := cut.Walk(records)
		for i := range n {
			if !w.Next() || w.Offset != i || w.Timestamp != ms+i*step || !same(w.Key, r.Key) || !same(w.Value, r.Value) || w.HeaderCount() != len(r.Headers) {
				t.Fatalf("record %d of %+v is %+v", i, r, w)
			}
			for key := range w.Headers() {
				if string(key) != header {
					t.Fatalf("header %q is %q", header, key)
				}
			}
		}
		if w.Next() || w.Err() != nil {
			t.Fatalf("there is more: %v", w.Err())
		}
	})
}

//go:build !race

package batch

import "testing"

// Allocations are counted without the race detector, under which pools forget what they
// hold.

func TestReadingAllocatesNothing(t *testing.T) {
	for name, raw := range samples(t) {
		var d Decompressor
		read := func() {
			b, _, ok, err := Cut(raw)
			if err != nil || !ok || !b.Intact() {
				t.Fatal(err)
			}
			records, err := d.Records(&b)
			if err != nil {
				t.Fatal(err)
			}
			w := b.Walk(records)
			n := 0
			for w.Next() {
				for key, value := range w.Headers() {
					n += len(key) + len(value)
				}
			}
			if w.Err() != nil {
				t.Fatal(w.Err())
			}
		}
		for range 3 {
			read()
		}
		if n := testing.AllocsPerRun(20, read); n > 0 {
			t.Errorf("%s: %v allocations a batch", name, n)
		}
		d.Close()
	}
}

func TestBuildingAllocatesNothing(t *testing.T) {
	value, key := make([]byte, 100), []byte("key")
	headers := []Header{{Key: "name", Value: value[:10]}}
	for _, codec := range []Codec{None, Gzip, Snappy, LZ4, Zstd} {
		for _, level := range []int{0, 1, 9} {
			b, c := Builder{}, Compressor{Level: level}
			buf, dst := make([]byte, 0, 100_000), make([]byte, 0, 200_000)
			build := func() {
				b.Begin(buf)
				for i := range int64(100) {
					b.Append(i, nil, value, nil)
					b.Append(i, key, value, headers)
					clear(b.Reserve(i, nil, 100, nil))
					if b.SizeWith(key, 100, headers) > cap(buf) {
						t.Fatal("too large")
					}
				}
				raw, err := b.Seal(codec, &c, dst)
				if err != nil {
					t.Fatal(err)
				}
				Identify(raw, 1, 2, 3)
			}
			for range 3 {
				build()
			}
			if n := testing.AllocsPerRun(20, build); n > 0 {
				t.Errorf("%s at level %d: %v allocations a batch", codec, level, n)
			}
			c.Close()
		}
	}
}

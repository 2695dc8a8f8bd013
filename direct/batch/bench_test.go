package batch

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/pierrec/lz4/v4"
)

// lines is text as services log it, in lines of 100 bytes.
func lines(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	words := []string{"order", "created", "payment", "failed", "retry", "shipped", "customer", "timeout", "ok", "cancelled"}
	var out []byte
	for range n {
		line := fmt.Appendf(nil, `{"id":"%08x","event":"%s","state":"%s","amount":%d,"at":%d,"note":"`, random.Uint32(), words[random.IntN(10)], words[random.IntN(10)], random.IntN(100_000), 1700000000000+random.IntN(1e9))
		for len(line) < 98 {
			line = append(line, words[random.IntN(10)]...)
		}
		out = append(append(out, line[:98]...), '"', '}')
	}
	return out
}

// shape is of a benchmark's records.
type shape struct {
	value, key int // sizes, 0 for no key
	headers    int
}

// batchOf is a batch of 1 MB before compression.
func batchOf(t testing.TB, s shape, c Codec) []byte {
	t.Helper()
	text := lines(10_000)
	var headers []Header
	for i := range s.headers {
		headers = append(headers, Header{Key: fmt.Sprint("header-", i), Value: text[:16]})
	}
	var b Builder
	b.Begin(nil)
	for i := 0; b.Size() < 1_000_000; i++ {
		at := i * 100 % (len(text) - 2000)
		var key []byte
		if s.key > 0 {
			key = text[at : at+s.key]
		}
		b.Append(1700000000000+int64(i/1000), key, text[at:at+s.value], headers)
	}
	var compressor Compressor
	defer compressor.Close()
	raw, err := b.Seal(c, &compressor, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// samples are batches that reading must not allocate for.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{"keys and headers": batchOf(t, shape{100, 20, 2}, None)}
	for _, c := range []Codec{None, Gzip, Snappy, LZ4, Zstd} {
		all[c.String()] = batchOf(t, shape{100, 0, 0}, c)
	}
	one, _, _, _ := Cut(all["none"])
	records := one.Bytes()
	b := plain(one.Len(), nil)
	b.FirstTimestamp = one.FirstTimestamp()
	all["snappy as Java does"] = sealed(with(Snappy, b, asJavaSnaps(records, 32<<10)))
	all["zstd as Java does"] = sealed(with(Zstd, b, zstdStream(t, records)))
	for name, options := range map[string][]lz4.Option{
		"lz4 in blocks of 64 KiB": {lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)},
		"lz4 in blocks of 4 MiB":  {lz4.BlockChecksumOption(true), lz4.SizeOption(uint64(len(records)))},
	} {
		all[name] = sealed(with(LZ4, b, lz4Frames(records, options...)))
	}
	return all
}

func perRecord(b *testing.B, records int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(records), "ns/record")
}

func BenchmarkWalk(b *testing.B) {
	for name, s := range map[string]shape{
		"10B": {10, 0, 0}, "100B": {100, 0, 0}, "1KB": {1000, 0, 0},
		"100B,key20B": {100, 20, 0}, "100B,headers2": {100, 0, 2}, "100B,key20B,headers2": {100, 20, 2},
	} {
		raw := batchOf(b, s, None)
		cut := only(b, raw)
		b.Run(name, func(b *testing.B) {
			sum := 0
			for b.Loop() {
				w := cut.Walk(cut.Bytes())
				for w.Next() {
					sum += len(w.Value)
				}
				if w.Err() != nil {
					b.Fatal(w.Err())
				}
			}
			perRecord(b, cut.Len())
		})
	}
}

// BenchmarkWalkInHeader declares the walk in the loop's header, as its comment warns of.
func BenchmarkWalkInHeader(b *testing.B) {
	cut := only(b, batchOf(b, shape{100, 0, 0}, None))
	sum := 0
	for b.Loop() {
		for w := cut.Walk(cut.Bytes()); w.Next(); {
			sum += len(w.Value)
		}
	}
	perRecord(b, cut.Len())
}

func BenchmarkIntact(b *testing.B) {
	cut := only(b, batchOf(b, shape{100, 0, 0}, None))
	b.SetBytes(int64(len(cut.Raw())))
	for b.Loop() {
		if !cut.Intact() {
			b.Fatal("a good batch is not intact")
		}
	}
	perRecord(b, cut.Len())
}

func BenchmarkRecords(b *testing.B) {
	for name, raw := range samples(b) {
		cut := only(b, raw)
		b.Run(name, func(b *testing.B) {
			var d Decompressor
			defer d.Close()
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				records, err := d.Records(cut)
				if err != nil {
					b.Fatal(err)
				}
				n = len(records)
			}
			b.SetBytes(int64(n))
			perRecord(b, cut.Len())
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	text := lines(100)
	for name, s := range map[string]shape{
		"10B": {10, 0, 0}, "100B": {100, 0, 0}, "1KB": {1000, 0, 0}, "100B,key20B": {100, 20, 0}, "100B,key20B,headers2": {100, 20, 2},
	} {
		b.Run(name, func(b *testing.B) {
			var key []byte
			var headers []Header
			if s.key > 0 {
				key = text[:s.key]
			}
			for range s.headers {
				headers = append(headers, Header{"header", text[:16]})
			}
			buf := make([]byte, 0, 1<<20+64)
			var builder Builder
			builder.Begin(buf)
			ms := int64(0)
			for b.Loop() {
				if builder.SizeWith(key, s.value, headers) > 1<<20 {
					builder.Begin(buf)
				}
				builder.Append(ms>>10, key, text[:s.value], headers)
				ms++
			}
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	text := lines(9000)
	for _, codec := range []Codec{None, Gzip, Snappy, LZ4, Zstd} {
		b.Run(codec.String(), func(b *testing.B) {
			var builder Builder
			var c Compressor
			defer c.Close()
			builder.Begin(nil)
			for at := 0; at < len(text); at += 100 {
				builder.Append(0, nil, text[at:at+100], nil)
			}
			dst := make([]byte, 0, 2<<20)
			b.SetBytes(int64(builder.Size()))
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				raw, err := builder.Seal(codec, &c, dst)
				if err != nil {
					b.Fatal(err)
				}
				size = len(raw)
			}
			b.ReportMetric(float64(size)/float64(builder.Size()), "ratio")
			perRecord(b, builder.Len())
		})
	}
}

func BenchmarkIdentify(b *testing.B) {
	raw := batchOf(b, shape{100, 0, 0}, None)
	sequence := int32(0)
	for b.Loop() {
		Identify(raw, 1, 2, sequence)
		sequence++
	}
}

package payload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"redline/internal/audit"
	"redline/result"
)

func source(t testing.TB, c Config) *Source {
	t.Helper()
	if c.Partitions == 0 {
		c.Partitions = 1
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What the generator stamps is what the reader of the same ledger accepts, in
// all sizes, with every kind of body and key.
func TestEveryRecordIsAccountedWhenReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{
			Size:       rapid.IntRange(0, 300).Draw(t, "size"),
			Kind:       rapid.SampledFrom([]Kind{"", Random, Text, Zeros}).Draw(t, "kind"),
			Keys:       rapid.SampledFrom([]KeyKind{"", NoKeys, Sequential, Uniform, Zipf}).Draw(t, "keys"),
			KeyRange:   rapid.Uint64Range(1, 100).Draw(t, "range"),
			Partitions: rapid.Int32Range(1, 9).Draw(t, "partitions"),
			Run:        rapid.Uint32().Draw(t, "run"),
			Acks:       audit.AcksAll,
		}
		s, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		l := audit.NewLedger("t")
		l.Unstamped(!s.Stamped())
		end := make([]int64, c.Partitions)
		for p := range end {
			l.Start(int32(p), 0, 0)
		}
		const n = 1200
		value := make([]byte, c.Size)
		for id := range uint16(2) {
			g := s.Producer(id, l)
			for i := range n {
				v, key, p := g.Next(value, int64(i))
				if (key != nil) != (c.Keys != "" && c.Keys != NoKeys) {
					t.Fatalf("key %q with keys %q", key, c.Keys)
				}
				if len(v) != c.Size {
					t.Fatalf("%d bytes, want %d", len(v), c.Size)
				}
				g.Acked(p, g.Sequence(), 1, end[p])
				r := l.Reader(p)
				r.Begin(0)
				r.See(end[p], v)
				r.End()
				end[p]++
			}
		}
		got := l.Account(true)
		got.Books = nil
		if want := (result.Account{Acked: 2 * n, Once: 2 * n}); got != want {
			t.Fatalf("account %+v", got)
		}
	})
}

func TestEveryOutcomeReachesTheLedger(t *testing.T) {
	for _, size := range []int{10, 100} {
		l := audit.NewLedger("t")
		g := source(t, Config{Size: size}).Producer(0, l)
		value := make([]byte, size)
		for i := range 6 {
			_, _, p := g.Next(value, 0)
			switch {
			case i < 3:
				g.Acked(p, g.Sequence(), 1, int64(i))
			case i < 5:
				g.Failed(p, g.Sequence())
			default:
				g.Indeterminate(p, g.Sequence())
			}
		}
		a := l.Account(true)
		if a.Acked != 3 || a.Failed != 2 || a.Indeterminate != 1 {
			t.Errorf("account %+v", a)
		}
	}
}

func TestKeysGoWhereKafkasOwnPartitionerPutsThem(t *testing.T) {
	theirs := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOf(rapid.Byte()).Draw(t, "key")
		n := rapid.IntRange(1, 1000).Draw(t, "partitions")
		if key == nil {
			key = []byte{}
		}
		want := theirs.Partition(&kgo.Record{Key: key}, n)
		if got := partitionOf(key, int32(n)); int(got) != want {
			t.Fatalf("key %x of %d: partition %d, want %d", key, n, got, want)
		}
	})
}

func TestKeysHaveTheDistributionAskedFor(t *testing.T) {
	const n, keys = 400_000, 50
	zipf := zipfWeights(keys)
	var sum float64
	for _, w := range zipf {
		sum += w
	}
	for kind, share := range map[KeyKind]func(i int) float64{
		Sequential: func(int) float64 { return 1.0 / keys },
		Uniform:    func(int) float64 { return 1.0 / keys },
		Zipf:       func(i int) float64 { return zipf[i] / sum },
	} {
		g := source(t, Config{Size: 40, Keys: kind, KeyRange: keys, Seed: 3}).Producer(0, audit.NewLedger("t"))
		count := map[string]int{}
		value := make([]byte, 40)
		for range n {
			_, key, _ := g.Next(value, 0)
			count[string(key)]++
		}
		for i := range keys {
			want := share(i) * n
			got := float64(count[fmt.Sprintf("%08d", i)])
			if math.Abs(got-want) > 5*math.Sqrt(want) { // 5 standard deviations
				t.Errorf("%s key %d: drawn %v times, want about %.0f", kind, i, got, want)
			}
		}
		if len(count) != keys {
			t.Errorf("%s: %d keys", kind, len(count))
		}
	}
}

func TestWithoutKeysPartitionsGetChunksInTurn(t *testing.T) {
	s := source(t, Config{Size: 40, Partitions: 3})
	value := make([]byte, 40)
	for id := range uint16(3) {
		g := s.Producer(id, audit.NewLedger("t"))
		for i := range 6 * chunk {
			if _, _, p := g.Next(value, 0); int(p) != (int(id)+i/chunk)%3 {
				t.Fatalf("producer %d: record %d goes to %d", id, i, p)
			}
		}
	}
}

// batch is the values of n records of a kind, one after the other.
func batch(t testing.TB, kind Kind, size, n int) []byte {
	t.Helper()
	g := source(t, Config{Size: size, Kind: kind, Run: 0xfeed}).Producer(0, audit.NewLedger("t"))
	var all []byte
	value := make([]byte, size)
	for i := range n {
		v, _, _ := g.Next(value, 1_800_000_000_000_000_000+int64(i)*1000)
		all = append(all, v...)
	}
	return all
}

func compressed(t testing.TB, data []byte) (zstdRatio, lz4Ratio float64) {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = enc.Close() }()
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n := float64(len(data))
	return float64(len(enc.EncodeAll(data, nil))) / n, float64(out.Len()) / n
}

func TestBatchesCompressAsTheirKindPromises(t *testing.T) {
	for _, c := range []struct {
		kind        Kind
		size, n     int
		least, most float64
	}{
		{Random, 1000, 1000, 0.96, 1.01}, // the rest is the stamps
		{Random, 100, 10_000, 0.75, 1.01},
		{Text, 1000, 16, 0.4, 0.8}, // batches of 16 KB
		{Text, 100, 160, 0.4, 0.8},
		{Text, 1000, 1000, 0.33, 0.6}, // of 1 MB
		{Zeros, 1000, 1000, 0, 0.05},
	} {
		z, l := compressed(t, batch(t, c.kind, c.size, c.n))
		t.Logf("%s, %d records of %d bytes: zstd %.2f, lz4 %.2f", c.kind, c.n, c.size, z, l)
		if z < c.least || z > c.most || l < c.least || l > c.most {
			t.Errorf("%s, %d records of %d bytes: zstd %.2f, lz4 %.2f, want %v to %v", c.kind, c.n, c.size, z, l, c.least, c.most)
		}
	}
}

func TestSameSeedMakesTheSameRecords(t *testing.T) {
	if !bytes.Equal(batch(t, Text, 100, 50), batch(t, Text, 100, 50)) {
		t.Error("two sources of one seed differ")
	}
	if bytes.Equal(source(t, Config{Size: 99, Seed: 1}).bodies.bytes, source(t, Config{Size: 99, Seed: 2}).bodies.bytes) {
		t.Error("two seeds make the same bodies")
	}
}

func TestFileGivesItsLinesAsTheyAre(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(path, []byte("one\n\ntwo, longer than a stamp needs to be: 32 bytes\r\nthrée"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := source(t, Config{File: path, Size: 7})
	if s.Stamped() || s.Size() != len("two, longer than a stamp needs to be: 32 bytes") {
		t.Errorf("stamped %v, size %d", s.Stamped(), s.Size())
	}
	g := s.Producer(0, audit.NewLedger("t"))
	seen := map[string]bool{}
	for range 200 {
		v, _, p := g.Next(nil, 0)
		seen[string(v)] = true
		g.Acked(p, g.Sequence(), 1, 0)
	}
	if len(seen) != 3 || !seen["one"] || !seen["thrée"] {
		t.Errorf("lines %v", seen)
	}
}

func TestBadConfigIsRefusedInOneSentence(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{Size: -1, Partitions: 1}, "0 to 1073741824"},
		{Config{Size: MaxSize + 1, Partitions: 1}, "0 to 1073741824"},
		{Config{Kind: "noise", Partitions: 1}, "random, text, json or zeros"},
		{Config{Keys: "few", Partitions: 1}, "none, sequential, uniform or zipf"},
		{Config{KeyRange: MaxKeys + 1, Partitions: 1}, "1 to 4194304"},
		{Config{}, "at least 1"},
		{Config{Partitions: -1}, "at least 1"},
		{Config{Partitions: 1, File: filepath.Join(dir, "absent")}, "no such file"},
		{Config{Partitions: 1, File: dir}, "cannot read"},
		{Config{Partitions: 1, File: write("empty", nil)}, "is empty"},
		{Config{Partitions: 1, File: write("blank", []byte("\n\r\n\n"))}, "is empty"},
		{Config{Partitions: 1, File: write("binary", []byte{0xff, 0xfe, '\n'})}, "not UTF-8"},
		{Config{Partitions: 1, File: write("long", bytes.Repeat([]byte("line\n"), MaxFile/5+1))}, "longer than 64 MiB"},
	} {
		_, err := New(c.c)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want %q", c.c, err, c.want)
		}
	}
}

func TestNextAllocatesNothing(t *testing.T) {
	for _, keys := range []KeyKind{NoKeys, Zipf} {
		g := source(t, Config{Size: 100, Keys: keys, Partitions: 8}).Producer(0, audit.NewLedger("t"))
		value := make([]byte, 100)
		if n := testing.AllocsPerRun(2000, func() { g.Next(value, 1) }); n != 0 {
			t.Errorf("keys %s: %v allocations", keys, n)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	for _, keys := range []KeyKind{NoKeys, Sequential, Uniform, Zipf} {
		b.Run("keys="+string(keys), func(b *testing.B) {
			g := source(b, Config{Size: 100, Keys: keys, Partitions: 8}).Producer(0, audit.NewLedger("t"))
			value := make([]byte, 100)
			b.ReportAllocs()
			b.SetBytes(100)
			for i := range b.N {
				g.Next(value, int64(i))
			}
		})
	}
}

func TestJSONBodiesAreJSONOfTheirSize(t *testing.T) {
	for _, size := range []int{1, 2, 7, 10, 11, 12, 40, 68, 69, 90, 100, 101, 1000} {
		p := newPool(JSON, size, 1)
		for i := range 3 {
			if body := p.body(i % len(p.crcs)); len(body) != size || !json.Valid(body) {
				t.Fatalf("%d bytes: %q", size, body)
			}
		}
	}
}

package batch

import (
	"bytes"
	"math"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// record is what a batch is built of.
type record struct {
	Time       int64
	Key, Value []byte
	Headers    []Header
}

// anyRecords draws records of all sizes.
func anyRecords(t *rapid.T) (all []record) {
	// Of years that every client knows, or that franz-go does: sarama has none before 1970.
	first := rapid.OneOf(rapid.Int64Range(0, 1<<41), rapid.Int64Range(-1<<42, 1<<42)).Draw(t, "time")
	sizes := rapid.SampledFrom([]int{0, 5, 60, 70, 9000, 20_000})
	some := func(name string) []byte {
		if rapid.IntRange(0, 2).Draw(t, "null "+name) == 0 {
			return nil
		}
		return bytes.Repeat([]byte{rapid.Byte().Draw(t, name)}, rapid.IntRange(0, sizes.Draw(t, "most")).Draw(t, "size"))
	}
	for range rapid.IntRange(1, 200).Draw(t, "records") {
		r := record{Time: first + rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64Range(-1<<41, 1<<41)).Draw(t, "due")}
		if len(all) == 0 {
			r.Time = first
		}
		if r.Value = some("value"); rapid.Bool().Draw(t, "keyed") {
			r.Key = some("key")
		}
		for range rapid.SampledFrom([]int{0, 0, 0, 1, 70}).Draw(t, "headers") {
			r.Headers = append(r.Headers, Header{Key: string(some("header key")), Value: some("header value")})
		}
		all = append(all, r)
		if len(all) > 3 && rapid.IntRange(0, 9).Draw(t, "enough") == 0 {
			break
		}
	}
	return all
}

// built is a sealed batch of records, built in one of two ways.
func built(t *rapid.T, b *Builder, buf []byte, records []record, c Codec, compressor *Compressor, dst []byte) []byte {
	b.Begin(buf)
	for i, r := range records {
		n := len(r.Value)
		if r.Value == nil {
			n = -1
		}
		most := b.SizeWith(r.Key, n, r.Headers)
		if rapid.Bool().Draw(t, "reserve") {
			if to := b.Reserve(r.Time, r.Key, n, r.Headers); copy(to, r.Value) != len(r.Value) || len(to) != len(r.Value) {
				t.Fatalf("%d bytes are reserved for %d", len(to), len(r.Value))
			}
		} else {
			b.Append(r.Time, r.Key, r.Value, r.Headers)
		}
		if b.Size() > most || b.Len() != i+1 {
			t.Fatalf("%d records have %d bytes, where %d were the most", b.Len(), b.Size(), most)
		}
	}
	size := b.Size()
	raw, err := b.Seal(c, compressor, dst)
	if err != nil {
		t.Fatal(err)
	}
	if c == None && len(raw) != size {
		t.Fatalf("a batch of %d bytes has %d", size, len(raw))
	}
	return raw
}

func TestWhatIsBuiltIsReadByEveryClient(t *testing.T) {
	var (
		b          Builder
		compressor Compressor
		buf, dst   []byte
	)
	defer compressor.Close()
	sarama := newSaramaReader(t)
	rapid.Check(t, func(t *rapid.T) {
		records := anyRecords(t)
		c := Codec(rapid.IntRange(0, 4).Draw(t, "codec"))
		raw := built(t, &b, buf, records, c, &compressor, dst)
		if c == None {
			buf = raw
		} else {
			dst = raw
		}
		expect(t, "this package", records, readByUs(t, raw))
		expect(t, "franz-go", records, readByFranz(t, raw))
		expect(t, "kmsg", records, readByKmsg(t, raw))
		if within(records, 0, 1<<42) {
			expect(t, "sarama", records, sarama.read(t, raw))
		}
	})
}

func expect(t *rapid.T, who string, want, got []record) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("%s reads something else: %s", who, cmp.Diff(want, got))
	}
}

// within says whether the timestamps are of a time that sarama knows.
func within(records []record, from, to int64) bool {
	for _, r := range records {
		if r.Time < from || r.Time > to {
			return false
		}
	}
	return true
}

func readByUs(t *rapid.T, raw []byte) (all []record) {
	b, rest, ok, err := Cut(raw)
	if err != nil || !ok || len(rest) > 0 || !b.Intact() {
		t.Fatalf("what was built is no batch: %v, %v, %d bytes left", err, ok, len(rest))
	}
	var d Decompressor
	defer d.Close()
	records, err := d.Records(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := b.Walk(records)
	for i := int64(0); w.Next(); i++ {
		if w.Offset != i {
			t.Fatalf("record %d has offset %d", i, w.Offset)
		}
		r := record{Time: w.Timestamp, Key: bytes.Clone(w.Key), Value: bytes.Clone(w.Value)}
		for key, value := range w.Headers() {
			r.Headers = append(r.Headers, Header{Key: string(key), Value: bytes.Clone(value)})
		}
		all = append(all, r)
	}
	if w.Err() != nil {
		t.Fatal(w.Err())
	}
	return all
}

func readByFranz(t *rapid.T, raw []byte) (all []record) {
	read, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{}, &kmsg.FetchResponseTopicPartition{RecordBatches: raw}, kgo.DefaultDecompressor(), nil)
	if read.Err != nil {
		t.Fatal(read.Err)
	}
	latest := int64(math.MinInt64)
	for _, k := range read.Records {
		r := record{Time: k.Timestamp.UnixMilli(), Key: k.Key, Value: k.Value}
		for _, h := range k.Headers {
			r.Headers = append(r.Headers, Header(h))
		}
		latest = max(latest, r.Time)
		all = append(all, r)
	}
	if b, _, _, _ := Cut(raw); b.MaxTimestamp() != latest {
		t.Fatalf("the latest timestamp is %d, and said to be %d", latest, b.MaxTimestamp())
	}
	return all
}

// readByKmsg reads by the definition of the protocol alone.
func readByKmsg(t *rapid.T, raw []byte) (all []record) {
	var b kmsg.RecordBatch
	if err := b.ReadFrom(raw); err != nil {
		t.Fatal(err)
	}
	records, err := kgo.DefaultDecompressor().Decompress(b.Records, kgo.CompressionCodecType(b.Attributes))
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.NumRecords {
		var k kmsg.Record
		length, at := varint(records, 0)
		if err := k.ReadFrom(records[:at+int(length)]); err != nil || k.OffsetDelta != i || k.Attributes != 0 {
			t.Fatalf("record %d has offset %d and attributes %d: %v", i, k.OffsetDelta, k.Attributes, err)
		}
		records = records[at+int(length):]
		r := record{Time: b.FirstTimestamp + k.TimestampDelta64, Key: k.Key, Value: k.Value}
		for _, h := range k.Headers {
			r.Headers = append(r.Headers, Header{Key: h.Key, Value: h.Value})
		}
		all = append(all, r)
	}
	if len(records) > 0 || b.LastOffsetDelta != b.NumRecords-1 || b.ProducerID != -1 || b.ProducerEpoch != -1 || b.FirstSequence != -1 || b.PartitionLeaderEpoch != -1 || b.FirstOffset != 0 {
		t.Fatalf("%d bytes behind the records of %+v", len(records), b)
	}
	return all
}

func TestIdentifyMakesTheBatchAnotherProducers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b Builder
		b.Begin(nil)
		for range rapid.IntRange(1, 30).Draw(t, "records") {
			b.Append(0, nil, make([]byte, rapid.SampledFrom([]int{1, 300, 5000, 300_000}).Draw(t, "size")), nil)
		}
		raw, err := b.Seal(None, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			id, epoch, sequence := rapid.Int64().Draw(t, "id"), rapid.Int16().Draw(t, "epoch"), rapid.Int32().Draw(t, "sequence")
			Identify(raw, id, epoch, sequence)
			cut, _, ok, err := Cut(raw)
			if err != nil || !ok || !cut.Intact() || cut.ProducerID() != id || cut.ProducerEpoch() != epoch || cut.FirstSequence() != sequence {
				t.Fatalf("%d bytes: intact %v, %v", len(raw), cut.Intact(), err)
			}
		}
	})
}

func TestAMillionRecordsAreABatch(t *testing.T) {
	const records = 1<<20 + 10 // where numbers get four bytes
	var b Builder
	b.Begin(nil)
	for i := range int64(records) {
		b.Append(i*7, nil, []byte{byte(i)}, nil)
	}
	raw, err := b.Seal(None, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	cut := only(t, raw)
	w := cut.Walk(cut.Bytes())
	n := int64(0)
	for ; w.Next(); n++ {
		if w.Offset != n || w.Timestamp != n*7 || len(w.Value) != 1 || w.Value[0] != byte(n) {
			t.Fatalf("record %d is %d at %d: %q", n, w.Offset, w.Timestamp, w.Value)
		}
	}
	if n != records || w.Err() != nil {
		t.Fatalf("%d records, %v", n, w.Err())
	}
}

func TestABatchLiesInTheStorageThatWasGiven(t *testing.T) {
	value := bytes.Repeat([]byte("value "), 20)
	buf, dst := make([]byte, 10, 100_000), make([]byte, 10, 100_000)
	for _, c := range []Codec{None, Gzip, Snappy, LZ4, Zstd} {
		var b Builder
		var compressor Compressor
		b.Begin(buf)
		for range 100 {
			b.Append(0, nil, value, nil)
		}
		raw, err := b.Seal(c, &compressor, dst)
		where := dst
		if c == None {
			where = buf
		}
		if err != nil || &raw[0] != &where[0] {
			t.Errorf("%s lies elsewhere: %v", c, err)
		}
		compressor.Close()
	}
}

// A buffer of the size of the batch is large enough: nothing is moved.
func TestABatchGrowsWhereItMust(t *testing.T) {
	value := bytes.Repeat([]byte("value "), 20)
	var b Builder
	build := func(buf []byte) []byte {
		b.Begin(buf)
		for i := range int64(50) {
			b.Append(i, nil, value, nil)
			b.Append(i, value[:5], value, nil)
		}
		raw, err := b.Seal(None, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	want := build(nil)
	for size := range len(want) + 20 {
		buf := make([]byte, size)
		got := build(buf)
		if !bytes.Equal(got, want) {
			t.Fatalf("with a buffer of %d bytes the batch is another", size)
		}
		if size >= len(want) && &got[0] != &buf[0] {
			t.Errorf("a batch of %d bytes does not lie in a buffer of %d", len(want), size)
		}
	}
}

func TestWhatCannotBeSealedIsAnError(t *testing.T) {
	var b Builder
	b.Begin(nil)
	if _, err := b.Seal(None, nil, nil); err == nil {
		t.Error("a batch without records")
	}
	for _, c := range []struct {
		codec Codec
		level int
	}{{5, 0}, {255, 0}, {Gzip, -1}, {Gzip, 10}, {LZ4, -9}, {LZ4, 10}, {Zstd, -1}, {Zstd, 23}} {
		b.Begin(nil)
		b.Append(0, nil, []byte("value"), nil)
		if _, err := b.Seal(c.codec, &Compressor{Level: c.level}, nil); err == nil {
			t.Errorf("%s at level %d", c.codec, c.level)
		}
	}
}

func TestAHigherLevelIsNotLarger(t *testing.T) {
	records := lines(5000)
	for codec, levels := range map[Codec][]int{Gzip: {1, 6, 9}, LZ4: {0, 1, 9}, Zstd: {1, 3, 7, 11, 22}} {
		smallest := len(records)
		for _, level := range levels {
			compressor := Compressor{Level: level}
			out, err := compressor.append(codec, nil, records)
			if err != nil || len(out) > smallest+smallest/50 {
				t.Errorf("%s at level %d makes %d bytes of %d, and less hard a try %d: %v", codec, level, len(out), len(records), smallest, err)
			}
			smallest = min(smallest, len(out))
			compressor.Close()
		}
	}
}

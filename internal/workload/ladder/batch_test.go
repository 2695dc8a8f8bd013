package ladder

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"redline/internal/audit"
	"redline/internal/client"
)

// got is one record as a reader was given it.
type got struct {
	offset, time int64
	key, value   string
	null         [2]bool // key, value
	headers      int
}

// drawn is a run of batches as a broker sends them, from offset from on.
type drawn struct {
	bytes      []byte
	from, next int64
}

// drawBatches makes batches of every shape: all codecs, keys, headers, null values,
// gaps, control batches, both kinds of timestamps, and a tail that is cut off.
func drawBatches(t *rapid.T) drawn {
	var d drawn
	offset := rapid.Int64Range(0, 1<<40).Draw(t, "base")
	var bases, lasts []int64
	for range rapid.IntRange(1, 4).Draw(t, "batches") {
		raw, last := drawBatch(t, offset)
		bases, lasts = append(bases, offset), append(lasts, last)
		d.bytes = append(d.bytes, raw...)
		offset = last + 1 + rapid.Int64Range(0, 3).Draw(t, "gap")
	}
	d.from = rapid.Int64Range(bases[0], lasts[0]).Draw(t, "from")
	d.next = lasts[len(lasts)-1] + 1
	if rapid.Bool().Draw(t, "tail") {
		raw, _ := drawBatch(t, offset)
		d.bytes = append(d.bytes, raw[:rapid.IntRange(1, len(raw)-1).Draw(t, "cut")]...)
	}
	return d
}

func drawBatch(t *rapid.T, base int64) (raw []byte, last int64) {
	b := kmsg.RecordBatch{FirstOffset: base, PartitionLeaderEpoch: rapid.Int32Range(-1, 9).Draw(t, "epoch"), Magic: 2, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1}
	b.FirstTimestamp = rapid.Int64Range(0, 1<<42).Draw(t, "time")
	b.MaxTimestamp = b.FirstTimestamp + rapid.Int64Range(0, 1<<20).Draw(t, "span")
	var records []byte
	delta := int32(0)
	if rapid.IntRange(0, 4).Draw(t, "control") == 0 {
		b.Attributes |= controlBatch
		marker := kmsg.Record{Key: []byte{0, 0, 0, 1}, Value: []byte{0, 0, 0, 0, 0, 0}}
		records, b.NumRecords = appendRecord(records, marker), 1
	} else {
		for range rapid.IntRange(0, 5).Draw(t, "records") {
			r := drawRecord(t)
			r.OffsetDelta = delta
			records = appendRecord(records, r)
			b.NumRecords++
			delta += 1 + rapid.Int32Range(0, 300).Draw(t, "hole")
		}
		delta = max(0, delta-1)
		if rapid.Bool().Draw(t, "append time") {
			b.Attributes |= logAppendTime
		}
	}
	b.LastOffsetDelta = delta
	c := codec(rapid.IntRange(0, 4).Draw(t, "codec"))
	b.Attributes |= int16(c)
	if b.Records = deflated(t, c, records); c == snappied && rapid.Bool().Draw(t, "as Java does") {
		half := len(records) / 2
		b.Records = append(append([]byte{}, xerial...), make([]byte, 8)...)
		for _, part := range [][]byte{records[:half], records[half:]} {
			block := deflated(t, c, part)
			b.Records = append(binary.BigEndian.AppendUint32(b.Records, uint32(len(block))), block...)
		}
	}
	return sealBatch(b), base + int64(delta)
}

func drawRecord(t *rapid.T) kmsg.Record {
	some := func(name string) []byte {
		return rapid.SliceOfN(rapid.Byte(), 0, rapid.SampledFrom([]int{0, 3, 100, 9000}).Draw(t, "most")).Draw(t, name)
	}
	r := kmsg.Record{TimestampDelta64: rapid.Int64Range(-5, 1<<24).Draw(t, "due")}
	if rapid.Bool().Draw(t, "keyed") {
		r.Key = some("key")
	}
	if rapid.IntRange(0, 5).Draw(t, "null") > 0 {
		r.Value = some("value")
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "headers") {
		r.Headers = append(r.Headers, kmsg.Header{Key: fmt.Sprint(i), Value: some("header")})
	}
	return r
}

// appendRecord appends a record with its length.
func appendRecord(dst []byte, r kmsg.Record) []byte {
	inside := r.AppendTo(nil)[1:] // behind a length of 0
	return append(binary.AppendVarint(dst, int64(len(inside))), inside...)
}

func deflated(t interface{ Fatal(...any) }, c codec, records []byte) []byte {
	d, err := newDeflater(c)
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.append(nil, records)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sealBatch(b kmsg.RecordBatch) []byte {
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[lengthAt:], uint32(len(raw)-afterLength))
	binary.BigEndian.PutUint32(raw[crcAt:], crc32.Checksum(raw[attributesAt:], castagnoli))
	return raw
}

// offline is a fetcher at a rung, without a connection, of one partition.
func offline(rung string, from, end int64) *fetcher {
	c := &Climb{step: stepOf(consume, rung), spec: Spec{Topic: "topic", Ledger: audit.NewLedger("topic")}, quit: make(chan struct{}), ctx: context.Background()}
	f := &fetcher{climb: c, count: new(count), byID: map[int32]*partition{}}
	p := f.mine(&partition{id: 3, start: from, end: end})
	p.next = from
	f.partitions = append(f.partitions, p)
	return f
}

// through skims and walks the bytes that came for its one partition.
func (f *fetcher) through(bytes []byte) error {
	f.chunks = append(f.chunks[:0], chunk{partition: f.partitions[0], bytes: bytes, from: f.partitions[0].next})
	if err := f.advance(); err != nil {
		return err
	}
	return f.walk()
}

// ours is what this package reads.
func ours(t *rapid.T, d drawn, end int64) []got {
	var all []got
	f := offline("handler", d.from, end)
	f.handle = func(b client.Batch) {
		h := b.(*handed)
		n := 0
		w := h.batch.walk(h.records)
		h.Each(func(offset int64, key, value []byte) {
			for w.next() && w.offset < offset {
				continue
			}
			if offset != w.offset || !bytes.Equal(key, w.key) || !bytes.Equal(value, w.value) {
				t.Fatalf("Each shows offset %d, where the walk is at %d", offset, w.offset)
			}
			n++
			all = append(all, got{offset, w.time, string(key), string(value), [2]bool{key == nil, value == nil}, countHeaders(w.headers)})
		})
		if n != b.Len() {
			t.Fatalf("a batch of %d records shows %d", b.Len(), n)
		}
	}
	if err := f.through(d.bytes); err != nil {
		t.Fatal(err)
	}
	f.inflater.close()
	if seen := f.climb.spec.Ledger.Records(); seen != int64(len(all)) {
		t.Fatalf("the ledger saw %d records, the handler %d", seen, len(all))
	}
	return all
}

func countHeaders(headers []byte) (n int) {
	for at := 0; at < len(headers); n++ {
		_, at = field(headers, at)
		_, at = field(headers, at)
	}
	return n
}

// theirs is what franz-go reads.
func theirs(t *rapid.T, d drawn, end int64) []got {
	read, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Offset: d.from, Topic: "topic", Partition: 3},
		&kmsg.FetchResponseTopicPartition{Partition: 3, RecordBatches: d.bytes, HighWatermark: 1 << 50, LastStableOffset: 1 << 50}, kgo.DefaultDecompressor(), nil)
	if read.Err != nil {
		t.Fatal(read.Err)
	}
	var all []got
	for _, r := range read.Records {
		if r.Offset < end {
			all = append(all, got{r.Offset, r.Timestamp.UnixMilli(), string(r.Key), string(r.Value), [2]bool{r.Key == nil, r.Value == nil}, len(r.Headers)})
		}
	}
	return all
}

func TestRecordsAreThoseThatFranzGoReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawBatches(t)
		end := d.next
		if rapid.Bool().Draw(t, "clipped") {
			end = rapid.Int64Range(d.from+1, d.next).Draw(t, "end")
		}
		a, b := ours(t, d, end), theirs(t, d, end)
		if len(a) != len(b) {
			t.Fatalf("%d records, where franz-go reads %d", len(a), len(b))
		}
		for i := range a {
			if a[i] != b[i] {
				t.Fatalf("record %d is %+v, where franz-go reads %+v", i, a[i], b[i])
			}
		}
	})
}

// Rungs below "decode" know records by headers alone: in batches without holes they
// count what decoding would.
func TestHeadersCountWhatDecodingCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var raw []byte
		base := rapid.Int64Range(0, 1000).Draw(t, "base")
		offset := base
		for range rapid.IntRange(1, 3).Draw(t, "batches") {
			n := rapid.IntRange(1, 40).Draw(t, "records")
			b := kmsg.RecordBatch{FirstOffset: offset, Magic: 2, NumRecords: int32(n), LastOffsetDelta: int32(n - 1)}
			for i := range n {
				b.Records = appendRecord(b.Records, kmsg.Record{OffsetDelta: int32(i), Value: []byte("x")})
			}
			raw = append(raw, sealBatch(b)...)
			offset += int64(n)
		}
		from := rapid.Int64Range(base, offset-1).Draw(t, "from")
		end := rapid.Int64Range(from+1, offset+2).Draw(t, "end")
		counted := map[string]int64{}
		for _, rung := range []string{"fetch", "crc", "decompress", "decode"} {
			f := offline(rung, from, end)
			if err := f.through(raw); err != nil {
				t.Fatal(err)
			}
			counted[rung] = f.count.records.Load()
		}
		for rung, n := range counted {
			if n != min(end, offset)-from {
				t.Fatalf("%s counts %d records of offsets %d to %d", rung, n, from, min(end, offset))
			}
		}
	})
}

func TestDamageIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw, last := drawBatch(t, 5)
		raw[rapid.IntRange(attributesAt, len(raw)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if err := offline("crc", 5, last+1).through(raw); err == nil {
			t.Fatal("a batch with a changed bit passed")
		}
	})
}

// Whatever a broker sends, a walk ends, without a panic, and counts no more than there
// can be. The CRC is made good, so that what lies behind it is reached.
func FuzzBatches(f *testing.F) {
	for seed := range 40 {
		d := rapid.Custom(drawBatches).Example(seed)
		f.Add(d.bytes, d.from, d.next)
	}
	f.Fuzz(func(t *testing.T, bytes []byte, from, end int64) {
		if from < 0 || end <= from {
			return
		}
		bytes = append([]byte(nil), bytes...)
		for rest := bytes; len(rest) > headerSize; {
			b, next, err := cut(rest)
			if err != nil || b.raw == nil {
				break
			}
			binary.BigEndian.PutUint32(b.raw[crcAt:], crc32.Checksum(b.raw[attributesAt:], castagnoli))
			rest = next
		}
		for _, rung := range []string{"fetch", "decompress", "account"} {
			reader := offline(rung, from, end)
			_ = reader.through(bytes)
			reader.inflater.close()
			if n := reader.climb.spec.Ledger.Records(); n > end-from {
				t.Fatalf("%d records of %d offsets", n, end-from)
			}
		}
	})
}

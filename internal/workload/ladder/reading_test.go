package ladder

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"redline/direct/batch"
	"redline/internal/audit"
	"redline/internal/client"
)

// What is drawn here is encoded by franz-go, not by the code under test.

// Where a batch has what is written here by hand.
const (
	lengthAt     = 8
	afterLength  = 12
	crcAt        = 17
	attributesAt = 21
	headerSize   = 61

	logAppendTime = 0x08
	controlBatch  = 0x20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// got is one record as a reader was given it.
type got struct {
	offset     int64
	key, value string
	null       [2]bool // key, value
}

func gotten(offset int64, key, value []byte) got {
	return got{offset, string(key), string(value), [2]bool{key == nil, value == nil}}
}

// drawn is a run of batches as a broker sends them, to be read from offset from on.
type drawn struct {
	bytes             []byte
	first, from, next int64
}

// drawBatches makes batches of every shape: all codecs, keys, headers, null values,
// gaps, control batches, both kinds of timestamps, and a tail that is cut off. Some values
// carry a stamp, which is the same of every writer.
func drawBatches(t *rapid.T, writers ...*audit.Writer) drawn {
	d := drawn{first: rapid.Int64Range(0, 1<<40).Draw(t, "base")}
	offset, last := d.first, int64(0)
	for range rapid.IntRange(1, 4).Draw(t, "batches") {
		var raw []byte
		raw, last = drawBatch(t, offset, writers)
		d.bytes = append(d.bytes, raw...)
		offset = last + 1 + rapid.Int64Range(0, 3).Draw(t, "gap")
	}
	d.from, d.next = rapid.OneOf(rapid.Just(d.first), rapid.Int64Range(d.first, last)).Draw(t, "from"), last+1
	if rapid.Bool().Draw(t, "tail") {
		raw, _ := drawBatch(t, offset, nil)
		d.bytes = append(d.bytes, raw[:rapid.IntRange(1, len(raw)-1).Draw(t, "cut")]...)
	}
	return d
}

func drawBatch(t *rapid.T, base int64, writers []*audit.Writer) (raw []byte, last int64) {
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
			r := drawRecord(t, writers)
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
	codec := rapid.SampledFrom(codecs).Draw(t, "codec")
	b.Attributes |= int16(codec)
	b.Records = compressed(t, codec, records)
	return sealBatch(b), base + int64(delta)
}

func drawRecord(t *rapid.T, writers []*audit.Writer) kmsg.Record {
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
	if len(r.Value) >= audit.StampSize && rapid.Bool().Draw(t, "stamped") {
		for _, w := range writers {
			w.Acked(w.Stamp(r.Value, audit.BodyCRC(r.Value[audit.StampSize:]), 1), -1)
		}
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

var codecs = []batch.Codec{batch.None, batch.Gzip, batch.Snappy, batch.LZ4, batch.Zstd}

// compressed is what franz-go makes of records.
func compressed(t interface{ Fatal(...any) }, codec batch.Codec, records []byte) []byte {
	by := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}[codec]
	compressor, err := kgo.DefaultCompressor(by)
	if err != nil {
		t.Fatal(err)
	}
	if codec == batch.None {
		return records
	}
	out, as := compressor.Compress(new(bytes.Buffer), records)
	if batch.Codec(as) != codec {
		t.Fatal("franz-go compressed as", as, "where", codec, "was asked for")
	}
	return slices.Clone(out)
}

func sealBatch(b kmsg.RecordBatch) []byte {
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[lengthAt:], uint32(len(raw)-afterLength))
	binary.BigEndian.PutUint32(raw[crcAt:], crc32.Checksum(raw[attributesAt:], castagnoli))
	return raw
}

// offline is a fetcher at a rung, without a connection, of one partition.
func offline(rung string, from, end int64, ledger *audit.Ledger) *fetcher {
	c := &Climb{step: stepOf(consume, rung), spec: Spec{Topic: "topic", Ledger: ledger}, quit: make(chan struct{}), ctx: context.Background()}
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

// franz is what franz-go reads, and enters into a ledger.
func franz(t *rapid.T, d drawn, end int64, ledger *audit.Ledger) (all []got, sum uint64) {
	read, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Offset: d.from, Topic: "topic", Partition: 3},
		&kmsg.FetchResponseTopicPartition{Partition: 3, RecordBatches: d.bytes, HighWatermark: 1 << 50, LastStableOffset: 1 << 50}, kgo.DefaultDecompressor(), nil)
	if read.Err != nil {
		t.Fatal(read.Err)
	}
	reader := ledger.Reader(3)
	ledger.Start(3, d.from, d.from)
	for _, r := range read.Records {
		if r.Offset >= end {
			break
		}
		all = append(all, gotten(r.Offset, r.Key, r.Value))
		var first [8]byte
		copy(first[:], r.Value)
		sum += binary.LittleEndian.Uint64(first[:])
		reader.Begin(r.LeaderEpoch)
		reader.See(r.Offset, r.Value)
		reader.End()
	}
	ledger.Rewind(3, d.from)
	return all, sum
}

// Every rung reads what franz-go reads: the same records, of which it counts as many with
// as many bytes, sums their values and keeps the same account, as far as it looks at them.
func TestEveryRungReadsWhatFranzGoReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ledgers := map[string]*audit.Ledger{}
		var writers []*audit.Writer
		for _, of := range append(Rungs(consume), Rung{Name: "franz"}) {
			l := audit.NewLedger("topic")
			l.Produces(7, audit.AcksLeader)
			ledgers[of.Name], writers = l, append(writers, l.Writer(0, 3))
		}
		d := drawBatches(t, writers...)
		end := d.next
		if rapid.Bool().Draw(t, "clipped") {
			end = rapid.Int64Range(d.from+1, d.next).Draw(t, "end")
		}
		want, sum := franz(t, d, end, ledgers["franz"])
		for _, r := range Rungs(consume) {
			ledger := ledgers[r.Name]
			f := offline(r.Name, d.from, end, ledger)
			defer f.decompressor.Close()
			var shown []got
			if f.climb.step >= handling {
				f.handle = func(b client.Batch) {
					before := len(shown)
					b.Each(func(offset int64, key, value []byte) { shown = append(shown, gotten(offset, key, value)) })
					if n := len(shown) - before; n != b.Len() {
						t.Fatalf("a batch of %d records shows %d", b.Len(), n)
					}
				}
			}
			if err := f.through(d.bytes); err != nil {
				t.Fatalf("%s: %v", r.Name, err)
			}
			f.agrees(t, r.Name, want, sum, d.from == d.first && end == d.next)
			if f.climb.step >= accounting {
				if diff := cmp.Diff(ledgers["franz"].Account(true), ledger.Account(true)); diff != "" {
					t.Fatalf("%s keeps another account than one of franz-go's records: %s", r.Name, diff)
				}
			}
			if diff := cmp.Diff(want, shown, cmp.AllowUnexported(got{})); f.handle != nil && diff != "" {
				t.Fatalf("the handler is shown other records than franz-go's: %s", diff)
			}
		}
	})
}

// agrees holds counts and sums against the records of franz-go. Headers alone tell how
// many there are where batches are whole.
func (f *fetcher) agrees(t *rapid.T, rung string, want []got, sum uint64, whole bool) {
	var length int64
	for _, r := range want {
		length += int64(len(r.value))
	}
	n, bytes, values := f.count.records.Load(), f.count.bytes.Load(), f.sum
	switch ledger := f.climb.spec.Ledger; {
	case f.climb.step < decoding && whole:
		bytes, values = length, sum // which it does not know
	case f.climb.step < decoding:
		return
	case f.climb.step >= accounting:
		n, bytes = ledger.Records(), ledger.Bytes()
		if ledger.ValueSum() != values {
			t.Fatalf("%s sums values to %d, its ledger to %d", rung, values, ledger.ValueSum())
		}
	}
	if n != int64(len(want)) || bytes != length || values != sum {
		t.Fatalf("%s reads %d records of %d bytes and sum %d, where franz-go reads %d, %d, %d", rung, n, bytes, values, len(want), length, sum)
	}
}

// Rungs below "decode" know records by headers alone: in batches without holes they
// count what decoding would, wherever reading begins and ends.
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
		for _, rung := range []string{"fetch", "crc", "decompress", "decode"} {
			f := offline(rung, from, end, nil)
			if err := f.through(raw); err != nil {
				t.Fatal(err)
			}
			if n := f.count.records.Load(); n != min(end, offset)-from {
				t.Fatalf("%s counts %d records of offsets %d to %d", rung, n, from, min(end, offset))
			}
		}
	})
}

func TestDamageIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw, last := drawBatch(t, 5, nil)
		raw[rapid.IntRange(attributesAt, len(raw)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if err := offline("crc", 5, last+1, nil).through(raw); err == nil {
			t.Fatal("a batch with a changed bit passed")
		}
	})
}

// Whatever a broker sends, a walk ends, without a panic, and counts no more than there
// can be. The CRC is made good, so that what lies behind it is reached.
func FuzzBatches(f *testing.F) {
	for seed := range 40 {
		d := rapid.Custom(func(t *rapid.T) drawn { return drawBatches(t) }).Example(seed)
		f.Add(d.bytes, d.from, d.next)
	}
	f.Fuzz(func(t *testing.T, bytes []byte, from, end int64) {
		if from < 0 || end <= from {
			return
		}
		bytes = slices.Clone(bytes)
		for rest := bytes; ; {
			b, next, whole, err := batch.Cut(rest)
			if err != nil || !whole {
				break
			}
			raw := b.Raw()
			binary.BigEndian.PutUint32(raw[crcAt:], crc32.Checksum(raw[attributesAt:], castagnoli))
			rest = next
		}
		for _, rung := range []string{"fetch", "decompress", "account"} {
			reader := offline(rung, from, end, audit.NewLedger("topic"))
			_ = reader.through(bytes)
			reader.decompressor.Close()
			if n := reader.climb.spec.Ledger.Records(); n > end-from {
				t.Fatalf("%d records of %d offsets", n, end-from)
			}
		}
	})
}

package batch

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// got is one record as a reader was given it.
type got struct {
	Offset, Time           int64
	Key, Value             []byte
	Headers                []kgo.RecordHeader
	Epoch                  int32
	Producer               int64
	ProducerEpoch          int16
	Codec                  Codec
	Control, Transactional bool
	AppendTime             bool
}

// ours is what this package reads, from an offset on.
func ours(t *rapid.T, d *Decompressor, from []byte, offset int64) (all []got) {
	for rest := from; ; {
		b, next, ok, err := Cut(rest)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		rest = next
		all = append(all, walked(t, d, &b, offset)...)
	}
}

func walked(t *rapid.T, d *Decompressor, b *Batch, offset int64) (all []got) {
	if !b.Intact() {
		t.Fatal("a batch that was sealed is not intact")
	}
	records, err := d.Records(b)
	if err != nil {
		t.Fatal(err)
	}
	w := b.Walk(records)
	w.Between(offset, b.LastOffset()+1)
	for w.Next() {
		r := got{
			Offset: w.Offset, Time: w.Timestamp, Key: bytes.Clone(w.Key), Value: bytes.Clone(w.Value),
			Epoch: b.LeaderEpoch(), Producer: b.ProducerID(), ProducerEpoch: b.ProducerEpoch(), Codec: b.Codec(),
			Control: b.Control(), Transactional: b.Transactional(), AppendTime: b.LogAppendTime(),
		}
		for key, value := range w.Headers() {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: string(key), Value: bytes.Clone(value)})
		}
		if w.HeaderCount() != len(r.Headers) {
			t.Fatalf("%d headers, of which %d are shown", w.HeaderCount(), len(r.Headers))
		}
		all = append(all, r)
	}
	if w.Err() != nil {
		t.Fatal(w.Err())
	}
	return all
}

// theirs is what franz-go reads.
func theirs(t *rapid.T, from []byte, offset int64) (all []got) {
	opts := kgo.ProcessFetchPartitionOpts{Offset: offset, Topic: "topic", KeepControlRecords: true}
	read, _ := kgo.ProcessFetchPartition(opts, &kmsg.FetchResponseTopicPartition{RecordBatches: from}, kgo.DefaultDecompressor(), nil)
	if read.Err != nil {
		t.Fatal(read.Err)
	}
	for _, r := range read.Records {
		all = append(all, got{
			Offset: r.Offset, Time: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value, Headers: r.Headers,
			Epoch: r.LeaderEpoch, Producer: r.ProducerID, ProducerEpoch: r.ProducerEpoch, Codec: Codec(r.Attrs.CompressionType()),
			Control: r.Attrs.IsControl(), Transactional: r.Attrs.IsTransactional(), AppendTime: r.Attrs.TimestampType() == 1,
		})
	}
	return all
}

func TestRecordsAreThoseThatFranzGoReads(t *testing.T) {
	var d Decompressor
	defer d.Close()
	rapid.Check(t, func(t *rapid.T) {
		drawn := drawBatches(t)
		want, got := theirs(t, drawn.bytes, drawn.from), ours(t, &d, drawn.bytes, drawn.from)
		if !reflect.DeepEqual(want, got) {
			t.Fatal(cmp.Diff(want, got))
		}
	})
}

// only is the only batch of bytes.
func only(t testing.TB, raw []byte) *Batch {
	t.Helper()
	b, rest, ok, err := Cut(raw)
	if err != nil || !ok || len(rest) > 0 {
		t.Fatalf("one batch was to be cut off: %v, %v, %d bytes left", err, ok, len(rest))
	}
	return &b
}

func TestBetweenLeavesRecordsOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := kmsg.RecordBatch{FirstOffset: 7, Magic: 2}
		k.Records = drawRecords(t, &k)
		b, _, _, err := Cut(sealed(k))
		if err != nil {
			t.Fatal(err)
		}
		from := rapid.Int64Range(0, b.LastOffset()+9).Draw(t, "from")
		end := rapid.Int64Range(0, b.LastOffset()+9).Draw(t, "end")
		all, some := b.Walk(b.Bytes()), b.Walk(b.Bytes())
		some.Between(from, end)
		for all.Next() {
			if all.Offset < from || all.Offset >= end {
				continue
			}
			if !some.Next() || some.Offset != all.Offset || !bytes.Equal(some.Value, all.Value) {
				t.Fatalf("offset %d was to come, and there is %d: %v", all.Offset, some.Offset, some.Err())
			}
		}
		for range 2 {
			if some.Next() || some.Err() != nil {
				t.Fatalf("offset %d comes behind the end: %v", some.Offset, some.Err())
			}
		}
	})
}

func TestAWalkEndsWhereARecordCannotBe(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 100)
	record := func(r kmsg.Record) []byte { return appendRecord(nil, r) }
	good := record(kmsg.Record{Value: long})
	second := record(kmsg.Record{Value: long, OffsetDelta: 1})
	change := func(at int, to ...byte) []byte {
		b := slices.Clone(good)
		copy(b[at:], to)
		return append(b, second...)
	}
	// A good record: length (2), attributes, timestamp, offset, key, value's length (2),
	// value, number of headers.
	for name, records := range map[string][]byte{
		"no bytes":                          nil,
		"bytes too few":                     append(slices.Clone(good), second[:50]...),
		"bytes too many":                    append(append(slices.Clone(good), second...), 0),
		"a length that is negative":         change(0, good[0]|1),
		"a length beyond the end":           change(1, 0x7f),
		"a length beyond any":               change(0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
		"a length of more than a number":    change(0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"a length too small":                change(0, good[0]-2),
		"a key's length below -1":           change(5, 0x03),
		"a key beyond the record":           change(5, 0xfe, 0x7f),
		"a value's length below -1":         change(6, 0x03, 0),
		"a value beyond the record":         change(6, good[6]+2),
		"a value short of the record's end": change(6, good[6]-2),
		"headers that are not there":        change(len(good)-1, 2),
		"headers fewer than none":           change(len(good)-1, 1),
		"headers without number":            change(len(good)-1, 0xff),
		"an offset that comes again":        append(slices.Clone(good), good...),
		"an offset before the batch":        append(record(kmsg.Record{OffsetDelta: -1, Value: long}), second...),
		"an offset behind the batch":        append(slices.Clone(good), record(kmsg.Record{Value: long, OffsetDelta: 2})...),
		"an offset beyond all":              append(slices.Clone(good), record(kmsg.Record{Value: long, OffsetDelta: 1<<31 - 1})...),
		"a header whose key is null":        append(append(slices.Clone(good[:2]), 0, 0, 0, 1, 194, 1), append(append(bytes.Repeat([]byte("x"), 97), 2, 1, 2, 'v'), second...)...),
	} {
		t.Run(name, func(t *testing.T) {
			b := plain(2, long)
			raw := only(t, sealed(b))
			w := raw.Walk(records)
			n := 0
			for w.Next() {
				n++
			}
			if w.Err() == nil {
				t.Fatalf("%d records without an error", n)
			}
			if w.Next() || w.Err() == nil || w.Key != nil || w.Value != nil || w.HeaderCount() != 0 {
				t.Fatal("it goes on behind its end")
			}
		})
	}
}

// A record whose numbers are as long as they can be written is read as well: what Kafka
// writes is short, what others write need not be.
func TestNumbersCanBeLongerThanTheyMust(t *testing.T) {
	records := []byte{0x96, 0x80, 0x00, 0, 0x82, 0x80, 0x00, 0x80, 0x00, 0x81, 0x00, 0x82, 0x00, 'v', 0x80, 0x00}
	records[0] = 0x80 | byte((len(records)-3)<<1)
	records = append(records, bytes.Repeat([]byte{0}, 40)...) // what comes must not matter
	b := plain(1, nil)
	w := only(t, sealed(b)).Walk(records)
	if !w.Next() || string(w.Value) != "v" || w.Key != nil || w.Timestamp != 1001 {
		t.Fatalf("%+v: %v", w, w.Err())
	}
}

func TestWhatAWalkShowsCannotGrowIntoWhatFollows(t *testing.T) {
	for name, r := range map[string]kmsg.Record{
		"value": {Value: bytes.Repeat([]byte("v"), 100)},
		"keyed": {Key: []byte("key"), Value: bytes.Repeat([]byte("v"), 100), Headers: []kmsg.Header{{Key: "a", Value: []byte("b")}}},
	} {
		b := kmsg.RecordBatch{Magic: 2, NumRecords: 1, Records: appendRecord(nil, r)}
		raw := sealed(b)
		cut := only(t, raw)
		w := cut.Walk(cut.Bytes())
		if !w.Next() {
			t.Fatal(w.Err())
		}
		before := string(raw)
		_, _ = append(w.Key, "more"...), append(w.Value, "more"...)
		for key, value := range w.Headers() {
			_, _ = append(key, "more"...), append(value, "more"...)
		}
		if string(raw) != before {
			t.Errorf("%s: what was appended lies in the batch", name)
		}
	}
}

func TestHeadersCanBeLeft(t *testing.T) {
	b := kmsg.RecordBatch{Magic: 2, NumRecords: 1}
	r := kmsg.Record{}
	for i := range 5 {
		r.Headers = append(r.Headers, kmsg.Header{Key: fmt.Sprint(i)})
	}
	b.Records = appendRecord(nil, r)
	cut := only(t, sealed(b))
	w := cut.Walk(cut.Bytes())
	if !w.Next() {
		t.Fatal(w.Err())
	}
	var keys []string
	for key, value := range w.Headers() {
		if value != nil {
			t.Errorf("a null value is %q", value)
		}
		if keys = append(keys, string(key)); len(keys) == 3 {
			break
		}
	}
	if !slices.Equal(keys, []string{"0", "1", "2"}) {
		t.Errorf("%q", keys)
	}
}

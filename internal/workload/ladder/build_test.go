package ladder

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"redline/direct/batch"
	"redline/internal/audit"
	"redline/internal/payload"
)

// A batch holds as many values as its size allows, at least one, in their order, and
// says whose it is. Those before it in the request stay as they are.
func TestWhatIsBuiltIsWhatFranzGoReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{0, 1, 31, 100, 3000}).Draw(t, "value")
		source, err := payload.New(payload.Config{Size: size, Partitions: 1, Run: 7, Acks: audit.AcksLeader})
		if err != nil {
			t.Fatal(err)
		}
		b := builder{
			room: rapid.IntRange(1, 5000).Draw(t, "room"), codec: rapid.SampledFrom(codecs).Draw(t, "codec"),
			idempotent: rapid.Bool().Draw(t, "idempotent"), identity: identity{77, 3}, values: draw(source),
		}
		defer b.compressor.Close()
		ledger := audit.NewLedger("topic")
		source.Producer(0, ledger)
		to := &target{writer: ledger.Writer(0, 0), sequence: 1<<31 - 3}
		sequence := int64(to.sequence)
		before := []byte("before")
		body := before
		for range rapid.IntRange(1, 3).Draw(t, "batches") {
			at := len(body)
			var made part
			if body, made, err = b.append(body, to, 5_000_000); err != nil {
				t.Fatal(err)
			}
			built, rest, whole, err := batch.Cut(body[at:])
			if err != nil || !whole || len(rest) > 0 {
				t.Fatalf("no batch, or %d bytes behind it (%v)", len(rest), err)
			}
			if b.codec == batch.None && made.records > 1 && len(built.Raw()) > b.room {
				t.Fatalf("%d records in %d bytes, where a batch has %d", made.records, len(built.Raw()), b.room)
			}
			who := identity{built.ProducerID(), built.ProducerEpoch()}
			if b.idempotent && (who != b.identity || int64(built.FirstSequence()) != sequence) || !b.idempotent && who != (identity{-1, -1}) {
				t.Fatalf("it is of %+v from sequence %d", who, built.FirstSequence())
			}
			sequence = (sequence + int64(made.records)) % (1 << 31) // 0 follows the highest
			b.isReadAs(t, built.Raw(), made, size)
		}
		if string(body[:len(before)]) != "before" {
			t.Fatal("what stood before the batches has changed")
		}
	})
}

// isReadAs holds a batch against its part, as franz-go reads it.
func (b *builder) isReadAs(t *rapid.T, raw []byte, made part, size int) {
	read, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Topic: "topic"},
		&kmsg.FetchResponseTopicPartition{RecordBatches: raw, HighWatermark: 1 << 50}, kgo.DefaultDecompressor(), nil)
	if read.Err != nil || len(read.Records) != made.records || made.bytes != size*made.records {
		t.Fatalf("%d records of %d, %d bytes (%v)", len(read.Records), made.records, made.bytes, read.Err)
	}
	for i, r := range read.Records {
		stamp, stamped := audit.Read(r.Value)
		if len(r.Value) != size || r.Key != nil || len(r.Headers) > 0 || r.Timestamp.UnixMilli() != 5 || stamped != b.values.stamped || stamped && stamp.Sequence != made.first+uint64(i) {
			t.Fatalf("record %d: %d bytes at %v, its stamp %+v", i, len(r.Value), r.Timestamp, stamp)
		}
	}
}

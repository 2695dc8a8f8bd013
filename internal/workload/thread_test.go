package workload

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/payload"
)

// mute is a library whose producers answer nothing by themselves.
type mute struct{ client.Library }

func (mute) Name() string                                            { return "mute" }
func (mute) Outcome(error) client.Outcome                            { return client.Failed }
func (mute) Producer(client.ProduceOptions) (client.Producer, error) { return silent{}, nil }

type silent struct{ client.Producer }

func (silent) Settings() map[string]string { return nil }

// However acknowledgements follow each other, what is accounted is what they say one by
// one: records, bytes, latencies, the warm-up's share, and offsets in the ledger.
func TestRunsAreAccountedAsTheirRecordsAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const partitions = 3
		ledger := audit.NewLedger("t")
		source, err := payload.New(payload.Config{Size: 40, Partitions: partitions, Acks: audit.AcksAll})
		if err != nil {
			t.Fatal(err)
		}
		warmup := rapid.Int64Range(0, 60).Draw(t, "warmup")
		p := &Producing{spec: Produce{Library: mute{}, Payload: source, Ledger: ledger, Threads: 1, Warmup: warmup}, clock: newClock(), errors: map[string]int64{}}
		p.ctx = context.Background()
		if err := p.addThread(0); err != nil {
			t.Fatal(err)
		}
		th := p.threads[0]

		type made struct {
			partition int32
			tag       uint64
			bytes     int
		}
		pending := map[int32][]made{} // in the order in which they were sent
		ends := [partitions]int64{}
		var want Acks
		var failed, number int64
		value := make([]byte, 40)
		for range rapid.IntRange(1, 30).Draw(t, "bursts") {
			due := p.clock.now() - rapid.Int64Range(0, int64(time.Millisecond)).Draw(t, "age")
			for range rapid.IntRange(1, 40).Draw(t, "records") {
				_, _, partition := th.generator.Next(value, due)
				pending[partition] = append(pending[partition], made{partition, th.generator.Sequence(), rapid.SampledFrom([]int{40, 41}).Draw(t, "bytes")})
			}
			for partition := range int32(partitions) {
				told := rapid.IntRange(0, len(pending[partition])).Draw(t, "told")
				for _, m := range pending[partition][:told] {
					r := &client.Record{Partition: partition, Tag: m.tag, Bytes: m.bytes, Time: time.Unix(0, due), Offset: -1}
					if rapid.IntRange(0, 9).Draw(t, "fate") == 0 {
						failed++
						th.acked(r, errors.New("no"))
						continue
					}
					if rapid.IntRange(0, 9).Draw(t, "told where") > 0 {
						r.Offset = ends[partition]
					}
					ends[partition] += rapid.Int64Range(1, 2).Draw(t, "step") // gaps, as of control records
					number++
					want.Records++
					want.Bytes += int64(m.bytes)
					th.acked(r, nil)
				}
				pending[partition] = pending[partition][told:]
			}
		}
		th.publish()

		got := th.published
		if got.total.Records != want.Records || got.total.Bytes != want.Bytes || got.failed != failed || th.answered.Load() != want.Records+failed {
			t.Fatalf("%+v, want %+v and %d failed", got, want, failed)
		}
		if h := th.latency.Read(); h.Count() != want.Records || got.total.Records > 0 && h.Max() != got.total.Max {
			t.Fatalf("%d latencies up to %v, want %d up to %v", h.Count(), h.Max(), want.Records, got.total.Max)
		}
		steady := int64(0)
		if warmup > 0 {
			steady = max(0, number-warmup)
		}
		if got.afterWarmup.Records != steady || th.steady.Read().Count() != steady {
			t.Fatalf("%d after a warm-up of %d of %d", got.afterWarmup.Records, warmup, number)
		}
		if a := ledger.Account(false); a.Acked != want.Records || a.Failed != failed {
			t.Fatalf("the account: %+v, want %d acked, %d failed", a, want.Records, failed)
		}
	})
}

package workload

import (
	"context"
	"testing"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/client/null"
	"redline/internal/payload"
)

// BenchmarkProduceAccounting is what a record costs without a broker: making,
// stamping, sending into nothing, and accounting the acknowledgement.
func BenchmarkProduceAccounting(b *testing.B) {
	source, err := payload.New(payload.Config{Size: 100, Partitions: 8, Acks: audit.AcksAll})
	if err != nil {
		b.Fatal(err)
	}
	run, err := StartProduce(context.Background(), Produce{
		Library: null.Library, Options: client.ProduceOptions{Topic: "t", RecordSize: 100},
		Threads: 1, Payload: source, Records: int64(b.N), Ledger: audit.NewLedger("t"),
	})
	if err != nil {
		b.Fatal(err)
	}
	<-run.Done()
	if _, err := run.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
}

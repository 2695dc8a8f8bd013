package segmentio

import (
	"testing"
	"time"
	"fmt"
	"context"

	"redline/internal/client"
	"redline/internal/client/clienttest"
)

func TestTmpFull(t *testing.T) {
	t.Parallel()
	address := clienttest.Broker(t, map[string]int32{"topic": 1})
	o := client.Options{Brokers: []string{address}, Properties: map[string]string{"queue.buffering.max.messages": "100", "linger.ms": "1"}}
	p, err := Library.Producer(client.ProduceOptions{Options: o, Topic: "topic", RecordSize: 16, Acked: func(r *client.Record, err error) {
		if r.Offset%100 == 0 { fmt.Println(time.Now().Format("05.000"), "acked", r.Offset, err) }
	}})
	if err != nil { t.Fatal(err) }
	pp := p.(*producer)
	ctx, c := context.WithTimeout(t.Context(), 9*time.Second)
	defer c()
	for i := range 5000 {
		r := p.Record()
		if err := p.Send(ctx, r); err != nil {
			fmt.Println("at", i, err, "under", pp.under(), "pending", len(pp.pending), "direct", pp.direct, pp.looking, pp.given)
			break
		}
	}
	p.Close(t.Context())
}

//go:build !race

package direct

import (
	"testing"
	"time"
)

// Allocations are counted without the race detector, which makes some of its own.

func TestSendingAllocatesNothing(t *testing.T) {
	p := unconnected(t, ProducerConfig{BatchBytes: 4000, Linger: time.Hour})
	ctx, value, key := t.Context(), make([]byte, 100), []byte("key")
	turn := func() {
		for range 1000 {
			if err := p.Send(ctx, Record{Key: key, Value: value, Timestamp: p.began}); err != nil {
				t.Fatal(err)
			}
			if len(p.all()[0].window.left()) > 0 {
				acknowledge(t, p)
			}
		}
	}
	turn()
	turn()
	if n := testing.AllocsPerRun(20, turn); n > 0 {
		t.Errorf("%v allocations for 1000 records in some 30 batches", n)
	}
	if p.all()[0].taken < 20_000 {
		t.Errorf("only %d records were sent", p.all()[0].taken)
	}
}

func TestReadingAnAnswerAllocatesNothing(t *testing.T) {
	body := madeResponse(newestProduce, 8)
	var sum int64
	if n := testing.AllocsPerRun(100, func() {
		s := newProduceScan(body, newestProduce, madeTopic)
		for s.next() {
			sum += s.offset
		}
		if s.failed() {
			t.Fatal("it cannot be read")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

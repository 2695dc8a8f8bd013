package null

import (
	"strings"
	"testing"

	"redline/internal/client"
)

func TestEachRecordIsAcknowledgedAtOnceWithoutAllocation(t *testing.T) {
	acked := 0
	p, err := Library.Producer(client.ProduceOptions{RecordSize: 100, Acked: func(r *client.Record, err error) {
		if err != nil || r.Offset != -1 || len(r.Value) != 100 {
			t.Errorf("offset %d, %d bytes, %v", r.Offset, len(r.Value), err)
		}
		acked++
	}})
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	send := func() {
		sent++
		if err := p.Send(t.Context(), p.Record()); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(100, send); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
	if acked != sent {
		t.Errorf("%d of %d acknowledged", acked, sent)
	}
}

func TestThereIsNothingToConsume(t *testing.T) {
	if _, err := Library.Consumer(client.ConsumeOptions{}); err == nil || !strings.Contains(err.Error(), "franz") {
		t.Errorf("%v", err)
	}
}

func TestPropertiesAreRefused(t *testing.T) {
	_, err := Library.Producer(client.ProduceOptions{Options: client.Options{Properties: map[string]string{"linger.ms": "1"}}})
	if err == nil || !strings.Contains(err.Error(), "linger.ms") {
		t.Errorf("%v", err)
	}
}

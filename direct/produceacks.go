package direct

import (
	"context"
	"fmt"
	"sync"
)

// produceAcks tells the user what became of batches: one at a time, and those of each
// partition in their order, whoever learns of them.
type produceAcks struct {
	tell func(Ack)
	give func(*produceBatch) // back, once told

	mu         sync.Mutex
	queue      []*produceBatch
	spare      []*produceBatch
	delivering bool
	changed    chan struct{} // closed when something was told; nil while nobody waits
	failed     int           // records, since Flush or Close told of it
	reason     error         // of the first of them
}

// put appends a batch whose outcome is known; its partition's lock is held.
func (a *produceAcks) put(b *produceBatch) {
	a.mu.Lock()
	a.queue = append(a.queue, b)
	a.mu.Unlock()
}

// deliver tells of all that is there, unless somebody is at it, who does it then.
func (a *produceAcks) deliver() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.delivering && len(a.queue) > 0 {
		a.delivering = true
		all := a.queue
		a.queue, a.spare = a.spare[:0], nil
		a.mu.Unlock()
		for i, b := range all {
			a.one(b)
			all[i] = nil
		}
		a.mu.Lock()
		a.spare, a.delivering = all, false
		if a.changed != nil {
			close(a.changed)
			a.changed = nil
		}
	}
}

// one tells of a batch.
func (a *produceAcks) one(b *produceBatch) {
	t := b.of
	ack := Ack{Partition: t.id, First: b.first, Records: b.records, Bytes: b.bytes, Offset: b.offset, Err: b.err, Landed: b.landed}
	if ack.Err != nil {
		ack.Err = fmt.Errorf("%d records were not acknowledged by topic %q partition %d (%v): %w", b.records, t.producer.cfg.Topic, t.id, b.landed, b.err)
		a.fail(b.records, ack.Err)
	}
	a.tell(ack)
	a.give(b)
	t.settled.Add(uint64(ack.Records))
}

func (a *produceAcks) fail(records int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed += records
	if a.reason == nil {
		a.reason = err
	}
}

// failure is what failed since it was asked last.
func (a *produceAcks) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed == 0 {
		return nil
	}
	err := fmt.Errorf("%d records failed, the first of them because: %w", a.failed, a.reason)
	a.failed, a.reason = 0, nil
	return err
}

// wait returns once OnAck was told of so many records of a partition.
func (a *produceAcks) wait(ctx context.Context, t *producePartition, records uint64) error {
	for {
		a.mu.Lock()
		if t.settled.Load() >= records {
			a.mu.Unlock()
			return nil
		}
		if a.changed == nil {
			a.changed = make(chan struct{})
		}
		changed := a.changed
		a.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

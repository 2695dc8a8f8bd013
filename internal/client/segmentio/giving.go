package segmentio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"redline/internal/client"
)

// How records come from the sender to kafka-go's Writer.

const (
	// writeMost bounds the records given to the Writer in one call: enough that what
	// a call costs does not count, few enough that the Writer can begin to send.
	writeMost = 100
	// The first record that follows a pause waits for others for a fifth of the
	// linger, within these bounds.
	gatherLeast, gatherMost = 100 * time.Microsecond, time.Millisecond
	// retryPause is the wait after a call that the Writer could do nothing with.
	retryPause = 100 * time.Millisecond
)

// put adds a record to what is pending, and gives that to the Writer when it is much.
func (p *producer) put(s *slot) {
	r := &s.record
	p.giving.Lock()
	if len(p.pending) == cap(p.pending) {
		p.pending = slices.Grow(p.pending, writeMost)
	}
	p.pending = p.pending[:len(p.pending)+1]
	// Field by field: the others are never set.
	m := &p.pending[len(p.pending)-1]
	m.Key, m.Value, m.Time, m.WriterData = r.Key, r.Value, r.Time, s
	if p.direct && len(p.pending) >= writeMost {
		p.giveDirectly()
		p.given++
	}
	wake := !p.looking && len(p.pending) > 0
	p.looking = p.looking || wake
	p.giving.Unlock()
	if wake {
		signal(p.wake)
	}
}

// giveDirectly gives the Writer what is pending; giving is held. The Writer has
// metadata, so it does not wait. Where it refuses, write goes on from there.
func (p *producer) giveDirectly() {
	if err := p.writer.WriteMessages(p.base, p.pending...); err != nil {
		p.direct = false
		return
	}
	p.pending = p.pending[:0]
}

// write gives the Writer what the sender left over, until the producer is closed.
func (p *producer) write() {
	defer close(p.written)
	for p.base.Err() == nil {
		select {
		case <-p.wake:
			p.look()
		case <-p.base.Done():
		}
		for left := p.takeOver(); len(left) > 0; left = p.takeOver() {
			p.give(left)
		}
	}
}

// look waits a moment for more records, and gives the Writer those that are there. As
// long as the sender gives by itself, it only waits: a sender that is giving now is
// not queued for either, since that would put it to sleep each time.
func (p *producer) look() {
	var given int64
	for p.base.Err() == nil {
		client.Pause(p.base, min(max(gatherLeast, p.draft.linger/5), gatherMost))
		if !p.giving.TryLock() {
			continue
		}
		if p.given != given {
			given = p.given
			p.giving.Unlock()
			continue
		}
		p.looking = false
		if p.direct && len(p.pending) > 0 {
			p.giveDirectly()
		}
		p.giving.Unlock()
		return
	}
}

// takeOver is what is pending while the sender may not give it. When that is nothing,
// the sender may again.
func (p *producer) takeOver() []kafka.Message {
	p.giving.Lock()
	defer p.giving.Unlock()
	if p.direct {
		return nil
	}
	left := p.pending
	p.pending = nil
	p.direct = len(left) == 0
	return left
}

var errClosed = fmt.Errorf("the producer was closed before the record was sent: %w", context.Canceled)

// give has the Writer take some records, or fails them: the Writer refuses a whole
// call, and then it has taken none of it.
func (p *producer) give(some []kafka.Message) {
	for len(some) > 0 {
		err := p.writer.WriteMessages(p.base, some...)
		if err == nil {
			p.missingSince = time.Time{}
			return
		}
		if large, ok := errors.AsType[kafka.MessageTooLargeError](err); ok {
			p.settle([]kafka.Message{large.Message}, err)
			some = large.Remaining
			continue
		}
		if final := p.final(known(err)); final != nil {
			p.settle(some, client.NeverAppended(final))
			return
		}
		client.Pause(p.base, retryPause)
	}
}

// final is why there is no use in giving the Writer its records again; nil while
// there is.
func (p *producer) final(err error) error {
	if dead := p.dead.Load(); dead != nil {
		return *dead
	}
	if p.base.Err() != nil {
		return errClosed
	}
	if client.NotAllowed(err) {
		return p.watch.Classify(err)
	}
	if client.UnknownTopic(err) {
		if p.missingSince.IsZero() {
			p.missingSince = time.Now()
		}
		// A Transport looks again within metadata.max.age.ms.
		if time.Since(p.missingSince) < min(max(unknownTopicFor, p.draft.metadataAge), client.ReachWithin) {
			return nil
		}
		return client.MissingTopic(p.topic, err)
	}
	_ = p.watch.lasting(err)
	for _, ask := range []func() error{p.watch.Refusal, p.watch.Unreachable} {
		if dead := ask(); dead != nil {
			return p.die(dead)
		}
	}
	return nil
}

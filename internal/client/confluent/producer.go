//go:build cgo

package confluent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"redline/internal/client"
)

// slot holds one record from Record to its acknowledgement.
type slot struct {
	record client.Record
	own    []byte // RecordSize bytes
	queued bool   // librdkafka owes a report
}

const (
	// slotsAtOnce are made together, so that few objects are made.
	slotsAtOnce = 256
	// stalledFor is how long no report may come before a flush is forced.
	stalledFor = 100 * time.Millisecond
)

type producer struct {
	kafka   *kafka.Producer
	draft   *draft
	topic   string
	size    int
	brokers []string
	wire    wire
	message kafka.Message // reused: librdkafka copies it

	free  []*slot // the sender's
	slots []*slot // all

	// Acked runs under mu, since a record that librdkafka refuses at once is
	// settled by the sender.
	mu        sync.Mutex
	acked     func(*client.Record, error)
	returned  []*slot
	lastError error
	delivered bool

	records atomic.Int64  // not yet settled
	room    chan struct{} // something was settled
	dead    atomic.Pointer[error]
	ended   chan struct{} // events has returned
	giveUp  *time.Timer
	asking  sync.WaitGroup
}

// Producer makes a producer to one topic. An error names the property that is
// wrong; brokers are not waited for.
func (library) Producer(o client.ProduceOptions) (client.Producer, error) {
	if o.RecordSize < 0 {
		return nil, fmt.Errorf("a record cannot have %d bytes", o.RecordSize)
	}
	d, err := profiled(producing, needed(o.Options), produceTuned, o.Options)
	if err != nil {
		return nil, err
	}
	p := &producer{
		draft: d, topic: o.Topic, size: o.RecordSize, brokers: o.Brokers, wire: wire{count: o.Wire}, acked: o.Acked,
		room: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if p.kafka, err = kafka.NewProducer(d.config()); err != nil {
		return nil, d.refusal(err)
	}
	p.message.TopicPartition.Topic = &p.topic
	go p.events()
	p.asking.Add(1)
	p.giveUp = time.AfterFunc(reachWithin, func() {
		defer p.asking.Done()
		p.checkReached()
	})
	return p, nil
}

func (p *producer) Record() *client.Record {
	s := p.slot()
	s.record = client.Record{Value: s.own, Slot: s}
	return &s.record
}

// slot takes a free one, or makes some.
func (p *producer) slot() *slot {
	if len(p.free) == 0 {
		p.mu.Lock()
		p.free, p.returned = p.returned, p.free
		p.mu.Unlock()
	}
	if len(p.free) == 0 {
		fresh := make([]slot, slotsAtOnce)
		values := make([]byte, slotsAtOnce*p.size)
		for i := range fresh {
			fresh[i].own = values[i*p.size : (i+1)*p.size : (i+1)*p.size]
			p.free = append(p.free, &fresh[i])
			p.slots = append(p.slots, &fresh[i])
		}
	}
	last := len(p.free) - 1
	s := p.free[last]
	p.free = p.free[:last]
	return s
}

func (p *producer) Send(ctx context.Context, r *client.Record) error {
	s, ok := r.Slot.(*slot)
	if !ok || &s.record != r {
		return errors.New("a record must come from the producer that sends it")
	}
	p.message.TopicPartition.Partition = r.Partition
	p.message.Key, p.message.Value, p.message.Timestamp, p.message.Opaque = r.Key, r.Value, r.Time, s
	p.records.Add(1)
	s.queued = true
	for {
		if dead := p.dead.Load(); dead != nil {
			return p.unsent(s, *dead)
		}
		err := p.kafka.Produce(&p.message, nil)
		if err == nil {
			return nil
		}
		if code(err) != kafka.ErrQueueFull {
			// The record is refused as it is; it counts as sent and failed, as
			// with a library that only finds out later.
			p.settle(s, -1, err)
			return nil
		}
		select {
		case <-p.room:
		case <-ctx.Done():
			return p.unsent(s, fmt.Errorf("the send buffer of the producer stayed full: %w", context.Cause(ctx)))
		}
	}
}

// unsent takes a record back that librdkafka never got.
func (p *producer) unsent(s *slot, err error) error {
	s.queued = false
	p.records.Add(-1)
	p.free = append(p.free, s)
	return err
}

// events reads what librdkafka reports until the producer is closed.
func (p *producer) events() {
	defer close(p.ended)
	for event := range p.kafka.Events() {
		switch e := event.(type) {
		case *kafka.Message:
			if s, ok := e.Opaque.(*slot); ok {
				p.settle(s, int64(e.TopicPartition.Offset), e.TopicPartition.Error)
			}
		case kafka.Error:
			p.mu.Lock()
			if p.lastError == nil || e.Code() != kafka.ErrAllBrokersDown {
				p.lastError = e // that all are down says less than why one is
			}
			p.mu.Unlock()
		case *kafka.Stats:
			p.wire.take(e.String())
		}
	}
}

// settle acknowledges one record.
func (p *producer) settle(s *slot, offset int64, err error) {
	p.mu.Lock()
	s.queued = false
	s.record.Offset = max(offset, -1) // below it are librdkafka's words for no offset
	if err == nil {
		p.delivered = true
	} else {
		s.record.Offset = -1
		err = p.explain(err)
	}
	p.acked(&s.record, err)
	p.returned = append(p.returned, s)
	p.mu.Unlock()
	p.records.Add(-1)
	select {
	case p.room <- struct{}{}:
	default:
	}
}

// explain adds to an error what only this producer knows; mu is held.
func (p *producer) explain(err error) error {
	if dead := p.dead.Load(); dead != nil {
		return neverAppended{*dead}
	}
	if unknownTopic(err) {
		err = missing(p.topic, err)
		if !p.delivered {
			return neverAppended{err}
		}
	}
	return err
}

// checkReached gives up what is queued when no broker was ever there.
func (p *producer) checkReached() {
	p.mu.Lock()
	reached, last := p.delivered, p.lastError
	p.mu.Unlock()
	if reached {
		return
	}
	_, err := p.kafka.GetMetadata(nil, false, int(askWithin.Milliseconds()))
	if err == nil {
		return
	}
	if last != nil {
		err = last
	}
	dead := unreachable(p.brokers, err)
	p.dead.Store(&dead)
	_ = p.kafka.Purge(kafka.PurgeQueue | kafka.PurgeInFlight) // it fails only on a closed client
	select {
	case p.room <- struct{}{}:
	default:
	}
}

// Flush waits for the reports. librdkafka's own flush, which also ends the
// linger, is called only when none comes: it reads the reports beside the
// goroutine that does so anyway, and between them the order is lost.
func (p *producer) Flush(ctx context.Context) error {
	stalled := time.NewTicker(stalledFor)
	defer stalled.Stop()
	for p.records.Load() > 0 {
		select {
		case <-p.room:
			stalled.Reset(stalledFor)
		case <-stalled.C:
			p.kafka.Flush(1)
		case <-ctx.Done():
			return fmt.Errorf("%d records are not acknowledged yet: %w", p.records.Load(), context.Cause(ctx))
		}
	}
	return nil
}

func (p *producer) Settings() map[string]string { return p.draft.settings() }

func (p *producer) Close(ctx context.Context) error {
	if p.giveUp.Stop() {
		p.asking.Done()
	}
	p.asking.Wait()
	purged := p.kafka.Purge(kafka.PurgeQueue | kafka.PurgeInFlight)
	flushed := p.Flush(ctx)
	p.kafka.Close()
	<-p.ended
	for _, s := range p.slots {
		if s.queued {
			p.settle(s, -1, fmt.Errorf("closed before the broker answered: %w", context.Canceled))
		}
	}
	if err := errors.Join(purged, flushed); err != nil {
		return fmt.Errorf("closed without waiting for the broker's last answers: %w", err)
	}
	return nil
}

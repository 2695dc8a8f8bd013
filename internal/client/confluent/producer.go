//go:build cgo

package confluent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"redline/internal/client"
	"redline/internal/cluster"
)

// slot holds one record from Record to its acknowledgement.
type slot struct {
	record client.Record
	own    []byte // RecordSize bytes
	queued bool   // librdkafka owes a report
}

func (s *slot) begin(own []byte) { s.own = own }

const (
	// stalledFor is how long no report may come before a flush is forced.
	stalledFor = 100 * time.Millisecond
	// watchEvery is how often the producer is looked at.
	watchEvery = 500 * time.Millisecond
	// Of few: the sender waits for nothing, or for whatever is settled.
	forNothing, forAny = -1, math.MaxInt64
)

type producer struct {
	kafka   *kafka.Producer
	draft   *draft
	topic   string
	slots   *client.Slots[slot]
	brokers []string
	tokens  *tokens
	attempt cluster.Attempt
	wire    wire
	message kafka.Message // reused: librdkafka copies it

	// Acked runs under mu, since a record that librdkafka refuses at once is
	// settled by the sender.
	mu        sync.Mutex
	acked     func(*client.Record, error)
	lastError error
	delivered bool
	refusals  client.Refusals

	records atomic.Int64  // not yet settled
	few     atomic.Int64  // the sender waits for no more than these, or for nothing
	room    chan struct{} // there are no more
	dead    atomic.Pointer[death]
	ended   chan struct{} // events has returned
	since   time.Time
	reached bool // of watch alone
	closing chan struct{}
	watched chan struct{} // watch has returned
}

// death is why a producer can send no more. Of one that never reached a broker
// no record can be in the log.
type death struct {
	err   error
	never bool
}

// Producer makes a producer to one topic. An error names the property that is
// wrong; brokers are not waited for.
func (library) Producer(o client.ProduceOptions) (client.Producer, error) {
	if o.RecordSize < 0 {
		return nil, fmt.Errorf("a record cannot have %d bytes", o.RecordSize)
	}
	d, err := profiled(client.Producing, needed(o.Options), produceTuned, o.Options)
	if err != nil {
		return nil, err
	}
	p := &producer{
		draft: d, topic: o.Topic, slots: client.NewSlots(o.RecordSize, (*slot).begin), acked: o.Acked,
		brokers: o.Brokers, attempt: attempt(o.Options, cluster.WriteNeeds(o.Topic)), wire: newWire(o.Wire, d.set),
		room: make(chan struct{}, 1), ended: make(chan struct{}), since: time.Now(), closing: make(chan struct{}), watched: make(chan struct{}),
	}
	if p.kafka, err = kafka.NewProducer(d.config()); err != nil {
		return nil, d.refusal(err)
	}
	p.tokens = newTokens(o.Security, p.kafka)
	if err := p.tokens.first(); err != nil {
		p.tokens.close()
		p.kafka.Close()
		return nil, fmt.Errorf("cannot begin to write to topic %q: %w", o.Topic, p.attempt.Classify(err))
	}
	p.message.TopicPartition.Topic = &p.topic
	p.few.Store(forNothing)
	go p.events()
	go p.watch()
	return p, nil
}

func (p *producer) Record() *client.Record {
	s := p.slots.Take()
	s.record = client.Record{Value: s.own, Slot: s}
	return &s.record
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
			return p.unsent(s, dead.err)
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
		if err := p.waitForRoom(ctx); err != nil {
			return p.unsent(s, fmt.Errorf("the send buffer of the producer stayed full: %w", err))
		}
	}
}

// waitForRoom waits until an eighth of what is under way is settled, not for a single
// place: waking for each would cost more than the record.
func (p *producer) waitForRoom(ctx context.Context) error {
	others := p.records.Load() - 1
	few := others*7/8 + min(others, 1)
	p.few.Store(few)
	defer p.few.Store(forNothing)
	for p.records.Load() > few && p.dead.Load() == nil {
		select {
		case <-p.room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// unsent takes a record back that librdkafka never got.
func (p *producer) unsent(s *slot, err error) error {
	s.queued = false
	p.records.Add(-1)
	p.slots.Back(s)
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
			p.problem(e)
		case *kafka.Stats:
			p.wire.take(e.String())
		case kafka.OAuthBearerTokenRefresh:
			p.tokens.refresh()
		}
	}
}

// problem ends the producer at an error that does not pass, and keeps others
// for when no broker is reached.
func (p *producer) problem(e kafka.Error) {
	if err := asGo(e); p.attempt.Lasting(err) && p.refusals.Refused("", err) {
		if p.dead.Load() == nil {
			p.die(&death{err: p.attempt.Classify(err)}, kafka.PurgeNonBlocking)
		}
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lastError == nil || e.Code() != kafka.ErrAllBrokersDown {
		p.lastError = e // that all are down says less than why one is
	}
}

// die gives up what is queued, and has Send and Flush end. Only the first counts.
func (p *producer) die(d *death, how int) {
	if !p.dead.CompareAndSwap(nil, d) {
		return
	}
	_ = p.kafka.Purge(kafka.PurgeQueue | kafka.PurgeInFlight | how) // it fails only on a closed client
	p.look()
}

// settle acknowledges one record.
func (p *producer) settle(s *slot, offset int64, err error) {
	p.mu.Lock()
	s.queued = false
	s.record.Offset = max(offset, -1) // below it are librdkafka's words for no offset
	if err == nil {
		p.delivered = true
		p.refusals.Accepted("")
	} else {
		s.record.Offset = -1
		err = p.explain(err)
	}
	p.acked(&s.record, err)
	p.slots.Give(s)
	p.mu.Unlock()
	if p.records.Add(-1) <= p.few.Load() {
		p.look()
	}
}

// look has the sender look again at what it waits for.
func (p *producer) look() {
	select {
	case p.room <- struct{}{}:
	default:
	}
}

// explain adds to an error what only this producer knows; mu is held.
func (p *producer) explain(err error) error {
	if dead := p.dead.Load(); dead != nil && dead.never {
		return client.NeverAppended(dead.err)
	} else if dead != nil {
		return dead.err
	}
	if notAuthorized(err, false) {
		return p.attempt.Classify(asGo(err))
	}
	if unknownTopic(err) {
		err = client.MissingTopic(p.topic, err)
		if !p.delivered {
			return client.NeverAppended(err)
		}
	}
	return err
}

// watch settles by direct questions what the silence of librdkafka leaves open,
// until the producer is closed or has died.
func (p *producer) watch() {
	defer close(p.watched)
	look := time.NewTicker(watchEvery)
	defer look.Stop()
	for p.dead.Load() == nil {
		select {
		case <-p.closing:
			return
		case <-look.C:
		}
		p.checkReached()
		p.checkRefused()
	}
}

// checkReached gives up what is queued when no broker was ever there.
func (p *producer) checkReached() {
	if p.reached || time.Since(p.since) < reachWithin {
		return
	}
	p.mu.Lock()
	delivered, last := p.delivered, p.lastError
	p.mu.Unlock()
	err := error(nil)
	if !delivered {
		err = p.ask()
	}
	if err == nil {
		p.reached = true
		return
	}
	if last != nil {
		err = last
	}
	p.die(&death{unreachable(p.brokers, err), true}, 0)
}

// checkRefused ends the producer when a broker that refused us still does.
func (p *producer) checkRefused() {
	refused := p.refusals.Overdue("")
	if refused == nil {
		return
	}
	if p.ask() != nil {
		p.die(&death{err: p.attempt.Classify(refused)}, 0)
		return
	}
	p.refusals.Accepted("")
}

// ask says whether any broker answers.
func (p *producer) ask() error {
	_, err := p.kafka.GetMetadata(nil, false, int(askWithin.Milliseconds()))
	return err
}

// Flush waits for the reports. librdkafka's own flush, which also ends the
// linger, is called only when none comes: it reads the reports beside the
// goroutine that does so anyway, and between them the order is lost.
func (p *producer) Flush(ctx context.Context) error {
	stalled := time.NewTicker(stalledFor)
	defer stalled.Stop()
	p.few.Store(forAny)
	defer p.few.Store(forNothing)
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
	close(p.closing)
	<-p.watched
	p.tokens.close()
	purged := p.kafka.Purge(kafka.PurgeQueue | kafka.PurgeInFlight)
	flushed := p.Flush(ctx)
	p.kafka.Close()
	<-p.ended
	for s := range p.slots.All() {
		if s.queued {
			p.settle(s, -1, fmt.Errorf("closed before the broker answered: %w", context.Canceled))
		}
	}
	if err := errors.Join(purged, flushed); err != nil {
		return fmt.Errorf("closed without waiting for the broker's last answers: %w", err)
	}
	return nil
}

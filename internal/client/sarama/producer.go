package sarama

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"redline/internal/client"
	"redline/internal/cluster"
)

type producer struct {
	sarama sarama.Client
	conns  *connections
	draft  *draft
	topic  string
	watch  *watch
	giveUp *time.Timer // fires when no broker has answered in time
	dead   atomic.Pointer[error]
	over   atomic.Bool // nothing more is given to sarama

	slots *client.Slots[slot]
	most  client.Room
	queue queue
	async sarama.AsyncProducer // of feed, and of whoever waited for fed
	fed   chan struct{}        // feed has returned
	told  sync.WaitGroup       // what hears of successes and errors

	// Acked runs under mu.
	mu    sync.Mutex
	acked func(*client.Record, error)
	last  error // that a record failed with, but for lookedUpTooOften

	// What is under way: counted up by the sender, down by settle, many at a time so
	// that the two do not fight over it. mu guards what is still to be counted down.
	records, bytes               atomic.Int64
	settledRecords, settledBytes int64
	waiting                      atomic.Int64  // eighths of the limits that the sender waits for, or one of these
	room                         chan struct{} // it may look again
}

const (
	forNothing = -1
	forRoom    = 1 // waking for every single place would make batches of one record
	forAll     = 8
)

// countedAtOnce records are counted down together.
const countedAtOnce = 64

// Producer makes a producer to one topic. An error names the property that is
// wrong; brokers are not waited for.
func (library) Producer(o client.ProduceOptions) (client.Producer, error) {
	if o.RecordSize < 0 {
		return nil, fmt.Errorf("a record cannot have %d bytes", o.RecordSize)
	}
	d, err := produceDraft(o.Options)
	if err != nil {
		return nil, err
	}
	p := &producer{
		draft: d, topic: o.Topic, slots: client.NewSlots(o.RecordSize, (*slot).begin), most: client.Room{Records: int64(d.maxRecords), Bytes: int64(d.maxBytes)},
		acked: o.Acked, fed: make(chan struct{}), room: make(chan struct{}, 1),
	}
	p.waiting.Store(forNothing)
	p.queue.more.L = &p.queue.mu
	p.watch = newWatch(o.Options, d, p.checkRefused, cluster.WriteNeeds(o.Topic))
	p.conns = d.connections(o.Options, p.watch)
	if p.sarama, err = d.connect(o.Options, p.conns); err != nil {
		p.conns.cut()
		return nil, err
	}
	p.giveUp = time.AfterFunc(client.ReachWithin, p.checkReached)
	go p.feed()
	return p, nil
}

// produceDraft is the profile with the properties over it.
func produceDraft(o client.Options) (*draft, error) {
	return drafted(client.Producing, o, produceTuned, func(*sarama.Config) {})
}

func (library) CheckProducer(o client.Options) error {
	_, err := produceDraft(o)
	return err
}

// settleAcks makes acks, idempotence, requests in flight and what ends the wait for
// more records agree, as sarama requires.
func (d *draft) settleAcks() error {
	set := &d.config.Producer
	if set.Flush.Frequency == 0 && (set.Flush.Bytes > 0 || set.Flush.Messages > 0) {
		return client.BadProperty("sarama", "linger.ms", "0", "more than 0 beside flush.bytes or flush.messages, which nothing else would end")
	}
	if set.Idempotent && set.RequiredAcks != sarama.WaitForAll {
		if d.asked["enable.idempotence"] == "true" {
			return client.BadProperty("sarama", "acks", showAcks(set.RequiredAcks), "all, because enable.idempotence=true is asked for too")
		}
		set.Idempotent = false
	}
	if !set.Idempotent {
		return nil
	}
	if asked, ok := d.asked["max.in.flight.requests.per.connection"]; ok && asked != "1" {
		return client.BadProperty("sarama", "max.in.flight.requests.per.connection", asked, "1 while the producer is idempotent; set enable.idempotence=false to choose another")
	}
	if set.Retry.Max == 0 {
		return client.BadProperty("sarama", "retries", "0", "1 or more while the producer is idempotent; set enable.idempotence=false for none")
	}
	d.config.Net.MaxOpenRequests = 1
	return nil
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
	size := int64(len(r.Key) + len(r.Value))
	if err := p.wait(ctx, size); err != nil {
		p.slots.Back(s)
		return err
	}
	p.records.Add(1)
	p.bytes.Add(size)
	s.fill(p.topic)
	p.queue.put(s)
	return nil
}

// wait returns when there is room for a record of size bytes.
func (p *producer) wait(ctx context.Context, size int64) error {
	if dead := p.dead.Load(); dead != nil {
		return *dead
	}
	if p.fits(size, 0) {
		return nil
	}
	if err := p.waitFor(ctx, forRoom, func() bool { return p.fits(size, forRoom) || p.dead.Load() != nil }); err != nil {
		return fmt.Errorf("the send buffer of the producer stayed full: %w", err)
	}
	if dead := p.dead.Load(); dead != nil {
		return *dead
	}
	return nil
}

// waitFor waits until there is what the sender wants; eighths is how much of the
// limits has to be free before it is worth looking.
func (p *producer) waitFor(ctx context.Context, eighths int64, there func() bool) error {
	p.waiting.Store(eighths)
	defer p.waiting.Store(forNothing)
	p.underWay()
	for !there() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.room:
		}
	}
	return nil
}

// fits says whether a record of size bytes may be queued when so many eighths of
// the limits are to stay free.
func (p *producer) fits(size, eighths int64) bool {
	return p.most.Fits(p.records.Load(), p.bytes.Load(), size, eighths)
}

// settle acknowledges one record, once.
func (p *producer) settle(s *slot, offset int64, err error) {
	p.mu.Lock()
	if !s.queued {
		p.mu.Unlock()
		return // Close did not wait for sarama
	}
	s.queued = false
	s.record.Offset = offset
	if err == nil {
		p.watch.worked()
	} else {
		s.record.Offset = -1
		s.message = new(sarama.ProducerMessage) // sarama goes on reading one that failed
		err = p.explain(err)
	}
	size := int64(len(s.key.bytes) + len(s.value.bytes))
	p.acked(&s.record, err)
	p.slots.Give(s)
	p.settledRecords++
	p.settledBytes += size
	eighths := p.waiting.Load()
	if eighths != forNothing || p.settledRecords >= countedAtOnce {
		p.countDown()
	}
	p.mu.Unlock()
	if eighths != forNothing && p.fits(0, eighths) {
		p.look()
	}
}

// countDown is called with mu held.
func (p *producer) countDown() {
	p.bytes.Add(-p.settledBytes)
	p.records.Add(-p.settledRecords)
	p.settledRecords, p.settledBytes = 0, 0
}

// underWay is the number of records not settled yet.
func (p *producer) underWay() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.countDown()
	return p.records.Load()
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
	never := client.IsNeverAppended(err)
	if lookedUpTooOften(err) && p.last != nil {
		err = p.last
	}
	err = asGo(err)
	p.last = err
	p.watch.failed("", err)
	dead := p.dead.Load()
	switch {
	case dead != nil:
		err = *dead
	case client.UnknownTopic(err):
		err = client.MissingTopic(p.topic, err)
	case client.NotAllowed(err):
		err = p.watch.Classify(err)
	}
	if never || !p.watch.produced.Load() {
		return client.NeverAppended(err)
	}
	return err
}

// checkReached gives up when no broker was ever there.
func (p *producer) checkReached() {
	if dead := p.watch.Unreachable(); dead != nil {
		p.die(dead)
	}
}

// checkRefused gives up when brokers refuse us for good.
func (p *producer) checkRefused() {
	if dead := p.watch.Refusal(); dead != nil {
		p.die(dead)
	}
}

// die has Send end with an error, and what is queued fail: without connections
// sarama gives up by itself. Only the first counts.
func (p *producer) die(dead error) {
	if !p.dead.CompareAndSwap(nil, &dead) {
		return
	}
	p.over.Store(true)
	p.conns.cut()
	p.look()
}

// Flush waits for the linger too, which sarama cannot be told to end.
func (p *producer) Flush(ctx context.Context) error {
	if err := p.waitFor(ctx, forAll, func() bool { return p.records.Load() == 0 }); err != nil {
		return fmt.Errorf("%d records are not acknowledged yet: %w", p.records.Load(), err)
	}
	return nil
}

func (p *producer) Settings() map[string]string { return p.draft.settings() }

// Close ends the connections before sarama is asked to close: it would send all
// that it has first.
func (p *producer) Close(ctx context.Context) error {
	p.giveUp.Stop()
	p.over.Store(true)
	if p.underWay() > 0 {
		p.conns.cut()
	}
	defer p.conns.cut()
	defer context.AfterFunc(ctx, p.conns.cut)()
	p.queue.close()
	left := make(chan struct{})
	go func() {
		defer close(left)
		p.leave()
	}()
	select {
	case <-left:
		return nil
	case <-ctx.Done():
	}
	open := p.underWay()
	for s := range p.slots.All() {
		p.settle(s, -1, fmt.Errorf("closed before the broker answered: %w", context.Canceled))
	}
	return fmt.Errorf("closed while sarama still had %d records: %w", open, context.Cause(ctx))
}

// leave waits for what feeds and hears, and closes sarama's parts from the outside in.
func (p *producer) leave() {
	<-p.fed
	if p.draft.config.Producer.RequiredAcks == sarama.NoResponse {
		p.arrive()
	}
	if p.async != nil {
		p.async.AsyncClose()
		p.told.Wait()
	}
	_ = p.sarama.Close() // it fails only when closed before
}

// arrive asks each broker something and waits for the answer: it answers in order,
// so that what was sent without acknowledgement is in the log by then. What fails
// was promised to nobody.
func (p *producer) arrive() {
	for _, broker := range p.sarama.Brokers() {
		_, _ = broker.GetMetadata(sarama.NewMetadataRequest(p.draft.config.Version, []string{p.topic}))
	}
}

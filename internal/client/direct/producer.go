package direct

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"redline/direct"
	"redline/internal/client"
	"redline/internal/cluster"
)

// closeWithin bounds how long Close waits for what is under way before it is given up.
const closeWithin = 5 * time.Second

// slot holds a record from Record to Send, which copies it.
type slot struct {
	record client.Record
	own    []byte // RecordSize bytes
}

func (s *slot) begin(own []byte) { s.own, s.record.Slot = own, s }

type producer struct {
	opening  *opening[*direct.Producer]
	end      context.CancelFunc // of the opening, and of the wait for refusals
	running  sync.WaitGroup     // that wait
	settings map[string]string
	watch    *watch
	topic    string
	slots    *client.Slots[slot]
	most     client.Room
	spare    spare
	wire     *client.Wire

	// The sender's.
	direct    *direct.Producer // nil until the first Send has it
	failed    error            // there is none
	sent      []queue          // by partition
	taken     int64            // records, by Send
	rejecting sync.WaitGroup   // tells of records that direct does not take

	telling   sync.Mutex // held while Acked is called
	acked     func(*client.Record, error)
	settled   atomic.Int64  // records that Acked was told of
	told      client.Record // to Acked
	waiting   atomic.Bool   // the sender waits for room
	room      chan struct{} // it may look again
	throttled time.Duration // what of it the wire knows
}

// Producer makes a producer to one topic. An error names the property that is wrong;
// brokers are not waited for.
func (library) Producer(o client.ProduceOptions) (client.Producer, error) {
	if o.RecordSize < 0 {
		return nil, fmt.Errorf("a record cannot have %d bytes", o.RecordSize)
	}
	d, err := produceDraft(o.Options)
	if err != nil {
		return nil, err
	}
	p := &producer{
		topic: o.Topic, slots: client.NewSlots(o.RecordSize, (*slot).begin), most: client.Room{Records: int64(d.maxRecords)},
		wire: o.Wire, acked: o.Acked, room: make(chan struct{}, 1),
	}
	p.watch = newWatch(o.Options, func(error) {}, cluster.WriteNeeds(o.Topic))
	cfg := d.producer
	cfg.Kafka, cfg.Topic, cfg.OnAck = d.kafka(o.Options, p.watch), o.Topic, p.settle
	if d.producer, err = cfg.Complete(); err != nil {
		return nil, err
	}
	p.settings = d.settings()
	ctx, end := context.WithCancel(context.Background())
	p.end = end
	p.opening = open(ctx, p.watch, o.Topic, func(ctx context.Context) (*direct.Producer, error) { return direct.NewProducer(ctx, d.producer) })
	p.running.Go(func() { p.giveUpWhenRefused(ctx) })
	return p, nil
}

// produceDraft is the properties over what direct has by itself.
func produceDraft(o client.Options) (*draft, error) {
	if _, err := client.Presets(o.Profile, nil); err != nil {
		return nil, err
	}
	d := newDraft(client.Producing)
	if err := d.apply(o); err != nil {
		return nil, err
	}
	if d.producer.Acks != direct.AcksAll && d.asked["enable.idempotence"] == "true" {
		return nil, client.BadProperty(name, "acks", d.producer.Acks.String(), "all, because enable.idempotence=true is asked for too")
	}
	if d.idempotent() && d.producer.InFlight > idempotentInFlight {
		return nil, client.BadProperty(name, "max.in.flight.requests.per.connection", fmt.Sprint(d.producer.InFlight), "at most 5 while the producer is idempotent; set enable.idempotence=false to choose more")
	}
	return d, nil
}

// idempotentInFlight is how many batches of an idempotent producer a broker remembers.
const idempotentInFlight = 5

func (library) CheckProducer(o client.Options) error {
	_, err := produceDraft(o)
	return err
}

// Record hands out a record to fill. Here and in settle fields are set one by one, as a
// whole record is built elsewhere and copied, which took a tenth of what a record costs.
func (p *producer) Record() *client.Record {
	s := p.slots.Take()
	r := &s.record
	r.Partition, r.Key, r.Value, r.Time, r.Tag, r.Bytes, r.Offset = 0, nil, s.own, time.Time{}, 0, 0, 0
	return r
}

// Send copies the record into its batch. Where no producer can be made, the first record
// fails by it, as records do, and no other is taken.
func (p *producer) Send(ctx context.Context, r *client.Record) error {
	s, ok := r.Slot.(*slot)
	if !ok || &s.record != r {
		return errors.New("a record must come from the producer that sends it")
	}
	if err := p.ready(ctx); err != nil {
		p.slots.Back(s)
		return err
	}
	if p.direct == nil { // there will be none
		p.reject(s, p.failed)
		return nil
	}
	if r.Partition < 0 || int(r.Partition) >= len(p.sent) {
		p.slots.Back(s)
		return fmt.Errorf("topic %q has no partition %d", p.topic, r.Partition)
	}
	q := &p.sent[r.Partition]
	q.push(entry{r.Time.UnixNano(), r.Tag, r.Bytes}) // it may be acknowledged before Send returns
	err := p.direct.Send(ctx, direct.Record{Partition: r.Partition, Key: r.Key, Value: r.Value, Timestamp: r.Time})
	if err == nil {
		p.taken++
		p.slots.Back(s)
		return nil
	}
	q.back()
	switch refused := p.watch.Refusal(); {
	case refused != nil:
		err = refused
	case ctx.Err() == nil && !errors.Is(err, direct.ErrClosed): // it is too large
		p.reject(s, p.watch.explain(p.topic, err))
		return nil
	}
	p.slots.Back(s)
	return err
}

// ready waits until a record can be sent.
func (p *producer) ready(ctx context.Context) error {
	switch {
	case p.failed != nil:
		return p.failed
	case p.direct == nil:
		return p.connect(ctx)
	}
	select {
	case <-p.watch.ended:
		return p.watch.Refusal()
	default:
	}
	if p.fits(0) {
		return nil
	}
	return p.waitForRoom(ctx)
}

// connect waits for the opening; that it failed is no error of this call.
func (p *producer) connect(ctx context.Context) error {
	if !p.opening.there(ctx) {
		return fmt.Errorf("the producer of topic %q has not reached a broker: %w", p.topic, context.Cause(ctx))
	}
	if p.failed = p.opening.err; p.failed == nil {
		p.direct = p.opening.client
		p.sent = make([]queue, p.direct.Partitions())
		for i := range p.sent {
			p.sent[i] = newQueue(&p.spare)
		}
	}
	return nil
}

// fits says whether there is room for a record while so many eighths of it stay free.
func (p *producer) fits(eighths int64) bool { return p.most.Fits(p.under(), 0, 0, eighths) }

// under is how many records are under way.
func (p *producer) under() int64 { return p.taken - p.settled.Load() }

// waitForRoom waits until an eighth of the room is free again.
func (p *producer) waitForRoom(ctx context.Context) error {
	p.waiting.Store(true)
	defer p.waiting.Store(false)
	_ = p.direct.Flush(ended()) // it only ends the linger: waiting for more makes no sense
	for !p.fits(1) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the send buffer of the producer stayed full: %w", context.Cause(ctx))
		case <-p.watch.ended:
			return p.watch.Refusal()
		case <-p.room:
		}
	}
	return nil
}

// ended is a context that has.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// reject tells of a record that direct did not take.
func (p *producer) reject(s *slot, err error) {
	p.taken++
	rejected := s.record
	rejected.Offset = -1
	p.slots.Back(s)
	p.rejecting.Go(func() {
		p.telling.Lock()
		defer p.telling.Unlock()
		p.acked(&rejected, client.NeverAppended(err))
		p.release(1)
	})
}

// settle acknowledges the records of a batch.
func (p *producer) settle(a direct.Ack) {
	p.telling.Lock()
	defer p.telling.Unlock()
	err := p.explained(a)
	q, offset := &p.sent[a.Partition], a.Offset
	r := &p.told
	r.Partition = a.Partition
	for range a.Records {
		e := q.pop()
		r.Time, r.Tag, r.Bytes, r.Offset = time.Unix(0, e.time), e.tag, e.bytes, offset
		p.acked(r, err)
		if offset >= 0 {
			offset++
		}
	}
	p.noteThrottled()
	p.release(int64(a.Records))
}

// release makes room.
func (p *producer) release(records int64) {
	p.settled.Add(records)
	if p.waiting.Load() {
		select {
		case p.room <- struct{}{}:
		default:
		}
	}
}

func (p *producer) noteThrottled() {
	if p.wire == nil {
		return
	}
	now := p.opening.client.Throttled()
	p.wire.Throttled.Add(int64(now - p.throttled))
	p.throttled = now
}

func (p *producer) explained(a direct.Ack) error {
	switch {
	case a.Err == nil:
		return nil
	case a.Landed == direct.NotInLog:
		return client.NeverAppended(p.watch.explain(p.topic, a.Err))
	}
	return p.watch.explain(p.topic, a.Err)
}

// giveUpWhenRefused fails what is under way when brokers refuse us for good.
func (p *producer) giveUpWhenRefused(ctx context.Context) {
	opened, ok := p.opening.made()
	if !ok {
		return
	}
	select {
	case <-p.watch.ended:
		_ = opened.Abort(ctx) // Acked is told what failed
	case <-ctx.Done():
	}
}

// Flush waits for the acknowledgements of all that was sent.
func (p *producer) Flush(ctx context.Context) error {
	p.rejecting.Wait()
	if p.direct == nil {
		return nil
	}
	err := p.direct.Flush(ctx)
	if left := p.under(); left > 0 {
		return fmt.Errorf("%d records of topic %q are not acknowledged yet: %w", left, p.topic, err)
	}
	return nil // what failed was told to Acked, record by record
}

// Settings have what direct chooses for this machine.
func (p *producer) Settings() map[string]string { return maps.Clone(p.settings) }

// Close sends what is left as long as that works soon, and gives up the rest.
func (p *producer) Close(ctx context.Context) error {
	p.end()
	p.running.Wait()
	p.rejecting.Wait()
	opened, ok := p.opening.made()
	if !ok {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, closeWithin)
	defer cancel()
	err := opened.Close(within)
	if left := p.under(); left > 0 {
		return fmt.Errorf("%d records of topic %q were never settled: %w", left, p.topic, err)
	}
	return nil // what failed was told to Acked, record by record
}

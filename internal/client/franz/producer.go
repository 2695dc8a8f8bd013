package franz

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
	"redline/internal/cluster"
)

// slot holds one record from Record to its acknowledgement. It is also the
// context of its kgo record, the one field of it that kgo hands back untouched.
type slot struct {
	context.Context
	record client.Record
	kgo    kgo.Record
	own    []byte // RecordSize bytes
}

func (s *slot) begin(own []byte) { s.Context, s.own = context.Background(), own }

type producer struct {
	kgo     *kgo.Client
	end     context.CancelFunc
	draft   *draft
	topic   string
	slots   *client.Slots[slot]
	most    client.Room
	acked   func(*client.Record, error)
	promise func(*kgo.Record, error)
	watch   *watch
	giveUp  *time.Timer // fires when no broker has answered in time
	dead    atomic.Pointer[error]
	refused chan struct{} // closed when brokers refuse us for good, after dead is set

	// What is under way: counted up by the sender, down by the promises.
	records, bytes atomic.Int64
	waiting        atomic.Bool    // the sender waits for room
	room           chan struct{}  // it may look again
	delivered      atomic.Bool    // at least one record was acknowledged
	reaching       sync.WaitGroup // checkReached, running or to run
}

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
		acked: o.Acked, room: make(chan struct{}, 1), refused: make(chan struct{}),
	}
	p.promise = p.settle
	p.watch = newWatch(o.Options, p.checkRefused, cluster.WriteNeeds(o.Topic))
	base, end := context.WithCancel(context.Background())
	p.end = end
	if p.kgo, err = d.connect(o.Options, p.watch, base, d.produceOptions()...); err != nil {
		end()
		return nil, err
	}
	p.reaching.Add(1)
	p.giveUp = time.AfterFunc(client.ReachWithin, func() {
		defer p.reaching.Done()
		p.checkReached()
	})
	return p, nil
}

// produceDraft is the profile with the properties over it.
func produceDraft(o client.Options) (*draft, error) {
	tuned, err := client.Presets(o.Profile, produceTuned)
	if err != nil {
		return nil, err
	}
	d := newDraft(client.Producing)
	if err := d.apply(tuned, o.Properties); err != nil {
		return nil, err
	}
	return d, d.settleAcks()
}

func (library) CheckProducer(o client.Options) error {
	_, err := produceDraft(o)
	return err
}

// settleAcks makes acks, idempotence and requests in flight agree, as kgo
// requires.
func (d *draft) settleAcks() error {
	asked := d.asked["enable.idempotence"]
	if d.acks != -1 && asked == "true" {
		return client.BadProperty("franz", "acks", showAcks(d.acks), "all, because enable.idempotence=true is asked for too")
	}
	if d.acks != -1 {
		d.idempotent = false
	}
	if d.idempotent && d.inFlight != defaultInFlight {
		return client.BadProperty("franz", "max.in.flight.requests.per.connection", fmt.Sprint(d.inFlight), "5 while the producer is idempotent; set enable.idempotence=false to choose another")
	}
	return nil
}

// produceOptions are those that follow from several properties.
func (d *draft) produceOptions() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		// The producer keeps its own limit, since kgo's would mix records that
		// were never queued into the acknowledgements; kgo's count goes down a
		// moment later, so it gets one more.
		kgo.MaxBufferedRecords(d.maxRecords + 1),
		kgo.RequiredAcks(map[int]kgo.Acks{-1: kgo.AllISRAcks(), 0: kgo.NoAck(), 1: kgo.LeaderAck()}[d.acks]),
	}
	if _, set := d.asked["delivery.timeout.ms"]; !set {
		opts = append(opts, kgo.RecordDeliveryTimeout(deliveryTimeout))
	}
	if !d.idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(d.inFlight))
	}
	return opts
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
	s.kgo = kgo.Record{Topic: p.topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Timestamp: r.Time, Context: s}
	p.kgo.Produce(context.Background(), &s.kgo, p.promise)
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
	return p.waitForRoom(ctx, size)
}

// fits says whether a record of size bytes may be queued when so many eighths of
// the limits are to stay free.
func (p *producer) fits(size, eighths int64) bool {
	return p.most.Fits(p.records.Load(), p.bytes.Load(), size, eighths)
}

// waitForRoom waits until an eighth of the queue is free again, not for a
// single place: waking for each would make batches of one record.
func (p *producer) waitForRoom(ctx context.Context, size int64) error {
	p.waiting.Store(true)
	defer p.waiting.Store(false)
	p.sendNow()
	for !p.fits(size, 1) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the send buffer of the producer stayed full: %w", context.Cause(ctx))
		case <-p.room:
		}
		if dead := p.dead.Load(); dead != nil {
			return *dead
		}
	}
	return nil
}

// sendNow ends the linger of what is queued, as a full buffer does in Java:
// waiting for more records makes no sense when none can come.
func (p *producer) sendNow() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.kgo.Flush(ended) // it only starts the flush; that ended ended is no news
}

// settle is kgo's promise: it runs once for each record, one at a time.
func (p *producer) settle(k *kgo.Record, err error) {
	s := k.Context.(*slot)
	size := int64(len(k.Key) + len(k.Value))
	if err == nil {
		s.record.Offset = k.Offset
		if !p.delivered.Load() {
			p.delivered.Store(true)
		}
	} else {
		s.record.Offset = -1
		err = p.explain(err)
	}
	p.acked(&s.record, err)
	s.kgo = kgo.Record{}
	p.slots.Give(s)
	p.bytes.Add(-size)
	p.records.Add(-1)
	if p.waiting.Load() && p.fits(0, 1) {
		select {
		case p.room <- struct{}{}:
		default:
		}
	}
}

// explain adds to an error what only this producer knows.
func (p *producer) explain(err error) error {
	if dead := p.dead.Load(); dead != nil {
		if !p.watch.Heard() {
			return client.NeverAppended(*dead)
		}
		return *dead
	}
	if client.NotAllowed(err) {
		return p.watch.Classify(err)
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID) {
		err = client.MissingTopic(p.topic, err)
		if !p.delivered.Load() {
			return client.NeverAppended(err)
		}
	}
	return err
}

// checkReached gives up what is queued when no broker was ever there.
func (p *producer) checkReached() {
	dead := p.watch.Unreachable()
	if dead == nil {
		return
	}
	if p.die(dead) {
		p.kgo.UnsafeAbortBufferedRecords() // safe: no request was ever written
	}
}

// checkRefused ends the producer when a broker refuses us for good. It runs in
// kgo's goroutines, so it leaves to Close what has to be waited for.
func (p *producer) checkRefused(error) {
	if p.dead.Load() != nil {
		return
	}
	if dead := p.watch.Refusal(); dead != nil && p.die(dead) {
		close(p.refused)
	}
}

// die has Send end with an error; it says whether it was the first.
func (p *producer) die(dead error) bool {
	if !p.dead.CompareAndSwap(nil, &dead) {
		return false
	}
	select {
	case p.room <- struct{}{}:
	default:
	}
	return true
}

// Flush ends early when brokers refuse us for good: what is queued is given up by Close
// alone. (Where no broker was ever there, it has been given up already.)
func (p *producer) Flush(ctx context.Context) error {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-p.refused:
			cancel(*p.dead.Load())
		case <-within.Done():
		}
	}()
	err := p.kgo.Flush(within)
	if dead := p.dead.Load(); err != nil && dead != nil {
		return fmt.Errorf("%d records are not acknowledged: %w", p.records.Load(), *dead)
	}
	if err != nil {
		return fmt.Errorf("%d records are not acknowledged yet: %w", p.records.Load(), err)
	}
	return nil
}

func (p *producer) Settings() map[string]string { return p.draft.settings() }

// settleWithin bounds how long Close waits, after the client is gone, for its
// last promises to run; nothing but Acked holds them up.
const settleWithin = 5 * time.Second

func (p *producer) Close(ctx context.Context) error {
	if p.giveUp.Stop() {
		p.reaching.Done()
	}
	p.reaching.Wait()
	defer p.end()
	// Aborting waits for the answers to what was written, which an idempotent
	// producer has to know; when ctx ends first, closing fails them too.
	aborted := p.kgo.AbortBufferedRecords(ctx)
	p.kgo.Close()
	settled, cancel := context.WithTimeout(context.Background(), settleWithin)
	defer cancel()
	if err := p.kgo.Flush(settled); err != nil {
		return fmt.Errorf("%d records were never settled: %w", p.records.Load(), err)
	}
	if aborted != nil {
		return fmt.Errorf("closed without waiting for the broker's last answers: %w", aborted)
	}
	return nil
}

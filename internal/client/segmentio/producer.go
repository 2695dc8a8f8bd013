package segmentio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"redline/internal/client"
	"redline/internal/cluster"
)

// slot holds one record from Record to its acknowledgement.
type slot struct {
	record client.Record
	number int32
	queued bool // its acknowledgement is owed
	// Two cache lines each, of which the goroutine that acknowledges needs the second.
	_ [128 - 112]byte
}

// block is slots that are made together, with RecordSize bytes for each: in values, or in
// large, where each is made when it is first used.
type block struct {
	slots  [slotsAtOnce]slot
	values []byte
	large  [][]byte
}

const (
	// slotsAtOnce are made together, so that few objects are made.
	slotsAtOnce = 256
	// bytesAtOnce bounds how many of values these are.
	bytesAtOnce = 1 << 20
)

func newBlock(size int) *block {
	if slotsAtOnce*size > bytesAtOnce {
		return &block{large: make([][]byte, slotsAtOnce)}
	}
	return &block{values: make([]byte, slotsAtOnce*size)}
}

// own are the size bytes of a slot.
func (b *block) own(at, size int) []byte {
	if b.large == nil {
		return b.values[at*size : (at+1)*size : (at+1)*size]
	}
	if b.large[at] == nil {
		b.large[at] = make([]byte, size)
	}
	return b.large[at]
}

type producer struct {
	writer      *kafka.Writer
	transport   *kafka.Transport
	connections *connections
	draft       *draft
	topic       string
	size        int
	most        client.Room
	acked       func(*client.Record, error)
	watch       *watch
	base        context.Context // ends with Close
	end         context.CancelFunc
	written     chan struct{} // closed when write has returned
	dead        atomic.Pointer[error]

	// The slots of the sender: all, and the numbers of those that are free. Numbers,
	// since the garbage collector looks at each pointer.
	blocks []*block
	free   []int32

	mu       sync.Mutex
	returned []int32
	wake     chan struct{} // write has something to look at

	// The sender gives the Writer what is pending, many records at a time, as long as
	// that takes no waiting (direct); write gives it what is left over, and all of it
	// while the Writer has no metadata. giving is held by who gives.
	giving  sync.Mutex
	pending []kafka.Message
	direct  bool
	given   int64 // times that the sender gave
	looking bool  // write was woken and has not looked yet

	// What is under way: the sender counts up what it sent, acknowledgements what
	// became of it.
	sent, sentBytes       int64
	settled, settledBytes atomic.Int64
	waiting               atomic.Bool   // the sender waits for room, or for all
	room                  chan struct{} // it may look again
	missingSince          time.Time     // write's own: since when the topic is unknown

	// Acked runs under acking, since the Writer's goroutines are one per partition.
	acking    sync.Mutex
	done      []int32 // of one batch
	delivered bool    // at least one record was acknowledged
}

// Producer makes a producer to one topic. An error names the property that is
// wrong; brokers are not waited for.
func (library) Producer(o client.ProduceOptions) (client.Producer, error) {
	if o.RecordSize < 0 {
		return nil, fmt.Errorf("a record cannot have %d bytes", o.RecordSize)
	}
	d, err := profiled(client.Producing, produceTuned, o.Options)
	if err != nil {
		return nil, err
	}
	p := &producer{
		draft: d, topic: o.Topic, size: o.RecordSize, most: client.Room{Records: int64(d.maxRecords), Bytes: int64(d.maxMemory)},
		acked: o.Acked, watch: newWatch(o.Options, cluster.WriteNeeds(o.Topic)),
		written: make(chan struct{}), wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
	p.base, p.end = context.WithCancel(context.Background())
	p.connections = newDialer(o.Options, d, p.watch).connections()
	p.transport = &kafka.Transport{
		Dial: p.connections.dial, DialTimeout: dialTimeout, IdleTimeout: d.idle, ClientID: d.clientID,
		MetadataTTL: d.metadataAge, MetadataTopics: []string{o.Topic}, SASL: authentication(o.Security, p.watch),
	}
	p.writer = d.writer(o.Brokers, o.Topic)
	p.writer.Transport = p.transport
	p.writer.Balancer = kafka.BalancerFunc(chosen)
	p.writer.Completion = p.settle
	go p.write()
	return p, nil
}

// chosen is the Balancer that does as the workload says.
func chosen(m kafka.Message, _ ...int) int {
	return int(m.WriterData.(*slot).record.Partition)
}

// Record leaves as it is what it need not change: storing a pointer costs something
// whenever garbage is collected.
func (p *producer) Record() *client.Record {
	number := p.slot()
	b := p.blocks[number/slotsAtOnce]
	at := int(number % slotsAtOnce)
	r := &b.slots[at].record
	own := b.own(at, p.size)
	if p.size == 0 || len(r.Value) != p.size || &r.Value[0] != &own[0] {
		r.Value = own
	}
	if r.Key != nil {
		r.Key = nil
	}
	r.Partition, r.Time = 0, time.Time{}
	return r
}

// slot takes the number of a free one, or makes some.
func (p *producer) slot() int32 {
	if len(p.free) == 0 {
		p.mu.Lock()
		p.free, p.returned = p.returned, p.free
		p.mu.Unlock()
	}
	if len(p.free) == 0 {
		p.grow()
	}
	last := len(p.free) - 1
	number := p.free[last]
	p.free = p.free[:last]
	return number
}

func (p *producer) grow() {
	fresh := newBlock(p.size)
	for i := range fresh.slots {
		s := &fresh.slots[i]
		s.number = int32(len(p.blocks)*slotsAtOnce + i)
		s.record.Slot = s
		p.free = append(p.free, s.number)
	}
	p.blocks = append(p.blocks, fresh)
}

func (p *producer) Send(ctx context.Context, r *client.Record) error {
	s, ok := r.Slot.(*slot)
	if !ok || &s.record != r {
		return errors.New("a record must come from the producer that sends it")
	}
	size := int64(len(r.Key) + len(r.Value))
	if err := p.wait(ctx, size); err != nil {
		p.free = append(p.free, s.number)
		return err
	}
	p.sent++
	p.sentBytes += size
	s.queued = true
	p.put(s)
	return nil
}

// signal leaves a mark; one that nobody has taken yet is enough.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wait returns when there is room for a record of size bytes.
func (p *producer) wait(ctx context.Context, size int64) error {
	if dead := p.dead.Load(); dead != nil {
		return *dead
	}
	if p.fits(size, 0) {
		return nil
	}
	if err := p.until(ctx, func() bool { return p.fits(size, 1) || p.dead.Load() != nil }); err != nil {
		return fmt.Errorf("the send buffer of the producer stayed full: %w", err)
	}
	if dead := p.dead.Load(); dead != nil {
		return *dead
	}
	return nil
}

// fits says whether a record of size bytes may be queued when so many eighths of
// the limits are to stay free.
func (p *producer) fits(size, eighths int64) bool {
	return p.most.Fits(p.under(), p.sentBytes-p.settledBytes.Load(), size, eighths)
}

// under is the number of records under way, as the sender sees it.
func (p *producer) under() int64 { return p.sent - p.settled.Load() }

// until waits for what acknowledgements bring about.
func (p *producer) until(ctx context.Context, done func() bool) error {
	p.waiting.Store(true)
	defer p.waiting.Store(false)
	p.giving.Lock() // nothing follows that would be worth waiting for
	if p.direct && len(p.pending) > 0 {
		p.giveDirectly()
	}
	p.giving.Unlock()
	for !done() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.room:
		}
	}
	return nil
}

// die has Send end with an error, the first.
func (p *producer) die(dead error) error {
	p.dead.CompareAndSwap(nil, &dead)
	signal(p.room)
	return *p.dead.Load()
}

// settle is the Writer's Completion: what became of one batch.
func (p *producer) settle(messages []kafka.Message, err error) {
	p.acking.Lock()
	defer p.acking.Unlock()
	if err != nil {
		err = p.explain(err)
	} else if len(messages) > 0 {
		p.delivered = true
	}
	done := p.done[:0]
	var bytes int64
	for i := range messages {
		s := messages[i].WriterData.(*slot)
		if !s.queued {
			continue // it was given up before
		}
		s.queued = false
		s.record.Offset = -1
		if err == nil && p.draft.acks != kafka.RequireNone {
			s.record.Offset = messages[i].Offset
		}
		p.acked(&s.record, err)
		done = append(done, s.number)
		bytes += int64(len(messages[i].Key) + len(messages[i].Value))
	}
	p.done = done
	p.release(bytes)
}

// release gives the slots of a batch back to the sender; acking is held.
func (p *producer) release(bytes int64) {
	p.mu.Lock()
	p.returned = append(p.returned, p.done...)
	p.mu.Unlock()
	p.settledBytes.Add(bytes)
	p.settled.Add(int64(len(p.done)))
	if p.waiting.Load() {
		signal(p.room)
	}
}

// explain adds to an error what only this producer knows; acking is held.
func (p *producer) explain(err error) error {
	if client.IsNeverAppended(err) {
		return err
	}
	err = known(err)
	switch dead := p.dead.Load(); {
	case dead != nil:
		return *dead
	case client.NotAllowed(err):
		return p.watch.Classify(err)
	case p.watch.lasting(err):
		if refused := p.watch.Refusal(); refused != nil {
			return p.die(refused)
		}
	case client.UnknownTopic(err):
		if err = client.MissingTopic(p.topic, err); !p.delivered {
			return client.NeverAppended(err)
		}
	}
	return err
}

// Flush waits until every record has been acknowledged or has failed. kafka-go knows
// no flush, so what is queued waits for its linger.
func (p *producer) Flush(ctx context.Context) error {
	if err := p.until(ctx, func() bool { return p.under() == 0 }); err != nil {
		return fmt.Errorf("%d records are not acknowledged yet: %w", p.under(), err)
	}
	return nil
}

func (p *producer) Settings() map[string]string { return p.draft.settings() }

// Close ends what is under way, by ending the connections: kafka-go tries nothing
// again after that. Where it waits just then, before another try, it cannot be
// hurried: when ctx ends first, it goes on waiting, for retry.backoff.max.ms at most.
func (p *producer) Close(ctx context.Context) error {
	p.end()
	p.connections.end()
	<-p.written
	p.settle(p.pending, client.NeverAppended(errClosed))
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = p.writer.Close() // it returns nil
		p.transport.CloseIdleConnections()
	}()
	var err error
	select {
	case <-closed:
	case <-ctx.Done():
		err = fmt.Errorf("closed without waiting for the broker's last answers: %w", context.Cause(ctx))
	}
	p.giveUp()
	return err
}

// giveUp settles what the Writer still owes an answer for.
func (p *producer) giveUp() {
	p.acking.Lock()
	defer p.acking.Unlock()
	for _, b := range p.blocks {
		for i := range b.slots {
			s := &b.slots[i]
			if !s.queued {
				continue
			}
			s.queued = false
			s.record.Offset = -1
			p.acked(&s.record, fmt.Errorf("closed before the broker answered: %w", context.Canceled))
			p.settled.Add(1)
		}
	}
}

package direct

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"redline/direct/batch"
)

// closeGrace is how long Abort waits for goroutines once all connections are closed: only
// an OnAck or OnError that does not return can keep them.
const closeGrace = 10 * time.Second

// Producer writes to one topic. All its methods may be called by several goroutines at
// once; records of one partition are in the log in the order in which Send took them, as
// far as the producer is idempotent.
//
// A record that was acknowledged is in the log once. One that failed is at most once, and
// Ack.Landed says whether that is known. Without idempotence it can be more than once, see
// ProducerConfig.
type Producer struct {
	link
	cfg      ProducerConfig
	memory   produceMemory
	acks     produceAcks
	sealer   produceSealer
	began    time.Time
	headSize int // of an empty batch, in bytes

	partitions atomic.Pointer[[]*producePartition] // by number; it only grows
	identity   atomic.Pointer[produceIdentity]
	throttled  atomic.Int64  // ms
	stale      atomic.Bool   // the view of who leads is not to be trusted
	viewed     int64         // when it was asked for last, ns; the keeper's
	viewAge    time.Duration // how old it may become

	attention mark // the keeper is needed
	reports   reports
	context   context.Context
	cancel    context.CancelFunc
	running   sync.WaitGroup
	winding   sync.Once     // down
	closed    chan struct{} // all goroutines and connections have ended

	mu      sync.Mutex
	seeking []*producePartition // that need a lane
	lanes   map[laneAddress]*producerLane
	failed  error // nothing can be sent any more, because of this
}

// NewProducer connects. A dead broker, credentials that are refused, a topic that does not
// exist are errors after seconds at most; ctx bounds the wait and has no meaning
// afterwards.
func NewProducer(ctx context.Context, cfg ProducerConfig) (*Producer, error) {
	cfg, err := cfg.Complete()
	if err != nil {
		return nil, err
	}
	p := &Producer{
		cfg: cfg, began: time.Now(), attention: newMark(), closed: make(chan struct{}), lanes: map[laneAddress]*producerLane{},
	}
	p.reports.keeper = p.attention
	p.patience.missingFor = max(missingFor, cfg.DeliveryTimeout)
	var empty batch.Builder
	empty.Begin(nil)
	p.headSize = empty.Size()
	p.memory.limit, p.memory.urge = cfg.MaxBuffered, p.urge
	p.acks.tell, p.acks.give = cfg.OnAck, p.memory.give
	p.sealer = produceSealer{codec: cfg.Compression, level: cfg.CompressionLevel, memory: &p.memory, done: p.compressed}
	p.sealer.arrived.L = &p.sealer.mu
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := p.start(ctx); err != nil {
		if p.client != nil {
			p.client.Close()
		}
		return nil, fmt.Errorf("cannot produce to topic %q: %w", cfg.Topic, err)
	}
	return p, nil
}

// now is the time since the producer began, in ns.
func (p *Producer) now() int64 { return int64(time.Since(p.began)) }

// all are the partitions, by number.
func (p *Producer) all() []*producePartition { return *p.partitions.Load() }

// grow takes in partitions up to a number.
func (p *Producer) grow(n int) {
	var all []*producePartition
	if had := p.partitions.Load(); had != nil {
		all = *had
	}
	if n <= len(all) && all != nil {
		return
	}
	grown := append(make([]*producePartition, 0, n), all...)
	for len(grown) < n {
		grown = append(grown, newProducePartition(p, int32(len(grown))))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range grown[len(all):] {
		t.closed = p.failed
	}
	p.partitions.Store(&grown)
}

// usable says whether a partition can be written to at the moment, as far as is known.
func (p *Producer) usable(partition int32) bool {
	all := p.all()
	return int(partition) < len(all) && all[partition].served.Load()
}

// urge makes what lingers go, as somebody waits for its memory.
func (p *Producer) urge() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lanes {
		l.wake.set()
	}
}

// compressed goes on with a batch that came back from the sealer.
func (p *Producer) compressed(b *produceBatch, raw []byte, err error) {
	t := b.of
	t.mu.Lock()
	t.sealed(b, raw, err)
	t.advance(p.now())
	t.mu.Unlock()
	p.acks.deliver()
}

// Partitions is how many partitions the topic has, as far as is known; it can grow.
func (p *Producer) Partitions() int { return len(p.all()) }

// Throttled is how long brokers have asked to wait, because of a quota.
func (p *Producer) Throttled() time.Duration {
	return time.Duration(p.throttled.Load()) * time.Millisecond
}

// Settings is the config in force, as ProducerConfig.Complete tells it; without Kafka,
// which may hold secrets.
func (p *Producer) Settings() ProducerConfig {
	s := p.cfg
	s.Kafka = nil
	return s
}

// Send takes a record: it copies it into the open batch of its partition, and returns. It
// waits only where MaxBuffered bytes are there already, at most until ctx ends; whether the
// record was delivered, OnAck tells.
//
// An error means that the record was not taken: a partition that does not exist, a record
// larger than a request may be, ErrClosed, the context's, or what has ended the producer,
// such as a topic that was deleted and made anew.
func (p *Producer) Send(ctx context.Context, r Record) error {
	t, err := p.choose(&r)
	if err != nil {
		return err
	}
	var ms int64
	if r.Timestamp.IsZero() {
		ms = time.Now().UnixMilli()
	} else {
		ms = r.Timestamp.UnixMilli()
	}
	t.mu.Lock()
	taken := t.put(ms, &r)
	t.mu.Unlock()
	if taken {
		return nil
	}
	return t.putSlowly(ctx, ms, &r)
}

// choose is the partition of a record.
func (p *Producer) choose(r *Record) (*producePartition, error) {
	all := p.all()
	at := r.Partition
	if at == AnyPartition {
		at = p.cfg.Partitioner.Partition(r.Key, r.Value, len(all))
	}
	if uint(at) >= uint(len(all)) {
		return nil, fmt.Errorf("cannot send to topic %q partition %d: it has %d partitions", p.cfg.Topic, at, len(all))
	}
	return all[at], nil
}

// Flush sends what lingers, and waits until every record that Send had taken before is
// acknowledged or failed, and OnAck was told: at most until ctx ends, which is an error.
// Another error says how many records have failed since Flush told last, and why the first
// of them did.
func (p *Producer) Flush(ctx context.Context) error {
	all := p.all()
	targets := make([]uint64, len(all))
	now := p.now()
	for i, t := range all {
		t.mu.Lock()
		targets[i] = t.hurry(now)
		t.mu.Unlock()
	}
	for i, t := range all {
		if err := p.acks.wait(ctx, t, targets[i]); err != nil {
			return fmt.Errorf("cannot wait until all is acknowledged by topic %q: %w", p.cfg.Topic, err)
		}
	}
	return p.acks.failure()
}

// fail ends the producer for a reason: what is not in flight fails, and nothing is taken
// any more. It is called under nobody's lock.
func (p *Producer) fail(err error) {
	p.refuse(err)
	p.endAll(err, true)
	p.acks.deliver()
}

// refuse makes Send take nothing any more, because of this or what came before.
func (p *Producer) refuse(err error) {
	p.memory.close(err)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil {
		p.failed = err
	}
}

// endAll makes partitions take nothing any more, and with drop fail what is not in flight.
func (p *Producer) endAll(err error, drop bool) {
	for _, t := range p.all() {
		t.mu.Lock()
		t.end(err, drop)
		t.mu.Unlock()
	}
}

// Close takes no records any more, sends what is left, and waits until all of it is
// acknowledged or failed, which DeliveryTimeout bounds. When ctx ends before, what is left
// is dropped as Abort does. Every batch is told to OnAck once before Close returns; its
// error is as that of Flush. All goroutines and connections have ended then; that takes
// longer than ctx only where an OnAck or OnError does not return, and 10 s at most.
func (p *Producer) Close(ctx context.Context) error {
	p.refuse(ErrClosed)
	p.endAll(ErrClosed, false)
	err := p.Flush(ctx)
	// ctx may have ended, and what it takes to end the rest is not worth one of its own.
	return errors.Join(err, p.Abort(context.WithoutCancel(ctx)))
}

// Abort takes no records any more and drops what is left: each batch fails with ErrClosed
// and is told to OnAck once, with NotInLog where it was not sent and InDoubt where no
// answer had come. It ends all goroutines and connections, and returns when they have
// ended, or with an error when ctx ends before, or after 10 s: only an OnAck or OnError
// that does not return can take as long. Its error is else as that of Flush. It may be
// called while Close waits.
func (p *Producer) Abort(ctx context.Context) error {
	p.refuse(ErrClosed)
	p.endAll(ErrClosed, true)
	p.cancel() // what is in flight comes back, and fails
	p.winding.Do(func() { go p.windDown() })
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-p.closed:
		return p.acks.failure()
	case <-ctx.Done():
		return fmt.Errorf("the producer of topic %q has not ended yet: %w", p.cfg.Topic, context.Cause(ctx))
	case <-timer.C:
		return fmt.Errorf("cannot end the producer of topic %q: its goroutines are held up after %v, by an OnAck or OnError that does not return", p.cfg.Topic, closeGrace)
	}
}

// windDown waits until all goroutines have ended, and tells of what they leave.
func (p *Producer) windDown() {
	p.sealer.close()
	p.acks.deliver()
	p.running.Wait()
	p.acks.deliver()
	p.client.Close()
	close(p.closed)
}

package direct

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Consumer reads one topic: partitions that it was given, or those that a group gives it.
// Next, Batches and Each are for one goroutine at a time; everything else may be called
// from any.
type Consumer struct {
	link
	cfg   ConsumerConfig
	group *membership // nil without one

	spare     bool // there is more than one CPU
	ready     chan *response
	attention mark // the keeper is needed
	reports   reports
	reader    reader       // of Next
	throttled atomic.Int64 // ms
	end       context.CancelFunc
	over      chan struct{} // closed once why is set
	running   sync.WaitGroup

	mu          sync.Mutex
	handedOver  sync.Cond // a batch came back, or all is over
	assignments map[int32]*assignment
	lanes       map[int32][]*lane // by broker
	stale       bool              // the view of who leads is not to be trusted
	sharers     int               // goroutines that batches are handed to
	why         error             // what ended the consumer, or io.EOF or ErrClosed
}

// NewConsumer connects. A dead broker, credentials that are refused, a topic or a
// partition that does not exist are errors after seconds at most, and a topic that was
// just made is waited for; ctx bounds the wait and has no meaning afterwards.
func NewConsumer(ctx context.Context, cfg ConsumerConfig) (*Consumer, error) {
	cfg, err := cfg.Complete()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	c := &Consumer{
		cfg: cfg, spare: cpus() >= 2, attention: newMark(), ready: make(chan *response, 4*mostConnections),
		over: make(chan struct{}), assignments: map[int32]*assignment{}, lanes: map[int32][]*lane{}, sharers: 1,
	}
	c.patience.missingFor = missingFor
	c.handedOver.L = &c.mu
	c.reports.keeper = c.attention
	c.reader = c.newReader()
	if err := c.start(ctx); err != nil {
		if c.client != nil {
			c.client.Close()
		}
		return nil, fmt.Errorf("cannot consume topic %q: %w", cfg.Topic, err)
	}
	return c, nil
}

func (c *Consumer) newReader() reader {
	r := reader{raw: c.cfg.Raw, skipCRC: c.cfg.SkipCRC, committed: c.cfg.ReadCommitted}
	r.decompressor.MaxBytes = c.cfg.MaxDecompressed
	return r
}

func (c *Consumer) start(ctx context.Context) error {
	options := c.cfg.Kafka
	if c.cfg.Group != "" {
		c.group = newMembership(c)
		options = slices.Concat(options, c.group.options())
	}
	if err := c.open(c.cfg.Topic, options); err != nil {
		return err
	}
	v, err := c.connect(ctx)
	if err != nil {
		return err
	}
	for p, at := range c.cfg.Assign {
		if int(p) >= len(v.partitions) {
			return fmt.Errorf("it has no partition %d: there are %d", p, len(v.partitions))
		}
		c.assign(p, at)
	}
	running, end := context.WithCancel(context.Background())
	c.end = end
	c.running.Go(func() { c.keep(running) })
	if c.group != nil {
		c.group.join(running)
	}
	return nil
}

// assign takes a partition in, to be read from an offset.
func (c *Consumer) assign(p int32, at int64) {
	end := int64(forever)
	if e, set := c.cfg.Ends[p]; set {
		end = e
	}
	c.assignments[p] = newAssignment(p, at, end)
}

// Next waits for a batch; the one before is not valid any more, and counts as handled.
// The error is io.EOF when all partitions have reached their Ends, ErrClosed after Close,
// the context's when that ended, a *BatchError for a batch that cannot be read (the
// consumer can be asked again), and else one that ended the consumer: a topic that is
// deleted, access that was refused, an offset that is lost under ResetNone.
func (c *Consumer) Next(ctx context.Context) (*Batch, error) {
	for r := &c.reader; ; {
		b, err := c.take(r)
		if b != nil || err != nil {
			return b, err
		}
		if r.advance() {
			continue
		}
		select {
		case from := <-c.ready:
			from.readers.Store(1)
			r.receive(from)
		case <-c.over:
			return nil, c.why
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Done says that the batch in hand is handled, as asking for the next one does. What is
// committed then has it.
func (c *Consumer) Done() {
	if r := &c.reader; r.chunk != nil && r.shown {
		c.enter(r)
		c.leave(r)
	}
}

// Buffered says whether a batch is there for Next without a wait, as far as that is known
// without looking into it: batches of aborted transactions count as well.
func (c *Consumer) Buffered() bool { return c.reader.left() || len(c.ready) > 0 }

// Batches gives every batch until ctx ends, which is no error, or the consumer does; the
// error is then the last thing given. A batch that cannot be read is given as an error
// too, and the loop may go on.
func (c *Consumer) Batches(ctx context.Context) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		for {
			b, err := c.Next(ctx)
			var unreadable *BatchError
			switch {
			case err == nil || errors.As(err, &unreadable):
				if !yield(b, err) {
					return
				}
			case errors.Is(err, io.EOF) || ctx.Err() != nil:
				return
			default:
				yield(nil, err)
				return
			}
		}
	}
}

// take gives the next batch of the reader's chunk, nil where there is none.
func (c *Consumer) take(r *reader) (*Batch, error) {
	if r.chunk == nil || !c.enter(r) {
		return nil, nil
	}
	shown, err := r.next()
	switch {
	case err != nil:
		return nil, c.unreadable(r, err)
	case !shown:
		c.finish(r)
		return nil, nil
	}
	return &r.batch, nil
}

// enter counts the batch before as handled, and says whether the rest of the chunk is
// still wanted. The partition is then in the reader's hands.
func (c *Consumer) enter(r *reader) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := r.chunk.of
	if c.current(r) {
		if r.shown {
			a.handed, a.handedEpoch = r.batch.LastOffset()+1, r.batch.LeaderEpoch()
		}
		if !a.paused && !a.leaving {
			a.inHand = true
			return true
		}
		if a.paused && !a.leaving { // what was fetched beyond is fetched again
			a.rewind(a.handed)
		}
	}
	c.release(r)
	return false
}

// current says whether the reader's chunk is of what was asked for last; c.mu is held.
func (c *Consumer) current(r *reader) bool {
	return r.chunk.of.generation == r.chunk.generation
}

// release takes the partition out of the reader's hands; c.mu is held.
func (c *Consumer) release(r *reader) {
	r.chunk.of.inHand, r.chunk, r.shown = false, nil, false
	c.handedOver.Broadcast()
}

// leave takes the partition out of the reader's hands between two of its batches.
func (c *Consumer) leave(r *reader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.shown = false
	if r.chunk != nil {
		r.chunk.of.inHand = false
		c.handedOver.Broadcast()
	}
}

// finish counts the chunk as handled.
func (c *Consumer) finish(r *reader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := r.chunk.of
	if c.current(r) {
		a.handed, a.handedEpoch = r.chunk.next, r.chunk.lastEpoch
		if a.done() {
			c.ended()
		}
	}
	c.release(r)
}

// ended ends the consumer when all partitions have reached their ends; c.mu is held.
func (c *Consumer) ended() {
	for _, a := range c.assignments {
		if !a.done() {
			return
		}
	}
	if c.group == nil {
		c.fail(io.EOF)
	}
}

// unreadable gives the chunk up from the batch on that cannot be read, which is fetched
// again after a while.
func (c *Consumer) unreadable(r *reader, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, at := r.chunk.of, max(r.chunk.from, r.batch.FirstOffset())
	if c.current(r) {
		a.rewind(at)
		a.handed = at
		c.withdraw(a)
		a.trouble(time.Now())
		c.attention.set()
	}
	c.release(r)
	return &BatchError{Topic: c.cfg.Topic, Partition: a.id, Offset: at, Err: err}
}

// fail ends the consumer; the first reason stays. c.mu is held.
func (c *Consumer) fail(err error) {
	if c.why == nil {
		c.why = err
		close(c.over)
	}
}

// Seek makes reading go on at other offsets: numbers from 0, Earliest or Latest. What was
// fetched of the partitions and not handed out is dropped.
func (c *Consumer) Seek(offsets map[int32]int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, to := range offsets {
		if c.assignments[p] == nil || to < Earliest {
			return fmt.Errorf("topic %q partition %d cannot be read from offset %d: it is not ours to read, or there is no such offset", c.cfg.Topic, p, to)
		}
	}
	for p, to := range offsets {
		a := c.assignments[p]
		a.rewind(to)
		a.handed, a.handedEpoch, a.lastEpoch, a.tries = to, -1, -1, 0
		if to < 0 {
			c.withdraw(a)
		}
		if a.lane == nil {
			c.attention.set()
			continue
		}
		a.lane.stop()
		a.lane.wake.set()
	}
	return nil
}

// Pause stops handing out batches of partitions, and Resume goes on where that stopped.
// Those that are not ours are passed over.
func (c *Consumer) Pause(partitions ...int32) { c.setPaused(partitions, true) }

// Resume ends Pause.
func (c *Consumer) Resume(partitions ...int32) { c.setPaused(partitions, false) }

func (c *Consumer) setPaused(partitions []int32, paused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range partitions {
		if a := c.assignments[p]; a != nil {
			a.paused = paused
			if a.lane != nil {
				a.lane.wake.set()
			}
		}
	}
}

// Positions are the offsets after what was handed out and handled, by partition; negative
// where it is not known yet where to begin.
func (c *Consumer) Positions() map[int32]int64 {
	return c.each(func(a *assignment) (int64, bool) { return a.handed, true })
}

// Lag is how many offsets there are between what was handled and how far can be read, by
// partition, as of its last answer; partitions without one are left out.
func (c *Consumer) Lag() map[int32]int64 {
	return c.each(func(a *assignment) (int64, bool) {
		return max(0, a.high-a.handed), a.high >= 0 && a.handed >= 0
	})
}

func (c *Consumer) each(get func(*assignment) (int64, bool)) map[int32]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[int32]int64, len(c.assignments))
	for p, a := range c.assignments {
		if v, is := get(a); is {
			all[p] = v
		}
	}
	return all
}

// Throttled is how long brokers have asked to wait, because of a quota.
func (c *Consumer) Throttled() time.Duration {
	return time.Duration(c.throttled.Load()) * time.Millisecond
}

// Settings is the config in force, as ConsumerConfig.Complete tells it; without Kafka,
// which may hold secrets.
func (c *Consumer) Settings() ConsumerConfig {
	s := c.cfg
	s.Kafka = nil
	s.Assign, s.Ends = maps.Clone(s.Assign), maps.Clone(s.Ends)
	return s
}

// Close commits what was handled, leaves the group and ends every goroutine and
// connection; ctx bounds it. Batches are not valid any more.
func (c *Consumer) Close(ctx context.Context) error {
	c.mu.Lock()
	c.fail(ErrClosed)
	c.handedOver.Broadcast()
	c.mu.Unlock()
	var err error
	if c.group != nil {
		err = c.group.leave(ctx)
	}
	c.end()
	c.mu.Lock()
	for _, l := range slices.Concat(slices.Collect(maps.Values(c.lanes))...) {
		if l.conn != nil {
			_ = l.conn.Close() // whatever was under way is dropped
		}
	}
	c.mu.Unlock()
	c.client.Close()
	c.running.Wait()
	c.reader.close()
	return err
}

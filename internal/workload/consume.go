package workload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/latency"
	"redline/internal/observe"
	"redline/result"
)

// Consume says what is to be read, by what, and until when.
type Consume struct {
	Library client.Library
	// Options is the template for each consumer. With Group set the consumers
	// share the group; else the partitions of Assign are dealt out to them.
	Options   client.ConsumeOptions
	Consumers int
	// Ledger takes every record; it may be shared with producers.
	Ledger *audit.Ledger

	// Until, if not empty, ends the run when every partition has been read up to
	// this end offset.
	Until map[int32]int64
	// MaxRecords, if > 0, ends the run when at least so many distinct records
	// were counted; the batch in hand is finished.
	MaxRecords int64
	// Loop reads assigned partitions again and again from these offsets; a pass
	// begins for a consumer when all its partitions have reached Until.
	Loop map[int32]int64
	// Latency, if not nil, takes the time from the intended send time of each
	// batch's first record to now: end-to-end latency, one sample a batch.
	Latency *latency.Recorder

	// Handle, if not nil, makes for each consumer what is done with a batch once it
	// was accounted: the work of the application.
	Handle func() func(client.Batch)

	// Watch, if not nil, reads what the run uses.
	Watch *observe.Watch

	// Resume, if not nil, gives the offsets that the group has committed of
	// partitions just assigned: another member, of another process, may have read
	// on where ours had stopped. A partition without a commit is left out.
	Resume func(partitions []int32) (map[int32]int64, error)

	// Notify, if not nil, is told what the consumers do. It is called from
	// several goroutines, one at a time.
	Notify func(Event)
}

// Event is something a consumer of a run did.
type Event struct {
	Consumer int
	Kind     EventKind
	// Err is set for ConsumerError; Partitions for Assigned and Revoked.
	Err        error
	Partitions []int32
}

// EventKind names an Event.
type EventKind int

// Kinds of events, in the order of a consumer's life.
const (
	Started EventKind = iota
	Assigned
	Revoked
	ConsumerError
	Stopping   // told to end from outside
	CleaningUp // commits and leaves
	CleanedUp
)

// Consuming is a run of consumers that goes on until it is stopped or its
// bounds are reached.
type Consuming struct {
	spec    Consume
	began   time.Time
	ctx     context.Context
	cancel  context.CancelCauseFunc
	members []*member
	running sync.WaitGroup
	done    chan struct{}
	stopped atomic.Bool
	sampler *sampler

	notifyMu sync.Mutex
	errs     chan error

	// Errors counts problems the clients went on from, Rebalances the
	// revocations and assignments after the first one.
	Errors, Rebalances atomic.Int64
	batches            atomic.Int64
	first, last        atomic.Int64 // ns from the start, of the first and last batch taken
	rewinds            atomic.Int64
	remaining          atomic.Int64 // partitions that have not reached Until
	reached            sync.Map     // partition -> true, when it has
	settings           map[string]string
}

// Consumed is what a run of consumers came to.
type Consumed struct {
	Profile Profile
	// Usage is that of the part from the first record to the last, if the run had
	// a Watch.
	Usage result.Usage
	// FirstRecord and LastRecord are when the first and the last batch had been
	// accounted, from the start; -1 when none came.
	FirstRecord, LastRecord time.Duration
	Wall                    time.Duration
	Records                 int64
	Bytes                   int64
	Errors                  int64
	Rebalances              int64
	// Batches is the number of per-partition batches handed out, Rewinds the
	// passes begun anew (Loop).
	Batches, Rewinds int64
	Settings         map[string]string
}

// errBound ends a run that reached what it was asked for.
var errBound = errors.New("bound reached")

// StartConsume makes the consumers and lets them read. They go on until Stop,
// until ctx ends or until a bound is reached; then Done is closed. The caller
// must call Stop in every case.
func StartConsume(ctx context.Context, spec Consume) (*Consuming, error) {
	c := &Consuming{spec: spec, done: make(chan struct{}), errs: make(chan error, spec.Consumers)}
	c.remaining.Store(int64(len(spec.Until)))
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	for i := range spec.Consumers {
		if err := c.addMember(i); err != nil {
			c.cancel(err)
			_ = c.closeMembers(context.WithoutCancel(ctx))
			return nil, err
		}
	}
	c.began = time.Now()
	c.sampler = startSampling(c.began, spec.Watch, func() (int64, int64) { return spec.Ledger.Records(), spec.Ledger.Bytes() })
	for _, m := range c.members {
		c.notify(Event{Consumer: m.index, Kind: Started})
		c.running.Go(m.run)
	}
	go func() {
		c.running.Wait()
		close(c.done)
	}()
	return c, nil
}

func (c *Consuming) addMember(i int) error {
	m := &member{consuming: c, index: i, readers: map[int32]*partition{}}
	if c.spec.Handle != nil {
		m.handle = c.spec.Handle()
	}
	options := c.spec.Options
	options.Events = m
	if options.Group == "" {
		options.Assign = deal(c.spec.Options.Assign, i, c.spec.Consumers)
		m.left = len(options.Assign)
		m.assigned = m.left
	}
	consumer, err := c.spec.Library.Consumer(options)
	if err != nil {
		return fmt.Errorf("cannot start consumer %d: %w", i, err)
	}
	m.consumer = consumer
	if c.settings == nil {
		c.settings = consumer.Settings()
	}
	c.members = append(c.members, m)
	return nil
}

// deal gives consumer i of n its share of the partitions.
func deal(all map[int32]int64, i, n int) map[int32]int64 {
	share := map[int32]int64{}
	for p, offset := range all {
		if int(p)%n == i {
			share[p] = offset
		}
	}
	return share
}

// Done is closed when every consumer has stopped reading.
func (c *Consuming) Done() <-chan struct{} { return c.done }

// Records is the number of distinct records counted so far.
func (c *Consuming) Records() int64 { return c.spec.Ledger.Records() }

// Bytes is the sum of their values, in bytes.
func (c *Consuming) Bytes() int64 { return c.spec.Ledger.Bytes() }

// Rewinds is the number of passes begun anew so far (Loop).
func (c *Consuming) Rewinds() int64 { return c.rewinds.Load() }

// Batches is the number of batches handed out so far.
func (c *Consuming) Batches() int64 { return c.batches.Load() }

// Settings are the properties truly in force, in the library's own spelling.
func (c *Consuming) Settings() map[string]string { return c.settings }

// Stop ends the reading, lets every consumer commit and leave within the bound
// of ctx, and says what the run came to. The error is the first one that ended
// a consumer or its closing.
func (c *Consuming) Stop(ctx context.Context) (Consumed, error) {
	c.stopped.Store(true)
	c.cancel(context.Canceled)
	<-c.done
	profile, usage := c.sampler.finish()
	err := c.closeMembers(ctx)
	select {
	case first := <-c.errs:
		err = first
	default:
	}
	consumed := Consumed{
		Profile: profile, Usage: usage, Wall: time.Since(c.began),
		FirstRecord: time.Duration(c.first.Load()), LastRecord: time.Duration(c.last.Load()),
		Records: c.Records(), Bytes: c.Bytes(),
		Errors: c.Errors.Load(), Rebalances: c.Rebalances.Load(),
		Batches: c.batches.Load(), Rewinds: c.rewinds.Load(), Settings: c.settings,
	}
	if consumed.Records == 0 {
		consumed.FirstRecord, consumed.LastRecord = -1, -1
	}
	return consumed, err
}

func (c *Consuming) closeMembers(ctx context.Context) error {
	errs := make([]error, len(c.members))
	var closing sync.WaitGroup
	for i, m := range c.members {
		closing.Go(func() {
			c.notify(Event{Consumer: m.index, Kind: CleaningUp})
			errs[i] = m.consumer.Close(ctx)
			c.notify(Event{Consumer: m.index, Kind: CleanedUp})
		})
	}
	closing.Wait()
	return errors.Join(errs...)
}

func (c *Consuming) notify(e Event) {
	if c.spec.Notify == nil {
		return
	}
	c.notifyMu.Lock()
	defer c.notifyMu.Unlock()
	c.spec.Notify(e)
}

// fail ends the run with an error that no consumer can recover from.
func (c *Consuming) fail(err error) {
	select {
	case c.errs <- err:
	default:
	}
	c.cancel(err)
}

// member is one consumer of a run. All but its Events is used by one goroutine.
type member struct {
	consuming *Consuming
	index     int
	consumer  client.Consumer
	readers   map[int32]*partition
	assigned  int // partitions dealt to it (Assign)
	left      int // of these, how many have not reached Until in this pass
	joined    bool
	handle    func(client.Batch) // nil: nothing is done with batches
}

// partition is what a member keeps of each partition it reads.
type partition struct {
	reader *audit.Reader
	see    func(offset int64, key, value []byte)
	until  int64 // -1: no end
	ended  bool
	sent   int64 // when the first record of the batch in hand was due; 0: not known
}

func (m *member) run() {
	c := m.consuming
	for c.ctx.Err() == nil {
		if err := m.consumer.Poll(c.ctx, m.take); err != nil {
			c.fail(fmt.Errorf("consumer %d of %s stopped: %w", m.index, c.spec.Options.Topic, err))
			return
		}
		if c.spec.MaxRecords > 0 && c.Records() >= c.spec.MaxRecords {
			c.cancel(errBound)
		}
		if m.assigned > 0 && m.left == 0 && c.spec.Loop != nil && c.ctx.Err() == nil {
			if err := m.rewind(); err != nil {
				c.fail(err)
				return
			}
		}
	}
	if c.stopped.Load() || !errors.Is(context.Cause(c.ctx), errBound) {
		c.notify(Event{Consumer: m.index, Kind: Stopping})
	}
}

// take accounts one batch.
func (m *member) take(b client.Batch) {
	p := m.readers[b.Partition()]
	if p == nil {
		p = m.open(b.Partition())
	}
	p.reader.Begin(b.LeaderEpoch())
	b.Each(p.see)
	next := p.reader.Next()
	p.reader.End()
	if m.handle != nil {
		m.handle(b)
	}
	m.consuming.took()
	if p.sent > 1 {
		m.consuming.spec.Latency.Observe(time.Duration(time.Now().UnixNano() - p.sent))
	}
	p.sent = 0
	if p.until >= 0 && next >= p.until && !p.ended {
		m.end(b.Partition(), p)
	}
}

// took notes when a batch had been accounted.
func (c *Consuming) took() {
	at := int64(time.Since(c.began))
	if c.batches.Add(1) == 1 {
		c.first.Store(at)
	}
	c.last.Store(at)
}

func (m *member) open(id int32) *partition {
	reader := m.consuming.spec.Ledger.Reader(id)
	p := &partition{reader: reader, until: -1}
	p.see = func(offset int64, _, value []byte) { reader.See(offset, value) }
	if m.consuming.spec.Latency != nil {
		p.see = func(offset int64, _, value []byte) {
			if p.sent == 0 {
				p.sent = max(1, sentAt(value))
			}
			reader.See(offset, value)
		}
	}
	if until, ok := m.consuming.spec.Until[id]; ok {
		p.until = until
	}
	m.readers[id] = p
	return p
}

// sentAt is when a record was due, Unix nanoseconds; 0 if it does not say.
func sentAt(value []byte) int64 {
	stamp, _ := audit.Read(value)
	return stamp.Time
}

// end notes that a partition has been read up to its end.
func (m *member) end(id int32, p *partition) {
	p.ended = true
	m.left--
	if m.consuming.spec.Loop != nil {
		return
	}
	m.consuming.Reached(id)
}

// rewind begins a new pass over the member's partitions.
func (m *member) rewind() error {
	to := map[int32]int64{}
	for id, p := range m.readers {
		to[id] = m.consuming.spec.Loop[id]
		p.ended = false
	}
	if err := m.consumer.Rewind(to); err != nil {
		return fmt.Errorf("cannot rewind consumer %d: %w", m.index, err)
	}
	for id, offset := range to {
		m.consuming.spec.Ledger.Rewind(id, offset)
	}
	m.left = m.assigned
	m.consuming.rewinds.Add(1)
	return nil
}

// Assigned, Revoked and Error make a member the client.Events of its consumer.

// Assigned is told of partitions gained.
func (m *member) Assigned(partitions []int32) {
	c := m.consuming
	c.notifyMu.Lock()
	if m.joined {
		c.Rebalances.Add(1)
	}
	m.joined = true
	c.notifyMu.Unlock()
	m.resume(partitions)
	c.notify(Event{Consumer: m.index, Kind: Assigned, Partitions: partitions})
}

// resume tells the ledger where partitions just assigned will be read on. It is
// called before the library asks for their first record.
func (m *member) resume(partitions []int32) {
	c := m.consuming
	if c.spec.Resume == nil {
		return
	}
	committed, err := c.spec.Resume(partitions)
	if err != nil {
		m.Error(fmt.Errorf("cannot see where the group goes on, so what others of it have read may count as lost: %w", err))
		return
	}
	for partition, offset := range committed {
		c.spec.Ledger.Start(partition, offset, offset)
	}
}

// Reached says that a partition needs not be read any further for Until, because
// somebody else has done so or no record is left there.
func (c *Consuming) Reached(partition int32) {
	if _, twice := c.reached.LoadOrStore(partition, true); !twice && c.remaining.Add(-1) == 0 {
		c.cancel(errBound)
	}
}

// Open are the partitions that have not been read up to Until.
func (c *Consuming) Open() []int32 {
	var open []int32
	for partition := range c.spec.Until {
		if _, done := c.reached.Load(partition); !done {
			open = append(open, partition)
		}
	}
	return open
}

// Revoked is told of partitions lost.
func (m *member) Revoked(partitions []int32) {
	if m.consuming.ctx.Err() == nil {
		m.consuming.Rebalances.Add(1)
	}
	m.consuming.notify(Event{Consumer: m.index, Kind: Revoked, Partitions: partitions})
}

// Error is told of a problem that the library goes on from.
func (m *member) Error(err error) {
	m.consuming.Errors.Add(1)
	m.consuming.notify(Event{Consumer: m.index, Kind: ConsumerError, Err: err})
}

var _ client.Events = (*member)(nil)

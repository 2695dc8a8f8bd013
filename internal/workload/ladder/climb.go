package ladder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/direct/batch"
	"redline/direct/wire"
	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/payload"
	"redline/internal/security"
)

// Spec says which rung, on what.
type Spec struct {
	// Rung and Workload name it; Topic is read or written.
	Rung, Workload, Topic string

	Brokers []string
	// Security says how the connections are encrypted, and as whom they are made. A rung
	// does not authenticate anew: it ends with a session that the broker ends.
	Security security.Security
	// Wire, if not nil, receives what goes over the connections.
	Wire *client.Wire
	// Connections is their number in all, dealt to the leaders: each that leads a
	// partition has one at least, and none has more than partitions.
	Connections int
	// Starts and Ends are where to read each partition (consume): from Starts up to, not
	// including, Ends, and then again from Starts, until Stop.
	Starts, Ends map[int32]int64
	// Properties in Kafka's spelling. To consume: fetch.max.bytes (4 MiB) and
	// max.partition.fetch.bytes (1 MiB). To produce: batch.size (1,000,000, before
	// compression), max.request.size (4,000,000), max.in.flight.requests.per.connection
	// (3), compression.type (none; lower rungs do not compress whatever it says); acks
	// and enable.idempotence may be given where they say what the rung does.
	Properties map[string]string

	// Ledger takes every record, from the rungs "account" and "stamp" on; those below
	// do not touch it. Sparse says that the log may leave out records on purpose.
	Ledger *audit.Ledger
	Sparse bool
	// Group is the consumer group that the rung "group" and those above make and delete.
	Group string
	// Handle makes for each connection what is done with a batch, on the rung "handler".
	Handle func() func(client.Batch)

	// Partitions of the topic, and what values are made of (produce): RecordBytes is
	// there for the settings, the payload knows its size. Records have no keys. The
	// stamps' promises are the payload's: make it with those of Promised.
	Partitions, RecordBytes int
	Payload                 *payload.Source
}

// Promised says what the records of a rung of producing are promised: for the
// configuration of its payload.
func Promised(rung string) (audit.Acks, bool) {
	s := stepOf(produce, rung)
	if s >= replicating {
		return audit.AcksAll, true
	}
	return audit.AcksLeader, s >= sequencing
}

// count is what one connection has counted, on cache lines of its own.
type count struct {
	_              [64]byte
	records, bytes atomic.Int64
	_              [64]byte
}

func (c *count) add(records, bytes int64) {
	c.records.Add(records)
	c.bytes.Add(bytes)
}

// lane is one connection and what goes on over it.
type lane interface {
	// prime does what must work before anything is measured, run the work, until the
	// climb ends or something goes wrong.
	prime() error
	run() error
	// halt makes run end soon, close at once.
	halt()
	close()
}

// Climb is a rung that is being measured, until it is stopped.
type Climb struct {
	spec    Spec
	options options
	step    step

	ctx    context.Context
	cancel context.CancelFunc
	quit   chan struct{} // closed by Stop
	done   chan struct{}

	admin   *kgo.Client  // for all that is not the work itself
	dialer  *wire.Dialer // for the work
	lanes   []lane
	counts  []*count
	group   *membership
	socket  *source
	running sync.WaitGroup
	parts   int // partitions read or written

	rewinds, errors atomic.Int64
	codecs          atomic.Uint32 // a bit for each that batches were read in

	mu     sync.Mutex
	first  error
	ending sync.Once
}

// Start connects and lets the rung work. It goes on until Stop or until ctx ends; then
// Done is closed. What goes wrong in the first request ends Start. The caller must call
// Stop in every case where it gets a Climb.
func Start(ctx context.Context, s Spec) (*Climb, error) {
	o, err := s.check()
	if err != nil {
		return nil, err
	}
	c := &Climb{spec: s, options: o, step: stepOf(s.Workload, s.Rung), quit: make(chan struct{}), done: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(ctx)
	if err := c.open(); err != nil {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		c.fail(err)
		close(c.done)
		return nil, c.Stop(bounded)
	}
	for _, l := range c.lanes {
		c.running.Go(func() { c.work(l) })
	}
	if c.group != nil {
		c.running.Go(c.commit)
	}
	go func() {
		c.running.Wait()
		close(c.done)
	}()
	return c, nil
}

// check is all that can be known without a broker.
func (s *Spec) check() (options, error) {
	if _, ok := Find(s.Workload, s.Rung); !ok {
		return options{}, unknownRung(s.Workload, s.Rung)
	}
	o, err := parse(s.Workload, s.Rung, s.Properties)
	step := stepOf(s.Workload, s.Rung)
	switch {
	case err != nil:
		return o, err
	case s.Connections < 1:
		return o, fmt.Errorf("a rung needs at least one connection, not %d", s.Connections)
	case s.Workload == produce && (s.Payload == nil || s.Partitions < 1):
		return o, errors.New("a rung of producing needs a payload and partitions")
	case s.Workload == produce && step >= stamping && s.Ledger == nil,
		s.Workload == consume && step >= accounting && s.Ledger == nil:
		return o, fmt.Errorf("rung %s needs a ledger", s.Rung)
	case s.Workload == produce:
		return o, nil
	case step >= grouping && s.Group == "":
		return o, fmt.Errorf("rung %s needs the name of a consumer group", s.Rung)
	case step >= handling && s.Handle == nil:
		return o, client.Cannot(name, "measure rung handler without a handler", "give one, or take rung group")
	}
	return o, s.checkRanges()
}

func (s *Spec) checkRanges() error {
	if len(s.Starts) == 0 {
		return fmt.Errorf("topic %q has no records to read; fill it before", s.Topic)
	}
	for p, start := range s.Starts {
		if end := s.Ends[p]; start < 0 || end <= start {
			return fmt.Errorf("partition %d cannot be read from offset %d to %d; leave out those without records", p, start, end)
		}
	}
	return nil
}

// open makes everything that works, and lets it do its first request.
func (c *Climb) open() error {
	shares, err := c.shares()
	if err != nil {
		return err
	}
	switch {
	case c.spec.Rung == socketRung.Name:
		return c.openSocket(shares)
	case c.spec.Workload == produce:
		err = c.openProducers(shares)
	default:
		err = c.openFetchers(shares)
	}
	if err != nil {
		return err
	}
	if c.spec.Workload == consume && c.step >= grouping {
		if c.group, err = c.join(); err != nil {
			return err
		}
	}
	return c.prime()
}

// shares makes a client, finds the leaders by it and deals the connections.
func (c *Climb) shares() ([]share, error) {
	var err error
	if c.admin, err = c.spec.administer(); err == nil {
		c.dialer, err = wire.NewDialer(c.admin)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make a client: %w", err)
	}
	var partitions []int32
	if c.spec.Workload == produce {
		for p := range int32(c.spec.Partitions) {
			partitions = append(partitions, p)
		}
	} else {
		partitions = slices.Sorted(maps.Keys(c.spec.Starts))
	}
	c.parts = len(partitions)
	led, err := leaders(c.ctx, c.admin, c.spec.Topic, partitions)
	if err != nil {
		return nil, err
	}
	return deal(led, c.spec.Connections), nil
}

func (c *Climb) openFetchers(shares []share) error {
	if c.step >= accounting {
		c.spec.Ledger.Sparse(c.spec.Sparse)
	}
	for _, s := range shares {
		conn, err := c.connect(s.leader, fetchKey, fetchVersion)
		if err != nil {
			return err
		}
		c.lanes = append(c.lanes, newFetcher(c, s, conn, c.counter()))
	}
	return nil
}

func (c *Climb) counter() *count {
	n := new(count)
	c.counts = append(c.counts, n)
	return n
}

// prime does the first request of every connection, all of them at once.
func (c *Climb) prime() error {
	defer context.AfterFunc(c.ctx, c.closeLanes)()
	errs := make([]error, len(c.lanes))
	var priming sync.WaitGroup
	for i, l := range c.lanes {
		priming.Go(func() { errs[i] = l.prime() })
	}
	priming.Wait()
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return errors.Join(errs...)
}

func (c *Climb) closeLanes() {
	for _, l := range c.lanes {
		l.close()
	}
}

// work does a lane's work until it ends.
func (c *Climb) work(l lane) {
	defer context.AfterFunc(c.ctx, l.close)()
	if err := l.run(); err != nil && !c.ended() {
		c.fail(err)
	}
}

// ended says that what goes wrong from now on follows from ending.
func (c *Climb) ended() bool {
	select {
	case <-c.quit:
		return true
	case <-c.ctx.Done():
		return true
	default:
		return false
	}
}

// fail ends the climb.
func (c *Climb) fail(err error) {
	c.mu.Lock()
	if c.first == nil {
		c.first = err
	}
	c.mu.Unlock()
	c.cancel()
}

// Done is closed when nothing goes on any more.
func (c *Climb) Done() <-chan struct{} { return c.done }

// Records is how many were counted so far, each of every pass once: read, as far as the
// rung looks at them, or acknowledged. Rungs below "decode" count by the headers of
// batches; the socket counts its bytes and reckons.
func (c *Climb) Records() int64 {
	if c.spec.Workload == consume && c.step >= accounting {
		return c.spec.Ledger.Records()
	}
	if c.socket != nil {
		return c.socket.reckon(c.Bytes())
	}
	var n int64
	for _, each := range c.counts {
		n += each.records.Load()
	}
	return n
}

// Bytes is the length of the values of Records. On the rungs of consuming below
// "decode", and on the socket, where values are not known, it is the bytes of records as
// they came, with their framing and as compressed as they were.
func (c *Climb) Bytes() int64 {
	if c.spec.Workload == consume && c.step >= accounting {
		return c.spec.Ledger.Bytes()
	}
	var n int64
	for _, each := range c.counts {
		n += each.bytes.Load()
	}
	return n
}

// Rewinds is how many passes over all partitions were begun anew; each partition
// begins anew for itself.
func (c *Climb) Rewinds() int64 { return c.rewinds.Load() / int64(max(1, c.parts)) }

// Errors counts problems that were gone on from: commits that failed.
func (c *Climb) Errors() int64 { return c.errors.Load() }

// PIDs are the processes that send to the socket; nil on every other rung.
func (c *Climb) PIDs() []int {
	if c.socket == nil {
		return nil
	}
	return []int{c.socket.sender.PID()}
}

// Settings are the properties in force, and what a step found nothing to do for.
func (c *Climb) Settings() map[string]string {
	s := c.options.settings(c.spec.Workload, c.spec.Rung)
	s["rung"] = c.spec.Rung
	s["connections"] = strconv.Itoa(len(c.lanes))
	const idle = "nothing to do: batches are not compressed"
	seen := c.codecs.Load()
	switch {
	case c.spec.Workload == produce && c.step >= deflating && c.options.codec == batch.None:
		s["compress"] = idle
	case c.spec.Workload == produce && c.step < deflating:
		s["compression.type"] = batch.None.String()
	case c.spec.Workload == consume && c.step >= inflating && seen == 1<<batch.None:
		s["decompress"] = idle
	case c.spec.Workload == consume && c.step >= inflating:
		s["decompress"] = seenCodecs(seen)
	}
	if c.socket != nil {
		c.socket.settings(s)
	}
	return s
}

func seenCodecs(seen uint32) string {
	var text string
	for codec := batch.None; codec <= batch.Zstd; codec++ {
		if seen&(1<<codec) != 0 {
			text += ", " + codec.String()
		}
	}
	return text[min(2, len(text)):]
}

// saw notes codecs of batches.
func (c *Climb) saw(codecs uint32) {
	if c.codecs.Load()|codecs != c.codecs.Load() {
		c.codecs.Or(codecs)
	}
}

// throttled notes what a broker asks us to wait, in milliseconds. It holds back its
// answers for as long by itself.
func (c *Climb) throttled(ms int32) {
	if ms > 0 && c.spec.Wire != nil {
		c.spec.Wire.Throttled.Add(int64(ms) * int64(time.Millisecond))
	}
}

// Stop ends the work within the bound of ctx, takes back what was made for it, and
// returns what went wrong first. What was sent and is not answered in time is accounted
// as indeterminate, and no error. Further calls return the same.
func (c *Climb) Stop(ctx context.Context) error {
	c.ending.Do(func() { c.end(ctx) })
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.first
}

func (c *Climb) end(ctx context.Context) {
	close(c.quit)
	for _, l := range c.lanes {
		l.halt()
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		c.cancel()
		<-c.done
	}
	c.closeLanes()
	err := errors.Join(c.leave(ctx), c.closeSocket(ctx))
	c.cancel()
	if c.admin != nil {
		c.admin.Close()
	}
	if err != nil {
		c.fail(err)
	}
}

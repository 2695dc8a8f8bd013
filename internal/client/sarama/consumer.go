package sarama

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"

	"redline/internal/client"
	"redline/internal/cluster"
)

const (
	// pollWait bounds one wait for records.
	pollWait = 500 * time.Millisecond
	// slabsAtOnce bounds one poll.
	slabsAtOnce = 64
	// unknownTopicFor is how long a topic may be missing: a new one takes a
	// moment to be known to every broker. sarama has tried for most of a second
	// each time it says so.
	unknownTopicFor = 4 * time.Second
)

type consumer struct {
	sarama sarama.Client
	conns  *connections
	draft  *draft
	topic  string
	events client.Events
	watch  *watch

	life    context.Context
	stop    context.CancelFunc
	working sync.WaitGroup // what reads, until it is stopped
	ending  atomic.Bool

	full    chan *slab
	timer   *time.Timer // of the wait of a poll
	handing sync.Mutex  // held while the workload has a slab

	assigned *assigned // nil for members of a group
	member   *member

	mu           sync.Mutex
	fatal        error
	failed       chan struct{} // closed once fatal is set
	missingSince time.Time     // when the topic was first said to be unknown
	missed       atomic.Bool   // missingSince is set
}

// Consumer makes a member of a group or a reader of assigned partitions. An
// error names the property that is wrong; brokers are not waited for.
func (library) Consumer(o client.ConsumeOptions) (client.Consumer, error) {
	if (o.Group == "") == (len(o.Assign) == 0) {
		return nil, errors.New("a consumer needs either a group or assigned partitions")
	}
	initial, err := start(o.Reset)
	if err != nil {
		return nil, err
	}
	kind := client.Consuming
	if o.Group != "" {
		kind |= client.Grouping
	}
	d, err := drafted(kind, o.Options, consumeTuned, func(config *sarama.Config) {
		config.Consumer.Offsets.Initial = initial
		if o.ReadCommitted {
			config.Consumer.IsolationLevel = sarama.ReadCommitted
		}
		if o.Group == "" {
			config.Consumer.MaxWaitTime = assignedFetchWait
		}
	})
	if err != nil {
		return nil, err
	}
	return newConsumer(d, o)
}

// start is where a group without commits begins.
func start(reset string) (int64, error) {
	switch reset {
	case "", "earliest":
		return sarama.OffsetOldest, nil
	case "latest":
		return sarama.OffsetNewest, nil
	}
	return 0, fmt.Errorf("a group cannot start at %q; take earliest or latest", reset)
}

func newConsumer(d *draft, o client.ConsumeOptions) (*consumer, error) {
	c := &consumer{
		draft: d, topic: o.Topic, events: o.Events, full: make(chan *slab), failed: make(chan struct{}),
		timer: time.NewTimer(pollWait), watch: newWatch(o.Options, d, nil, cluster.ReadNeeds(o.Topic, o.Group)),
	}
	c.conns = d.connections(o.Options, c.watch)
	c.life, c.stop = context.WithCancel(context.Background())
	var err error
	if c.sarama, err = d.connect(o.Options, c.conns); err != nil {
		return nil, c.abandon(err)
	}
	if o.Group == "" {
		err = c.assign(o.Assign)
	} else {
		err = c.join(o.Group)
	}
	if err != nil {
		return nil, c.abandon(errors.Join(fmt.Errorf("sarama makes no consumer of topic %q: %w", o.Topic, err), c.sarama.Close()))
	}
	return c, nil
}

// abandon gives up a consumer that could not be made.
func (c *consumer) abandon(err error) error {
	c.stop()
	c.conns.cut()
	return err
}

// CheckConsumer takes what a member of a group can have.
func (library) CheckConsumer(o client.Options) error {
	_, err := drafted(client.Consuming|client.Grouping, o, consumeTuned, func(*sarama.Config) {})
	return err
}

func (c *consumer) Poll(ctx context.Context, handle func(client.Batch)) error {
	handed := false
	for range slabsAtOnce {
		select {
		case s := <-c.full:
			handed = c.hand(s, handle) || handed
			continue
		default:
		}
		break
	}
	if handed {
		return nil
	}
	c.timer.Reset(pollWait)
	for !handed {
		select {
		case s := <-c.full:
			handed = c.hand(s, handle)
		case <-c.failed:
			return c.fatal
		case <-ctx.Done():
			return nil
		case <-c.timer.C:
			return c.silence()
		}
	}
	return nil
}

// hand gives the workload the records of a slab, unless they are not wanted any more.
func (c *consumer) hand(s *slab, handle func(client.Batch)) bool {
	c.handing.Lock()
	defer c.handing.Unlock()
	defer s.recycle()
	if s.reading.over {
		return false
	}
	handle(s)
	if s.reading.mark != nil {
		s.reading.mark(s.messages[len(s.messages)-1].Offset + 1)
	}
	c.watch.worked()
	if c.missed.Load() {
		c.found()
	}
	return true
}

// finish makes sure that nothing of a reading is handed out any more.
func (c *consumer) finish(r *reading) {
	c.handing.Lock()
	defer c.handing.Unlock()
	r.over = true
}

// silence says whether the want of records is for good.
func (c *consumer) silence() error {
	if refused := c.watch.Refusal(); refused != nil {
		c.die(fmt.Errorf("reading topic %q: %w", c.topic, refused))
	} else if dead := c.watch.Unreachable(); dead != nil {
		c.die(dead)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fatal
}

func (c *consumer) die(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fatal == nil {
		c.fatal = err
		close(c.failed)
	}
}

// trouble tells an error that ends the consumer from one that passes.
func (c *consumer) trouble(err error) {
	if c.ending.Load() {
		return
	}
	err = asGo(err)
	c.watch.failed("", err)
	switch {
	case client.NotAllowed(err):
		c.die(fmt.Errorf("reading topic %q: %w", c.topic, c.watch.Classify(err)))
	case client.Misfit(err):
		c.die(client.CannotJoin(c.topic, err))
	case client.UnknownTopic(err) && c.missing(errors.Is(err, kerr.InvalidTopicException)):
		c.die(client.MissingTopic(c.topic, err))
	case c.events != nil:
		c.events.Error(err)
	}
}

// missing says whether a topic that is unknown again stays so; surely if its name
// is none.
func (c *consumer) missing(surely bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.missingSince.IsZero() {
		c.missingSince = time.Now()
		c.missed.Store(true)
	}
	return surely || time.Since(c.missingSince) >= unknownTopicFor
}

func (c *consumer) found() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.missingSince = time.Time{}
	c.missed.Store(false)
}

func (c *consumer) Rewind(offsets map[int32]int64) error {
	if c.assigned == nil {
		return errors.New("the members of a group cannot be rewound; assign partitions instead")
	}
	for partition, offset := range offsets {
		if offset < 0 {
			return fmt.Errorf("cannot rewind partition %d to offset %d; offsets start at 0", partition, offset)
		}
	}
	for partition, offset := range offsets {
		c.read(partition, offset)
	}
	return nil
}

func (c *consumer) Settings() map[string]string { return c.draft.settings() }

// Close cannot hurry sarama, but for ending its connections: when ctx ends first,
// what is left of it ends a moment later.
func (c *consumer) Close(ctx context.Context) error {
	c.ending.Store(true)
	c.stop()
	if c.assigned != nil {
		c.conns.cut() // nothing is owed to a broker
	}
	defer context.AfterFunc(ctx, c.conns.cut)()
	left := make(chan error, 1)
	go func() { left <- c.leave() }()
	select {
	case err := <-left:
		return err
	case <-ctx.Done():
		return fmt.Errorf("leaving topic %q is not confirmed, records may be delivered again: %w", c.topic, context.Cause(ctx))
	}
}

// leave waits for what reads, and closes sarama's parts from the outside in.
func (c *consumer) leave() error {
	c.working.Wait()
	var err error
	if c.member != nil {
		if err = c.member.leave(); err != nil {
			err = fmt.Errorf("cannot commit what was consumed of topic %q and leave, it may be delivered again: %w", c.topic, err)
		}
	}
	_ = c.sarama.Close() // it fails only when closed before
	c.conns.cut()
	return err
}

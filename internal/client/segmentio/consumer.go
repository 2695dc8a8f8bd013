package segmentio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"redline/internal/client"
	"redline/internal/cluster"
)

const (
	// pollWait bounds one wait for records.
	pollWait = 500 * time.Millisecond
	// pollMost bounds the slabs that one poll hands out.
	pollMost = 16
	// unknownTopicFor is how long a topic may be missing: a new one takes a
	// moment to be known to every broker.
	unknownTopicFor = 5 * time.Second
	// askWithin bounds one question about the topic.
	askWithin = 450 * time.Millisecond
	// endWithin bounds how long Close waits, after its context, for goroutines whose
	// connections are gone.
	endWithin = 2 * time.Second
)

type consumer struct {
	draft  *draft
	topic  string
	events client.Events
	watch  *watch
	dialer *dialer
	sasl   sasl.Mechanism
	config kafka.ReaderConfig // of every partition
	slabs  *slabs
	timer  *time.Timer // of the poll under way
	member *member     // nil without a group
	// feeds of assigned partitions, of the poll's goroutine alone. Those of a member
	// change under mu, which the poll holds while it hands out.
	feeds map[int32]*feed
	mu    sync.Mutex

	since time.Time
	seen  bool // the topic: it gave records, or was asked for

	state struct {
		sync.Mutex
		fatal        error
		missingSince time.Time // when the topic was first said to be unknown
	}
}

// Consumer makes a member of a group or a reader of assigned partitions. An
// error names the property that is wrong; brokers are not waited for.
func (library) Consumer(o client.ConsumeOptions) (client.Consumer, error) {
	if (o.Group == "") == (len(o.Assign) == 0) {
		return nil, errors.New("a consumer needs either a group or assigned partitions")
	}
	if o.ReadCommitted {
		return nil, cannotReadCommitted()
	}
	kind := client.Consuming
	if o.Group != "" {
		kind |= client.Grouping
	}
	d, err := profiled(kind, consumeTuned, o.Options)
	if err != nil {
		return nil, err
	}
	c := &consumer{draft: d, topic: o.Topic, events: o.Events, slabs: newSlabs(), timer: time.NewTimer(0), feeds: make(map[int32]*feed), since: time.Now()}
	c.watch = newWatch(o.Options, cluster.ReadNeeds(o.Topic, o.Group))
	c.dialer = newDialer(o.Options, d, c.watch)
	c.sasl = authentication(o.Security, c.watch)
	c.config = d.reader(o.Brokers, o.Topic)
	if err := c.config.Validate(); err != nil {
		return nil, fmt.Errorf("kafka-go refuses these properties: %w; change or leave out the one it names", err)
	}
	if o.Group != "" {
		if err := c.join(o); err != nil {
			return nil, err
		}
		return c, nil
	}
	for partition, offset := range o.Assign {
		c.feeds[partition] = c.feed(partition, offset)
		c.feeds[partition].start(c.slabs)
	}
	return c, nil
}

// kafkaDialer is kafka-go's, for connections that end together.
func (c *consumer) kafkaDialer(all *connections) *kafka.Dialer {
	return &kafka.Dialer{ClientID: c.draft.clientID, DialFunc: all.dial, SASLMechanism: c.sasl}
}

// feed makes that of one partition, which is still to be started.
func (c *consumer) feed(partition int32, offset int64) *feed {
	f := &feed{partition: partition, connections: c.dialer.connections(), problem: c.problem, next: -1}
	config := c.config
	config.Partition = int(partition)
	config.Dialer = c.kafkaDialer(f.connections)
	config.ErrorLogger = logger(func(err error) { c.problem(partition, err) })
	f.reader = kafka.NewReader(config)
	_ = f.reader.SetOffset(offset) // it fails for a closed one alone
	return f
}

func (c *consumer) Poll(ctx context.Context, handle func(client.Batch)) error {
	c.timer.Reset(pollWait)
	defer c.timer.Stop()
	for any := false; !any; {
		if err := c.fatal(); err != nil {
			return err
		}
		select {
		case one := <-c.slabs.full:
			any = c.hand(one, handle)
		case <-ctx.Done():
			return nil
		case <-c.timer.C:
			return c.ask(ctx)
		}
	}
	for range pollMost - 1 {
		select {
		case one := <-c.slabs.full:
			c.hand(one, handle)
		default:
			return c.fatal()
		}
	}
	return c.fatal()
}

// hand gives the workload a slab, unless its partition was rewound or revoked since.
func (c *consumer) hand(one *slab, handle func(client.Batch)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := one.feed
	if !f.stale {
		handle(one)
		f.next = one.next()
		c.seen = true
	}
	c.slabs.put(one)
	return !f.stale
}

func (c *consumer) fatal() error {
	c.state.Lock()
	defer c.state.Unlock()
	return c.state.fatal
}

// fail ends the consumer at its next poll. Only the first counts.
func (c *consumer) fail(err error) error {
	c.state.Lock()
	defer c.state.Unlock()
	if c.state.fatal == nil {
		c.state.fatal = err
	}
	return c.state.fatal
}

// problem tells an error that ends the consumer from one that passes. It may be
// called from any goroutine; partition is -1 for none.
func (c *consumer) problem(partition int32, err error) {
	err = known(err)
	switch {
	case errors.Is(err, errEnded):
		return
	case client.NotAllowed(err), c.watch.lasting(err):
		_ = c.fail(fmt.Errorf("reading topic %q: %w", c.topic, c.watch.Classify(err)))
		return
	case client.Misfit(err):
		_ = c.fail(client.CannotJoin(c.topic, err))
		return
	case client.UnknownTopic(err):
		c.state.Lock()
		if c.state.missingSince.IsZero() {
			c.state.missingSince = time.Now()
		}
		c.state.Unlock()
	}
	if partition >= 0 {
		err = fmt.Errorf("topic %q partition %d: %w", c.topic, partition, err)
	}
	c.recoverable(err)
}

func (c *consumer) recoverable(err error) {
	if c.events != nil {
		c.events.Error(err)
	}
}

// ask settles what the silence of kafka-go leaves open: whether there is a broker at
// all, whether it takes us, and whether a topic that gives nothing is there.
func (c *consumer) ask(ctx context.Context) error {
	for _, ask := range []func() error{c.watch.Refusal, c.watch.Unreachable} {
		if err := ask(); err != nil {
			return c.fail(err)
		}
	}
	c.state.Lock()
	since := c.state.missingSince
	c.state.Unlock()
	missed := !since.IsZero() && time.Since(since) >= unknownTopicFor
	if missed || !c.seen && time.Since(c.since) >= unknownTopicFor {
		return c.askTopic(ctx)
	}
	return nil
}

// askTopic is for a topic that gives nothing: a Reader waits for one that is
// missing without a word.
func (c *consumer) askTopic(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	all := c.dialer.connections()
	defer all.end()
	for _, broker := range c.config.Brokers {
		partitions, err := c.kafkaDialer(all).LookupPartitions(within, "tcp", broker, c.topic)
		switch err = known(err); {
		case err == nil:
			return c.found(partitions)
		case client.UnknownTopic(err):
			return c.fail(client.MissingTopic(c.topic, err))
		case client.NotAllowed(err):
			return c.fail(fmt.Errorf("reading topic %q: %w", c.topic, c.watch.Classify(err)))
		}
	}
	return nil // nobody knows; asked again at the next poll
}

// found looks whether the topic has the partitions assigned.
func (c *consumer) found(partitions []kafka.Partition) error {
	there := make(map[int32]bool)
	for _, p := range partitions {
		there[int32(p.ID)] = true
	}
	for partition := range c.feeds {
		if !there[partition] {
			return c.fail(fmt.Errorf("topic %q has no partition %d; assign those that redline topic describe lists", c.topic, partition))
		}
	}
	c.seen = true
	c.state.Lock()
	c.state.missingSince = time.Time{}
	c.state.Unlock()
	return nil
}

// Rewind begins with other Readers, and other connections. SetOffset would take as
// many connections anew, and races with the start of the fetching before it.
func (c *consumer) Rewind(offsets map[int32]int64) error {
	if c.member != nil {
		return errors.New("the members of a group cannot be rewound; assign partitions instead")
	}
	old := make(map[int32]*feed)
	for partition, offset := range offsets {
		if old[partition] = c.feeds[partition]; old[partition] == nil {
			return fmt.Errorf("cannot rewind partition %d, which is not assigned", partition)
		}
		if offset < 0 {
			return fmt.Errorf("cannot rewind partition %d to offset %d; offsets start at 0", partition, offset)
		}
	}
	closeFeeds(old)
	for partition, offset := range offsets {
		old[partition].stale = true
		c.feeds[partition] = c.feed(partition, offset)
		c.feeds[partition].start(c.slabs)
	}
	return nil
}

func (c *consumer) Settings() map[string]string { return c.draft.settings() }

// Close commits what was handed out and leaves the group. When ctx ends first, the
// connections are ended under it.
func (c *consumer) Close(ctx context.Context) error {
	if c.member != nil {
		return c.leave(ctx)
	}
	closeFeeds(c.feeds)
	return nil
}

// closeFeeds closes many at the same time.
func closeFeeds(feeds map[int32]*feed) {
	var closing sync.WaitGroup
	for _, f := range feeds {
		closing.Go(f.close)
	}
	closing.Wait()
}

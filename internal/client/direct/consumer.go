package direct

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"redline/direct"
	"redline/internal/client"
	"redline/internal/cluster"
)

// pollWait bounds one wait for records.
const pollWait = 500 * time.Millisecond

type consumer struct {
	opening  *opening[*direct.Consumer]
	end      context.CancelFunc // of the opening
	direct   *direct.Consumer   // nil until the first poll has it
	rewound  map[int32]int64    // before that
	settings map[string]string
	watch    *watch
	topic    string
	group    bool
	wire     *client.Wire
	batch    shown
	// throttled is what of it the wire knows.
	throttled time.Duration
}

// Consumer makes a member of a group or a reader of assigned partitions. An error names
// the property that is wrong; brokers are not waited for.
func (library) Consumer(o client.ConsumeOptions) (client.Consumer, error) {
	d, err := consumeDraft(o)
	if err != nil {
		return nil, err
	}
	tell := func(err error) {
		if o.Events != nil {
			o.Events.Error(err)
		}
	}
	watch := newWatch(o.Options, tell, cluster.ReadNeeds(o.Topic, o.Group))
	if d.consumer, err = d.consuming(o, watch).Complete(); err != nil {
		return nil, err
	}
	c := &consumer{settings: d.settings(), watch: watch, topic: o.Topic, group: o.Group != "", wire: o.Wire, rewound: make(map[int32]int64)}
	var ctx context.Context
	ctx, c.end = context.WithCancel(context.Background())
	c.opening = open(ctx, watch, o.Topic, func(ctx context.Context) (*direct.Consumer, error) {
		return direct.NewConsumer(ctx, d.consumer)
	})
	return c, nil
}

// consuming is the config of a consumer.
func (d *draft) consuming(o client.ConsumeOptions, watch *watch) direct.ConsumerConfig {
	cfg := d.consumer
	cfg.Kafka, cfg.Topic, cfg.Assign, cfg.Group, cfg.OnError = d.kafka(o.Options, watch), o.Topic, maps.Clone(o.Assign), o.Group, watch.tell
	if o.Reset == "latest" {
		cfg.Reset = direct.ResetLatest
	}
	if d.noCommit {
		cfg.CommitEvery = -1
	}
	if o.Events != nil {
		cfg.OnAssigned, cfg.OnRevoked = o.Events.Assigned, o.Events.Revoked
	}
	return cfg
}

// consumeDraft is the properties over what direct has by itself.
func consumeDraft(o client.ConsumeOptions) (*draft, error) {
	side := client.Consuming
	if o.Group != "" {
		side |= client.Grouping
	}
	if _, err := client.Presets(o.Profile, nil); err != nil {
		return nil, err
	}
	if (o.Group == "") == (len(o.Assign) == 0) {
		return nil, errors.New("a consumer needs either a group or assigned partitions")
	}
	switch o.Reset {
	case "", "earliest", "latest":
	default:
		return nil, fmt.Errorf("a group cannot start at %q; take earliest or latest", o.Reset)
	}
	d := newDraft(side)
	d.consumer.ReadCommitted = o.ReadCommitted
	return d, d.apply(o.Options)
}

// CheckConsumer takes what a member of a group can have.
func (library) CheckConsumer(o client.Options) error {
	_, err := consumeDraft(client.ConsumeOptions{Options: o, Group: "any"})
	return err
}

// shown is a batch of direct's as the workload sees it.
type shown struct {
	*direct.Batch
	err error // of a record that cannot be read
}

var _ client.Batch = (*shown)(nil)

// Each shows every record.
func (b *shown) Each(show func(offset int64, key, value []byte)) {
	w := b.Walk()
	for w.Next() {
		show(w.Offset, w.Key, w.Value)
	}
	if err := w.Err(); err != nil {
		b.err = err
	}
}

func (c *consumer) Poll(ctx context.Context, handle func(client.Batch)) error {
	wait, cancel := context.WithTimeout(ctx, pollWait)
	defer cancel()
	if c.direct == nil {
		if err := c.connect(wait); err != nil || c.direct == nil {
			return err
		}
	}
	for first := true; first || c.direct.Buffered(); first = false {
		b, err := c.direct.Next(wait)
		if err != nil {
			return c.problem(wait, err)
		}
		c.batch.Batch = b
		handle(&c.batch)
		if c.batch.err != nil {
			return fmt.Errorf("topic %q partition %d: the batch at offset %d, whose CRC is right, has a record that cannot be read: %w", c.topic, b.Partition(), b.FirstOffset(), c.batch.err)
		}
	}
	c.direct.Done()
	c.noteThrottled()
	return nil
}

// connect waits for the opening, for as long as ctx.
func (c *consumer) connect(ctx context.Context) error {
	if !c.opening.there(ctx) {
		return nil
	}
	if c.opening.err != nil {
		return c.opening.err
	}
	c.direct = c.opening.client
	return c.direct.Seek(c.rewound)
}

// problem tells an error that ends the consumer from one that passes.
func (c *consumer) problem(wait context.Context, err error) error {
	c.noteThrottled()
	var unreadable *direct.BatchError
	switch {
	case wait.Err() != nil: // of our own wait
		return c.watch.Refusal()
	case errors.As(err, &unreadable):
		c.watch.tell(err)
		return nil
	}
	return c.watch.explain(c.topic, err)
}

func (c *consumer) noteThrottled() {
	if c.wire == nil {
		return
	}
	now := c.direct.Throttled()
	c.wire.Throttled.Add(int64(now - c.throttled))
	c.throttled = now
}

// Rewind moves assigned partitions.
func (c *consumer) Rewind(offsets map[int32]int64) error {
	if c.group {
		return errors.New("the members of a group cannot be rewound; assign partitions instead")
	}
	for partition, offset := range offsets {
		if offset < 0 {
			return fmt.Errorf("cannot rewind partition %d to offset %d; offsets start at 0", partition, offset)
		}
	}
	if c.direct == nil {
		maps.Copy(c.rewound, offsets)
		return nil
	}
	return c.direct.Seek(offsets)
}

// Settings have what direct chooses for this machine.
func (c *consumer) Settings() map[string]string { return maps.Clone(c.settings) }

func (c *consumer) Close(ctx context.Context) error {
	c.end()
	opened, ok := c.opening.made()
	if !ok {
		return nil
	}
	if err := opened.Close(ctx); err != nil {
		return fmt.Errorf("closing the consumer of topic %q: %w", c.topic, err)
	}
	return nil
}

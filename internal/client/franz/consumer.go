package franz

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
	"redline/internal/cluster"
)

const (
	// pollWait bounds one wait for records.
	pollWait = 500 * time.Millisecond
	// unknownTopicFor is how long a topic may be missing: a new one takes a
	// moment to be known to every broker.
	unknownTopicFor = 5 * time.Second
	// assignedFetchWait is how long a broker may hold a fetch of assigned
	// partitions until there is something; kgo's own is 5 s. A rewind waits for
	// the answer to the fetch under way, since a broker answers one request of a
	// connection after the other.
	assignedFetchWait = 100 * time.Millisecond
	// errorPause is the wait after a poll of nothing but errors, which kgo would
	// answer with the same at once.
	errorPause = 20 * time.Millisecond
	// commitWithin bounds the commit that a rebalance waits for.
	commitWithin = 5 * time.Second
)

type consumer struct {
	kgo    *kgo.Client
	end    context.CancelFunc // of everything that kgo still does
	draft  *draft
	topic  string
	group  bool
	events client.Events
	watch  *watch
	batch  batch
	// seen are the partitions that have given records, which kgo therefore has
	// a cursor for.
	seen map[int32]bool
	// missingSince is when the topic was first said to be unknown.
	missingSince time.Time
}

// Consumer makes a member of a group or a reader of assigned partitions. An
// error names the property that is wrong; brokers are not waited for.
func (library) Consumer(o client.ConsumeOptions) (client.Consumer, error) {
	kind := client.Consuming
	if o.Group != "" {
		kind |= client.Grouping
	}
	d, err := consumeDraft(kind, o.Options)
	if err != nil {
		return nil, err
	}
	mine, err := start(o)
	if err != nil {
		return nil, err
	}
	c := &consumer{draft: d, topic: o.Topic, group: o.Group != "", events: o.Events, seen: make(map[int32]bool)}
	c.watch = newWatch(o.Options, c.recoverable, cluster.ReadNeeds(o.Topic, o.Group))
	if c.group {
		mine = append(mine, kgo.OnPartitionsAssigned(c.assigned), kgo.OnPartitionsRevoked(c.revoked), kgo.OnPartitionsLost(c.lost))
	}
	mine = append(mine, d.fetchOptions()...)
	base, end := context.WithCancel(context.Background())
	c.end = end
	if c.kgo, err = d.connect(o.Options, c.watch, base, mine...); err != nil {
		end()
		return nil, err
	}
	return c, nil
}

// consumeDraft is the profile with the properties over it.
func consumeDraft(kind client.Side, o client.Options) (*draft, error) {
	tuned, err := client.Presets(o.Profile, consumeTuned)
	if err != nil {
		return nil, err
	}
	d := newDraft(kind)
	return d, d.apply(tuned, o.Properties)
}

// CheckConsumer takes what a member of a group can have.
func (library) CheckConsumer(o client.Options) error {
	_, err := consumeDraft(client.Consuming|client.Grouping, o)
	return err
}

// start is the topic, and where to start in it.
func start(o client.ConsumeOptions) ([]kgo.Opt, error) {
	opts := []kgo.Opt{kgo.KeepRetryableFetchErrors()}
	if o.ReadCommitted {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if (o.Group == "") == (len(o.Assign) == 0) {
		return nil, errors.New("a consumer needs either a group or assigned partitions")
	}
	if o.Group == "" {
		at := make(map[int32]kgo.Offset, len(o.Assign))
		for partition, offset := range o.Assign {
			at[partition] = kgo.NewOffset().At(offset)
		}
		return append(opts, kgo.FetchMaxWait(assignedFetchWait), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{o.Topic: at})), nil
	}
	reset := kgo.NewOffset()
	switch o.Reset {
	case "", "earliest":
		reset = reset.AtStart()
	case "latest":
		reset = reset.AtEnd()
	default:
		return nil, fmt.Errorf("a group cannot start at %q; take earliest or latest", o.Reset)
	}
	return append(opts, kgo.ConsumerGroup(o.Group), kgo.ConsumeTopics(o.Topic), kgo.ConsumeResetOffset(reset), kgo.BlockRebalanceOnPoll()), nil
}

// fetchOptions are those that follow from several properties.
func (d *draft) fetchOptions() []kgo.Opt {
	// A response may exceed the fetch size by one batch, and is only as large
	// in memory as it arrives, so there is no reason to be near.
	if d.readBytes == 0 {
		d.readBytes = min(1<<30, max(100<<20, d.fetchBytes+d.partBytes+1<<20))
	}
	opts := []kgo.Opt{kgo.BrokerMaxReadBytes(int32(d.readBytes))}
	if d.recycle {
		opts = append(opts, kgo.WithPools(&slabs{}, &inflated{}))
	}
	return opts
}

// batch is the records of one partition as kgo handed them out.
type batch struct {
	partition int32
	records   []*kgo.Record
}

func (b *batch) Partition() int32   { return b.partition }
func (b *batch) LeaderEpoch() int32 { return b.records[0].LeaderEpoch }
func (b *batch) Len() int           { return len(b.records) }

func (b *batch) Each(f func(offset int64, key, value []byte)) {
	for _, r := range b.records {
		f(r.Offset, r.Key, r.Value)
	}
}

func (c *consumer) Poll(ctx context.Context, handle func(client.Batch)) error {
	wait, cancel := context.WithTimeout(ctx, pollWait)
	fetches := c.kgo.PollRecords(wait, c.draft.pollRecords)
	cancel()
	var fatal error
	any, failed := false, false
	for i := range fetches {
		for j := range fetches[i].Topics {
			topic := &fetches[i].Topics[j]
			for k := range topic.Partitions {
				p := &topic.Partitions[k]
				if len(p.Records) > 0 {
					any = true
					c.hand(p, handle)
				}
				if p.Err != nil && fatal == nil {
					fatal = c.problem(p.Partition, p.Err)
					failed = true
				}
			}
		}
	}
	if c.group {
		c.kgo.AllowRebalance()
	}
	if any {
		c.missingSince = time.Time{}
	} else if fatal == nil && ctx.Err() == nil {
		if fatal = c.watch.Refusal(); fatal == nil {
			fatal = c.watch.Unreachable()
		}
		if failed {
			client.Pause(ctx, errorPause)
		}
	}
	return fatal
}

// hand gives the records of one partition to the workload, and then back to
// kgo's pool.
func (c *consumer) hand(p *kgo.FetchPartition, handle func(client.Batch)) {
	if !c.group && !c.seen[p.Partition] {
		c.seen[p.Partition] = true
	}
	c.batch.partition, c.batch.records = p.Partition, p.Records
	handle(&c.batch)
	c.batch.records = nil
	if !c.draft.recycle {
		return
	}
	for _, r := range p.Records {
		r.Recycle()
	}
}

// problem tells an error that ends the consumer from one that passes.
func (c *consumer) problem(partition int32, err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return nil // of our own wait
	case errors.Is(err, kgo.ErrClientClosed):
		return fmt.Errorf("the consumer of %q was closed while it was polled: %w", c.topic, err)
	case client.NotAllowed(err):
		return fmt.Errorf("reading topic %q: %w", c.topic, c.watch.Classify(err))
	case client.Misfit(err):
		return client.CannotJoin(c.topic, err)
	case client.UnknownTopic(err):
		if c.missingSince.IsZero() {
			c.missingSince = time.Now()
		}
		if time.Since(c.missingSince) >= unknownTopicFor || errors.Is(err, kerr.InvalidTopicException) {
			return client.MissingTopic(c.topic, err)
		}
	}
	if partition >= 0 {
		err = fmt.Errorf("topic %q partition %d: %w", c.topic, partition, err)
	}
	c.recoverable(err)
	return nil
}

func (c *consumer) recoverable(err error) {
	if c.events != nil {
		c.events.Error(err)
	}
}

func (c *consumer) assigned(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	if c.events != nil && len(partitions[c.topic]) > 0 {
		c.events.Assigned(partitions[c.topic])
	}
}

// revoked runs between two polls, so everything that kgo counts as consumed has
// been handed out: committed here, it is delivered once across a rebalance.
func (c *consumer) revoked(ctx context.Context, cl *kgo.Client, partitions map[string][]int32) {
	if len(partitions[c.topic]) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, commitWithin)
	defer cancel()
	if err := cl.CommitUncommittedOffsets(ctx); err != nil {
		c.recoverable(fmt.Errorf("cannot commit before a rebalance, records will be delivered again: %w", err))
	}
	c.lost(ctx, cl, partitions)
}

func (c *consumer) lost(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	if c.events != nil && len(partitions[c.topic]) > 0 {
		c.events.Revoked(partitions[c.topic])
	}
}

// Rewind relies on this of kgo: SetOffsets stops the fetch session, waits for
// what is in flight and drops what is buffered before it returns, under the
// lock that a poll takes; but it passes over partitions that have no cursor
// yet. Those are given up and named anew.
func (c *consumer) Rewind(offsets map[int32]int64) error {
	if c.group {
		return errors.New("the members of a group cannot be rewound; assign partitions instead")
	}
	set := make(map[int32]kgo.EpochOffset)
	anew := make(map[int32]kgo.Offset)
	var drop []int32
	for partition, offset := range offsets {
		if offset < 0 {
			return fmt.Errorf("cannot rewind partition %d to offset %d; offsets start at 0", partition, offset)
		}
		if c.seen[partition] {
			set[partition] = kgo.EpochOffset{Epoch: -1, Offset: offset}
			continue
		}
		drop = append(drop, partition)
		anew[partition] = kgo.NewOffset().At(offset)
	}
	if len(set) > 0 {
		c.kgo.SetOffsets(map[string]map[int32]kgo.EpochOffset{c.topic: set})
	}
	if len(anew) > 0 {
		c.kgo.RemoveConsumePartitions(map[string][]int32{c.topic: drop})
		c.kgo.AddConsumePartitions(map[string]map[int32]kgo.Offset{c.topic: anew})
	}
	return nil
}

func (c *consumer) Settings() map[string]string { return c.draft.settings() }

func (c *consumer) Close(ctx context.Context) error {
	defer c.end()
	defer context.AfterFunc(ctx, c.end)()
	c.kgo.AllowRebalance()
	var err error
	if c.group {
		if err = c.kgo.CommitUncommittedOffsets(ctx); err != nil {
			err = fmt.Errorf("cannot commit what was consumed of topic %q, it will be delivered again: %w", c.topic, err)
		}
	}
	c.kgo.CloseAllowingRebalance()
	return err
}

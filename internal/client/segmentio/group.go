package segmentio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"redline/internal/client"
)

// member is the part of a consumer that belongs to a group.
type member struct {
	group       *kafka.ConsumerGroup
	connections *connections // to the coordinator
	stop        context.CancelFunc
	left        chan struct{} // closed when no generation is under way any more
	// committed is by partition what the group knows of us, of the generation under
	// way; failed what became of its last commit. Both are of the goroutine that
	// closes left.
	committed map[int]int64
	failed    error
}

// join begins to take part in a group.
func (c *consumer) join(o client.ConsumeOptions) error {
	config := c.draft.group(o.Brokers, o.Topic, o.Group)
	switch o.Reset {
	case "", "earliest":
		config.StartOffset = kafka.FirstOffset
	case "latest":
		config.StartOffset = kafka.LastOffset
	default:
		return fmt.Errorf("a group cannot start at %q; take earliest or latest", o.Reset)
	}
	all := c.dialer.connections()
	config.Dialer = c.kafkaDialer(all)
	group, err := kafka.NewConsumerGroup(config)
	if err != nil {
		return fmt.Errorf("kafka-go refuses these properties: %w; change or leave out the one it names", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c.member = &member{group: group, connections: all, stop: stop, left: make(chan struct{})}
	go c.takePart(ctx)
	return nil
}

// takePart goes from one generation of the group to the next.
func (c *consumer) takePart(ctx context.Context) {
	m := c.member
	defer close(m.left)
	for ctx.Err() == nil {
		generation, err := m.group.Next(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, kafka.ErrGroupClosed):
			return
		case err != nil:
			c.problem(-1, err)
			continue
		}
		ended := make(chan struct{})
		generation.Start(func(ctx context.Context) {
			defer close(ended)
			c.read(ctx, generation)
		})
		<-ended
	}
}

// read is one generation: its partitions are read, and what was handed out of them
// is committed now and then, and at its end.
func (c *consumer) read(ctx context.Context, generation *kafka.Generation) {
	feeds := make(map[int32]*feed)
	var partitions []int32
	for _, assigned := range generation.Assignments[c.topic] {
		partition := int32(assigned.ID)
		partitions = append(partitions, partition)
		feeds[partition] = c.feed(partition, assigned.Offset)
	}
	if c.events != nil && len(partitions) > 0 {
		c.events.Assigned(partitions)
	}
	c.member.committed, c.member.failed = make(map[int]int64), nil
	for _, f := range feeds {
		f.start(c.slabs)
	}
	c.commitUntil(ctx, generation, feeds)
	c.mu.Lock() // not in the middle of what a poll hands out
	for _, f := range feeds {
		f.stale = true
	}
	c.mu.Unlock()
	c.commit(generation, feeds)
	closeFeeds(feeds)
	if c.events != nil && len(partitions) > 0 {
		c.events.Revoked(partitions)
	}
}

// commitUntil commits at intervals, until the generation ends.
func (c *consumer) commitUntil(ctx context.Context, generation *kafka.Generation, feeds map[int32]*feed) {
	var due <-chan time.Time
	if c.draft.autoCommit {
		ticker := time.NewTicker(c.draft.commitEvery)
		defer ticker.Stop()
		due = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-due:
			c.commit(generation, feeds)
		}
	}
}

// commit tells the group what was handed out since the last time.
func (c *consumer) commit(generation *kafka.Generation, feeds map[int32]*feed) {
	m := c.member
	offsets := make(map[int]int64)
	c.mu.Lock()
	for partition, f := range feeds {
		if f.next >= 0 && f.next != m.committed[int(partition)] {
			offsets[int(partition)] = f.next
		}
	}
	c.mu.Unlock()
	if len(offsets) == 0 {
		return
	}
	m.failed = generation.CommitOffsets(map[string]map[int]int64{c.topic: offsets})
	if m.failed != nil {
		c.problem(-1, fmt.Errorf("cannot commit, records may be delivered again: %w", m.failed))
		return
	}
	for partition, offset := range offsets {
		m.committed[partition] = offset
	}
}

// leave ends the membership, which commits first.
func (c *consumer) leave(ctx context.Context) error {
	m := c.member
	left := make(chan struct{})
	go func() {
		defer close(left)
		_ = m.group.Close() // it returns nil
		m.stop()
		<-m.left
		m.connections.end()
	}()
	select {
	case <-left:
		if m.failed != nil {
			return fmt.Errorf("cannot commit what was consumed of topic %q, it will be delivered again: %w", c.topic, m.failed)
		}
		return nil
	case <-ctx.Done():
	}
	m.connections.end()
	select {
	case <-left:
	case <-time.After(endWithin):
	}
	return fmt.Errorf("leaving topic %q is not confirmed, records may be delivered again: %w", c.topic, context.Cause(ctx))
}

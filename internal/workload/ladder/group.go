package ladder

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// commitEvery is how often what was handed out is committed.
	commitEvery = time.Second
	// joinWithin is how long a group may take to give us its partitions.
	joinWithin = 20 * time.Second
	// deleteWithin is how long a broker may take to notice that we left.
	deleteWithin = 5 * time.Second
)

// membership is our place in a consumer group: an ordinary client of franz-go whose
// topic is paused, so that it joins, beats and commits, and fetches nothing.
type membership struct {
	client *kgo.Client
	polled sync.WaitGroup

	mu       sync.Mutex
	assigned map[int32]bool
	change   chan struct{} // holds one mark when assigned has changed
}

// join makes us the one member of the group, and waits until all partitions are ours.
func (c *Climb) join() (*membership, error) {
	m := &membership{assigned: map[int32]bool{}, change: make(chan struct{}, 1)}
	var err error
	// The topic is named after it was paused, so that not one record is fetched.
	m.client, err = c.spec.administer(kgo.ConsumerGroup(c.spec.Group), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(m.moved(c.spec.Topic, true)), kgo.OnPartitionsRevoked(m.moved(c.spec.Topic, false)), kgo.OnPartitionsLost(m.moved(c.spec.Topic, false)))
	if err != nil {
		return nil, fmt.Errorf("cannot make a member of group %q: %w", c.spec.Group, err)
	}
	m.client.PauseFetchTopics(c.spec.Topic)
	m.client.AddConsumeTopics(c.spec.Topic)
	m.polled.Go(func() { c.listen(m) })
	late := time.NewTimer(joinWithin)
	defer late.Stop()
	for m.lacks(c.spec.Starts) {
		select {
		case <-m.change:
		case <-late.C:
			return m, fmt.Errorf("group %q did not give us the partitions of topic %q within %v: it needs to have no other member", c.spec.Group, c.spec.Topic, joinWithin)
		case <-c.ctx.Done():
			return m, c.why()
		}
	}
	return m, nil
}

// why is what ended the climb.
func (c *Climb) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first != nil {
		return c.first
	}
	return context.Cause(c.ctx)
}

// moved notes partitions that came or went.
func (m *membership) moved(topic string, mine bool) func(context.Context, *kgo.Client, map[string][]int32) {
	return func(_ context.Context, _ *kgo.Client, moved map[string][]int32) {
		m.mu.Lock()
		for _, p := range moved[topic] {
			m.assigned[p] = mine
		}
		m.mu.Unlock()
		select {
		case m.change <- struct{}{}:
		default:
		}
	}
}

// lacks says whether a partition that is read is not ours.
func (m *membership) lacks(read map[int32]int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range read {
		if !m.assigned[p] {
			return true
		}
	}
	return false
}

// listen hears what the member meets: there are no records, but errors that it cannot
// go on from.
func (c *Climb) listen(m *membership) {
	for c.ctx.Err() == nil {
		fetches := m.client.PollFetches(c.ctx)
		if fetches.IsClientClosed() || c.ended() {
			return
		}
		if err := fetches.Err(); err != nil {
			c.fail(fmt.Errorf("being a member of group %q: %w", c.spec.Group, err))
			return
		}
	}
}

// commit commits what was handed out, again and again, until the climb ends.
func (c *Climb) commit() {
	tick := time.NewTicker(commitEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := c.commitNow(c.ctx); err != nil && !c.ended() {
				c.errors.Add(1)
			}
		case <-c.group.change:
			if c.group.lacks(c.spec.Starts) && !c.ended() {
				c.fail(fmt.Errorf("group %q took partitions of topic %q away from us: it needs to have no other member", c.spec.Group, c.spec.Topic))
				return
			}
		case <-c.quit:
			return
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *Climb) commitNow(ctx context.Context) error {
	at := map[int32]kgo.EpochOffset{}
	for _, l := range c.lanes {
		if f, ok := l.(*fetcher); ok {
			for _, p := range f.partitions {
				at[p.id] = kgo.EpochOffset{Epoch: -1, Offset: p.handed.Load()}
			}
		}
	}
	var failed error
	c.group.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{c.spec.Topic: at}, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		failed = errors.Join(err, committed(answer))
	})
	return failed
}

// committed is the first error in the answer to a commit.
func committed(answer *kmsg.OffsetCommitResponse) error {
	if answer == nil {
		return nil
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("partition %d: %w", p.Partition, err)
			}
		}
	}
	return nil
}

// leave commits for the last time, leaves the group and deletes it.
func (c *Climb) leave(ctx context.Context) error {
	m := c.group
	if m == nil {
		return nil
	}
	var err error
	if c.why() == nil {
		err = c.commitNow(ctx)
	}
	if left := m.client.LeaveGroupContext(ctx); left != nil {
		err = errors.Join(err, left)
	}
	c.cancel()
	m.client.Close()
	m.polled.Wait()
	if err = errors.Join(err, c.deleteGroup(ctx)); err != nil {
		return fmt.Errorf("leaving group %q: %w", c.spec.Group, err)
	}
	return nil
}

// deleteGroup deletes the group, which a broker refuses until it has noticed that the
// last member left.
func (c *Climb) deleteGroup(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, deleteWithin)
	defer cancel()
	for {
		answer, err := kadm.NewClient(c.admin).DeleteGroup(ctx, c.spec.Group)
		if err == nil {
			err = answer.Err
		}
		if err == nil || errors.Is(err, kerr.GroupIDNotFound) {
			return nil
		}
		if !errors.Is(err, kerr.NonEmptyGroup) && !kerr.IsRetriable(err) {
			return fmt.Errorf("cannot delete it: %w; delete it by hand", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot delete it: %w; delete it by hand", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

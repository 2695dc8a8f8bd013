package direct

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commitWithin bounds a commit that a rebalance waits for.
const commitWithin = 5 * time.Second

// membership is our place in a consumer group: an ordinary member of franz-go whose topic
// is paused, so that it joins, beats and commits, and fetches nothing.
type membership struct {
	consumer *Consumer
	commits  sync.Mutex // one at a time
}

func newMembership(c *Consumer) *membership { return &membership{consumer: c} }

// options of the client that is the member.
func (m *membership) options() []kgo.Opt {
	c := m.consumer
	reset := kgo.NewOffset().AtStart()
	if c.cfg.Reset == ResetLatest {
		reset = kgo.NewOffset().AtEnd()
	}
	return []kgo.Opt{
		kgo.ConsumerGroup(c.cfg.Group), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(reset),
		kgo.AdjustFetchOffsetsFn(m.assigned), kgo.OnPartitionsRevoked(m.revoked), kgo.OnPartitionsLost(m.lost),
	}
}

// join makes the client a member. The topic is named after it was paused, so that not one
// record is fetched.
func (m *membership) join(ctx context.Context) {
	c := m.consumer
	c.client.PauseFetchTopics(c.cfg.Topic)
	c.client.AddConsumeTopics(c.cfg.Topic)
	c.running.Go(func() { m.listen(ctx) })
	if c.cfg.CommitEvery > 0 {
		c.running.Go(func() { m.commitAgain(ctx) })
	}
}

// listen hears what the member meets: there are no records, but errors.
func (m *membership) listen(ctx context.Context) {
	c := m.consumer
	for ctx.Err() == nil {
		fetches := c.client.PollFetches(ctx)
		if fetches.IsClientClosed() {
			return
		}
		err := fetches.Err0()
		if err == nil || ctx.Err() != nil {
			continue
		}
		err = fmt.Errorf("being a member of group %q: %w", c.cfg.Group, err)
		final := err
		if !refusesMember(err) {
			final = c.patience.final(err)
		}
		c.mu.Lock()
		if final != nil {
			c.fail(final)
		} else {
			c.reports.add(err)
		}
		c.mu.Unlock()
		pause(ctx, firstBackOff)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// refusesMember says whether the group will never take this member as it is.
func refusesMember(err error) bool {
	for _, never := range []error{kerr.InvalidGroupID, kerr.InconsistentGroupProtocol, kerr.InvalidSessionTimeout, kerr.GroupMaxSizeReached, kerr.FencedInstanceID} {
		if errors.Is(err, never) {
			return true
		}
	}
	return notAllowed(err)
}

// assigned is told of new partitions, with the offsets that the group has committed.
func (m *membership) assigned(_ context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	c := m.consumer
	mine := offsets[c.cfg.Topic]
	if len(mine) == 0 {
		return offsets, nil
	}
	c.mu.Lock()
	for p, at := range mine {
		c.takeOn(p, at.EpochOffset())
	}
	c.mu.Unlock()
	c.attention.set()
	if c.cfg.OnAssigned != nil {
		c.cfg.OnAssigned(slices.Sorted(maps.Keys(mine)))
	}
	return offsets, nil
}

// takeOn begins with a partition that the group gave us; c.mu is held.
func (c *Consumer) takeOn(p int32, at kgo.EpochOffset) {
	if a := c.assignments[p]; a != nil {
		c.withdraw(a) // left behind by a member that was lost
		a.leaving = true
	}
	start := at.Offset
	if start < 0 {
		if c.cfg.Reset == ResetNone {
			c.fail(fmt.Errorf("group %q has no commit of topic %q partition %d, and the consumer is not to begin elsewhere (ResetNone)", c.cfg.Group, c.cfg.Topic, p))
			return
		}
		start = c.cfg.Reset.offset()
	}
	c.assign(p, start)
	a := c.assignments[p]
	a.committed = at.Offset
	if at.Offset >= 0 && at.Epoch >= 0 {
		a.lastEpoch, a.leaderEpoch = at.Epoch, at.Epoch
	}
	c.stale = true
}

// handBackWithin is how long a rebalance waits for a batch in the reader's hands, and for
// the commit of it. Together they are three quarters of the time that the group leaves its
// members (rebalance.timeout.ms), which began before we heard of it; what is left is for
// joining again.
func (m *membership) handBackWithin() (hand, commit time.Duration) {
	timeout, _ := m.consumer.client.OptValue(kgo.RebalanceTimeout).(time.Duration)
	return timeout / 2, min(timeout/4, commitWithin)
}

// revoked waits until the reader is done with the batch in hand, commits and gives the
// partitions up.
func (m *membership) revoked(ctx context.Context, _ *kgo.Client, partitions map[string][]int32) {
	c := m.consumer
	mine := partitions[c.cfg.Topic]
	if len(mine) == 0 {
		return
	}
	hand, commit := m.handBackWithin()
	m.handBack(ctx, mine, hand)
	if c.cfg.CommitEvery > 0 {
		ctx, cancel := context.WithTimeout(ctx, commit)
		defer cancel()
		if err := m.commit(ctx, mine); err != nil {
			c.reports.add(fmt.Errorf("cannot commit before a rebalance, records will be delivered again: %w", err))
		}
	}
	m.giveUp(mine)
}

// handBack waits until no batch of the partitions is in the reader's hands, for so long at
// most.
func (m *membership) handBack(ctx context.Context, partitions []int32, within time.Duration) {
	c := m.consumer
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		c.mu.Lock() // or it comes between a look and the wait behind it
		defer c.mu.Unlock()
		c.handedOver.Broadcast()
	})()
	c.mu.Lock()
	defer c.mu.Unlock()
	var left []*assignment
	for _, p := range partitions {
		if a := c.assignments[p]; a != nil {
			c.withdraw(a)
			a.leaving = true
			left = append(left, a)
		}
	}
	held := func(a *assignment) bool { return a.inHand }
	for slices.ContainsFunc(left, held) && c.why == nil && ctx.Err() == nil {
		c.handedOver.Wait()
	}
}

// giveUp forgets partitions and tells the user.
func (m *membership) giveUp(partitions []int32) {
	c := m.consumer
	c.mu.Lock()
	for _, p := range partitions {
		delete(c.assignments, p)
	}
	c.mu.Unlock()
	if c.cfg.OnRevoked != nil {
		c.cfg.OnRevoked(partitions)
	}
}

// lost gives up partitions that others may already have: nothing can be committed.
func (m *membership) lost(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	c := m.consumer
	mine := partitions[c.cfg.Topic]
	if len(mine) == 0 {
		return
	}
	c.mu.Lock()
	for _, p := range mine {
		if a := c.assignments[p]; a != nil {
			c.withdraw(a)
			a.leaving = true
		}
	}
	c.mu.Unlock()
	m.giveUp(mine)
}

// commitAgain commits what was handled, again and again.
func (m *membership) commitAgain(ctx context.Context) {
	tick := time.NewTicker(m.consumer.cfg.CommitEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := m.commit(ctx, nil); err != nil && ctx.Err() == nil {
				m.consumer.reports.add(err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Commit commits what was handled up to now, of a member of a group, and waits for the
// answer. Next and Each count a batch as handled when the next one is asked for, or its
// call returned; see also Done.
func (c *Consumer) Commit(ctx context.Context) error {
	if c.group == nil {
		return errors.New("cannot commit: the consumer is no member of a group")
	}
	return c.group.commit(ctx, nil)
}

// commit commits partitions, or all, that have moved since the last time.
func (m *membership) commit(ctx context.Context, partitions []int32) error {
	m.commits.Lock()
	defer m.commits.Unlock()
	c := m.consumer
	at := m.moved(partitions)
	if len(at) == 0 {
		return nil
	}
	var failed error
	c.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{c.cfg.Topic: at}, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		if failed = err; err == nil {
			failed = m.committed(at, answer)
		}
	})
	if failed != nil {
		failed = fmt.Errorf("cannot commit offsets of topic %q to group %q: %w", c.cfg.Topic, c.cfg.Group, failed)
	}
	return failed
}

func (m *membership) moved(partitions []int32) map[int32]kgo.EpochOffset {
	c := m.consumer
	c.mu.Lock()
	defer c.mu.Unlock()
	at := map[int32]kgo.EpochOffset{}
	for p, a := range c.assignments {
		if (partitions == nil || slices.Contains(partitions, p)) && a.handed >= 0 && a.handed != a.committed {
			at[p] = kgo.EpochOffset{Epoch: a.handedEpoch, Offset: a.handed}
		}
	}
	return at
}

// committed notes what a broker has committed, and returns its first error.
func (m *membership) committed(at map[int32]kgo.EpochOffset, answer *kmsg.OffsetCommitResponse) error {
	c := m.consumer
	c.mu.Lock()
	defer c.mu.Unlock()
	var first error
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				if first == nil {
					first = fmt.Errorf("partition %d: %w", p.Partition, err)
				}
			} else if a := c.assignments[p.Partition]; a != nil {
				a.committed = at[p.Partition].Offset
			}
		}
	}
	return first
}

// leave commits for the last time and leaves the group.
func (m *membership) leave(ctx context.Context) error {
	var err error
	if m.consumer.cfg.CommitEvery > 0 {
		err = m.commit(ctx, nil)
	}
	return errors.Join(err, m.consumer.client.LeaveGroupContext(ctx))
}

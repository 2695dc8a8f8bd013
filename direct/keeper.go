package direct

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// askWithin bounds one question to the cluster.
const askWithin = 10 * time.Second

// keep finds a lane for every partition without one, again and again until the consumer
// ends, and tells the user what went wrong meanwhile.
func (c *Consumer) keep(ctx context.Context) {
	timer := time.NewTimer(atOnce)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-c.attention:
		case <-ctx.Done():
			return
		}
		c.reports.tell(c.cfg.OnError)
		if wait := c.tend(ctx); wait >= 0 {
			timer.Reset(max(wait, atOnce))
		}
		c.reports.tell(c.cfg.OnError)
	}
}

// tend returns after how long it is to be called again, or -1 where only when something
// happened.
func (c *Consumer) tend(ctx context.Context) time.Duration {
	homeless, soonest := c.homeless(time.Now())
	if len(homeless) == 0 {
		return soonest
	}
	v, err := c.viewed(ctx)
	if err == nil {
		err = c.find(ctx, v, homeless)
	}
	if err == nil {
		c.place(ctx, v, homeless)
	} else {
		c.postpone(homeless, err)
	}
	_, soonest = c.homeless(time.Now())
	return soonest
}

// sought is an assignment without a lane, and what it was when the keeper looked.
type sought struct {
	*assignment
	generation        uint32
	at                int64
	lastEpoch, before int32 // leader epochs: of the last batch, and the leader asked before
	lost              bool
	later             bool // not now: a broker could not say where
}

// homeless are the partitions whose lane is to be found now, and how long until there is
// another one, -1 for never.
func (c *Consumer) homeless(now time.Time) (all []sought, soonest time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	soonest = -1
	for _, a := range c.assignments {
		if a.lane != nil || a.leaving {
			continue
		}
		wait := max(0, a.notBefore.Sub(now))
		if soonest < 0 || wait < soonest {
			soonest = wait
		}
		if wait > 0 {
			continue
		}
		all = append(all, sought{assignment: a, generation: a.generation, at: a.next, lastEpoch: a.lastEpoch, before: a.leaderEpoch, lost: a.lost})
	}
	slices.SortFunc(all, func(a, b sought) int { return int(a.id) - int(b.id) })
	return all, soonest
}

// viewed is who leads what, asked anew when what was known is not to be trusted.
func (c *Consumer) viewed(ctx context.Context) (*view, error) {
	c.mu.Lock()
	stale := c.stale
	c.stale = false
	c.mu.Unlock()
	had := c.topology.latest()
	if !stale {
		return had, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return c.topology.refresh(ctx, had)
}

// postpone makes partitions be tried again later, or ends the consumer.
func (c *Consumer) postpone(all []sought, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stale = true
	for _, s := range all {
		if s.lane == nil {
			s.trouble(time.Now())
		}
	}
	if final := c.patience.final(err); final != nil {
		c.fail(final)
		return
	}
	c.reports.add(err)
}

// find settles at which offset each partition is read: those that begin at a place and
// not at a number, those that the log has lost, and those whose new leader may have a
// shorter log.
func (c *Consumer) find(ctx context.Context, v *view, all []sought) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	admin := kadm.NewClient(c.client)
	if err := c.findNamed(ctx, admin, all); err != nil {
		return err
	}
	return c.findCut(ctx, admin, v, all)
}

// findNamed asks for the ends of the log.
func (c *Consumer) findNamed(ctx context.Context, admin *kadm.Client, all []sought) error {
	if !slices.ContainsFunc(all, func(s sought) bool { return s.at < 0 || s.lost }) {
		return nil
	}
	starts, err := admin.ListStartOffsets(ctx, c.cfg.Topic)
	if err != nil {
		return fmt.Errorf("cannot list the first offsets of topic %q: %w", c.cfg.Topic, err)
	}
	list := admin.ListEndOffsets
	if c.cfg.ReadCommitted {
		list = admin.ListCommittedOffsets
	}
	ends, err := list(ctx, c.cfg.Topic)
	if err != nil {
		return fmt.Errorf("cannot list the last offsets of topic %q: %w", c.cfg.Topic, err)
	}
	for i := range all {
		s := &all[i]
		if s.at >= 0 && !s.lost {
			continue
		}
		start, known := starts.Lookup(c.cfg.Topic, s.id)
		end, both := ends.Lookup(c.cfg.Topic, s.id)
		if !known || !both || start.Err != nil || end.Err != nil {
			s.later = true
			c.reports.add(fmt.Errorf("cannot list the offsets of topic %q partition %d: %w", c.cfg.Topic, s.id, errors.Join(start.Err, end.Err, errUnlisted)))
			continue
		}
		c.settleOffset(s, start.Offset, end.Offset)
	}
	return nil
}

var errUnlisted = errors.New("it is asked again")

// settleOffset decides where in a log that has what is from start to end reading goes on.
func (c *Consumer) settleOffset(s *sought, start, end int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.assignment.generation != s.generation {
		return
	}
	to := s.at
	switch {
	case to == Earliest:
		to = start
	case to == Latest:
		to = end
	case to >= start && to <= end:
		// It is there: the broker that refused it was behind.
	case c.cfg.Reset == ResetNone:
		c.fail(fmt.Errorf("topic %q partition %d: offset %d is not in the log, which has %d to %d, and the consumer is not to go elsewhere (ResetNone)", c.cfg.Topic, s.id, to, start, end))
		return
	default:
		to = start
		if c.cfg.Reset == ResetLatest || s.at > end {
			to = end
		}
		c.reports.add(&DataLoss{Topic: c.cfg.Topic, Partition: s.id, At: s.at, To: to})
	}
	c.begin(s, to)
}

// begin makes a partition be read from an offset; c.mu is held.
func (c *Consumer) begin(s *sought, to int64) {
	if to != s.at {
		s.rewind(to)
		s.handed, s.lastEpoch = to, -1
		s.assignment.lastEpoch = -1
		s.generation = s.assignment.generation
		s.at = to
	}
	s.assignment.lost = false
	if s.done() {
		c.ended()
	}
}

// findCut asks new leaders where the epochs of what was read last end in their logs: an
// end before what was read says that it was cut.
func (c *Consumer) findCut(ctx context.Context, admin *kadm.Client, v *view, all []sought) error {
	var ask kadm.OffsetForLeaderEpochRequest
	for _, s := range all {
		if !s.later && s.lastEpoch >= 0 && s.before >= 0 && int(s.id) < len(v.partitions) && v.partitions[s.id].epoch > s.before {
			ask.Add(c.cfg.Topic, s.id, s.lastEpoch)
		}
	}
	if ask == nil {
		return nil
	}
	answers, err := admin.OffsetForLeaderEpoch(ctx, ask)
	if err != nil {
		return fmt.Errorf("cannot ask the new leaders of topic %q for what they have: %w", c.cfg.Topic, err)
	}
	for i := range all {
		s := &all[i]
		answer, asked := answers[c.cfg.Topic][s.id]
		switch {
		case !asked:
		case answer.Err != nil:
			s.later = true
		case answer.EndOffset >= 0 && answer.EndOffset < s.at:
			c.cut(s, answer.EndOffset)
		}
	}
	return nil
}

// cut goes on where the log was cut.
func (c *Consumer) cut(s *sought, end int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.assignment.generation != s.generation {
		return
	}
	loss := &DataLoss{Topic: c.cfg.Topic, Partition: s.id, At: s.at, To: end}
	if c.cfg.Reset == ResetNone {
		c.fail(fmt.Errorf("%w; the consumer is not to go elsewhere (ResetNone)", loss))
		return
	}
	c.reports.add(loss)
	c.begin(s, end)
}

// place gives partitions to lanes of their leaders.
func (c *Consumer) place(ctx context.Context, v *view, all []sought) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for _, s := range all {
		if s.later {
			c.stale = true
			s.trouble(now)
			continue
		}
		if s.lane != nil || s.leaving || c.assignments[s.id] != s.assignment || s.assignment.generation != s.generation {
			continue // it moved meanwhile
		}
		led := leadership{broker: -1, err: kerr.UnknownTopicOrPartition}
		if int(s.id) < len(v.partitions) {
			led = v.partitions[s.id]
		}
		if led.broker < 0 {
			c.stale = true
			s.trouble(now)
			c.reports.add(fmt.Errorf("topic %q partition %d has no leader: %w", c.cfg.Topic, s.id, led.err))
			continue
		}
		c.patience.found()
		s.leaderEpoch = led.epoch
		l := c.laneFor(ctx, led.broker, v.brokers[led.broker])
		s.lane = l
		l.mine, l.changed = append(l.mine, s.assignment), true
		l.stop() // it would look for this one only after the wait
		l.wake.set()
	}
}

// laneFor is the lane of a broker with the fewest partitions, of those that have as few one
// that does not wait, a new one as long as there may be another; c.mu is held.
func (c *Consumer) laneFor(ctx context.Context, broker int32, address string) *lane {
	lanes := c.lanes[broker]
	var least *lane
	for _, l := range lanes {
		if least == nil || len(l.mine) < len(least.mine) || len(l.mine) == len(least.mine) && least.waiting {
			least = l
		}
	}
	if least != nil && (len(least.mine) == 0 || len(lanes) >= c.cfg.Connections) {
		return least
	}
	l := newLane(c, broker, address)
	c.lanes[broker] = append(lanes, l)
	c.running.Go(func() { l.run(ctx) })
	return l
}

// fetching is how many lanes there are; c.mu is held.
func (c *Consumer) fetching() int {
	n := 0
	for _, lanes := range c.lanes {
		n += len(lanes)
	}
	return n
}

// drop takes a lane out of those that can be given partitions; c.mu is held.
func (c *Consumer) drop(l *lane) {
	c.lanes[l.broker] = slices.DeleteFunc(c.lanes[l.broker], func(other *lane) bool { return other == l })
}

// withdraw takes a partition from its lane; c.mu is held.
func (c *Consumer) withdraw(a *assignment) {
	if l := a.lane; l != nil {
		l.mine, l.changed = slices.DeleteFunc(l.mine, func(other *assignment) bool { return other == a }), true
		a.lane = nil
	}
}

// unsettled takes a partition with an error from its lane; c.mu is held.
func (c *Consumer) unsettled(a *assignment, err error) {
	c.withdraw(a)
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange):
		a.lost = true
		a.trouble(time.Now())
	case notAllowed(err):
		c.fail(fmt.Errorf("topic %q partition %d: %w", c.cfg.Topic, a.id, err))
		return
	default:
		c.stale = true
		a.trouble(time.Now())
		c.reports.add(fmt.Errorf("topic %q partition %d, offset %d: %w", c.cfg.Topic, a.id, a.next, err))
		if final := c.patience.final(err); final != nil {
			c.fail(final)
		}
	}
	c.attention.set()
}

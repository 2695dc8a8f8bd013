package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/direct"
)

// uncommitted begins what a member says that could not commit what it gives up: others
// read that again.
const uncommitted = "cannot commit before a rebalance"

// Members that come and go all the time, each after it has read something, commit what
// they have handled before they give it up: all is read, and nothing twice.
func (k apache) rebalanceStorm(t *testing.T) {
	t.Parallel()
	const topic, partitions, members = "storm", 8, 5
	comings := 12
	if full {
		comings = 100
	}
	k.create(t, topic, partitions)
	w := newWriter(t, direct.ProducerConfig{Kafka: k.options(), Topic: topic})
	w.keepOn(t)
	// Members learn of a rebalance by their heartbeat.
	cfg := direct.ConsumerConfig{Kafka: k.options(kgo.HeartbeatInterval(200 * time.Millisecond)), Topic: topic, Group: topic, CommitEvery: 300 * time.Millisecond}
	var seen sightings
	var all sync.WaitGroup
	var mu sync.Mutex
	var gone []*follower
	began := time.Now()
	for m := range members {
		all.Go(func() {
			for range comings {
				f, err := comeAndGo(t.Context(), cfg, &seen, m%3)
				if err != nil {
					t.Errorf("member %d: %v", m, err)
					return
				}
				mu.Lock()
				gone = append(gone, f)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	last := follow(t, cfg, &seen)
	acked := w.finish(t)
	await(t, "all is read", func() bool { return seen.cover(acked) })
	last.finish(t)

	twice, revoked, excused := seen.check(t, acked), int64(0), false
	for _, f := range gone {
		revoked += f.revoked.Load()
		excused = excused || f.complaints.mention(uncommitted)
		if lost := f.complaints.losses(); len(lost) > 0 {
			t.Errorf("named as lost, where nothing was: %v", lost)
		}
	}
	if twice > 0 && !excused {
		t.Errorf("%d of %d records were seen twice, though all was committed", twice, w.total())
	}
	if revoked < int64(len(gone)) {
		t.Errorf("%d members gave up %d partitions: it was no storm", len(gone), revoked)
	}
	t.Logf("%d members came and went in %.1f s and gave up %d partitions; of %d records %d were seen twice", len(gone), time.Since(began).Seconds(), revoked, w.total(), twice)
}

// comeAndGo is a member that leaves once it has read a few records.
func comeAndGo(ctx context.Context, cfg direct.ConsumerConfig, seen *sightings, workers int) (*follower, error) {
	const enough = 500
	f, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	f.read(ctx, seen, workers)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for patience := time.Now().Add(time.Minute); f.own.Load() < enough; <-tick.C {
		if f.ended() || time.Now().After(patience) {
			return nil, errors.Join(fmt.Errorf("it saw %d records only", f.own.Load()), f.end(ctx), f.err)
		}
	}
	return f, errors.Join(f.end(ctx), f.err)
}

// cord is the way of one client to its brokers, which can be cut and mended.
type cord struct {
	mu    sync.Mutex
	ends  []net.Conn
	isCut bool
}

var errCut = errors.New("the cord is cut")

func (c *cord) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isCut {
		return nil, errCut
	}
	end, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		c.ends = append(c.ends, end)
	}
	return end, err
}

func (c *cord) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = true
	for _, end := range c.ends {
		_ = end.Close() // that is what was wanted
	}
}

func (c *cord) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = false
}

// A member that is cut off for longer than its session loses its partitions to the other
// one, who reads from the last commit on; when it comes back it does not commit over that.
func (k apache) memberCutOff(t *testing.T) {
	t.Parallel()
	const topic, partitions = "cut-off", 4
	k.create(t, topic, partitions)
	w := newWriter(t, direct.ProducerConfig{Kafka: k.options(), Topic: topic})
	w.keepOn(t)
	// Nothing is committed by the clock, so what is read again is known.
	cfg := direct.ConsumerConfig{Topic: topic, Group: topic, CommitEvery: time.Hour}
	member := func(seen *sightings, more ...kgo.Opt) *follower {
		cfg.Kafka = k.options(append(more, kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(500*time.Millisecond))...)
		return follow(t, cfg, seen)
	}
	var way cord
	var lost, kept sightings
	a, b := member(&lost, kgo.Dialer(way.dial)), member(&kept)
	await(t, "both members read", func() bool {
		return len(a.Positions()) == partitions/2 && len(b.Positions()) == partitions/2 && a.own.Load() > 0 && b.own.Load() > 0
	})
	forward := committedForward(t, k, topic)
	revoked, mine := a.revoked.Load(), a.Positions()
	way.cut()
	await(t, "the other member has all partitions", func() bool { return len(b.Positions()) == partitions })
	await(t, "the other member has read what the one read that is cut off", func() bool {
		due := lost.reached()
		for p := range due {
			if _, his := mine[p]; !his {
				delete(due, p)
			}
		}
		return kept.cover(due)
	})
	way.mend()
	await(t, "it comes back, and gives up what is not its own", func() bool { return a.revoked.Load() > revoked })
	await(t, "it is given partitions again", func() bool { return len(a.Positions()) == partitions/2 && len(b.Positions()) == partitions/2 })
	back := a.own.Load()
	await(t, "it reads again", func() bool { return a.own.Load() > back })
	if len(a.complaints.list()) == 0 {
		t.Error("nobody was told that it was cut off")
	}
	acked := w.finish(t)
	await(t, "all is read", func() bool { return together(&lost, &kept, acked) })
	a.finish(t)
	b.finish(t)
	forward()
	for name, seen := range map[string]*sightings{"the member that was cut off": &lost, "the other one": &kept} {
		if seen.twice > 0 || len(seen.wrong) > 0 {
			t.Errorf("%s saw %d records twice: %v", name, seen.twice, seen.wrong)
		}
	}
	t.Logf("of %d records one member read %d and the other %d", w.total(), a.own.Load(), b.own.Load())
}

// together says whether one or the other has seen all records.
func together(one, other *sightings, ends map[int32]int64) bool {
	one.mu.Lock()
	defer one.mu.Unlock()
	other.mu.Lock()
	defer other.mu.Unlock()
	for p, end := range ends {
		for n := range int(end) {
			by := func(s *sightings) bool { return n < len(s.times[p]) && s.times[p][n] > 0 }
			if !by(one) && !by(other) {
				return false
			}
		}
	}
	return true
}

// committedForward looks at what a group has committed, until the function that it returns
// is called: that may never go back.
func committedForward(t *testing.T, k apache, topic string) (done func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var looking sync.WaitGroup
	looking.Go(func() {
		had := map[int32]int64{}
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for ; ctx.Err() == nil; <-tick.C {
			committed, err := k.admin.FetchOffsets(ctx, topic)
			if err != nil {
				continue
			}
			committed.Each(func(o kadm.OffsetResponse) {
				if o.At < had[o.Partition] {
					t.Errorf("partition %d: what is committed went back from %d to %d", o.Partition, had[o.Partition], o.At)
				}
				had[o.Partition] = o.At
			})
		}
	})
	return func() {
		cancel()
		looking.Wait()
	}
}

package direct

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// produceViewAge is how old a view may become (metadata.max.age.ms): so partitions
	// that are added are found.
	produceViewAge = 5 * time.Minute
	// mostExpireEvery is the longest between two looks for batches that are too old.
	mostExpireEvery = time.Second
)

// keep finds a lane for every partition that has something to send and none, again and
// again until the producer ends, and tells the user what went wrong meanwhile.
func (p *Producer) keep(ctx context.Context) {
	timer := time.NewTimer(produceViewAge)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-p.attention:
		case <-ctx.Done():
			p.reports.tell(p.cfg.OnError)
			return
		}
		wait := p.tend(ctx)
		p.reports.tell(p.cfg.OnError)
		timer.Reset(wait)
	}
}

// tend returns after how long it is to be called again at the latest.
func (p *Producer) tend(ctx context.Context) time.Duration {
	due, wait := p.seekers(p.now())
	aged := p.now()-p.viewed >= int64(produceViewAge)
	if aged {
		p.suspect()
	}
	if len(due) == 0 && !aged {
		return wait
	}
	v, err := p.look(ctx)
	if err != nil {
		for _, t := range due {
			p.postpone(t, err)
		}
		return p.soonest()
	}
	counts := map[int32]int{}
	ranks := make([]int, len(v.partitions))
	for i, at := range v.partitions {
		ranks[i] = counts[at.broker]
		counts[at.broker]++
	}
	for _, t := range due {
		if err := p.place(ctx, v, ranks, t); err != nil {
			p.suspect()
			p.postpone(t, err)
		}
	}
	return p.soonest()
}

// seekers are the partitions whose lane is to be found now, and how long until there is
// another one.
func (p *Producer) seekers(now int64) (due []*producePartition, wait time.Duration) {
	p.mu.Lock()
	all := p.seeking
	p.seeking = nil
	p.mu.Unlock()
	wait = produceViewAge
	var later []*producePartition
	for _, t := range all {
		t.mu.Lock()
		left := time.Duration(t.notBefore - now)
		t.mu.Unlock()
		if left > 0 {
			later, wait = append(later, t), min(wait, left)
		} else {
			due = append(due, t)
		}
	}
	p.mu.Lock()
	p.seeking = append(p.seeking, later...)
	p.mu.Unlock()
	return due, wait
}

// soonest is how long until a lane is to be found for a partition.
func (p *Producer) soonest() time.Duration {
	p.mu.Lock()
	all := slices.Clone(p.seeking)
	p.mu.Unlock()
	now, wait := p.now(), produceViewAge
	for _, t := range all {
		t.mu.Lock()
		wait = min(wait, max(0, time.Duration(t.notBefore-now)))
		t.mu.Unlock()
	}
	return wait
}

// postpone makes a lane be sought later.
func (p *Producer) postpone(t *producePartition, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.window.tries++
	t.window.cause = err
	t.notBefore = p.now() + int64(produceBackOff(t.window.tries))
	p.seek(t)
}

// look is who leads what, asked anew when what was known is not to be trusted.
func (p *Producer) look(ctx context.Context) (*view, error) {
	had := p.topology.latest()
	if !p.stale.CompareAndSwap(true, false) {
		return had, nil
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	v, err := p.topology.refresh(ctx, had)
	if err != nil {
		p.suspect()
		p.reports.add(err)
		return nil, err
	}
	p.viewed = p.now()
	if none := [16]byte{}; had.topicID != v.topicID && had.topicID != none && v.topicID != none {
		err := fmt.Errorf("topic %q was deleted, and one of the same name made anew: start a new producer for it", p.cfg.Topic)
		p.fail(err)
		return nil, err
	}
	p.grow(len(v.partitions))
	return v, nil
}

// place gives a partition to a lane of its leader.
func (p *Producer) place(ctx context.Context, v *view, ranks []int, t *producePartition) error {
	if int(t.id) >= len(v.partitions) {
		return fmt.Errorf("the cluster knows of %d partitions: %w", len(v.partitions), kerr.UnknownTopicOrPartition)
	}
	if err := p.identify(ctx, t); err != nil {
		return err
	}
	leader := v.partitions[t.id]
	if leader.broker < 0 {
		return fmt.Errorf("nobody leads it: %w", leader.err)
	}
	l := p.lane(laneAddress{leader.broker, ranks[t.id] % p.cfg.Connections, v.brokers[leader.broker]})
	t.mu.Lock()
	defer t.mu.Unlock()
	l.mu.Lock()
	dead := l.dead
	l.mu.Unlock()
	if dead {
		return fmt.Errorf("the connection to broker %d has just ended", leader.broker)
	}
	t.attach(l, p.now())
	return nil
}

// lane is the one at an address, made anew where there is none.
func (p *Producer) lane(at laneAddress) *producerLane {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lanes[at]
	if l == nil {
		l = newProducerLane(p, at)
		p.lanes[at] = l
		p.running.Go(func() { l.run(p.context, nil) })
	}
	return l
}

// drop forgets a lane that has ended.
func (p *Producer) drop(l *producerLane) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lanes[l.at] == l {
		delete(p.lanes, l.at)
	}
}

// seek puts a partition on the list of those that look for a lane; its lock is held.
func (p *Producer) seek(t *producePartition) {
	p.mu.Lock()
	p.seeking = append(p.seeking, t)
	p.mu.Unlock()
	p.attention.set()
}

// suspect makes the keeper ask anew who leads what, before it finds the next lane.
func (p *Producer) suspect() { p.stale.Store(true) }

// succeed returns the identity after the one given, where that takes no question: another
// partition has one already, or the next epoch will do.
func (p *Producer) succeed(than produceIdentity, renew produceRenewal) (produceIdentity, bool) {
	for {
		current := p.identity.Load()
		if *current != than {
			return *current, true
		}
		if renew == produceNewID || than.epoch >= lastProduceEpoch {
			return produceIdentity{}, false
		}
		next := produceIdentity{than.id, than.epoch + 1}
		if p.identity.CompareAndSwap(current, &next) {
			return next, true
		}
	}
}

// identify asks for a new producer id where a partition needs one.
func (p *Producer) identify(ctx context.Context, t *producePartition) error {
	t.mu.Lock()
	than, renew := t.window.identity, t.window.renew
	t.mu.Unlock()
	if renew == produceKeep {
		return nil
	}
	who, ok := p.succeed(than, renew)
	if !ok {
		var err error
		if who, err = p.askIdentity(ctx); err != nil {
			return err
		}
		p.identity.Store(&who)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.window.renew != produceKeep {
		t.window.adopt(who)
	}
	return nil
}

// askIdentity asks the cluster for a producer id.
func (p *Producer) askIdentity(ctx context.Context) (produceIdentity, error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	answer, err := kmsg.NewPtrInitProducerIDRequest().RequestWith(ctx, p.client)
	if err == nil {
		err = kerr.ErrorForCode(answer.ErrorCode)
	}
	if err == nil && (answer.ProducerID < 0 || answer.ProducerEpoch < 0) {
		err = fmt.Errorf("the broker gave id %d with epoch %d, which cannot be", answer.ProducerID, answer.ProducerEpoch)
	}
	if err == nil {
		return produceIdentity{answer.ProducerID, answer.ProducerEpoch}, nil
	}
	err = fmt.Errorf("cannot get a producer id: %w", err)
	if errors.Is(err, kerr.ClusterAuthorizationFailed) {
		err = fmt.Errorf("%w: allow IdempotentWrite, or set NoIdempotence", err)
	}
	return produceIdentity{}, err
}

// watch fails batches that are too old, until the producer ends.
func (p *Producer) watch(ctx context.Context) {
	ticker := time.NewTicker(max(time.Millisecond, min(p.cfg.DeliveryTimeout/20, mostExpireEvery)))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		for _, t := range p.all() {
			t.mu.Lock()
			t.expire(p.now())
			t.mu.Unlock()
		}
		p.acks.deliver()
	}
}

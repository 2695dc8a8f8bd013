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

// mostExpireEvery is the longest between two looks for batches that are too old.
const mostExpireEvery = time.Second

// keep finds a lane for every partition that has something to send and none, again and
// again until the producer ends, and tells the user what went wrong meanwhile.
func (p *Producer) keep(ctx context.Context) {
	timer := time.NewTimer(p.viewAge)
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
		timer.Reset(max(wait, atOnce))
	}
}

// tend returns after how long it is to be called again at the latest, at once if that is
// not above 0.
func (p *Producer) tend(ctx context.Context) time.Duration {
	due := p.seekers(p.now())
	aged := p.now()-p.viewed >= int64(p.viewAge) // so partitions that are added are found
	if aged {
		p.suspect()
	}
	if len(due) == 0 && !aged {
		return p.soonest()
	}
	v, err := p.look(ctx)
	if err != nil {
		p.report(err)
		p.postpone(due, err)
		return p.soonest()
	}
	counts := map[int32]int{}
	ranks := make([]int, len(v.partitions))
	for i, at := range v.partitions {
		ranks[i] = counts[at.broker]
		counts[at.broker]++
	}
	// Those that need a question first come last: nobody waits for it in vain, nor twice.
	slices.SortStableFunc(due, func(a, b *producePartition) int { return int(a.renewal()) - int(b.renewal()) })
	for i, t := range due {
		if err := p.identify(ctx, t); err != nil {
			p.report(err)
			p.postpone(due[i:], err)
			break
		}
		if err := p.place(v, ranks, t); err != nil {
			p.suspect()
			p.postpone(due[i:i+1], err)
		}
	}
	return p.soonest()
}

// report tells of an error that is nobody's batch's, or ends the producer by it.
func (p *Producer) report(err error) {
	if final := p.patience.final(err); final != nil {
		p.fail(final)
		return
	}
	p.reports.add(err)
}

// seekers are the partitions whose lane is to be found now.
func (p *Producer) seekers(now int64) (due []*producePartition) {
	p.mu.Lock()
	all := p.seeking
	p.seeking = nil
	p.mu.Unlock()
	var later []*producePartition
	for _, t := range all {
		t.mu.Lock()
		early := t.notBefore > now
		t.mu.Unlock()
		if early {
			later = append(later, t)
		} else {
			due = append(due, t)
		}
	}
	p.mu.Lock()
	p.seeking = append(p.seeking, later...)
	p.mu.Unlock()
	return due
}

// soonest is how long until a lane is to be found for a partition, or the view too old.
func (p *Producer) soonest() time.Duration {
	p.mu.Lock()
	all := slices.Clone(p.seeking)
	p.mu.Unlock()
	next := p.viewed + int64(p.viewAge)
	for _, t := range all {
		t.mu.Lock()
		next = min(next, t.notBefore)
		t.mu.Unlock()
	}
	return time.Duration(next - p.now())
}

// postpone makes lanes be sought later.
func (p *Producer) postpone(all []*producePartition, err error) {
	for _, t := range all {
		t.mu.Lock()
		t.window.tries++
		t.window.cause = err
		t.notBefore = p.now() + int64(backOff(t.window.tries))
		p.seek(t)
		t.mu.Unlock()
	}
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
	p.viewed = p.now() // and if it was in vain
	if err != nil {
		p.suspect()
		return nil, err
	}
	p.patience.found()
	p.grow(len(v.partitions))
	return v, nil
}

// place gives a partition to a lane of its leader.
func (p *Producer) place(v *view, ranks []int, t *producePartition) error {
	if int(t.id) >= len(v.partitions) {
		return fmt.Errorf("the cluster knows of %d partitions: %w", len(v.partitions), kerr.UnknownTopicOrPartition)
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

// renewal is what a partition needs before it sends again.
func (t *producePartition) renewal() produceRenewal {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.window.renew
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

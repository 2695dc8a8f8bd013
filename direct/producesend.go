package direct

import (
	"context"
	"math"
	"slices"
	"time"
)

// send composes requests and writes them, until something goes wrong.
func (l *producerLane) send(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var r *produceRequest
		select {
		case r = <-l.free:
		case <-l.broken:
			return nil // who reads says why
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := l.fill(ctx, r, timer); err != nil || len(r.partitions) == 0 {
			return err
		}
		if err := l.write(r); err != nil {
			return err
		}
	}
}

// renew authenticates anew where that is due and there is something to send.
func (l *producerLane) renew(ctx context.Context) error {
	at := l.conn.Expires()
	if at.IsZero() || time.Now().Before(at) || !l.any() {
		return nil
	}
	if l.producer.cfg.Acks == AcksNone {
		return errQuietly // as the one who reads cannot be stopped
	}
	if err := l.drain(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return l.conn.Reauthenticate(ctx)
}

// drain waits until nothing is in flight: all requests are here but the one in hand.
func (l *producerLane) drain(ctx context.Context) error {
	others := make([]*produceRequest, 0, cap(l.free))
	for len(others) < cap(l.free)-1 {
		select {
		case r := <-l.free:
			others = append(others, r)
		case <-l.broken:
			return errQuietly // who reads says why
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for _, r := range others {
		l.free <- r
	}
	return nil
}

// fill waits until there is something to send, and puts it into the request. Without an
// error and anything in it, the connection has ended.
func (l *producerLane) fill(ctx context.Context, r *produceRequest, timer *time.Timer) error {
	l.count++
	r.reset(l.count)
	l.encoder.begin()
	for {
		now := l.producer.now()
		wait := time.Duration(l.paused.Load() - now)
		if wait <= 0 {
			if now-l.used > int64(produceIdle) && len(l.free) == cap(l.free)-1 && l.any() {
				return errQuietly
			}
			if err := l.renew(ctx); err != nil {
				return err
			}
			if l.compose(r, now); len(r.partitions) > 0 {
				return nil
			}
			wait = l.dueIn(now)
		}
		timer.Reset(max(wait, atOnce))
		select {
		case <-l.wake:
		case <-timer.C:
		case <-l.broken:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// any says whether a partition has something to send.
func (l *producerLane) any() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ready)+len(l.linger) > 0
}

// dueIn is how long until an open batch is due, not above 0 where one is.
func (l *producerLane) dueIn(now int64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.linger) == 0 {
		return time.Hour
	}
	return time.Duration(l.linger[0].due - now)
}

// compose puts a batch of each partition that has one into the request, in turn. Where
// there is one, open batches that have waited for half of Linger go with it: a request
// costs a broker much more than another batch in one.
func (l *producerLane) compose(r *produceRequest, now int64) {
	horizon := l.collect(now)
	full := false
	for i, t := range l.turn {
		if full = l.include(r, t, horizon); full {
			l.putBack(l.turn[i:])
			l.turn = l.turn[:i]
			break
		}
	}
	for i := 0; i < len(l.due) && !full; i++ {
		full = l.include(r, l.due[i], horizon)
	}
	for _, t := range l.turn {
		l.relist(t, &t.queued, now)
	}
	for _, t := range l.due {
		l.relist(t, &t.lingering, now)
	}
}

// collect takes the partitions off the lists whose turn it is, and returns until when open
// batches count as due.
func (l *producerLane) collect(now int64) (horizon int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn, l.ready = l.ready, l.turn[:0]
	l.due = l.due[:0]
	horizon = now
	if len(l.turn) > 0 || len(l.linger) > 0 && l.linger[0].due <= now {
		horizon += int64(l.producer.cfg.linger()) / 2
	}
	if l.producer.memory.waiting.Load() > 0 {
		horizon = math.MaxInt64
	}
	for len(l.linger) > 0 && l.linger[0].due <= horizon {
		l.due = append(l.due, l.linger.pop())
	}
	return horizon
}

// putBack makes partitions come first the next time; they are still marked as queued.
func (l *producerLane) putBack(all []*producePartition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ready = slices.Insert(l.ready, 0, all...)
}

// include puts a batch of a partition into the request, unless there is none, or one is in
// it already. It returns true where there is no room for it.
func (l *producerLane) include(r *produceRequest, t *producePartition, horizon int64) (full bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lane != l || t.request == r.id {
		return false
	}
	b := t.next(horizon)
	if b == nil {
		return false
	}
	if len(r.partitions) > 0 && r.bytes+len(b.raw) > l.producer.cfg.RequestBytes {
		return true
	}
	t.fly(b, r.id)
	l.encoder.add(t.id, b.raw)
	r.partitions = append(r.partitions, t)
	r.bytes += len(b.raw)
	return false
}

// relist puts a partition that was taken off a list on those where it belongs now. listed
// marks that it is on the one it was taken off.
func (l *producerLane) relist(t *producePartition, listed *bool, now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lane == l {
		*listed = false
		t.relist(now)
	}
}

// write sends the request. It is in flight for whoever reads the answers only when it is
// written: nothing of it is used again before, whatever a broker answers.
func (l *producerLane) write(r *produceRequest) error {
	r.sent = time.Now()
	if _, err := l.conn.SendParts(produceKey, l.version, l.encoder.flexible, l.encoder.finish()); err != nil {
		return err
	}
	l.used = l.producer.now()
	if l.producer.cfg.Acks != AcksNone {
		l.sent <- r
		return nil
	}
	written := produceAnswer{offset: -1}
	for _, t := range r.partitions {
		t.mu.Lock()
		t.answered(&written, r.id, l.used)
		t.mu.Unlock()
	}
	l.producer.acks.deliver()
	l.free <- r
	return nil
}

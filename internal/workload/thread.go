package workload

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"redline/internal/client"
	"redline/internal/latency"
	"redline/internal/pace"
	"redline/internal/payload"
)

// clock reads the time of day as cheaply as the monotonic clock.
type clock struct {
	base time.Time
	unix int64
}

func newClock() clock {
	now := time.Now()
	return clock{now, now.UnixNano()}
}

// now is the time in Unix nanoseconds; it does not step when the wall clock is
// set while the run goes on.
func (c clock) now() int64 { return c.unix + int64(time.Since(c.base)) }

// thread is one producer and the goroutine that feeds it.
type thread struct {
	producing *Producing
	id        uint16
	producer  client.Producer
	generator *payload.Generator
	pace      pace.Pacer
	claim     int64 // how many records are taken from the run's number at a time

	// sent and answered count records; what lies between is in flight.
	sent, answered atomic.Int64

	latency, steady latency.Recorder
	lag             latency.Recorder // from due to sent, in an open loop
	warmup          int64            // this thread's share of Produce.Warmup

	// pending belongs to the producer's acknowledging goroutine, which publishes
	// it under mu: a lock and a clock for each record would cost more than all
	// the rest of its account.
	pending pending

	mu        sync.Mutex
	published counts
	window    Acks
}

// counts is what a thread knows of its records.
type counts struct {
	total                 Acks
	afterWarmup           Acks
	steadySince, lastAck  time.Duration // from the start of the run
	failed, indeterminate int64
}

// pending is what was counted since the last publication.
type pending struct {
	counts
	window    Acks
	records   int   // since the last publication
	published int64 // when that was, Unix nanoseconds
	now       int64 // the clock's last reading, for the records of run
	run       run
}

// run is acknowledged records that are accounted together, as one by one they would cost
// more than their client: they were due at the same time, and follow each other in their
// stream and in the log.
type run struct {
	partition int32
	n, bytes  int // records, and bytes of each
	due       int64
	first     uint64 // sequence of the first record; the next one of NoSequence is none
	offset    int64  // of the first record, or that of all, -1
}

// add makes a record be the next of the run, and says whether it is.
func (s *run) add(r *client.Record, due int64) bool {
	offset := s.offset
	if offset >= 0 {
		offset += int64(s.n)
	}
	if s.n == 0 || due != s.due || r.Partition != s.partition || r.Bytes != s.bytes || r.Tag != s.first+uint64(s.n) || r.Offset != offset {
		return false
	}
	s.n++
	return true
}

// What is pending is published after so many records or so long, whichever
// comes first.
const (
	publishRecords = 32
	publishEvery   = 20 * time.Millisecond
)

// closedClaim is how many records a thread takes from the common number at a
// time in a closed loop; it looks at the clock once for all of them. In an open
// loop each record has its own moment.
const closedClaim = 16

func (t *thread) run() {
	p := t.producing
	if err := t.send(); err != nil && p.ctx.Err() == nil {
		select {
		case p.errs <- err:
		default:
		}
		p.cancel(err)
	}
	if p.ctx.Err() == nil {
		if err := t.producer.Flush(p.ctx); err != nil && p.ctx.Err() == nil {
			p.fail(err)
		}
	}
}

// send writes records until there are no more to send or the run ends.
func (t *thread) send() error {
	began, sent := time.Now(), int64(0)
	for {
		n := t.take()
		if n == 0 {
			return nil
		}
		wait, stop := t.pace.Pace(time.Since(began), sent)
		if stop || !sleep(t.producing.ctx, wait) {
			return nil
		}
		now := t.producing.clock.now()
		for i := range n {
			due := t.due(began, sent+i, now)
			if err := t.one(due); err != nil {
				return err
			}
			if t.producing.spec.Pace != nil {
				t.lag.Observe(time.Duration(now - due))
			}
		}
		sent += n
		t.sent.Add(n)
	}
}

// due is the intended send time of a record: its slot in an open loop, now in
// a closed one.
func (t *thread) due(began time.Time, number, now int64) int64 {
	if schedule, open := t.pace.(interface{ Due(int64) time.Duration }); open {
		return t.producing.clock.unix + int64(began.Sub(t.producing.clock.base)+schedule.Due(number))
	}
	return now
}

// take claims the next few records of the run; 0 when none are left.
func (t *thread) take() int64 {
	p := t.producing
	if p.ctx.Err() != nil || p.draining.Load() {
		return 0
	}
	if p.spec.Records <= 0 {
		return t.claim
	}
	end := p.claimed.Add(t.claim)
	return max(0, min(t.claim, p.spec.Records-(end-t.claim)))
}

// one makes a record, due at now, and sends it.
func (t *thread) one(now int64) error {
	r := t.producer.Record()
	r.Value, r.Key, r.Partition = t.generator.Next(r.Value, now)
	r.Time, r.Tag, r.Bytes = time.Unix(0, now), t.generator.Sequence(), len(r.Key)+len(r.Value)
	if err := t.producer.Send(t.producing.ctx, r); err != nil {
		// Also when the run ends: a record sent after one that was not would make
		// the log look to later readers as if one was lost.
		t.generator.Failed(r.Partition, t.generator.Sequence())
		return fmt.Errorf("producer %d could not send: %w", t.id, err)
	}
	return nil
}

// acked is told by the client what became of a record.
func (t *thread) acked(r *client.Record, err error) {
	p := &t.pending
	due := r.Time.UnixNano()
	if err != nil || !p.run.add(r, due) {
		t.account()
		if due != p.run.due || r.Partition != p.run.partition {
			p.now = t.producing.clock.now()
		}
		p.run = run{partition: r.Partition, due: due}
		if err != nil {
			t.answered.Add(1)
			t.lost(r, err)
		} else {
			p.run.n, p.run.bytes, p.run.first, p.run.offset = 1, r.Bytes, r.Tag, r.Offset
		}
	}
	if p.records++; p.records >= publishRecords || p.now-p.published > int64(publishEvery) {
		t.publish()
	}
}

// account adds the records of the run, which is empty then.
func (t *thread) account() {
	p := &t.pending
	s, n := &p.run, int64(p.run.n)
	if n == 0 {
		return
	}
	t.answered.Add(n)
	t.generator.Acked(s.partition, s.first, s.n, s.offset)
	d := time.Duration(p.now - s.due)
	t.latency.ObserveN(d, n)
	p.total.many(n, s.bytes, d)
	p.window.many(n, s.bytes, d)
	p.lastAck = time.Duration(p.now - t.producing.clock.unix)
	if after := min(n, p.total.Records-t.warmup); t.warmup > 0 && after > 0 {
		if p.afterWarmup.Records == 0 {
			p.steadySince = p.lastAck
		}
		p.afterWarmup.many(after, s.bytes, d)
		t.steady.ObserveN(d, after)
	}
	s.n = 0
}

// lost notes a record that was not acknowledged.
func (t *thread) lost(r *client.Record, err error) {
	if t.producing.spec.Library.Outcome(err) == client.Failed {
		t.pending.failed++
		t.generator.Failed(r.Partition, r.Tag)
	} else {
		t.pending.indeterminate++
		t.generator.Indeterminate(r.Partition, r.Tag)
	}
	t.producing.fail(err)
}

// publish lets others see what is pending. It is called by the acknowledging
// goroutine, and by others when no acknowledgement is to come.
func (t *thread) publish() {
	t.account()
	t.mu.Lock()
	t.published = t.pending.counts
	t.window.add(t.pending.window)
	t.mu.Unlock()
	t.pending.window, t.pending.records, t.pending.published = Acks{}, 0, t.pending.now
}

// sleep waits and says whether the run still goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

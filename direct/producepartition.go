package direct

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"redline/direct/batch"
)

const (
	// provenFor is how long a leader that has taken a batch is believed to remember the
	// producer, where it gets no others. Brokers do for a day (producer.id.expiration.ms).
	provenFor = time.Minute
	// leastHalf is the smallest limit of batches, in bytes, that is learnt from a broker
	// that takes no larger ones.
	leastHalf = 16 << 10
)

// producePartition takes the records of one partition, and holds its batches until they are
// acknowledged.
type producePartition struct {
	mu sync.Mutex
	// The open batch: where records go, and the most that it may have, in bytes. 0 sends
	// Send the long way.
	roof    int
	payload int // bytes of keys and values
	builder batch.Builder
	open    *produceBatch
	due     int64 // when the open batch is to go, ns
	hurried bool  // it is to go at once

	producer *Producer
	id       int32
	taken    uint64 // records, without those of the open batch
	hint     int    // bytes that the next batch is expected to have
	most     int    // bytes that a batch may have
	closed   error  // nothing is taken any more, because of this
	window   produceWindow
	answers  int64 // when the last one came, ns

	lane      *producerLane // nil while none is found
	request   uint64        // the last one of it that has a batch of this partition
	queued    bool          // in the lane's list of those with something to send
	lingering bool          // in the lane's list of those with an open batch
	sought    bool          // the keeper looks for a lane
	notBefore int64         // it does not before, ns

	settled atomic.Uint64 // records that OnAck was told of
	served  atomic.Bool   // it has a lane, or never looked for one
}

func newProducePartition(p *Producer, id int32) *producePartition {
	t := &producePartition{producer: p, id: id, most: p.cfg.BatchBytes}
	t.window = produceWindow{
		idempotent: p.cfg.idempotent(), acks: p.cfg.Acks, atMostOnce: p.cfg.AtMostOnce, inFlight: p.cfg.InFlight,
		split: t.split, identity: produceNobody,
	}
	if t.window.idempotent {
		t.window.identity = *p.identity.Load()
	}
	t.served.Store(true)
	return t
}

// put takes a record when the open batch has room for it; t.mu is held.
func (t *producePartition) put(ms int64, r *Record) bool {
	if t.builder.SizeWith(r.Key, len(r.Value), r.Headers) > t.roof {
		return false
	}
	t.payload += len(r.Key) + len(r.Value)
	t.builder.Append(ms, r.Key, r.Value, r.Headers)
	return true
}

// putSlowly takes a record for which the open batch has no room.
func (t *producePartition) putSlowly(ctx context.Context, ms int64, r *Record) error {
	var none batch.Builder
	need := t.producer.headSize + none.SizeWith(r.Key, len(r.Value), r.Headers)
	if err := t.producer.cfg.fits(r, need); err != nil {
		return err
	}
	var lent *produceBatch
	for {
		t.mu.Lock()
		done, err := t.place(ms, r, need, &lent)
		size := produceClass(max(t.hint, need))
		t.mu.Unlock()
		if done || err != nil {
			if lent != nil {
				t.producer.memory.give(lent)
			}
			t.producer.acks.deliver()
			return err
		}
		if lent, err = t.producer.memory.take(ctx, size); err != nil {
			return fmt.Errorf("cannot send to topic %q: %w", t.producer.cfg.Topic, err)
		}
	}
}

// fits says whether a record can be sent that takes a batch of so many bytes alone.
func (c *ProducerConfig) fits(r *Record, need int) error {
	limit, bytes := "RequestBytes", c.RequestBytes
	if need <= c.RequestBytes {
		limit, bytes = "MaxBuffered", c.MaxBuffered
		need = produceClass(need)
	}
	if need <= bytes {
		return nil
	}
	return fmt.Errorf("cannot send a record of %d bytes to topic %q: alone it takes %d bytes, where %s allows %d; raise that, or send smaller ones: %w", len(r.Key)+len(r.Value), c.Topic, need, limit, bytes, kerr.MessageTooLarge)
}

// place puts a record into the open batch, or into a new one where one was lent; t.mu is
// held.
func (t *producePartition) place(ms int64, r *Record, need int, lent **produceBatch) (done bool, err error) {
	if t.closed != nil {
		return false, fmt.Errorf("cannot send to topic %q: %w", t.producer.cfg.Topic, t.closed)
	}
	if t.put(ms, r) {
		return true, nil
	}
	if t.open != nil {
		t.seal(true)
		t.advance(t.producer.now())
	}
	b := *lent
	if b == nil || b.charged < need {
		return false, nil
	}
	*lent = nil
	t.begin(b, need)
	t.put(ms, r)
	return true, nil
}

// begin opens a batch that has room for so many bytes at least; t.mu is held.
func (t *producePartition) begin(b *produceBatch, need int) {
	now := t.producer.now()
	if now-t.answers > int64(provenFor) && t.window.flying == 0 {
		t.window.proven = false
	}
	b.of, b.first, b.deadline = t, t.taken, now+int64(t.producer.cfg.DeliveryTimeout)
	t.builder.Begin(b.buf)
	t.open, t.roof, t.hurried = b, max(need, min(b.charged, t.most)), false
	linger := t.producer.cfg.linger()
	t.due = now + int64(linger)
	switch {
	case t.lane == nil:
		t.seek()
	case linger == 0:
		t.advance(now)
	case !t.lingering:
		t.lingering = true
		t.lane.await(t, t.due)
	}
}

// seal ends the open batch, because it is full or because its time has come; t.mu is held.
func (t *producePartition) seal(full bool) {
	b := t.open
	b.builder, b.records, b.bytes = t.builder, t.builder.Len(), t.payload
	t.taken += uint64(b.records)
	t.expect(b, full)
	t.open, t.roof, t.payload = nil, 0, 0
	t.window.push(b)
	if t.producer.cfg.Compression != batch.None {
		t.producer.sealer.put(b)
		return
	}
	raw, err := b.builder.Seal(batch.None, nil, nil)
	t.sealed(b, raw, err)
}

// expect learns how large the next buffer should be: twice what was filled, and otherwise
// what was needed lately. So partitions that get little hold little, and nothing is copied
// to grow.
func (t *producePartition) expect(b *produceBatch, full bool) {
	size := b.builder.Size() + b.builder.Size()/4
	if full {
		size = 2 * b.charged
	}
	t.hint = min(max(size, t.hint-t.hint/16), t.most)
}

// sealed makes a batch ready to be sent; t.mu is held.
func (t *producePartition) sealed(b *produceBatch, raw []byte, err error) {
	b.raw, b.sealed = raw, true
	if err != nil {
		t.window.reject(b, fmt.Errorf("cannot make a batch: %w", err))
	}
	if t.window.ended != nil {
		t.window.end(t.window.ended)
	}
	t.collect()
}

// split makes two batches of one that a broker finds too large.
func (t *producePartition) split(b *produceBatch) (*produceBatch, *produceBatch, error) {
	one, two, err := splitBatch(t.producer, b)
	if err != nil {
		return nil, nil, err
	}
	// What the first learns, the next ones need not.
	t.most = min(t.most, max(leastHalf, max(one.builder.Size(), two.builder.Size())))
	t.producer.memory.give(b)
	return one, two, nil
}

// next gives the batch to be sent now, nil for none; t.mu is held.
func (t *producePartition) next(now int64) *produceBatch {
	b := t.window.next()
	if b == nil && t.ripe(now) {
		t.seal(false)
		b = t.window.next()
	}
	return b
}

// fly puts the batch that next gave into a request; t.mu is held.
func (t *producePartition) fly(b *produceBatch, request uint64) {
	w := &t.window
	t.request = request
	if !w.idempotent {
		w.fly(b, request)
		return
	}
	if who := t.producer.identity.Load(); *who != w.identity && w.idle() {
		w.adopt(*who)
	}
	w.fly(b, request)
	b.identify(w.identity)
}

// ripe says whether the open batch can be sent and should be; t.mu is held.
func (t *producePartition) ripe(now int64) bool {
	return t.open != nil && (t.hurried || t.due <= now || t.producer.memory.waiting.Load() > 0) && t.window.vacant()
}

// advance hands on what can be sent: to the lane, or to who finds one; t.mu is held.
func (t *producePartition) advance(now int64) {
	switch {
	case t.lane == nil:
		t.seek()
	case !t.queued && (t.window.next() != nil || t.ripe(now)):
		t.queued = true
		t.lane.queue(t)
	}
}

// relist puts the partition on the lists of its lane where it belongs; t.mu is held.
func (t *producePartition) relist(now int64) {
	if t.open != nil && !t.lingering && t.due > now {
		t.lingering = true
		t.lane.await(t, t.due)
	}
	t.advance(now)
}

// seek asks for a lane where there is something to send; t.mu is held.
func (t *producePartition) seek() {
	if t.sought || t.open == nil && len(t.window.left()) == 0 {
		return // nobody needs one
	}
	t.sought = true
	t.producer.seek(t)
}

// attach goes over to a lane; t.mu is held.
func (t *producePartition) attach(l *producerLane, now int64) {
	t.lane, t.sought, t.request = l, false, 0
	t.window.proven = false // it may be another leader
	t.served.Store(true)
	t.relist(now)
}

// detach leaves the lane, to look for one again after a while; t.mu is held.
func (t *producePartition) detach(wait time.Duration) {
	l := t.lane
	t.lane = nil
	l.forget(t)
	t.queued, t.lingering = false, false
	if wait > 0 {
		t.served.Store(false)
	}
	t.notBefore = t.producer.now() + int64(wait)
	t.seek()
}

// answered takes a broker's answer; t.mu is held. It returns false where nothing was asked.
func (t *producePartition) answered(a *produceAnswer, request uint64, now int64) bool {
	pauses := t.window.pauses
	err, told := a.err()
	if !t.window.answered(request, max(a.offset, -1), err, told) {
		return false
	}
	t.answers = now
	t.settle(pauses, now)
	return true
}

// lost takes back what was in flight over the lane, which has ended; t.mu is held. Where
// that was quiet, nothing was in flight and nothing is wrong.
func (t *producePartition) lost(err error, quiet bool, now int64) {
	pauses := t.window.pauses
	t.window.lose(err)
	if !quiet && t.window.pauses == pauses {
		t.window.tries++
		t.window.cause = err
	}
	wait := time.Duration(0)
	if !quiet {
		wait = backOff(t.window.tries)
	}
	t.detach(wait)
	t.settle(t.window.pauses, now)
}

// expire fails what was not acknowledged in time; t.mu is held.
func (t *producePartition) expire(now int64) {
	if t.open != nil && t.open.deadline <= now {
		t.seal(false)
	}
	t.settle(t.window.pauses, now)
}

// settle hands on what became of the window: batches whose outcome is known, what is to be
// told, and what can be sent next. A failure since so many pauses, or an identity that has
// to be asked for, makes the partition look for its leader anew; t.mu is held.
func (t *producePartition) settle(pauses int, now int64) {
	w := &t.window
	w.expire(now) // it must not fly again
	t.collect()
	if w.renew != produceKeep {
		if who, ok := t.producer.succeed(w.identity, w.renew); ok {
			w.adopt(who)
		}
	}
	if w.pauses > pauses {
		t.tell()
		t.producer.suspect()
	}
	if t.lane != nil && (w.pauses > pauses || w.renew != produceKeep) {
		t.detach(backOff(w.tries))
	}
	t.advance(now)
}

// tell reports the first failure of several in a row, and what else is worth it; t.mu is
// held.
func (t *producePartition) tell() {
	err := t.window.note
	t.window.note = nil
	if err == nil && t.window.tries == 1 {
		err = t.window.cause
	}
	if err != nil {
		t.producer.reports.add(fmt.Errorf("topic %q partition %d: %w", t.producer.cfg.Topic, t.id, err))
	}
}

// end takes nothing any more, and where abort is set fails what is not in flight; t.mu is
// held.
func (t *producePartition) end(err error, abort bool) {
	if t.closed == nil {
		t.closed = err
	}
	if t.open != nil {
		t.seal(false)
	}
	if abort {
		t.window.end(err)
	}
	t.collect()
	t.advance(t.producer.now())
}

// collect hands on the batches whose outcome is known, in their order; t.mu is held.
func (t *producePartition) collect() {
	for b := t.window.pop(); b != nil; b = t.window.pop() {
		t.producer.acks.put(b)
	}
}

// hurry makes the open batch go at once, and returns how many records there are in all;
// t.mu is held.
func (t *producePartition) hurry(now int64) uint64 {
	if t.open == nil {
		return t.taken
	}
	t.hurried = true
	t.advance(now)
	return t.taken + uint64(t.builder.Len())
}

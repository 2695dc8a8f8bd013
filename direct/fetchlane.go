package direct

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/direct/wire"
)

const (
	// responseBeyond is how much a response may exceed FetchMaxBytes: a broker sends the
	// first batch whole, whatever its size.
	responseBeyond = 128 << 20
	// buffersEach is how many responses of a lane there are: one is read from the
	// connection while the other is in the reader's hands.
	buffersEach = 2
	// silentFor is how much longer than it may a broker can take to answer.
	silentFor = 30 * time.Second
)

// lane is one connection to one broker over which some partitions are fetched, and the
// goroutine that does so: it writes the next fetch before the last one's answer is there,
// of other partitions, or else before a record of it is looked at. It ends with its
// connection.
type lane struct {
	consumer *Consumer
	broker   int32
	address  string
	wake     mark // there may be something to fetch
	free     chan *response
	// Under Consumer.mu:
	mine      []*assignment
	changed   bool // mine is not what the plan knows
	waiting   bool // a fetch is under way that the broker may hold back
	interrupt bool // stop closes the connection
	conn      *wire.Conn
	eager     bool // it may look for what is about to come

	plan    fetchPlan
	scanner scanner
	request kmsg.FetchRequest
	asked   int32 // number of the last fetch
	highs   []high
}

// high is how far a partition can be read.
type high struct {
	of *slot
	at int64
}

func newLane(c *Consumer, broker int32, address string) *lane {
	l := &lane{consumer: c, broker: broker, address: address, wake: newMark(), free: make(chan *response, buffersEach)}
	for range buffersEach {
		l.free <- &response{lane: l}
	}
	return l
}

// run fetches until the consumer ends or something goes wrong with the connection, in
// which case the partitions look for another lane.
func (l *lane) run(ctx context.Context) {
	err := l.connect(ctx)
	for err == nil && ctx.Err() == nil {
		if err = l.send(ctx); err != nil {
			break
		}
		if len(l.plan.flights) > 0 {
			err = l.turn(ctx)
			continue
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
		}
	}
	l.end(ctx, err)
}

// connect dials and settles which version is spoken.
func (l *lane) connect(ctx context.Context) error {
	dialing, cancel := context.WithTimeout(ctx, silentFor)
	defer cancel()
	conn, err := l.consumer.dialer.Dial(dialing, l.address)
	if err != nil {
		return err
	}
	l.consumer.mu.Lock()
	l.conn = conn
	l.consumer.mu.Unlock()
	v := l.consumer.topology.latest()
	most := int16(newestFetch)
	if v.topicID == [16]byte{} {
		most = fetchByID - 1
	}
	version, err := conn.Version(fetchKey, most)
	if err == nil && version < oldestFetch {
		err = fmt.Errorf("broker %d speaks version %d of fetches, and %d is the oldest that is read here: it needs Kafka 0.11 or newer", l.broker, version, oldestFetch)
	}
	if err != nil {
		return err
	}
	l.prepare(version, v)
	return nil
}

// prepare makes the request that is filled in anew for each fetch.
func (l *lane) prepare(version int16, v *view) {
	cfg := &l.consumer.cfg
	l.scanner = scanner{version: version, topic: cfg.Topic, topicID: v.topicID, committed: cfg.ReadCommitted}
	l.plan.noSessions = version < fetchHasCode
	l.plan.most, l.plan.least = int64(cfg.FetchMaxBytes), int64(cfg.FetchMinBytes)
	r := kmsg.NewFetchRequest()
	r.Version, r.MinBytes, r.MaxBytes = version, int32(cfg.FetchMinBytes), int32(cfg.FetchMaxBytes)
	if cfg.ReadCommitted {
		r.IsolationLevel = 1
	}
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = cfg.Topic, v.topicID
	forgotten := kmsg.NewFetchRequestForgottenTopic()
	forgotten.Topic, forgotten.TopicID = cfg.Topic, v.topicID
	r.Topics, r.ForgottenTopics = append(r.Topics, topic), append(r.ForgottenTopics, forgotten)
	l.request = r
}

// send sends fetches until as many are under way as there may be.
func (l *lane) send(ctx context.Context) error {
	for {
		if at := l.conn.Expires(); !at.IsZero() && time.Now().After(at) {
			if len(l.plan.flights) > 0 {
				return nil // first what is under way
			}
			if err := l.conn.Reauthenticate(ctx); err != nil {
				return err
			}
		}
		f := l.compose()
		if f == nil {
			return nil
		}
		var err error
		if f.sent, err = l.conn.Send(&l.request); err != nil {
			return err
		}
	}
}

// compose plans the next fetch. It is nil where there is nothing to ask for.
func (l *lane) compose() *flight {
	c := l.consumer
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.changed {
		if len(l.plan.flights) > 0 {
			return nil // whose answers speak of what was
		}
		l.plan.adopt(l.mine)
		l.changed = false
	}
	shares := max(1, min(c.sharers, len(l.mine), namedAtOnce))
	l.plan.partitionMost = int64(max(1, min(c.cfg.PartitionMaxBytes, c.cfg.FetchMaxBytes/shares)))
	f := l.plan.next(time.Now(), c.cfg.FetchMaxWait)
	if f == nil {
		return nil
	}
	l.asked++
	f.correlation = l.asked
	l.plan.write(&l.request, f)
	l.waiting = l.plan.held()
	l.eager = c.spare && c.fetching() == 1
	return f
}

// turn takes the answer to the oldest fetch under way.
func (l *lane) turn(ctx context.Context) error {
	var r *response
	select {
	case r = <-l.free:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := l.receive(l.plan.flights[0], r); err != nil {
		l.free <- r
		return err
	}
	if len(r.chunks) == 0 {
		l.free <- r
		return nil
	}
	select {
	case l.consumer.ready <- r:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// receive reads the answer and moves the partitions on.
func (l *lane) receive(f *flight, r *response) error {
	cfg := &l.consumer.cfg
	if r.buf == nil {
		r.buf = make([]byte, cfg.FetchMaxBytes+cfg.FetchMaxBytes/64+64<<10)
	}
	l.conn.SetReceiveTimeout(f.wait + silentFor)
	l.conn.SetEager(l.eager)
	body, buf, correlation, err := l.conn.Receive(r.buf, cfg.FetchMaxBytes+responseBeyond, fetchKey, l.scanner.version >= fetchIsFlexible)
	r.buf = buf
	if err != nil {
		return err
	}
	if correlation != f.sent {
		return fmt.Errorf("the answer to request %d came, where %d was asked", correlation, f.sent)
	}
	l.highs = l.highs[:0]
	h, err := l.scanner.scan(body, f, &l.plan, r, func(s *slot, at int64) { l.highs = append(l.highs, high{s, at}) })
	if err != nil {
		return err
	}
	return l.absorb(h, f, r)
}

// absorb moves the partitions on by what was answered.
func (l *lane) absorb(h head, f *flight, r *response) error {
	c := l.consumer
	if h.throttleMillis > 0 {
		c.throttled.Add(int64(h.throttleMillis))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.plan.land(time.Now())
	l.waiting = l.plan.held()
	if h.err != nil {
		return l.refused(h.err)
	}
	c.patience.accepted()
	if f.inSession {
		l.plan.answered(h.session)
	}
	for _, at := range l.highs {
		if s := at.of; s.generation == s.a.generation {
			s.a.high = at.at
		}
	}
	bytes, records := int64(0), int64(0)
	for i := range r.chunks {
		k := &r.chunks[i]
		bytes, records = bytes+int64(len(k.bytes)), records+k.next-k.from
		k.slot.grown(int64(k.largest))
		if a := k.of; a.generation == k.generation {
			a.next, a.lastEpoch, a.tries = k.next, k.lastEpoch, 0
		}
	}
	l.plan.brought(bytes, records)
	if n := len(r.chunks); n > 0 && !f.inSession {
		l.plan.turned(r.chunks[n-1].slot)
	}
	l.settle(r.troubles)
	return nil
}

// refused goes on from an error that an answer as a whole has; c.mu is held.
func (l *lane) refused(err error) error {
	if errors.Is(err, kerr.FetchSessionIDNotFound) || errors.Is(err, kerr.InvalidFetchSessionEpoch) {
		l.plan.closeSession()
		return nil
	}
	return err
}

// settle takes partitions with an error out of the lane; c.mu is held.
func (l *lane) settle(all troubles) {
	for _, t := range all {
		if t.of.generation != t.generation || t.of.lane != l {
			continue
		}
		l.consumer.unsettled(t.of, t.err)
	}
}

// end gives the partitions up, for whoever fetches them next.
func (l *lane) end(ctx context.Context, err error) {
	c := l.consumer
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close() // nothing is lost with it
	}
	c.drop(l)
	if ctx.Err() != nil {
		return
	}
	interrupted := l.interrupt
	for _, a := range slices.Clone(l.mine) {
		if interrupted {
			a.lane = nil
			continue
		}
		a.trouble(time.Now())
	}
	l.mine = nil
	if !interrupted {
		c.stale = true
		err = fmt.Errorf("fetching topic %q from broker %d at %s: %w", c.cfg.Topic, l.broker, l.address, err)
		if final := c.patience.final(err); final != nil {
			c.fail(final)
		}
		c.reports.add(err)
	}
	c.attention.set()
}

// stop ends a wait for records where others are wanted now; c.mu is held.
func (l *lane) stop() {
	if l.waiting && l.conn != nil && !l.interrupt {
		l.interrupt = true
		conn := l.conn
		l.consumer.running.Go(func() { _ = conn.Close() }) // which TLS may take seconds for
	}
}

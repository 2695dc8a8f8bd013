package direct

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"redline/direct/batch"
	"redline/direct/wire"
)

const (
	// mostProduceAnswer bounds an answer to a produce request, in bytes: that is 50,000
	// partitions with a text each.
	mostProduceAnswer = 16 << 20
	// produceIdle is how long a connection may have nothing to do. Another one is taken
	// then: brokers hang up after ten minutes, and what stands between may sooner.
	produceIdle = 4 * time.Minute
)

// errQuietly ends a connection that is as good as new, and nothing is in flight over.
var errQuietly = errors.New("another connection is taken")

// producerLane is one connection to one broker over which some partitions are written. One
// goroutine composes requests and writes them, another one reads the answers. It ends with
// its connection.
type producerLane struct {
	producer *Producer
	at       laneAddress
	wake     mark                 // there may be something to send
	free     chan *produceRequest // those that are not in flight
	sent     chan *produceRequest
	broken   chan struct{} // closed when nothing is read any more
	paused   atomic.Int64  // nothing is sent before, ns: a broker's quota

	conn    *wire.Conn
	topic   produceTopic
	version int16
	encoder produceEncoder
	count   uint64              // of requests
	used    int64               // when something was sent last, ns
	turn    []*producePartition // whose turn it is in this request
	due     []*producePartition // whose open batch is due

	mu     sync.Mutex
	dead   bool
	ready  []*producePartition // with something to send, in turn
	linger produceLingers
}

// laneAddress says which connection of which broker it is.
type laneAddress struct {
	broker  int32
	number  int // of several connections
	address string
}

func newProducerLane(p *Producer, at laneAddress) *producerLane {
	l := &producerLane{
		producer: p, at: at, wake: newMark(), broken: make(chan struct{}),
		free: make(chan *produceRequest, p.cfg.InFlight), sent: make(chan *produceRequest, p.cfg.InFlight),
	}
	for range p.cfg.InFlight {
		l.free <- new(produceRequest)
	}
	return l
}

// run sends until the producer ends or something goes wrong with the connection, which is
// dialled unless it is there.
func (l *producerLane) run(ctx context.Context, conn *wire.Conn) {
	err := l.connect(ctx, conn)
	if err == nil {
		err = l.work(ctx)
	}
	l.end(ctx, err)
}

func (l *producerLane) connect(ctx context.Context, conn *wire.Conn) (err error) {
	p := l.producer
	if conn == nil {
		dialing, cancel := context.WithTimeout(ctx, startWithin)
		defer cancel()
		if conn, err = p.dialer.Dial(dialing, l.at.address); err != nil {
			return err
		}
	}
	l.conn, l.topic = conn, produceTopic{p.cfg.Topic, p.topology.latest().topicID}
	if l.version, err = produceVersion(conn, l.topic, p.cfg.Compression); err != nil {
		l.hangUp()
		return err
	}
	l.encoder = newProduceEncoder(l.version, l.topic, p.cfg.Acks, p.cfg.RequestTimeout)
	conn.SetSendTimeout(p.cfg.RequestTimeout)
	l.used = p.now()
	return nil
}

// produceVersion is the version to speak. A topic is named by its id where that is known:
// a namesake then gets nothing.
func produceVersion(conn *wire.Conn, topic produceTopic, codec batch.Codec) (int16, error) {
	most := int16(newestProduce)
	if topic.id == noTopicID {
		most = produceByID - 1
	}
	version, err := conn.Version(produceKey, most)
	if err != nil {
		return 0, err
	}
	least := int16(oldestProduce)
	if codec == batch.Zstd {
		least = produceHasZstd
	}
	if version < least {
		return 0, fmt.Errorf("the broker at %s speaks version %d of produce requests, and %d is the oldest that can be written here with compression %v: it needs a newer Kafka", conn.Address(), version, least, codec)
	}
	return version, nil
}

// work sends and receives until one of both ends, and then the other.
func (l *producerLane) work(ctx context.Context) error {
	stop := context.AfterFunc(ctx, l.hangUp)
	defer stop()
	var receiving sync.WaitGroup
	var received error
	receiving.Go(func() {
		received = l.receive()
		l.hangUp()
		close(l.broken)
	})
	err := l.send(ctx)
	l.hangUp()
	close(l.sent)
	receiving.Wait()
	if received != nil && !errors.Is(received, net.ErrClosed) {
		return received
	}
	return err
}

// hangUp ends the connection, and who reads or writes it: nothing waits for more of it.
func (l *producerLane) hangUp() { _ = l.conn.Close() }

// end gives the partitions up, for whoever writes to them next.
func (l *producerLane) end(ctx context.Context, err error) {
	p := l.producer
	l.mu.Lock()
	l.dead = true
	l.mu.Unlock()
	p.drop(l)
	if err == nil {
		err = ErrClosed
	}
	quiet := errors.Is(err, errQuietly)
	err = fmt.Errorf("writing to topic %q at broker %d at %s: %w", p.cfg.Topic, l.at.broker, l.at.address, err)
	if !quiet && ctx.Err() == nil {
		p.suspect()
		p.report(err)
	}
	for _, t := range p.all() {
		t.mu.Lock()
		if t.lane == l {
			t.lost(err, quiet, p.now())
		}
		t.mu.Unlock()
	}
	p.acks.deliver()
}

// queue appends a partition that has something to send; its lock is held.
func (l *producerLane) queue(t *producePartition) {
	l.mu.Lock()
	l.ready = append(l.ready, t)
	l.mu.Unlock()
	l.wake.set()
}

// await notes when a partition's open batch is to go; the partition's lock is held.
func (l *producerLane) await(t *producePartition, due int64) {
	l.mu.Lock()
	l.linger.push(produceLinger{due, t})
	first := l.linger[0].of == t
	l.mu.Unlock()
	if first {
		l.wake.set()
	}
}

// forget takes a partition off all lists; its lock is held.
func (l *producerLane) forget(t *producePartition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ready = slices.DeleteFunc(l.ready, func(of *producePartition) bool { return of == t })
	l.linger.remove(t)
}

// receive reads answers until the connection ends, or all are read and no more is sent.
func (l *producerLane) receive() error {
	if l.producer.cfg.Acks == AcksNone {
		// There are no answers: this finds out when the broker hangs up, as it does where
		// it would have answered with an error.
		l.conn.SetReceiveTimeout(0)
		_, _, _, err := l.conn.Receive(nil, mostProduceAnswer, produceKey, l.version >= produceIsFlexible)
		return err
	}
	patience := l.producer.cfg.RequestTimeout * 3 / 2
	var buf []byte
	for r := range l.sent {
		wait := max(patience-time.Since(r.sent), patience/2) + max(0, time.Duration(l.paused.Load()-l.producer.now()))
		l.conn.SetReceiveTimeout(wait)
		body, grown, _, err := l.conn.Receive(buf, mostProduceAnswer, produceKey, l.version >= produceIsFlexible)
		if err == nil {
			err = l.answered(r, body)
		}
		if buf = grown; err != nil {
			return err
		}
		l.free <- r
	}
	return nil
}

// answered takes what a broker says of the batches in a request.
func (l *producerLane) answered(r *produceRequest, body []byte) error {
	p, now := l.producer, l.producer.now()
	defer p.acks.deliver()
	scan := newProduceScan(body, l.version, l.topic)
	all, count := p.all(), 0
	var denied error
	for scan.next() {
		a := &scan.produceAnswer
		if uint(a.partition) >= uint(len(all)) {
			return fmt.Errorf("the broker answered about partition %d, of which it was asked nothing", a.partition)
		}
		t := all[a.partition]
		t.mu.Lock()
		asked := t.lane == l && t.answered(a, r.id, now)
		t.mu.Unlock()
		if !asked {
			return fmt.Errorf("the broker answered about partition %d, of which it was asked nothing", a.partition)
		}
		count++
		if a.code == 0 {
			p.patience.accepted()
		} else if _, err := a.err(); denied == nil {
			denied = p.patience.denied(fmt.Errorf("writing to topic %q: %w", p.cfg.Topic, err))
		}
	}
	if denied != nil {
		p.fail(denied)
	}
	if scan.failed() {
		return fmt.Errorf("to a produce request of version %d: %w", l.version, errAnswer)
	}
	if count != len(r.partitions) {
		return fmt.Errorf("the broker answered about %d of %d batches", count, len(r.partitions))
	}
	p.throttled.Add(int64(max(scan.throttleMillis, 0)))
	if scan.throttleMillis > 0 {
		// As long as it says, but no longer than one would wait for it otherwise.
		l.paused.Store(now + int64(min(time.Duration(scan.throttleMillis)*time.Millisecond, p.cfg.RequestTimeout)))
	}
	return nil
}

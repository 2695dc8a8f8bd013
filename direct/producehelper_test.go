package direct

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ackBook notes what a producer tells of batches, and checks that it is told one at a time
// and in order.
type ackBook struct {
	t    testing.TB
	busy atomic.Bool
	mu   sync.Mutex
	next map[int32]uint64
	all  []Ack
	errs []error
}

func newAckBook(t testing.TB) *ackBook {
	t.Helper()
	return &ackBook{t: t, next: map[int32]uint64{}}
}

func (b *ackBook) take(a Ack) {
	if !b.busy.CompareAndSwap(false, true) {
		b.t.Error("OnAck is called twice at once")
	}
	defer b.busy.Store(false)
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.First != b.next[a.Partition] || a.Records < 1 {
		b.t.Errorf("partition %d: a batch of %d from record %d was told, where that from %d was due", a.Partition, a.Records, a.First, b.next[a.Partition])
	}
	b.next[a.Partition] = a.First + uint64(a.Records)
	b.all = append(b.all, a)
}

func (b *ackBook) err(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errs = append(b.errs, err)
}

// records counts those told of, and those that failed.
func (b *ackBook) records() (all, failed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.all {
		all += a.Records
		if a.Err != nil {
			failed += a.Records
		}
	}
	return all, failed
}

// met says whether an error like this was told to OnError.
func (b *ackBook) met(target error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, err := range b.errs {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// produceTo makes a producer that is closed at the end of the test.
func produceTo(t testing.TB, cluster *kfake.Cluster, cfg ProducerConfig) (*Producer, *ackBook) {
	t.Helper()
	book := newAckBook(t)
	cfg.Kafka = append(seeds(cluster), cfg.Kafka...)
	if cfg.Topic == "" {
		cfg.Topic = "topic"
	}
	cfg.OnAck, cfg.OnError = book.take, book.err
	p, err := NewProducer(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = p.Close(ctx) // what failed was looked at
	})
	return p, book
}

func eight(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// sendNumbers sends values that count up, to the partitions in turn.
func sendNumbers(t testing.TB, p *Producer, from, n int) {
	t.Helper()
	partitions := p.Partitions()
	for i := from; i < from+n; i++ {
		if err := p.Send(t.Context(), Record{Partition: int32(i % partitions), Value: eight(i), Timestamp: time.UnixMilli(int64(i))}); err != nil {
			t.Fatal(err)
		}
	}
}

func flush(t testing.TB, p *Producer) {
	t.Helper()
	if err := flushed(t, p); err != nil {
		t.Fatal(err)
	}
}

func flushed(t testing.TB, p *Producer) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := p.Flush(ctx)
	if ctx.Err() != nil {
		t.Fatalf("flush does not end: %v", err)
	}
	return err
}

// readAll reads all that is in a topic, by partition.
func readAll(t testing.TB, cluster *kfake.Cluster, topic string) map[int32][]*kgo.Record {
	t.Helper()
	cl, err := kgo.NewClient(append(seeds(cluster), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	ends.Each(func(o kadm.ListedOffset) { left += int(o.Offset) })
	all := map[int32][]*kgo.Record{}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			all[r.Partition] = append(all[r.Partition], r)
			left--
		})
	}
	return all
}

// onceInOrder checks that the values 0 to n-1 were sent by sendNumbers and are there once,
// in order.
func onceInOrder(t testing.TB, all map[int32][]*kgo.Record, n, partitions int) {
	t.Helper()
	seen := 0
	for p, records := range all {
		next := int(p)
		for _, r := range records {
			if got := int(numberOf(r.Value)); got != next {
				t.Fatalf("partition %d offset %d: value %d, where %d is due", p, r.Offset, got, next)
			}
			next += partitions
			seen++
		}
	}
	if seen != n {
		t.Fatalf("%d of %d records are there", seen, n)
	}
}

// cuttable opens connections that can be cut.
type cuttable struct {
	through func(ctx context.Context, network, address string) (net.Conn, error) // nil: net's
	mu      sync.Mutex
	conns   map[net.Conn]bool
	dialed  int
}

func (c *cuttable) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dial := c.through
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns == nil {
		c.conns = map[net.Conn]bool{}
	}
	c.conns[conn] = true
	c.dialed++
	return conn, nil
}

func (c *cuttable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
	clear(c.conns)
}

package segmentio

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	"redline/internal/client"
)

const (
	// slabMost and slabBytes bound the records of one slab, which is handed over
	// when it is full.
	slabMost  = 512
	slabBytes = 256 << 10
	// slabWithin bounds how long a slab is filled. It counts only where the broker
	// has more records than came yet: the last one there is ends a slab at once.
	slabWithin = 5 * time.Millisecond
	// slabsQueued bounds the slabs that wait for a poll, of all partitions.
	slabsQueued = 32
)

// record is what a batch needs of a kafka.Message, a third of its size.
type record struct {
	offset     int64
	key, value []byte
}

// slab is successive records of one partition. kafka-go hands out single records;
// they are gathered where they come out, so that another goroutine has to be woken
// for hundreds of them, and not for each.
type slab struct {
	feed    *feed
	records []record
	bytes   int
}

var _ client.Batch = (*slab)(nil)

func (s *slab) Partition() int32 { return s.feed.partition }
func (s *slab) Len() int         { return len(s.records) }

// LeaderEpoch is not told by kafka-go.
func (s *slab) LeaderEpoch() int32 { return -1 }

func (s *slab) Each(f func(offset int64, key, value []byte)) {
	for i := range s.records {
		r := &s.records[i]
		f(r.offset, r.key, r.value)
	}
}

// next is the offset after the last record.
func (s *slab) next() int64 { return s.records[len(s.records)-1].offset + 1 }

func (s *slab) add(m *kafka.Message) {
	s.records = append(s.records, record{m.Offset, m.Key, m.Value})
	s.bytes += len(m.Key) + len(m.Value)
}

// last says whether m is the last record to wait for.
func (s *slab) last(m *kafka.Message) bool {
	return m.Offset+1 >= m.HighWaterMark || len(s.records) == slabMost || s.bytes >= slabBytes
}

// slabs are those to fill and those to hand out.
type slabs struct {
	full chan *slab
	idle chan *slab
}

func newSlabs() *slabs {
	return &slabs{full: make(chan *slab, slabsQueued), idle: make(chan *slab, 2*slabsQueued)}
}

func (s *slabs) take(f *feed) *slab {
	select {
	case one := <-s.idle:
		one.feed = f
		return one
	default:
		return &slab{feed: f, records: make([]record, 0, slabMost)}
	}
}

// put takes a slab back, without what its records held.
func (s *slabs) put(one *slab) {
	clear(one.records)
	one.feed, one.records, one.bytes = nil, one.records[:0], 0
	select {
	case s.idle <- one:
	default:
	}
}

// feed brings the records of one partition, from one offset on, into slabs.
type feed struct {
	partition   int32
	reader      *kafka.Reader
	connections *connections
	problem     func(partition int32, err error)

	cancel context.CancelFunc // of the filling
	done   chan struct{}      // closed when it has ended
	// Of the poll, or under the consumer's lock: next is the offset after the last
	// record handed out, or -1; stale says that no more of this feed may be.
	next  int64
	stale bool
}

// start fills slabs until stop.
func (f *feed) start(s *slabs) {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel, f.done = cancel, make(chan struct{})
	go func() {
		defer close(f.done)
		for f.fill(ctx, s) {
		}
	}()
}

// stop ends the filling. Records that were filled and not handed out are lost to
// this feed; the caller says from where another goes on.
func (f *feed) stop() {
	f.cancel()
	<-f.done
}

// close ends the Reader too.
func (f *feed) close() {
	f.stop()
	f.connections.end()
	_ = f.reader.Close() // it returns nil
}

// fill queues one slab, and says whether to go on. No record is lost where a context
// ends: the Reader then keeps what it did not return.
func (f *feed) fill(ctx context.Context, s *slabs) bool {
	m, err := f.reader.FetchMessage(ctx)
	if err != nil {
		return f.goOn(ctx, err)
	}
	one := s.take(f)
	one.add(&m)
	if !one.last(&m) {
		err = f.gather(ctx, one)
	}
	select {
	case s.full <- one:
	case <-ctx.Done():
		return false
	}
	return err == nil || f.goOn(ctx, err)
}

// gather adds to a slab until it is full, or for as long as a slab may take.
func (f *feed) gather(ctx context.Context, one *slab) error {
	within, cancel := context.WithTimeout(ctx, slabWithin)
	defer cancel()
	for {
		m, err := f.reader.FetchMessage(within)
		if err != nil && within.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		one.add(&m)
		if one.last(&m) {
			return nil
		}
	}
}

// goOn tells of an error of the Reader, which goes on by itself until it is closed.
func (f *feed) goOn(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, io.EOF) {
		return false
	}
	f.problem(f.partition, err)
	return true
}

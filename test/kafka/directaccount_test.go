package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"redline/direct"
)

// How package direct is looked at: one producer writes numbered records to a topic, and
// nobody else does. The number of a record is its offset then, so each record that is
// lost, doubled or overtaken is seen where it happens.

// numberedSize is how long their values are, in bytes.
const numberedSize = 100

// numbered is the value of the record that was sent to a partition after n others.
func numbered(partition int32, n int64) []byte {
	v := fmt.Appendf(make([]byte, 0, numberedSize), "%d/%d ", partition, n)
	return append(v, bytes.Repeat([]byte{'.'}, numberedSize-len(v))...)
}

// complaints are the errors that an OnError was told of.
type complaints struct {
	mu  sync.Mutex
	all []error
}

func (c *complaints) add(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, err)
}

func (c *complaints) list() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

// losses are those that name records as lost.
func (c *complaints) losses() (all []*direct.DataLoss) {
	for _, err := range c.list() {
		var loss *direct.DataLoss
		if errors.As(err, &loss) {
			all = append(all, loss)
		}
	}
	return all
}

// mention says whether one has these words.
func (c *complaints) mention(words string) bool {
	return slices.ContainsFunc(c.list(), func(err error) bool { return strings.Contains(err.Error(), words) })
}

// writer writes numbered records, and keeps account of what became of them.
type writer struct {
	*direct.Producer
	complaints complaints
	stopping   context.CancelFunc
	sending    sync.WaitGroup
	refusal    error // of the Send that was the last one

	mu           sync.Mutex
	sent         map[int32]int64 // by partition: records that Send took
	acked, given map[int32]int64 // in the log; given up
	wrong        []string
}

func newWriter(t *testing.T, cfg direct.ProducerConfig) *writer {
	t.Helper()
	w := &writer{sent: map[int32]int64{}, acked: map[int32]int64{}, given: map[int32]int64{}, stopping: func() {}}
	cfg.OnAck, cfg.OnError = w.told, w.complaints.add
	var err error
	if w.Producer, err = direct.NewProducer(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.end() })
	return w
}

// told checks an acknowledgement: they come in order, and offsets are the numbers.
func (w *writer) told(a direct.Ack) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, n := a.Partition, int64(a.Records)
	if due := w.acked[p] + w.given[p]; int64(a.First) != due || n < 1 {
		w.wrong = append(w.wrong, fmt.Sprintf("%+v came where the record %d was due", a, due))
	}
	if a.Err != nil {
		w.given[p] += n
		return
	}
	w.acked[p] += n
	if known := a.Offset >= 0; known && a.Offset != int64(a.First) || a.Landed != direct.InLog {
		w.wrong = append(w.wrong, fmt.Sprintf("%+v is not as sent", a))
	}
}

// send sends the next record to a partition.
func (w *writer) send(ctx context.Context, p int32, key []byte) error {
	if err := w.Send(ctx, direct.Record{Partition: p, Key: key, Value: numbered(p, w.taken(p))}); err != nil {
		return err
	}
	w.mu.Lock()
	w.sent[p]++
	w.mu.Unlock()
	return nil
}

// taken is how many records were sent to a partition.
func (w *writer) taken(p int32) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent[p]
}

// write sends so many records to each partition, and waits until they are in the log.
func (w *writer) write(t *testing.T, each int) {
	t.Helper()
	for range each {
		for p := range int32(w.Partitions()) {
			if err := w.send(t.Context(), p, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// keepOn sends to every partition, also to those that are added, until the end.
func (w *writer) keepOn(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w.stopping = cancel
	w.sending.Go(func() {
		pace := time.NewTicker(2 * time.Millisecond)
		defer pace.Stop()
		for ctx.Err() == nil {
			<-pace.C
			for p := range int32(w.Partitions()) {
				if err := w.send(ctx, p, nil); err != nil {
					if ctx.Err() == nil {
						w.refusal = err
					}
					return
				}
			}
		}
	})
}

// progress is how many records were sent, acknowledged and given up, by partition.
func (w *writer) progress() (sent, acked, given map[int32]int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.sent), maps.Clone(w.acked), maps.Clone(w.given)
}

// total is how many records are in the log.
func (w *writer) total() (n int64) {
	_, acked, _ := w.progress()
	for _, of := range acked {
		n += of
	}
	return n
}

// end stops sending and closes the producer.
func (w *writer) end() error {
	w.stopping()
	w.sending.Wait()
	return w.Close(context.Background())
}

// finish ends a writer of which every record has to be in the log, and returns how many
// there are.
func (w *writer) finish(t *testing.T) map[int32]int64 {
	t.Helper()
	if err := errors.Join(w.end(), w.refusal); err != nil {
		t.Error(err)
	}
	return w.check(t, true)
}

// check wants every record to have been told of once.
func (w *writer) check(t *testing.T, all bool) map[int32]int64 {
	t.Helper()
	sent, acked, given := w.progress()
	for p, n := range sent {
		if acked[p]+given[p] != n || all && given[p] > 0 {
			t.Errorf("partition %d: of %d records %d are in the log and %d were given up", p, n, acked[p], given[p])
		}
	}
	for _, wrong := range w.wrong {
		t.Error(wrong)
	}
	return acked
}

// sightings count how often each numbered record was handed out.
type sightings struct {
	inOrder bool // one after the other and none twice, as to one reader

	mu    sync.Mutex
	times map[int32][]uint8 // by partition and offset
	until map[int32]int64   // the first that was not seen
	twice int64
	wrong []string
}

func (s *sightings) note(p int32, offset int64, v []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.times == nil {
		s.times, s.until = map[int32][]uint8{}, map[int32]int64{}
	}
	switch want := numbered(p, offset); {
	case !bytes.Equal(v, want):
		s.complain("partition %d has %q at offset %d", p, v, offset)
	case s.inOrder && offset != s.until[p]:
		s.complain("offset %d of partition %d came where %d was due", offset, p, s.until[p])
	}
	times := s.times[p]
	for int64(len(times)) <= offset {
		times = append(times, 0)
	}
	if times[offset] > 0 {
		s.twice++
	}
	times[offset]++
	for s.until[p] < int64(len(times)) && times[s.until[p]] > 0 {
		s.until[p]++
	}
	s.times[p] = times
}

// complain keeps the first few; s.mu is held.
func (s *sightings) complain(format string, args ...any) {
	if len(s.wrong) < 10 {
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}

// cover says whether all up to these offsets was seen.
func (s *sightings) cover(ends map[int32]int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, end := range ends {
		if s.until[p] < end {
			return false
		}
	}
	return true
}

// reached are the first offsets that were not seen.
func (s *sightings) reached() map[int32]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.until)
}

// last is the last offset of a partition that was seen, -1 for none.
func (s *sightings) last(p int32) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.times[p])) - 1
}

// check wants what is in the log to have been seen, and nothing else; it returns how often
// one was seen that had been seen before.
func (s *sightings) check(t *testing.T, ends map[int32]int64) (twice int64) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, end := range ends {
		if s.until[p] != end || int64(len(s.times[p])) != end {
			t.Errorf("partition %d: %d records are in the log; all up to %d were seen, the last one at %d", p, end, s.until[p], len(s.times[p])-1)
		}
	}
	for _, wrong := range s.wrong {
		t.Error(wrong)
	}
	return s.twice
}

// follower is a consumer that is read from, until its end or the test's.
type follower struct {
	*direct.Consumer
	complaints complaints
	own        atomic.Int64 // records that it has seen
	revoked    atomic.Int64 // partitions that it had to give up
	stopping   context.CancelFunc
	over       chan struct{}
	err        error // what ended it, once it is over
	closing    sync.Once
	closed     error
}

// open makes a follower that does not read yet.
func open(ctx context.Context, cfg direct.ConsumerConfig) (*follower, error) {
	f := &follower{over: make(chan struct{})}
	cfg.OnError = f.complaints.add
	cfg.OnRevoked = func(partitions []int32) { f.revoked.Add(int64(len(partitions))) }
	var err error
	f.Consumer, err = direct.NewConsumer(ctx, cfg)
	return f, err
}

// follow begins to read into sightings.
func follow(t *testing.T, cfg direct.ConsumerConfig, seen *sightings) *follower {
	t.Helper()
	f, err := open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	f.read(t.Context(), seen, 0)
	t.Cleanup(func() { _ = f.end(context.Background()) })
	return f
}

// read reads with so many workers, 0 for none.
func (f *follower) read(ctx context.Context, seen *sightings, workers int) {
	ctx, f.stopping = context.WithCancel(ctx)
	go func() {
		defer close(f.over)
		if workers > 0 {
			f.err = f.Each(ctx, workers, func(_ context.Context, b *direct.Batch) error { return f.note(b, seen) })
			return
		}
		for b, err := range f.Batches(ctx) {
			if err == nil {
				err = f.note(b, seen)
			}
			if f.err = err; err != nil {
				return
			}
		}
	}()
}

func (f *follower) note(b *direct.Batch, seen *sightings) error {
	w := b.Walk()
	for w.Next() {
		seen.note(b.Partition(), w.Offset, w.Value)
		f.own.Add(1)
	}
	return w.Err()
}

// ended says whether it reads no more.
func (f *follower) ended() bool {
	select {
	case <-f.over:
		return true
	default:
		return false
	}
}

// end stops reading and closes the consumer, once.
func (f *follower) end(ctx context.Context) error {
	f.closing.Do(func() {
		f.stopping()
		<-f.over
		f.closed = f.Close(ctx)
	})
	return f.closed
}

// finish ends a follower that nothing may have ended before.
func (f *follower) finish(t *testing.T) {
	t.Helper()
	if err := errors.Join(f.end(t.Context()), f.err); err != nil {
		t.Error(err)
	}
}

package direct

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"redline/direct/batch"
)

// A control of kfake that sleeps when its cluster closes is left behind, and the cluster with
// it.
func TestMain(m *testing.M) {
	const kfake = "github.com/twmb/franz-go/pkg/kfake.(*Cluster)."
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(kfake+"runControl.func1"), goleak.IgnoreAnyFunction(kfake+"run"))
}

// fake is a cluster with a topic "topic" of so many partitions.
func fake(t testing.TB, partitions int32, more ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3), kfake.SeedTopics(partitions, "topic")}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func seeds(cluster *kfake.Cluster) []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...)}
}

// fill writes n records whose values count up, to the partitions in turn.
func fill(t testing.TB, cluster *kfake.Cluster, from, n, partitions int, more ...kgo.Opt) {
	t.Helper()
	cl, err := kgo.NewClient(append(slices.Concat(seeds(cluster), more), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic("topic"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i := from; i < from+n; i++ {
		cl.Produce(t.Context(), &kgo.Record{Partition: int32(i % partitions), Value: binary.BigEndian.AppendUint64(nil, uint64(i))}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// open makes a consumer that is closed at the end of the test.
func open(t testing.TB, cluster *kfake.Cluster, cfg ConsumerConfig) *Consumer {
	t.Helper()
	cfg.Kafka, cfg.Topic = append(seeds(cluster), cfg.Kafka...), "topic"
	c, err := NewConsumer(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

// seen counts the records of each value.
type seen struct {
	t     testing.TB
	count map[uint64]int
	next  map[int32]int64 // by partition: no offset comes twice, or out of order
}

//nolint:thelper // it makes what the helpers are methods of
func see(t testing.TB) *seen { return &seen{t, map[uint64]int{}, map[int32]int64{}} }

func (s *seen) take(b *Batch) {
	w := b.Walk()
	for w.Next() {
		if w.Offset < s.next[b.Partition()] {
			s.t.Errorf("partition %d: offset %d came again", b.Partition(), w.Offset)
		}
		s.next[b.Partition()] = w.Offset + 1
		s.count[binary.BigEndian.Uint64(w.Value)]++
	}
	if w.Err() != nil {
		s.t.Error(w.Err())
	}
}

// until takes batches until n different records have been seen.
func (s *seen) until(c *Consumer, n int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	for len(s.count) < n {
		b, err := c.Next(ctx)
		if err != nil {
			s.t.Fatalf("after %d of %d records: %v", len(s.count), n, err)
		}
		s.take(b)
	}
}

func (s *seen) once(n int) {
	s.t.Helper()
	if len(s.count) != n {
		s.t.Errorf("%d records came, not %d", len(s.count), n)
	}
	for v, times := range s.count {
		if times != 1 {
			s.t.Errorf("record %d came %d times", v, times)
		}
	}
}

func all(partitions int32, at int64) map[int32]int64 {
	m := map[int32]int64{}
	for p := range partitions {
		m[p] = at
	}
	return m
}

func TestEveryRecordComesOnce(t *testing.T) {
	for _, partitions := range []int{1, 3, 8, 40} { // 40: more than a fetch names
		for _, connections := range []int{1, 2} {
			t.Run(fmt.Sprint(partitions, connections), func(t *testing.T) {
				cluster := fake(t, int32(partitions))
				const n = 20_000
				fill(t, cluster, 0, n, partitions)
				c := open(t, cluster, ConsumerConfig{Assign: all(int32(partitions), Earliest), Connections: connections, FetchMaxBytes: 20_000, PartitionMaxBytes: 5000, FetchMaxWait: 50 * time.Millisecond})
				s := see(t)
				s.until(c, n)
				fill(t, cluster, n, n/10, partitions) // at the tail
				s.until(c, n+n/10)
				s.once(n + n/10)
				if lag := c.Lag(); len(lag) != partitions {
					t.Errorf("lag of %d partitions", len(lag))
				}
			})
		}
	}
}

func TestReadingStopsAtItsEnds(t *testing.T) {
	cluster := fake(t, 3)
	fill(t, cluster, 0, 3000, 3)
	c := open(t, cluster, ConsumerConfig{Assign: map[int32]int64{0: 100, 1: 0, 2: 999}, Ends: map[int32]int64{0: 700, 1: 0, 2: 1000}})
	s := see(t)
	for b, err := range c.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		s.take(b)
	}
	s.once(600 + 0 + 1)
	if _, err := c.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: %v", err)
	}
}

func TestWorkersTakeEachPartitionInOrder(t *testing.T) {
	const partitions, n = 7, 20_000
	cluster := fake(t, partitions)
	fill(t, cluster, 0, n, partitions)
	ends := all(partitions, 0)
	for p := range ends {
		ends[p] = int64((n - int(p) + partitions - 1) / partitions)
	}
	c := open(t, cluster, ConsumerConfig{Assign: all(partitions, 0), Ends: ends, FetchMaxBytes: 20_000})
	var mu sync.Mutex
	s := see(t)
	var working, most atomic.Int32
	err := c.Each(t.Context(), 4, func(_ context.Context, b *Batch) error {
		if now := working.Add(1); now > most.Load() {
			most.Store(now)
		}
		defer working.Add(-1)
		time.Sleep(100 * time.Microsecond)
		mu.Lock()
		defer mu.Unlock()
		s.take(b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.once(n)
	if most.Load() < 2 {
		t.Error("the workers never worked at the same time")
	}
}

func TestAWorkersErrorEndsAll(t *testing.T) {
	cluster := fake(t, 4)
	fill(t, cluster, 0, 1000, 4)
	c := open(t, cluster, ConsumerConfig{Assign: all(4, 0)})
	broken := errors.New("broken")
	if err := c.Each(t.Context(), 3, func(context.Context, *Batch) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("ended with %v", err)
	}
}

// What workers did not handle is read on by who comes then.
func TestWorkersThatStopLoseNothing(t *testing.T) {
	const n = 8000
	cluster := fake(t, 4)
	fill(t, cluster, 0, n, 4, kgo.ProducerBatchMaxBytes(1000))
	c := open(t, cluster, ConsumerConfig{Assign: all(4, 0), FetchMaxBytes: 8000, PartitionMaxBytes: 2000, FetchMaxWait: 50 * time.Millisecond})
	var mu sync.Mutex
	s := see(t)
	b, err := c.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.take(b)
	for i := range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		broken := errors.New("broken")
		err := c.Each(ctx, 3, func(_ context.Context, b *Batch) error {
			mu.Lock()
			defer mu.Unlock()
			if len(s.count) > (i+1)*n/8 {
				if i%2 == 0 {
					return broken // this batch is not handled
				}
				cancel()
			}
			s.take(b)
			return nil
		})
		cancel()
		if want := map[int]error{0: broken}[i%2]; !errors.Is(err, want) {
			t.Errorf("ended with %v", err)
		}
	}
	s.until(c, n)
	s.once(n)
}

// A connection that waits at the tail is given a partition that has records: they are not
// waited for as long as the tail is.
func TestAPartitionThatComesIsReadAtOnce(t *testing.T) {
	cluster := fake(t, 2)
	fill(t, cluster, 0, 1000, 2)
	c := open(t, cluster, ConsumerConfig{Assign: all(2, 0), Connections: 1, FetchMaxWait: 20 * time.Second})
	began := time.Now()
	for range 5 {
		see(t).until(c, 500)
		time.Sleep(20 * time.Millisecond) // until it waits
		if err := c.Seek(map[int32]int64{0: Earliest}); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestSeekGoesElsewhereAtOnce(t *testing.T) {
	cluster := fake(t, 4)
	fill(t, cluster, 0, 4000, 4)
	c := open(t, cluster, ConsumerConfig{Assign: all(4, 0), FetchMaxWait: 20 * time.Second})
	for range 5 {
		s := see(t)
		began := time.Now()
		s.until(c, 4000)
		s.once(4000)
		time.Sleep(20 * time.Millisecond) // a fetch waits at the tail
		if took := time.Since(began); took > 10*time.Second {
			t.Fatalf("a pass took %v", took)
		}
		if err := c.Seek(all(4, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Seek(map[int32]int64{9: 0}); err == nil {
		t.Error("a partition that is not ours was sought")
	}
}

func TestAPausedPartitionWaits(t *testing.T) {
	cluster := fake(t, 2)
	fill(t, cluster, 0, 2000, 2, kgo.ProducerBatchMaxBytes(1000))
	c := open(t, cluster, ConsumerConfig{Assign: all(2, 0), FetchMaxBytes: 4000, PartitionMaxBytes: 2000, FetchMaxWait: 20 * time.Millisecond})
	s := see(t)
	for len(s.count) < 100 {
		b, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.take(b)
	}
	c.Pause(1)
	before := s.next[1]
	if b, err := c.Next(t.Context()); err == nil { // the batch before counts as handled
		s.take(b)
	}
	before = max(before, s.next[1])
	for s.next[0] < 1000 {
		b, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.take(b)
	}
	if s.next[1] != before {
		t.Errorf("partition 1 went from %d to %d while it was paused", before, s.next[1])
	}
	c.Resume(1)
	s.until(c, 2000)
	s.once(2000)
}

func TestAGroupGoesOnWhereItCommitted(t *testing.T) {
	cluster := fake(t, 3)
	fill(t, cluster, 0, 3000, 3)
	s := see(t)
	for _, n := range []int{1000, 3000, 3300} {
		if n == 3300 {
			fill(t, cluster, 3000, 300, 3)
		}
		cfg := ConsumerConfig{Kafka: seeds(cluster), Topic: "topic", Group: "group", FetchMaxBytes: 3000, PartitionMaxBytes: 1000}
		c, err := NewConsumer(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		s.until(c, n)
		c.Done()
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	s.once(3300)
	cl, err := kgo.NewClient(seeds(cluster)...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	offsets, err := kadm.NewClient(cl).FetchOffsets(t.Context(), "group")
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	offsets.Each(func(o kadm.OffsetResponse) { sum += o.At })
	if sum != 3300 {
		t.Errorf("committed %d records", sum)
	}
}

// Two members share the partitions, one goes, and every record has come at least once.
func TestARebalanceLosesNothing(t *testing.T) {
	const partitions, n = 6, 30_000
	cluster := fake(t, partitions)
	fill(t, cluster, 0, n, partitions, kgo.ProducerBatchMaxBytes(2000))
	var mu sync.Mutex
	var moves atomic.Int32
	count := map[uint64]int{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	read := func(c *Consumer, pace time.Duration, enough func(int) bool) {
		for b, err := range c.Batches(ctx) {
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			for r := range b.Records() {
				count[binary.BigEndian.Uint64(r.Value)]++
			}
			got := len(count)
			mu.Unlock()
			time.Sleep(pace)
			if enough(got) {
				return
			}
		}
	}
	member := func() *Consumer {
		c, err := NewConsumer(t.Context(), ConsumerConfig{
			Kafka: seeds(cluster), Topic: "topic", Group: "group", FetchMaxBytes: 3000, PartitionMaxBytes: 1000,
			CommitEvery: 50 * time.Millisecond, FetchMaxWait: 50 * time.Millisecond, OnRevoked: func([]int32) { moves.Add(1) },
		})
		if err != nil {
			t.Error(err)
			cancel()
		}
		return c
	}
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			time.Sleep(time.Duration(i) * 300 * time.Millisecond)
			c := member()
			if c == nil {
				return
			}
			read(c, 8*time.Millisecond, func(got int) bool { return got == n || i == 1 && got > n/2 })
			if i != 1 {
				cancel() // the others wait at the tail
			}
			if err := c.Close(context.Background()); err != nil && i == 1 {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(count) != n {
		t.Errorf("%d of %d records came", len(count), n)
	}
	if moves.Load() < 2 {
		t.Errorf("partitions were taken away %d times", moves.Load())
	}
}

func TestALeaderThatMovesIsFollowed(t *testing.T) {
	const n = 10_000
	cluster := fake(t, 2)
	fill(t, cluster, 0, n, 2, kgo.ProducerBatchMaxBytes(2000))
	var moves atomic.Int32
	c := open(t, cluster, ConsumerConfig{Assign: all(2, 0), FetchMaxBytes: 2000, PartitionMaxBytes: 1000, FetchMaxWait: 50 * time.Millisecond, OnError: func(err error) {
		if errors.Is(err, kerr.NotLeaderForPartition) {
			moves.Add(1)
		}
	}})
	s := see(t)
	for i := range int32(6) {
		s.until(c, int(i+1)*n/7)
		if err := cluster.MoveTopicPartition("topic", i%2, (i+1)%3); err != nil {
			t.Fatal(err)
		}
	}
	s.until(c, n)
	s.once(n)
	if moves.Load() == 0 {
		t.Error("no move was noticed")
	}
}

func TestABrokerThatGoesIsSurvived(t *testing.T) {
	const n = 9000
	cluster := fake(t, 3)
	fill(t, cluster, 0, n, 3, kgo.ProducerBatchMaxBytes(2000))
	var told atomic.Int32
	c := open(t, cluster, ConsumerConfig{Assign: all(3, 0), FetchMaxBytes: 2000, PartitionMaxBytes: 1000, FetchMaxWait: 50 * time.Millisecond, OnError: func(error) { told.Add(1) }})
	s := see(t)
	s.until(c, n/3)
	var cut atomic.Int32 // the answers that are cut off
	cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if cut.Add(1) <= 5 {
			return nil, errors.New("cut"), true
		}
		return nil, nil, false
	})
	s.until(c, n)
	s.once(n)
	if told.Load() == 0 {
		t.Error("nobody was told")
	}
}

// answerWith makes every partition of the next fetches have an error.
func answerWith(cluster *kfake.Cluster, times int32, code int16) {
	var done atomic.Int32
	cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		request := r.(*kmsg.FetchRequest)
		if len(request.Topics) == 0 || done.Add(1) > times {
			return nil, nil, false
		}
		answer := request.ResponseKind().(*kmsg.FetchResponse)
		for _, t := range request.Topics {
			topic := kmsg.NewFetchResponseTopic()
			topic.Topic, topic.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				part := kmsg.NewFetchResponseTopicPartition()
				part.Partition, part.ErrorCode = p.Partition, code
				topic.Partitions = append(topic.Partitions, part)
			}
			answer.Topics = append(answer.Topics, topic)
		}
		return answer, nil, true
	})
}

func TestErrorsThatPassAreSurvived(t *testing.T) {
	for _, err := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.UnknownTopicOrPartition, kerr.KafkaStorageError, kerr.OffsetNotAvailable, kerr.OffsetOutOfRange, kerr.UnknownServerError, kerr.CorruptMessage} {
		t.Run(err.Message, func(t *testing.T) {
			t.Parallel()
			cluster := fake(t, 2)
			fill(t, cluster, 0, 2000, 2, kgo.ProducerBatchMaxBytes(2000))
			c := open(t, cluster, ConsumerConfig{Assign: all(2, 0), FetchMaxBytes: 2000, FetchMaxWait: 50 * time.Millisecond})
			s := see(t)
			s.until(c, 500)
			answerWith(cluster, 3, err.Code)
			s.until(c, 2000)
			s.once(2000)
		})
	}
}

func TestRefusedAccessEndsTheConsumer(t *testing.T) {
	cluster := fake(t, 2)
	fill(t, cluster, 0, 200, 2)
	answerWith(cluster, 1<<30, kerr.TopicAuthorizationFailed.Code)
	c := open(t, cluster, ConsumerConfig{Assign: all(2, 0)})
	if _, err := c.Next(t.Context()); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("got %v", err)
	}
}

func TestAnOffsetThatIsNotThereIsNamed(t *testing.T) {
	cluster := fake(t, 1)
	fill(t, cluster, 0, 100, 1)
	losses := make(chan *DataLoss, 10)
	onError := func(err error) {
		var loss *DataLoss
		if errors.As(err, &loss) {
			losses <- loss
		}
	}
	c := open(t, cluster, ConsumerConfig{Assign: map[int32]int64{0: 5000}, OnError: onError, FetchMaxWait: 50 * time.Millisecond})
	select {
	case loss := <-losses:
		if loss.At != 5000 || loss.To != 100 {
			t.Errorf("%v", loss)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was told")
	}
	fill(t, cluster, 100, 10, 1)
	s := see(t)
	s.until(c, 10)
	strict := open(t, cluster, ConsumerConfig{Assign: map[int32]int64{0: 5000}, Reset: ResetNone})
	if _, err := strict.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "ResetNone") {
		t.Errorf("under ResetNone: %v", err)
	}
}

func TestAFlippedByteIsFoundAndReadAgain(t *testing.T) {
	cluster := fake(t, 1)
	fill(t, cluster, 0, 1000, 1)
	var flips atomic.Int32
	cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		request := r.(*kmsg.FetchRequest)
		if flips.Load() >= 2 || len(request.Topics) == 0 {
			return nil, nil, false
		}
		flips.Add(1)
		answer := request.ResponseKind().(*kmsg.FetchResponse)
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = request.Topics[0].Topic, request.Topics[0].TopicID
		part := kmsg.NewFetchResponseTopicPartition()
		part.HighWatermark, part.LastStableOffset = 1000, 1000
		part.RecordBatches = spoiled(request.Topics[0].Partitions[0].FetchOffset)
		topic.Partitions = append(topic.Partitions, part)
		answer.Topics = append(answer.Topics, topic)
		return answer, nil, true
	})
	c := open(t, cluster, ConsumerConfig{Assign: map[int32]int64{0: 0}})
	s := see(t)
	found := 0
	for len(s.count) < 1000 {
		b, err := c.Next(t.Context())
		var unreadable *BatchError
		if errors.As(err, &unreadable) && errors.Is(err, ErrCRC) && unreadable.Offset == 0 {
			found++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		s.take(b)
	}
	s.once(1000)
	if found == 0 { // the second one may have been dropped with what was fetched behind the first
		t.Error("nobody found it")
	}
}

func TestWhatCannotBeConsumedIsSaidAtOnce(t *testing.T) {
	cluster := fake(t, 2)
	for what, cfg := range map[string]ConsumerConfig{
		"no topic":      {Kafka: seeds(cluster), Assign: all(1, 0)},
		"no partitions": {Kafka: seeds(cluster), Topic: "topic"},
		"both":          {Kafka: seeds(cluster), Topic: "topic", Group: "g", Assign: all(1, 0)},
		"partition":     {Kafka: seeds(cluster), Topic: "topic", Assign: map[int32]int64{7: 0}},
		"offset":        {Kafka: seeds(cluster), Topic: "topic", Assign: map[int32]int64{0: -3}},
		"unknown topic": {Kafka: seeds(cluster), Topic: "nowhere", Assign: all(1, 0)},
		"dead broker":   {Kafka: []kgo.Opt{kgo.SeedBrokers("127.0.0.1:1"), kgo.RequestRetries(0)}, Topic: "topic", Assign: all(1, 0)},
		"sizes":         {Kafka: seeds(cluster), Topic: "topic", Assign: all(1, 0), FetchMaxBytes: 1 << 40},
	} {
		began := time.Now()
		c, err := NewConsumer(t.Context(), cfg)
		if err == nil {
			t.Errorf("%s: no error", what)
			_ = c.Close(t.Context()) // the test has failed already
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: took %v", what, took)
		}
	}
}

// spoiled is a batch with a byte changed after its CRC was made.
func spoiled(offset int64) []byte {
	var b batch.Builder
	b.Begin(nil)
	b.Append(1, nil, []byte("8 bytes."), nil)
	raw, err := b.Seal(batch.None, nil, nil)
	if err != nil {
		panic(err)
	}
	binary.BigEndian.PutUint64(raw, uint64(offset))
	raw[len(raw)-3] ^= 1
	return raw
}

package sarama

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"redline/internal/client"
)

const partitions = 8

// synthetic is a broker that answers fetches with ready batches and throws away
// what is produced, so that the client alone is measured.
func synthetic(t testing.TB, opts ...kfake.Opt) string {
	t.Helper()
	cluster, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(partitions, "topic"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()[0]
}

func hundredBytes() kfake.Opt {
	return kfake.SyntheticFetch(kfake.SyntheticBatch{Records: 1000, RecordBytes: 100})
}

func eight() map[int32]int64 {
	assign := make(map[int32]int64)
	for p := range int32(partitions) {
		assign[p] = 0
	}
	return assign
}

// told are records between two looks at the common count.
const told = 256

// bare is a loop over each of sarama's partitions with the settings of the tuned
// profile, and nothing else. It reads while the gate is open.
type bare struct {
	gate  sync.RWMutex
	count atomic.Int64
	until atomic.Int64
	there chan struct{}
	sums  [partitions]byte
}

func newBare(t testing.TB, address string) *bare {
	t.Helper()
	d, err := drafted(client.Consuming, client.Options{}, consumeTuned, func(config *sarama.Config) { config.Consumer.MaxWaitTime = assignedFetchWait })
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := sarama.NewConsumer([]string{address}, d.config)
	if err != nil {
		t.Fatal(err)
	}
	b := &bare{there: make(chan struct{})}
	b.gate.Lock()
	var wg sync.WaitGroup
	var all []sarama.PartitionConsumer
	for p := range int32(partitions) {
		partition, err := consumer.ConsumePartition("topic", p, 0)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, partition)
		wg.Go(func() { b.loop(partition.Messages(), &b.sums[p]) })
	}
	t.Cleanup(func() {
		b.until.Store(1 << 62)
		b.gate.Unlock()
		for _, partition := range all {
			partition.AsyncClose()
		}
		wg.Wait()
		_ = consumer.Close()
	})
	return b
}

func (b *bare) loop(in <-chan *sarama.ConsumerMessage, sum *byte) {
	n := 0
	for m := range in {
		*sum += m.Value[0]
		if n++; n == told {
			n = 0
			b.tell()
		}
	}
}

func (b *bare) tell() {
	count, until := b.count.Add(told), b.until.Load()
	if count >= until && count-told < until {
		b.there <- struct{}{}
	}
	b.gate.RLock()
	b.gate.RUnlock() //nolint:staticcheck // waiting is all there is to do
}

func (b *bare) read(records int) {
	b.until.Store(b.count.Load() + int64(records))
	b.gate.Unlock()
	<-b.there
	b.gate.Lock()
}

// ours reads the same through the interface.
type ours struct {
	client.Consumer
	sum byte
}

func newOurs(t testing.TB, address string) *ours {
	t.Helper()
	c, err := Library.Consumer(client.ConsumeOptions{Options: client.Options{Brokers: []string{address}}, Topic: "topic", Assign: eight()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return &ours{Consumer: c}
}

func (o *ours) read(t testing.TB, records int) {
	t.Helper()
	each := func(_ int64, _, value []byte) { o.sum += value[0] }
	handle := func(b client.Batch) {
		records -= b.Len()
		b.Each(each)
	}
	for records > 0 {
		if err := o.Poll(t.Context(), handle); err != nil {
			t.Fatal(err)
		}
	}
}

// spent is the time by the clock and by the processors, in seconds.
type spent struct{ clock, cpu float64 }

func (s spent) plus(o spent) spent { return spent{s.clock + o.clock, s.cpu + o.cpu} }

// processors is the CPU time of this process, the broker in it included.
func processors(t testing.TB) float64 {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// against reports how long ours takes for the same work, as a multiple of bare's
// time, and the same of CPU time, which other programs disturb less: medians of
// rounds in both orders. What is buffered is read beforehand.
func against(b *testing.B, bare, ours func(records int), records int) {
	b.Helper()
	timed := func(read func(int)) spent {
		read(records / 5)
		began, used := time.Now(), processors(b)
		read(records)
		return spent{time.Since(began).Seconds(), processors(b) - used}
	}
	var clock, cpu, rates, each []float64
	for b.Loop() {
		first, second := timed(bare), timed(ours)
		third, fourth := timed(ours), timed(bare)
		a, z := first.plus(fourth), second.plus(third)
		clock = append(clock, z.clock/a.clock)
		cpu = append(cpu, z.cpu/a.cpu)
		rates = append(rates, 2*float64(records)/z.clock)
		each = append(each, z.cpu/2/float64(records)*1e9)
	}
	median := func(of []float64) float64 {
		slices.Sort(of)
		return of[len(of)/2]
	}
	b.ReportMetric(median(clock), "times-the-bare-loop")
	b.ReportMetric(median(cpu), "times-its-cpu")
	b.ReportMetric(median(rates), "records/s")
	b.ReportMetric(median(each), "cpu-ns/record")
}

// BenchmarkAgainstBareLoop is what the interface costs a consumer.
func BenchmarkAgainstBareLoop(b *testing.B) {
	address := synthetic(b, hundredBytes())
	bare, ours := newBare(b, address), newOurs(b, address)
	against(b, bare.read, func(records int) { ours.read(b, records) }, 300_000)
}

// sending is a bare loop over sarama's channels with the settings of the tuned profile.
type sending struct {
	sarama.AsyncProducer
	value sarama.Encoder
	acked atomic.Int64
}

func newSending(t testing.TB, address string) *sending {
	t.Helper()
	d, err := produceDraft(client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	made, err := sarama.NewAsyncProducer([]string{address}, d.config)
	if err != nil {
		t.Fatal(err)
	}
	s := &sending{AsyncProducer: made, value: sarama.ByteEncoder(make([]byte, 100))}
	var wg sync.WaitGroup
	wg.Go(func() {
		for range made.Successes() {
			s.acked.Add(1)
		}
	})
	wg.Go(func() {
		for err := range made.Errors() {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		made.AsyncClose()
		wg.Wait()
	})
	return s
}

func (s *sending) send(records int) {
	until := s.acked.Load() + int64(records)
	now := time.Now()
	for i := range records {
		s.Input() <- &sarama.ProducerMessage{Topic: "topic", Partition: int32(i / 1000 % partitions), Value: s.value, Timestamp: now}
	}
	for s.acked.Load() < until {
		time.Sleep(100 * time.Microsecond)
	}
}

func newProducing(t testing.TB, address string) client.Producer {
	t.Helper()
	p, err := Library.Producer(client.ProduceOptions{
		Options: client.Options{Brokers: []string{address}}, Topic: "topic", RecordSize: 100,
		Acked: func(_ *client.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

func send(t testing.TB, p client.Producer, records int) {
	t.Helper()
	now := time.Now()
	for i := range records {
		r := p.Record()
		r.Partition = int32(i / 1000 % partitions)
		r.Time = now
		if err := p.Send(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkProduceAgainstBareLoop is what the interface costs a producer.
func BenchmarkProduceAgainstBareLoop(b *testing.B) {
	address := synthetic(b, kfake.BlackholeProduce())
	bare, ours := newSending(b, address), newProducing(b, address)
	against(b, bare.send, func(records int) { send(b, ours, records) }, 150_000)
}

// allocated is the heap objects made per record by f.
func allocated(records int, f func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(records)
}

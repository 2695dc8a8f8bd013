package segmentio

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"redline/internal/client"
	"redline/internal/client/clienttest"
)

// synthetic is a broker that answers fetches with ready batches and throws away
// what is produced, so that the client alone is measured.
func synthetic(t testing.TB, opts ...kfake.Opt) string {
	t.Helper()
	cluster, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(8, "topic"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()[0]
}

func hundredBytes() kfake.Opt {
	return kfake.SyntheticFetch(kfake.SyntheticBatch{Records: 1000, RecordBytes: 100})
}

const partitions = 8

// bare is a goroutine for each of eight Readers with the settings of the tuned
// profile, and nothing else: they count together what they have read.
type bare struct {
	readers []*kafka.Reader
	sums    [partitions]struct {
		sum byte
		_   [63]byte // not on one cache line
	}
}

func newBare(t testing.TB, address string) *bare {
	t.Helper()
	d, err := profiled(client.Consuming, consumeTuned, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bare{}
	for p := range partitions {
		config := d.reader([]string{address}, "topic")
		config.Partition = p
		b.readers = append(b.readers, kafka.NewReader(config))
	}
	return b
}

func (b *bare) close() {
	var closing sync.WaitGroup
	for _, r := range b.readers {
		closing.Go(func() { _ = r.Close() })
	}
	closing.Wait()
}

// read takes at least that many records, counted by the hundred.
func (b *bare) read(ctx context.Context, records int) error {
	const step = 100
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	var left atomic.Int64
	left.Store(int64(records))
	var reading sync.WaitGroup
	for p, r := range b.readers {
		reading.Go(func() {
			for i := 1; ; i++ {
				m, err := r.FetchMessage(within)
				if err != nil {
					return
				}
				b.sums[p].sum += m.Value[0]
				if i%step == 0 && left.Add(-step) <= 0 {
					cancel()
				}
			}
		})
	}
	reading.Wait()
	return ctx.Err()
}

// ours reads the same through the interface.
type ours struct {
	client.Consumer
	sum byte
}

func newOurs(t testing.TB, address string) *ours {
	t.Helper()
	assign := make(map[int32]int64)
	for p := range int32(partitions) {
		assign[p] = 0
	}
	c, err := Library.Consumer(client.ConsumeOptions{Options: client.Options{Brokers: []string{address}}, Topic: "topic", Assign: assign})
	if err != nil {
		t.Fatal(err)
	}
	return &ours{Consumer: c}
}

func (o *ours) read(ctx context.Context, records int) error {
	each := func(_ int64, _, value []byte) { o.sum += value[0] }
	handle := func(b client.Batch) {
		records -= b.Len()
		b.Each(each)
	}
	for records > 0 && ctx.Err() == nil {
		if err := o.Poll(ctx, handle); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// cpu is what this process has used, the broker included.
func cpu() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// inTurn reports the median ratios of the times of two, measured in both orders, and
// the rate of the second. On a machine that others use too, the ratio of CPU times
// says more.
func inTurn(b *testing.B, records int, first, second func(ctx context.Context, records int) error) {
	b.Helper()
	timed := func(f func(context.Context, int) error) (wall, busy float64) {
		began, used := time.Now(), cpu()
		if err := f(b.Context(), records); err != nil {
			b.Error(err)
		}
		return time.Since(began).Seconds(), (cpu() - used).Seconds()
	}
	timed(first)
	timed(second)
	var walls, cpus, rates []float64
	for b.Loop() {
		a, aCPU := timed(first)
		z, zCPU := timed(second)
		z2, z2CPU := timed(second)
		a2, a2CPU := timed(first)
		walls = append(walls, (z+z2)/(a+a2))
		cpus = append(cpus, (zCPU+z2CPU)/(aCPU+a2CPU))
		rates = append(rates, 2*float64(records)/(z+z2))
	}
	for unit, values := range map[string][]float64{"times-the-bare-loop": walls, "times-its-CPU": cpus, "records/s": rates} {
		sort.Float64s(values)
		b.ReportMetric(values[len(values)/2], unit)
	}
}

// BenchmarkAgainstBareLoop reads a million records with each in turn: the ratio is
// what the interface costs.
func BenchmarkAgainstBareLoop(b *testing.B) {
	address := synthetic(b, hundredBytes())
	bare, ours := newBare(b, address), newOurs(b, address)
	defer bare.close()
	defer func() { _ = ours.Close(b.Context()) }()
	inTurn(b, 1_000_000, bare.read, ours.read)
}

// item is a record of bareWriter's.
type item struct {
	value             []byte
	partition, offset int64
}

// bareWriter is a Writer with the settings of the tuned profile, to which records
// are given by the hundred, as an application does that wants speed. It has as many
// of them under way at a time as we have, and notes of each that it was acknowledged.
type bareWriter struct {
	*kafka.Writer
	transport *kafka.Transport
	items     []item // as many as may be under way
	under     atomic.Int64
	room      chan struct{}
}

func newBareWriter(t testing.TB, address string) *bareWriter {
	t.Helper()
	d, err := profiled(client.Producing, produceTuned, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bareWriter{
		Writer: d.writer([]string{address}, "topic"), transport: &kafka.Transport{MetadataTopics: []string{"topic"}}, room: make(chan struct{}, 1),
	}
	for range d.maxRecords {
		b.items = append(b.items, item{value: make([]byte, 100)})
	}
	b.Transport = b.transport
	b.Balancer = kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return int(m.WriterData.(*item).partition) })
	b.Completion = func(messages []kafka.Message, err error) {
		if err != nil {
			t.Error(err)
		}
		for i := range messages {
			messages[i].WriterData.(*item).offset = messages[i].Offset
		}
		b.under.Add(-int64(len(messages)))
		signal(b.room)
	}
	return b
}

func (b *bareWriter) close() {
	_ = b.Close()
	b.transport.CloseIdleConnections()
}

func (b *bareWriter) write(ctx context.Context, records int) error {
	const step = 100
	some := make([]kafka.Message, step)
	now := time.Now()
	for i := 0; i < records; i += step {
		for b.under.Load() > int64(len(b.items))-step {
			<-b.room
		}
		for j := range some {
			one := &b.items[(i+j)%len(b.items)]
			one.partition, one.offset = int64(i/1000%partitions), -1
			some[j] = kafka.Message{Value: one.value, Time: now, WriterData: one}
		}
		b.under.Add(step)
		if err := b.WriteMessages(ctx, some...); err != nil {
			return err
		}
	}
	for b.under.Load() > 0 {
		<-b.room
	}
	return ctx.Err()
}

type oursWriter struct{ client.Producer }

func newOursWriter(t testing.TB, address string) oursWriter {
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
	return oursWriter{p}
}

func (o oursWriter) write(ctx context.Context, records int) error {
	now := time.Now()
	for i := range records {
		r := o.Record()
		r.Partition, r.Time = int32(i/1000%partitions), now
		if err := o.Send(ctx, r); err != nil {
			return err
		}
	}
	return o.Flush(ctx)
}

// BenchmarkProduceAgainstBareLoop writes two million records with each in turn.
func BenchmarkProduceAgainstBareLoop(b *testing.B) {
	address := synthetic(b, kfake.BlackholeProduce())
	bare, ours := newBareWriter(b, address), newOursWriter(b, address)
	defer bare.close()
	defer func() { _ = ours.Close(b.Context()) }()
	inTurn(b, 2_000_000, bare.write, ours.write)
}

// Each row of the table must be usable: its default, as shown, is a value that
// it takes, and no spelling is given twice.
func TestEachPropertyTakesWhatItShows(t *testing.T) {
	clienttest.SpelledOnce(t, properties)
	for _, kind := range []client.Side{client.Consuming, client.Consuming | client.Grouping, client.Producing} {
		settings := newDraft(kind).settings()
		d := newDraft(kind)
		if err := d.apply(nil, settings); err != nil {
			t.Error(err)
		}
		if again := d.settings(); fmt.Sprint(again) != fmt.Sprint(settings) {
			t.Errorf("%v\nbecame\n%v", settings, again)
		}
	}
}

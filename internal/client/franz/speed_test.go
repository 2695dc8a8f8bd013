package franz

import (
	"context"
	"fmt"
	"runtime"
	"sort"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

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

func eight() map[int32]int64 {
	assign := make(map[int32]int64)
	for p := range int32(8) {
		assign[p] = 0
	}
	return assign
}

// bare is a loop over kgo with the options of the tuned profile, and nothing
// else.
type bare struct {
	kgo *kgo.Client
	sum byte
}

func newBare(t testing.TB, address string) *bare {
	t.Helper()
	at := make(map[int32]kgo.Offset)
	for p := range eight() {
		at[p] = kgo.NewOffset().At(0)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"topic": at}),
		kgo.FetchMaxBytes(4<<20), kgo.WithPools(&slabs{}, &inflated{}), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	return &bare{kgo: cl}
}

func (b *bare) read(ctx context.Context, records int) {
	for records > 0 && ctx.Err() == nil {
		b.kgo.PollFetches(ctx).EachPartition(func(p kgo.FetchTopicPartition) {
			records -= len(p.Records)
			for _, r := range p.Records {
				b.sum += r.Value[0]
				r.Recycle()
			}
		})
	}
}

// ours reads the same through the interface.
type ours struct {
	client.Consumer
	sum byte
}

func newOurs(t testing.TB, address string, wire *client.Wire) *ours {
	t.Helper()
	c, err := Library.Consumer(client.ConsumeOptions{Options: client.Options{Brokers: []string{address}, Wire: wire}, Topic: "topic", Assign: eight()})
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

// half a million records are read in one go.
const goes = 500_000

func (o *ours) goes(b *testing.B) func() {
	b.Helper()
	return func() {
		if err := o.read(b.Context(), goes); err != nil {
			b.Error(err)
		}
	}
}

// compared does both in turn, in both orders, and reports the median ratio of their
// times.
func compared(b *testing.B, unit string, base, other func()) {
	b.Helper()
	var ratios []float64
	timed := func(read func()) float64 {
		began := time.Now()
		read()
		return time.Since(began).Seconds()
	}
	base()
	other()
	for b.Loop() {
		first, second := timed(base), timed(other)
		third, fourth := timed(other), timed(base)
		ratios = append(ratios, (second+third)/(first+fourth))
	}
	sort.Float64s(ratios)
	b.ReportMetric(ratios[len(ratios)/2], unit)
}

// BenchmarkAgainstBareLoop is what the interface costs, counting on the wire included.
func BenchmarkAgainstBareLoop(b *testing.B) {
	address := synthetic(b, hundredBytes())
	bare, ours := newBare(b, address), newOurs(b, address, &client.Wire{})
	defer bare.kgo.Close()
	defer func() { _ = ours.Close(b.Context()) }()
	compared(b, "times-the-bare-loop", func() { bare.read(b.Context(), goes) }, ours.goes(b))
}

// BenchmarkCounting is what counting on the wire costs alone.
func BenchmarkCounting(b *testing.B) {
	address := synthetic(b, hundredBytes())
	without, with := newOurs(b, address, nil), newOurs(b, address, &client.Wire{})
	defer func() { _ = without.Close(b.Context()) }()
	defer func() { _ = with.Close(b.Context()) }()
	compared(b, "times-without", without.goes(b), with.goes(b))
}

// allocated is the heap objects and bytes made per record by f.
func allocated(records int, f func()) (objects, bytes float64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(records), float64(after.TotalAlloc-before.TotalAlloc) / float64(records)
}

// The broker runs in the same process and its objects are counted too, so the
// bound is on objects, of which a batch of 1000 costs either side a few.
func TestConsumingAllocatesNothingPerRecord(t *testing.T) {
	o := newOurs(t, synthetic(t, hundredBytes()), nil)
	defer func() { _ = o.Close(t.Context()) }()
	const records = 500_000
	read := func() {
		if err := o.read(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	read()
	objects, bytes := allocated(records, read)
	t.Logf("%.4f objects and %.0f bytes a record, broker included", objects, bytes)
	if objects > 0.1 {
		t.Errorf("%.3f objects a record", objects)
	}
}

func TestProducingAllocatesNothingPerRecord(t *testing.T) {
	const records = 300_000
	p, err := Library.Producer(client.ProduceOptions{
		Options: client.Options{Brokers: []string{synthetic(t, kfake.BlackholeProduce())}, Properties: map[string]string{"max.buffered.records": "50000"}},
		Topic:   "topic", RecordSize: 100, Acked: func(*client.Record, error) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close(t.Context()) }()
	now := time.Now()
	send := func() {
		for i := range records {
			r := p.Record()
			r.Partition = int32(i / 1000 % 8)
			r.Time = now
			if err := p.Send(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	send()
	began := time.Now()
	objects, bytes := allocated(records, send)
	t.Logf("%.4f objects and %.0f bytes a record, broker included; %.2f M records/s", objects, bytes, records/time.Since(began).Seconds()/1e6)
	if objects > 0.1 {
		t.Errorf("%.3f objects a record", objects)
	}
}

// Each row of the table must be usable: its default, as shown, is a value that
// it takes, and no spelling is given twice.
func TestEachPropertyTakesWhatItShows(t *testing.T) {
	clienttest.SpelledOnce(t, properties)
	address := []string{"127.0.0.1:1"}
	c, err := Library.Consumer(client.ConsumeOptions{Options: client.Options{Brokers: address, Profile: client.Defaults}, Topic: "topic", Group: "group"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Library.Producer(client.ProduceOptions{Options: client.Options{Brokers: address, Profile: client.Defaults}, Topic: "topic"})
	if err != nil {
		t.Fatal(err)
	}
	for kind, settings := range map[client.Side]map[string]string{client.Consuming | client.Grouping: c.Settings(), client.Producing: p.Settings()} {
		d := newDraft(kind)
		if err := d.apply(nil, settings); err != nil {
			t.Error(err)
		}
		fmt.Fprintln(t.Output(), settings)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_ = c.Close(ctx)
	_ = p.Close(ctx)
}

func TestFewerAcksAreNotIdempotent(t *testing.T) {
	for _, tt := range []struct {
		properties map[string]string
		idempotent string // empty: refused
		inFlight   string
	}{
		{nil, "true", "5"},
		{map[string]string{"acks": "all"}, "true", "5"},
		{map[string]string{"acks": "1"}, "false", "5"},
		{map[string]string{"acks": "0", "max.in.flight": "9"}, "false", "9"},
		{map[string]string{"enable.idempotence": "false"}, "false", "5"},
		{map[string]string{"acks": "1", "enable.idempotence": "true"}, "", ""},
		{map[string]string{"max.in.flight": "9"}, "", ""},
	} {
		p, err := Library.Producer(client.ProduceOptions{Options: client.Options{Brokers: []string{"127.0.0.1:1"}, Properties: tt.properties}, Topic: "topic"})
		if err != nil {
			if tt.idempotent != "" {
				t.Errorf("%v: %v", tt.properties, err)
			}
			continue
		}
		settings := p.Settings()
		if got := settings["enable.idempotence"]; got != tt.idempotent || settings["max.in.flight.requests.per.connection"] != tt.inFlight {
			t.Errorf("%v: idempotent %s with %s in flight", tt.properties, got, settings["max.in.flight.requests.per.connection"])
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

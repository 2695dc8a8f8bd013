package workload

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/client/null"
	"redline/internal/pace"
	"redline/internal/payload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log is a topic in memory and a client library over it.
type log struct {
	partitions [][][]byte // values by partition
	batch      int
	fail       error        // Poll's answer, if not nil
	failAfter  int64        // polls before it
	polls      atomic.Int64 // of all consumers
	closed     atomic.Int64
}

func fill(t *testing.T, partitions int32, records int) *log {
	t.Helper()
	source, err := payload.New(payload.Config{Size: 40, Partitions: partitions, Run: 7, Acks: audit.AcksAll})
	if err != nil {
		t.Fatal(err)
	}
	g := source.Producer(0, audit.NewLedger("t"))
	l := &log{partitions: make([][][]byte, partitions), batch: 100}
	for range records {
		value, _, partition := g.Next(make([]byte, 40), time.Now().UnixNano())
		l.partitions[partition] = append(l.partitions[partition], value)
	}
	return l
}

func (l *log) assign() (starts, ends map[int32]int64) {
	starts, ends = map[int32]int64{}, map[int32]int64{}
	for p, values := range l.partitions {
		starts[int32(p)], ends[int32(p)] = 0, int64(len(values))
	}
	return starts, ends
}

func (l *log) Name() string                       { return "log" }
func (l *log) Version() string                    { return "log" }
func (l *log) Outcome(error) client.Outcome       { return client.Failed }
func (l *log) CheckConsumer(client.Options) error { return nil }
func (l *log) CheckProducer(client.Options) error { return nil }
func (l *log) Producer(client.ProduceOptions) (client.Producer, error) {
	return nil, errors.New("the log has no producer")
}
func (l *log) Consumer(o client.ConsumeOptions) (client.Consumer, error) {
	at := map[int32]int64{}
	for p, offset := range o.Assign {
		at[p] = offset
	}
	return &logConsumer{log: l, at: at}, nil
}

type logConsumer struct {
	log *log
	at  map[int32]int64
}

type logBatch struct {
	partition int32
	first     int64
	values    [][]byte
}

func (b logBatch) Partition() int32   { return b.partition }
func (b logBatch) LeaderEpoch() int32 { return 0 }
func (b logBatch) Len() int           { return len(b.values) }
func (b logBatch) Each(f func(int64, []byte, []byte)) {
	for i, v := range b.values {
		f(b.first+int64(i), nil, v)
	}
}

func (c *logConsumer) Poll(ctx context.Context, handle func(client.Batch)) error {
	if n := c.log.polls.Add(1); c.log.fail != nil && n > c.log.failAfter {
		return c.log.fail
	}
	some := false
	for p, at := range c.at {
		values := c.log.partitions[p][at:]
		values = values[:min(len(values), c.log.batch)]
		if len(values) > 0 {
			handle(logBatch{p, at, values})
			c.at[p] += int64(len(values))
			some = true
		}
	}
	if !some {
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

func (c *logConsumer) Rewind(offsets map[int32]int64) error {
	for p, offset := range offsets {
		c.at[p] = offset
	}
	return nil
}
func (c *logConsumer) Settings() map[string]string { return map[string]string{"a": "b"} }
func (c *logConsumer) Close(context.Context) error { c.log.closed.Add(1); return nil }

func stopWithin(t *testing.T, c *Consuming) (Consumed, error) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(10 * time.Second):
		t.Error("the run did not end by itself")
	}
	return c.Stop(context.Background())
}

func TestConsumeUntilTheEndReadsEachRecordOnce(t *testing.T) {
	l := fill(t, 5, 10_000)
	starts, ends := l.assign()
	ledger := audit.NewLedger("t")
	for p, end := range ends {
		ledger.Start(p, 0, 0)
		ledger.Expect(p, end)
	}
	var mu sync.Mutex
	kinds := map[EventKind]int{}
	run, err := StartConsume(context.Background(), Consume{
		Library: l, Options: client.ConsumeOptions{Topic: "t", Assign: starts}, Consumers: 2,
		Ledger: ledger, Until: ends,
		Notify: func(e Event) { mu.Lock(); kinds[e.Kind]++; mu.Unlock() },
	})
	if err != nil {
		t.Fatal(err)
	}
	consumed, err := stopWithin(t, run)
	if err != nil || consumed.Records != 10_000 || consumed.Bytes != 400_000 {
		t.Errorf("%+v, %v", consumed, err)
	}
	if a := ledger.Account(true); a.Once != 10_000 || a.Lost+a.Redelivered+a.Unread != 0 {
		t.Errorf("%+v", a)
	}
	if kinds[Started] != 2 || kinds[CleaningUp] != 2 || kinds[CleanedUp] != 2 || kinds[Stopping] != 0 {
		t.Errorf("events %v: a bound is no signal", kinds)
	}
	if l.closed.Load() != 2 {
		t.Errorf("%d consumers closed", l.closed.Load())
	}
}

func TestConsumeStopsAtMaxRecords(t *testing.T) {
	l := fill(t, 2, 10_000)
	starts, _ := l.assign()
	run, err := StartConsume(context.Background(), Consume{
		Library: l, Options: client.ConsumeOptions{Topic: "t", Assign: starts}, Consumers: 1,
		Ledger: audit.NewLedger("t"), MaxRecords: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	consumed, err := stopWithin(t, run)
	if err != nil || consumed.Records < 1000 || consumed.Records > 1000+2*100 {
		t.Errorf("%d records, %v", consumed.Records, err)
	}
}

func TestLoopCountsEachPassAnewAndNothingTwice(t *testing.T) {
	l := fill(t, 4, 4_000)
	starts, ends := l.assign()
	ledger := audit.NewLedger("t")
	run, err := StartConsume(context.Background(), Consume{
		Library: l, Options: client.ConsumeOptions{Topic: "t", Assign: starts}, Consumers: 3,
		Ledger: ledger, Until: ends, Loop: starts, MaxRecords: 20_000,
	})
	if err != nil {
		t.Fatal(err)
	}
	consumed, err := stopWithin(t, run)
	if err != nil || consumed.Rewinds < 3 {
		t.Errorf("%+v, %v", consumed, err)
	}
	if a := ledger.Account(true); a.Once != consumed.Records || a.Lost+a.Redelivered+a.Duplicated != 0 {
		t.Errorf("%+v", a)
	}
}

func TestAnErrorEndsAllConsumersAndIsReturned(t *testing.T) {
	l := fill(t, 2, 1000)
	l.fail, l.failAfter = errors.New("the broker burned down"), 3
	starts, _ := l.assign()
	run, err := StartConsume(context.Background(), Consume{
		Library: l, Options: client.ConsumeOptions{Topic: "t", Assign: starts}, Consumers: 2, Ledger: audit.NewLedger("t"),
	})
	if err != nil {
		t.Fatal(err)
	}
	consumed, err := stopWithin(t, run)
	if !errors.Is(err, l.fail) {
		t.Errorf("%v", err)
	}
	if consumed.Records == 0 {
		t.Error("what was read before the error is lost")
	}
}

// produce sends through the null library.
func produce(t *testing.T, spec Produce) Produced {
	t.Helper()
	source, err := payload.New(payload.Config{Size: 100, Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	spec.Library, spec.Payload = null.Library, source
	spec.Options = client.ProduceOptions{Topic: "t", RecordSize: 100}
	run, err := StartProduce(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-run.Done():
	case <-time.After(20 * time.Second):
		t.Error("the run did not end by itself")
	}
	produced, err := run.Stop(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return produced
}

func TestProduceSendsExactlyWhatWasAskedFor(t *testing.T) {
	for _, records := range []int64{1, 15, 16, 17, 1000, 12_345} {
		for _, threads := range []int{1, 3} {
			ledger := audit.NewLedger("t")
			produced := produce(t, Produce{Threads: threads, Records: records, Ledger: ledger, Warmup: records / 2})
			a := ledger.Account(true)
			if produced.Acked.Records != records || produced.Latency.Count() != records || a.Acked != records {
				t.Errorf("%d records by %d threads: acked %d, latencies %d, account %+v",
					records, threads, produced.Acked.Records, produced.Latency.Count(), a)
			}
			if produced.Steady.Records > records || records > 100 && produced.Steady.Records < records/3 {
				t.Errorf("%d records: %d steady", records, produced.Steady.Records)
			}
			if produced.Acked.Bytes != 100*records {
				t.Errorf("%d bytes", produced.Acked.Bytes)
			}
		}
	}
}

func TestProduceFollowsItsSchedule(t *testing.T) {
	began := time.Now()
	produced := produce(t, Produce{Threads: 2, Records: 200, Ledger: audit.NewLedger("t"),
		Pace: func(int) pace.Pacer { return pace.Constant{PerSecond: 250} }})
	if took := time.Since(began); took < 350*time.Millisecond {
		t.Errorf("200 records at 500/s took %v", took)
	}
	if produced.Acked.Records != 200 {
		t.Errorf("%d records", produced.Acked.Records)
	}
}

// stopper is a library whose producer ends the run in the middle of a claim.
type stopper struct {
	client.Library
	end   func()
	sends int
	after int // sends after the one that failed
}

func (s *stopper) Producer(client.ProduceOptions) (client.Producer, error) {
	return &stoppedProducer{stopper: s}, nil
}
func (s *stopper) Outcome(error) client.Outcome { return client.Failed }

type stoppedProducer struct {
	client.Producer
	*stopper
}

func (p *stoppedProducer) Record() *client.Record { return &client.Record{Value: make([]byte, 40)} }
func (p *stoppedProducer) Send(ctx context.Context, _ *client.Record) error {
	switch p.sends++; {
	case p.sends == 5:
		p.end()
		return ctx.Err()
	case p.sends > 5:
		p.after++
	}
	return nil
}
func (p *stoppedProducer) Settings() map[string]string { return nil }
func (p *stoppedProducer) Close(context.Context) error { return nil }

func TestNothingIsSentAfterARecordThatTheEndOfTheRunKeptBack(t *testing.T) {
	source, err := payload.New(payload.Config{Size: 40, Partitions: 1, Run: 7, Acks: audit.AcksAll})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	library := &stopper{end: cancel}
	run, err := StartProduce(ctx, Produce{Library: library, Threads: 1, Payload: source, Ledger: audit.NewLedger("t")})
	if err != nil {
		t.Fatal(err)
	}
	<-run.Done()
	if _, err := run.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if library.sends != 5 || library.after != 0 {
		t.Errorf("%d sends, %d of them after the end: the log has a gap", library.sends, library.after)
	}
}

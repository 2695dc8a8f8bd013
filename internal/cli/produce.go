package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/cluster"
	"redline/internal/connection"
	"redline/internal/monitor"
	"redline/internal/observe"
	"redline/internal/pace"
	"redline/internal/payload"
	"redline/internal/report"
	"redline/internal/workload"
	"redline/result"
)

// produceFlags are what `redline produce` takes: kafka-producer-perf-test's own
// and ours.
type produceFlags struct {
	connectFlags
	clientFlags
	topic             string
	records           int64
	size, threads     int
	throughput        float64
	warmup            int64
	interval          int64 // ms
	payloadFile       string
	payload, keys     string
	keyRange          uint64
	compression, acks string
	producerProps     []string
	listen, output    string
}

func newProduceCommand(p *Process) *cobra.Command {
	var f produceFlags
	cmd := &cobra.Command{
		Use:   "produce",
		Short: "Fill a topic, counting what the broker acknowledged",
		Long: `Fill a topic, counting what the broker acknowledged.

The lines on stdout are those of kafka-producer-perf-test; its flags work in old
and new spelling. The tuned profile sends with acks=all, linger.ms=5 and batches
of 1 MB without compression; what is truly in force is printed at the end.
--client none generates records and discards them: the generator's own limit.`,
		Example: `  redline produce --topic test-topic --num-records 1000000 --threads 4
  redline produce --num-records 100000 --throughput 50000 --acks 1 -o json
  redline produce --client none --num-records 10000000`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), p, args) },
	}
	f.add(cmd, p)
	return cmd
}

func (f *produceFlags) add(cmd *cobra.Command, p *Process) {
	flags := cmd.Flags()
	f.connectFlags.add(cmd, p)
	f.clientFlags.add(cmd)
	flags.StringVar(&f.topic, "topic", "test-topic", "topic to write to")
	flags.Int64Var(&f.records, "num-records", 1_000_000, "number of records to send")
	flags.IntVar(&f.size, "record-size", 100, "bytes of each value; from 32 on each carries a stamp that proves it arrived")
	flags.Float64Var(&f.throughput, "throughput", -1, "records/s to send at most, over all threads; -1 is as fast as possible")
	flags.StringArrayVar(&f.producerProps, "producer-props", nil, "client properties `key=value …`, as kafka-producer-perf-test takes them")
	flags.Int64Var(&f.warmup, "warmup-records", 0, "records to leave out of the steady-state figures")
	flags.Int64Var(&f.interval, "reporting-interval", 5000, "ms between two lines")
	flags.StringVar(&f.payloadFile, "payload-file", "", "file of UTF-8 lines to send as values, instead of generated ones")
	flags.IntVar(&f.threads, "threads", 1, "number of producers, each a client of its own")
	flags.StringVar(&f.keys, "keys", "none", "keys: none, sequential, uniform or zipf")
	flags.Uint64Var(&f.keyRange, "key-range", payload.DefaultKeys, "number of different keys")
	flags.StringVar(&f.payload, "payload", "random", "what values are made of: random, text, json or zeros")
	flags.StringVar(&f.compression, "compression", "", "compression: none, gzip, snappy, lz4 or zstd (default: the profile's)")
	flags.StringVar(&f.acks, "acks", "", "acknowledgements: 0, 1 or all (default: all)")
	flags.StringVar(&f.listen, "listen", "", "serve Prometheus metrics and pprof on this `address`, such as 127.0.0.1:9095")
	addOutput(cmd, &f.output)
	completeBy(cmd, "topic", f.topics(p))
	complete(cmd, "keys", "none", "sequential", "uniform", "zipf")
	complete(cmd, "payload", "random", "text", "json", "zeros")
	complete(cmd, "compression", "none", "gzip", "snappy", "lz4", "zstd")
	complete(cmd, "acks", "0", "1", "all")
}

func (f *produceFlags) check(args []string) error {
	switch {
	case f.records < 1:
		return usagef("--num-records %d: choose a number above 0", f.records)
	case f.size < 0 || f.size > payload.MaxSize:
		return usagef("--record-size %d: choose 0 to %d bytes", f.size, payload.MaxSize)
	case f.threads < 1 || f.threads > maxInstances:
		return usagef("--threads %d: choose a number from 1 to %d", f.threads, maxInstances)
	case f.warmup < 0 || f.warmup >= f.records:
		return usagef("--warmup-records %d: choose a number from 0 to below --num-records %d", f.warmup, f.records)
	case f.interval < 1:
		return usagef("--reporting-interval %d: choose a number of milliseconds above 0", f.interval)
	case f.throughput != -1 && !(f.throughput > 0):
		return usagef("--throughput %v: choose a rate above 0, or -1 for as fast as possible", f.throughput)
	case f.topic == "":
		return usagef("--topic is empty: name the topic to write to")
	}
	if err := f.takeProps(args); err != nil {
		return err
	}
	return nil
}

// takeProps reads properties as kafka-producer-perf-test has them: all words
// behind --producer-props or --command-property. Flags of our own for the same
// things come last and win.
func (f *produceFlags) takeProps(args []string) error {
	if len(args) > 0 && len(f.producerProps) == 0 && len(f.pairs) == 0 {
		return usagef("unknown argument %q: run \"redline produce --help\" for what it takes", args[0])
	}
	for _, pair := range append(f.producerProps, args...) {
		if brokers, ok := strings.CutPrefix(pair, "bootstrap.servers="); ok {
			if f.bootstrap == "" {
				f.bootstrap = brokers
			}
			continue
		}
		f.pairs = append(f.pairs, pair)
	}
	f.properties = map[string]string{}
	if f.acks != "" {
		f.properties["acks"] = f.acks
	}
	if f.compression != "" {
		f.properties["compression.type"] = f.compression
	}
	return nil
}

// producing is a `redline produce` that goes on.
type producing struct {
	*produceFlags
	p       *Process
	session *session // nil for --client none
	reached *connection.Connection
	library client.Library
	lines   io.Writer
	ledger  *audit.Ledger
	wire    *client.Wire
	run     *workload.Producing
	live    atomic.Pointer[workload.Producing] // run, for the monitor's goroutines
	watch   *observe.Watch
	stall   *stall // nil for --client none
	began   time.Time
	report  result.ProduceReport
}

func (f *produceFlags) run(ctx context.Context, p *Process, args []string) error {
	if err := f.check(args); err != nil {
		return err
	}
	pr := &producing{produceFlags: f, p: p, lines: p.Stdout, wire: &client.Wire{}}
	pr.report.Header = newHeader(result.ProduceSchema)
	if !isText(f.output) {
		pr.lines = p.Stderr
	}
	err := pr.do(ctx)
	if isText(f.output) {
		return err
	}
	return printReport(p, f.output, &pr.report.Header, view{object: &pr.report}, err)
}

func (pr *producing) do(ctx context.Context) (err error) {
	if pr.library, err = pr.openLibrary(); err != nil {
		return err
	}
	if pr.reached, err = pr.connection(pr.p); err != nil {
		return err
	}
	if err := pr.take(pr.p, pr.reached, pr.library, pr.library.CheckProducer); err != nil {
		return err
	}
	partitions := int32(8)
	if pr.library.Name() != "none" {
		if pr.session, err = pr.open(ctx, pr.p); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, pr.session.Close()) }()
		pr.reached = pr.session.Connection
		pr.report.Environment = pr.session.environment()
		if err := pr.session.guard(ctx); err != nil {
			return err
		}
		if partitions, err = pr.prepareTopic(ctx); err != nil {
			return err
		}
	}
	return pr.produce(ctx, partitions)
}

// prepareTopic looks at the topic and gives its number of partitions. A topic
// that is not there is made on a cluster of this machine, as a broker does that
// creates topics by itself; elsewhere a mistyped name must not become a topic.
func (pr *producing) prepareTopic(ctx context.Context) (int32, error) {
	c := pr.session.Cluster
	topic, err := c.DescribeTopic(ctx, pr.topic)
	if errors.Is(err, cluster.ErrUnknownTopic) && c.IsLoopback() {
		if err := c.CreateTopic(ctx, cluster.TopicSpec{Name: pr.topic, Partitions: 1, Replication: -1}); err != nil {
			return 0, err
		}
		fmt.Fprintf(pr.p.Stderr, "topic %s was not there: created it with 1 partition\n", pr.topic)
		topic, err = c.DescribeTopic(ctx, pr.topic)
	}
	if err != nil {
		return 0, err
	}
	pr.stall = pr.session.produceStall(topic, pr.p.Stderr)
	return int32(len(topic.Partitions)), nil
}

func (pr *producing) produce(ctx context.Context, partitions int32) error {
	acks, idempotent := workload.Promised(pr.library, client.Profile(pr.profile), pr.properties)
	run := rand.Uint32()
	source, err := payload.New(payload.Config{
		Size: pr.size, Kind: payload.Kind(pr.payload), File: pr.payloadFile,
		Keys: payload.KeyKind(pr.keys), KeyRange: pr.keyRange, Partitions: partitions,
		Run: run, Seed: rand.Uint64(), Acks: acks, Idempotent: idempotent,
	})
	if err != nil {
		return usagef("%w", err)
	}
	pr.ledger = audit.NewLedger(pr.topic)
	pr.ledger.Produces(run, acks)
	before, err := pr.endOffsets(ctx)
	if err != nil {
		return err
	}
	stopMetrics, err := serveMetrics(ctx, pr.p, pr.listen, pr)
	if err != nil {
		return err
	}
	defer stopMetrics()
	spec := workload.Produce{
		Library: pr.library,
		Options: client.ProduceOptions{Options: pr.options(pr.reached, pr.wire), Topic: pr.topic, RecordSize: source.Size()},
		Threads: pr.threads, Payload: source, Records: pr.records, Ledger: pr.ledger, Warmup: pr.warmup,
	}
	if pr.throughput > 0 {
		spec.Pace = func(int) pace.Pacer { return pace.Constant{PerSecond: pr.throughput / float64(pr.threads)} }
	}
	pr.watch = observe.Begin(pr.pids())
	if pr.run, err = workload.StartProduce(context.WithoutCancel(ctx), spec); err != nil {
		return err
	}
	pr.live.Store(pr.run)
	cause := pr.follow(ctx)
	// What is in flight at Ctrl-C is given up at once; after the last record it
	// has been answered already.
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	produced, err := pr.run.Stop(bound)
	var changed error
	if pr.stall != nil {
		changed = pr.stall.changed(bound)
	}
	if changed != nil {
		before = nil // of another topic under the same name, the offsets say nothing
	}
	if cause == nil {
		cause = changed
	}
	pr.finish(bound, source, produced, before)
	return pr.judge(produced, cause, err)
}

func (pr *producing) pids() []int {
	if pr.session == nil {
		return nil
	}
	return pr.session.pids()
}

func (pr *producing) endOffsets(ctx context.Context) (map[int32]int64, error) {
	if pr.session == nil {
		return nil, nil
	}
	ranges, err := pr.session.Cluster.Offsets(ctx, pr.topic)
	return ends(ranges), err
}

// follow prints perf-test's line each interval until all is sent and answered,
// and says what else ended it.
func (pr *producing) follow(ctx context.Context) error {
	tick := time.NewTicker(time.Duration(pr.interval) * time.Millisecond)
	defer tick.Stop()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	pr.began = time.Now()
	last, sent, warm := pr.began, int64(0), pr.warmup == 0
	if !warm {
		fmt.Fprintf(pr.lines, "Warmup first %d records. Steady state results will print after the complete test summary.\n", pr.warmup)
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-pr.died():
			return pr.session.Broker.Err()
		case <-pr.run.Done():
			return nil
		case <-look.C:
			if pr.stall == nil {
				continue
			}
			acked := pr.run.Records()
			failed := pr.run.Answered() - acked
			if err := pr.stall.look(ctx, acked, pr.run.InFlight() > 0 || failed > 0, failed, pr.run.FirstError()); err != nil {
				return err
			}
		case now := <-tick.C:
			w := pr.run.Window()
			fmt.Fprintln(pr.lines, report.PerfWindow(w.Records, w.Bytes, now.Sub(last), w.Sum, w.Max))
			pr.progress(now.Sub(last), w.Records)
			last, sent = now, sent+w.Records
			if !warm && sent >= pr.warmup {
				fmt.Fprintln(pr.lines, "In steady state.")
				warm = true
			}
		}
	}
}

// progress prints what has been acknowledged so far as a line of JSON, where these are
// asked for. That the reader has gone shows at the end.
func (pr *producing) progress(since time.Duration, records int64) {
	if pr.output != "jsonl" {
		return
	}
	var failed int64
	for _, n := range pr.run.Errors() {
		failed += n
	}
	_ = newLineWriter(pr.p.Stdout).write(result.Progress{
		Schema: result.ProgressSchema, Workload: result.Produce, At: time.Now().UTC(), Seconds: time.Since(pr.began).Seconds(),
		Records: pr.run.Records(), RecordsPerSecond: float64(records) / since.Seconds(), Errors: failed,
	})
}

func (pr *producing) died() <-chan struct{} {
	if pr.session == nil {
		return nil
	}
	return pr.session.died()
}

// finish prints the totals and completes the report.
func (pr *producing) finish(ctx context.Context, source *payload.Source, produced workload.Produced, before map[int32]int64) {
	usage := pr.watch.Usage()
	if pr.wire.Tells(produced.Elapsed) {
		usage.WireRead, usage.WireWritten = pr.wire.Read.Load(), pr.wire.Written.Load()
	}
	if before != nil {
		if after, err := pr.endOffsets(ctx); err == nil {
			pr.ledger.Offsets(before, after)
		}
	}
	acked := produced.Acked
	fmt.Fprintln(pr.lines, report.PerfTotal("", acked.Records, acked.Bytes, produced.Elapsed, acked.Sum, produced.Latency))
	r := &pr.report
	r.Topic, r.RecordBytes = pr.topic, source.Size()
	r.Client = pr.describe(pr.library, pr.threads, produced.Settings)
	r.Records, r.Bytes, r.ElapsedSeconds = acked.Records, acked.Bytes, produced.Elapsed.Seconds()
	if r.ElapsedSeconds > 0 {
		r.RecordsPerSecond = float64(acked.Records) / r.ElapsedSeconds
		r.MegabytesPerSecond = float64(acked.Bytes) / 1e6 / r.ElapsedSeconds
	}
	r.Latency = latencyOf(produced)
	if pr.warmup > 0 {
		steady := produced.Steady
		fmt.Fprintln(pr.lines, report.PerfTotal(" steady state", steady.Records, steady.Bytes, produced.SteadyElapsed, steady.Sum, produced.SteadyLatency))
		from := produced.Elapsed - produced.SteadyElapsed
		rate := rateOf(workload.Span{From: from, To: produced.Elapsed, Records: steady.Records, Bytes: steady.Bytes}, workload.Settled)
		r.Steady = &rate
	}
	r.Errors, r.Account, r.Usage = produced.Errors, pr.ledger.Account(true), usage
	for _, line := range report.Sent(*r) {
		fmt.Fprintln(pr.p.Stderr, line)
	}
}

func latencyOf(produced workload.Produced) result.Latency {
	h := produced.Latency
	at := func(q float64) float64 { return h.Quantile(q).Seconds() * 1e3 }
	return result.Latency{
		Mean: h.Mean().Seconds() * 1e3, P50: at(0.5), P95: at(0.95), P99: at(0.99), P999: at(0.999),
		Max: h.Max().Seconds() * 1e3, N: h.Count(),
	}
}

// judge turns how a run ended into its error.
func (pr *producing) judge(produced workload.Produced, cause, err error) error {
	if broken, what := pr.ledger.Broken(pr.report.Account); broken {
		return &Failure{ExitAccount, errors.New(what)}
	}
	if cause != nil {
		return cause
	}
	if missing := produced.Failed + produced.Indeterminate; missing > 0 && err != nil {
		return fmt.Errorf("%d of %d records were not acknowledged: %w%s", missing, pr.records, err, remedy(err))
	}
	return err
}

// remedy is what to do about a reason why records were not acknowledged, as the
// end of a sentence; empty where the reason itself says it.
func remedy(err error) string {
	// librdkafka has its own words for it.
	if errors.Is(err, kerr.MessageTooLarge) || strings.Contains(err.Error(), "Message size too large") {
		return "; choose a smaller --record-size, or a topic with a larger max.message.bytes"
	}
	return ""
}

// Snapshot makes a running produce the monitor's source.
func (pr *producing) Snapshot() monitor.Snapshot {
	s := monitor.Snapshot{
		Role: monitor.Produce, Topic: pr.topic, Client: pr.library.Name(), Profile: pr.profile, Lag: -1,
		Acks: pr.properties["acks"], Compression: pr.properties["compression.type"],
		WireRead: pr.wire.Read.Load(), WireWritten: pr.wire.Written.Load(),
		Requests:  map[string]int64{"Produce": pr.wire.Produces.Load()},
		Throttled: time.Duration(pr.wire.Throttled.Load()),
	}
	if pr.session != nil {
		s.ClusterID = pr.session.Cluster.ID()
	}
	if run := pr.live.Load(); run != nil {
		acked := run.Acked()
		s.ProducedRecords, s.ProducedBytes = acked.Records, acked.Bytes
		s.ProduceErrors, s.ProduceLatency = run.Errors(), run.Latency()
	}
	return s
}

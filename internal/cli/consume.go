package cli

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/cluster"
	"redline/internal/latency"
	"redline/internal/monitor"
	"redline/internal/observe"
	"redline/internal/report"
	"redline/internal/workload"
	"redline/result"
)

// maxInstances bounds consumers and producers of one process.
const maxInstances = 512

// consumeFlags are what `redline consume` takes.
type consumeFlags struct {
	connectFlags
	clientFlags
	topic, group, reset string
	consumers           int
	untilEnd            bool
	duration            time.Duration
	maxRecords          int64
	listen, output      string
}

func newConsumeCommand(p *Process) *cobra.Command {
	var f consumeFlags
	cmd := &cobra.Command{
		Use:   "consume",
		Short: "Read a topic with N consumers and say each second how fast",
		Args:  noArguments,
		Example: `  redline consume --topic=test-topic --consumers=4 --group=t4
  redline consume --topic orders --until-end -o json
  redline consume --topic test-topic --client franz --profile defaults`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), p) },
	}
	f.add(cmd, p)
	return cmd
}

// add puts the flags on a command: consume itself, and the root.
func (f *consumeFlags) add(cmd *cobra.Command, p *Process) {
	flags := cmd.Flags()
	f.connectFlags.add(cmd, p)
	f.clientFlags.add(cmd)
	flags.StringVar(&f.topic, "topic", "test-topic", "topic to read")
	flags.StringVar(&f.group, "group", "perf-test-consumer", "consumer group to join; its offsets are committed")
	flags.IntVar(&f.consumers, "consumers", 1, "number of consumers, each a client of its own")
	flags.StringVar(&f.reset, "auto-offset-reset", "earliest", "where to start without a commit: earliest or latest")
	flags.BoolVar(&f.untilEnd, "until-end", false, "stop at the end offsets of the start")
	flags.DurationVar(&f.duration, "duration", 0, "stop after this time")
	flags.Int64Var(&f.maxRecords, "max-records", 0, "stop after at least so many records")
	flags.StringVar(&f.listen, "listen", "", "serve Prometheus metrics and pprof on this `address`, such as 127.0.0.1:9095")
	addOutput(cmd, &f.output)
	completeBy(cmd, "topic", f.topics(p))
	completeBy(cmd, "group", f.groups(p))
	complete(cmd, "auto-offset-reset", "earliest", "latest")
}

func (f *consumeFlags) check() error {
	switch {
	case f.consumers < 1 || f.consumers > maxInstances:
		return usagef("--consumers %d: choose a number from 1 to %d", f.consumers, maxInstances)
	case f.maxRecords < 0:
		return usagef("--max-records %d: choose a number above 0, or leave it out to go on", f.maxRecords)
	case f.duration < 0:
		return usagef("--duration %v: choose a time above 0, or leave it out to go on", f.duration)
	case f.reset != "earliest" && f.reset != "latest":
		return usagef("--auto-offset-reset %q: choose earliest or latest", f.reset)
	case f.topic == "":
		return usagef("--topic is empty: name the topic to read")
	case f.group == "":
		return usagef("--group is empty: name the consumer group to join")
	}
	return nil
}

func (f *consumeFlags) bounded() bool { return f.untilEnd || f.duration > 0 || f.maxRecords > 0 }

// consuming is a `redline consume` that goes on.
type consuming struct {
	*consumeFlags
	p       *Process
	session *session
	library client.Library
	log     *log.Logger
	ledger  *audit.Ledger
	wire    *client.Wire
	until   map[int32]int64 // end offsets of the start, where there is something to read
	latency *latency.Recorder
	stall   *stall
	said    map[string]time.Time // what tell last said when, of errors
	run     *workload.Consuming
	live    atomic.Pointer[workload.Consuming] // run, for the monitor's goroutines
	report  result.ConsumeReport
}

func (f *consumeFlags) run(ctx context.Context, p *Process) error {
	if err := f.check(); err != nil {
		return err
	}
	c := &consuming{consumeFlags: f, p: p, wire: &client.Wire{}}
	c.report.Header = newHeader(result.ConsumeSchema)
	c.report.FirstRecordSeconds, c.report.LastRecordSeconds = -1, -1
	lines := p.Stdout
	if !isText(f.output) {
		lines = p.Stderr
	}
	c.log = log.New(lines, "", log.LstdFlags)
	err := c.do(ctx)
	if isText(f.output) {
		return err
	}
	return printReport(p, f.output, &c.report.Header, view{object: &c.report}, err)
}

func (c *consuming) do(ctx context.Context) (err error) {
	if c.library, err = c.openLibrary(); err != nil {
		return err
	}
	reached, err := c.connection(c.p)
	if err != nil {
		return err
	}
	if err := c.take(c.p, reached, c.library, c.library.CheckConsumer); err != nil {
		return err
	}
	if c.session, err = c.open(ctx, c.p); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.session.Close()) }()
	if err := c.session.guard(ctx); err != nil {
		return err
	}
	c.report.Environment = c.session.environment()
	if err := c.prepare(ctx); err != nil {
		return err
	}
	return c.consume(ctx)
}

// prepare reads where the topic begins and ends and where the group stands, so
// that the account knows what is to be expected.
func (c *consuming) prepare(ctx context.Context) error {
	topic, err := c.session.Cluster.DescribeTopic(ctx, c.topic)
	if err != nil {
		return err
	}
	ranges, err := c.session.Cluster.Offsets(ctx, c.topic)
	if err != nil {
		return err
	}
	committed, err := c.session.Cluster.Committed(ctx, c.group, c.topic)
	if err != nil {
		return err
	}
	c.stall = c.session.consumeStall(topic, c.p.Stderr)
	c.ledger, c.until = audit.NewLedger(c.topic), map[int32]int64{}
	c.ledger.Sparse(topic.Compacted() || c.committedOnly())
	if c.committedOnly() {
		if err := c.endAtStable(ctx, ranges); err != nil {
			return err
		}
	}
	for partition, r := range ranges {
		start := c.startOf(partition, r, committed)
		c.ledger.Start(partition, start, r.Start)
		if c.untilEnd {
			c.ledger.Expect(partition, r.End)
		}
		if r.End > start {
			c.until[partition] = r.End
		}
	}
	if c.consumers > len(ranges) {
		c.warn("%d consumers share %d partitions: %d of them have nothing to read", c.consumers, len(ranges), c.consumers-len(ranges))
	}
	return nil
}

// committedOnly says whether records of open and aborted transactions are left out.
func (c *consuming) committedOnly() bool { return c.properties["isolation.level"] == "read_committed" }

// endAtStable makes the ends those of a reader of committed records, who gets
// nothing from the first open transaction on.
func (c *consuming) endAtStable(ctx context.Context, ranges map[int32]cluster.Range) error {
	stable, err := c.session.Cluster.StableEnds(ctx, c.topic)
	if err != nil {
		return err
	}
	var held int64
	for partition, r := range ranges {
		if end, ok := stable[partition]; ok && end < r.End {
			held += r.End - max(end, r.Start)
			ranges[partition] = cluster.Range{Start: r.Start, End: max(end, r.Start)}
		}
	}
	if held > 0 {
		c.warn("an open transaction holds back %d offsets at the end; the end is before it", held)
	}
	return nil
}

// startOf is where a member of the group begins to read a partition.
func (c *consuming) startOf(partition int32, r cluster.Range, committed map[int32]int64) int64 {
	if at, ok := committed[partition]; ok && at >= r.Start && at <= r.End {
		return at
	}
	if c.reset == "latest" {
		return r.End
	}
	return r.Start
}

func (c *consuming) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	c.report.Warnings = append(c.report.Warnings, text)
	fmt.Fprintln(c.p.Stderr, "warning: "+text)
}

// consume reads until a bound, a signal or an error ends it, and prints what it
// came to in every case.
func (c *consuming) consume(ctx context.Context) error {
	spec := workload.Consume{
		Library: c.library,
		Options: client.ConsumeOptions{
			Options: c.options(c.session.Connection, c.wire), Topic: c.topic, Group: c.group, Reset: c.reset,
			ReadCommitted: c.committedOnly(),
		},
		Consumers: c.consumers, Ledger: c.ledger, MaxRecords: c.maxRecords, Notify: c.tell, Resume: c.resume(ctx),
	}
	if c.untilEnd {
		spec.Until = c.until
	}
	if c.listen != "" {
		c.latency = &latency.Recorder{}
		spec.Latency = c.latency
	}
	stopMetrics, err := serveMetrics(ctx, c.p, c.listen, c)
	if err != nil {
		return err
	}
	defer stopMetrics()

	spec.Watch = observe.Begin(c.session.pids())
	// The signal must be told before the consumers say that they stop: they end
	// by Stop, not by the signal's own context.
	if c.run, err = workload.StartConsume(context.WithoutCancel(ctx), spec); err != nil {
		return err
	}
	c.live.Store(c.run)
	cause := c.follow(ctx)
	var interrupt Interrupt
	if errors.As(cause, &interrupt) {
		c.log.Printf("Received signal %v, shutting down gracefully...", interrupt.Signal)
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	consumed, err := c.run.Stop(bound)
	c.finish(bound, consumed)
	if changed := c.stall.changed(bound); changed != nil {
		return changed // what was read is of two topics, and no account of one
	}
	if err != nil {
		return err
	}
	return c.judge(cause)
}

// follow prints a line a second until the run is over, and says what ended it;
// nil when a bound was reached.
func (c *consuming) follow(ctx context.Context) error {
	if c.untilEnd && len(c.until) == 0 {
		return nil
	}
	var timeout <-chan time.Time
	if c.duration > 0 {
		timeout = time.After(c.duration)
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	began, last, quiet, lastTotal := time.Now(), time.Now(), time.Now(), int64(0)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.session.died():
			return c.session.Broker.Err()
		case <-c.run.Done():
			return nil
		case <-timeout:
			return nil
		case now := <-tick.C:
			total := c.run.Records()
			c.log.Printf("Messages/sec: %.0f, Total: %d, Avg: %.0f msg/sec, Errors: %d",
				float64(total-lastTotal)/now.Sub(last).Seconds(), total,
				float64(total)/now.Sub(began).Seconds(), c.run.Errors.Load())
			c.progress(now.Sub(began), total, float64(total-lastTotal)/now.Sub(last).Seconds())
			last = now
			if total != lastTotal {
				quiet = time.Now()
			}
			lastTotal = total
			if c.untilEnd && time.Since(quiet) > tailLook {
				total += c.tail(ctx)
			}
			// An endless consume waits for records as long as it takes; the client
			// tells it of a cluster that is gone.
			if err := c.stall.look(ctx, total, c.untilEnd || c.maxRecords > 0, 0, nil); err != nil {
				return err
			}
		}
	}
}

// progress prints what has been read so far as a line of JSON, where these are asked
// for. That the reader has gone shows at the end.
func (c *consuming) progress(after time.Duration, records int64, rate float64) {
	if c.output == "jsonl" {
		_ = newLineWriter(c.p.Stdout).write(result.Progress{
			Schema: result.ProgressSchema, Workload: result.Consume, At: time.Now().UTC(), Seconds: after.Seconds(),
			Records: records, RecordsPerSecond: rate, Errors: c.run.Errors.Load(),
		})
	}
}

// tell prints what a consumer does, in the article's words.
func (c *consuming) tell(e workload.Event) {
	switch e.Kind {
	case workload.Started:
		c.log.Printf("Consumer %d started, consuming from topic: %s", e.Consumer, c.topic)
	case workload.Stopping:
		c.log.Printf("Consumer %d received shutdown signal", e.Consumer)
	case workload.CleaningUp:
		c.log.Printf("Consumer %d cleaning up...", e.Consumer)
	case workload.CleanedUp:
		c.log.Printf("Consumer %d cleanup completed", e.Consumer)
	case workload.ConsumerError:
		c.tellError(e)
	}
}

// tellError prints a problem that a consumer goes on from, the same one not more
// often than every few seconds: a client may meet it at every poll.
func (c *consuming) tellError(e workload.Event) {
	const again, most = 5 * time.Second, 64
	line := fmt.Sprintf("warning: consumer %d goes on after: %s", e.Consumer, sentence(e.Err))
	if at, ok := c.said[line]; ok && time.Since(at) < again {
		return
	}
	if c.said == nil || len(c.said) >= most {
		c.said = map[string]time.Time{}
	}
	c.said[line] = time.Now()
	fmt.Fprintln(c.p.Stderr, line)
}

// finish completes the report and prints the final statistics: first the
// article's, then what it lacked.
func (c *consuming) finish(ctx context.Context, consumed workload.Consumed) {
	usage := consumed.Usage
	if c.wire.Tells(consumed.Wall) {
		usage.WireRead, usage.WireWritten = c.wire.Read.Load(), c.wire.Written.Load()
	}
	if ranges, err := c.session.Cluster.Offsets(ctx, c.topic); err == nil {
		for partition, r := range ranges {
			c.ledger.LogStart(partition, r.Start)
		}
	}
	r := &c.report
	r.Topic, r.Group = c.topic, c.group
	r.Client = c.describe(c.library, c.consumers, consumed.Settings)
	r.Records, r.Bytes, r.Errors, r.Rebalances = consumed.Records, consumed.Bytes, consumed.Errors, consumed.Rebalances
	r.WallSeconds, r.FirstRecordSeconds, r.LastRecordSeconds = consumed.Wall.Seconds(), -1, -1
	if consumed.FirstRecord >= 0 {
		r.FirstRecordSeconds, r.LastRecordSeconds = consumed.FirstRecord.Seconds(), consumed.LastRecord.Seconds()
	}
	r.Steady = rateOf(consumed.Profile.Steady())
	if n := c.wire.Fetches.Load(); n > 0 && c.wire.Tells(consumed.Wall) {
		r.RecordsPerFetch = float64(consumed.Records) / float64(n)
	}
	r.Account, r.Usage = c.ledger.Account(true), usage
	for _, line := range report.Consumed(*r) {
		c.log.Print(line)
	}
}

// judge turns how a run ended into its error.
func (c *consuming) judge(cause error) error {
	if broken, what := c.ledger.Broken(c.report.Account); broken {
		return &Failure{ExitAccount, errors.New(what)}
	}
	var interrupt Interrupt
	if errors.As(cause, &interrupt) && !c.bounded() {
		return nil
	}
	return cause
}

// Snapshot makes a running consume the monitor's source.
func (c *consuming) Snapshot() monitor.Snapshot {
	s := monitor.Snapshot{
		Role: monitor.Consume, Topic: c.topic, Group: c.group, Client: c.library.Name(), Profile: c.profile,
		ClusterID:       c.session.Cluster.ID(),
		ConsumedRecords: c.ledger.Records(), ConsumedBytes: c.ledger.Bytes(), Lag: -1,
		WireRead: c.wire.Read.Load(), WireWritten: c.wire.Written.Load(),
		Requests:  map[string]int64{"Fetch": c.wire.Fetches.Load()},
		Throttled: time.Duration(c.wire.Throttled.Load()),
		EndToEnd:  c.latency.Read(),
	}
	if run := c.live.Load(); run != nil {
		s.Rebalances = run.Rebalances.Load()
		s.ConsumeErrors = map[string]int64{"client": run.Errors.Load()}
	}
	account := c.ledger.Account(false)
	s.Lost, s.Duplicated, s.Reordered = account.Lost, account.Duplicated, account.Reordered
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if ranges, err := c.session.Cluster.Offsets(ctx, c.topic); err == nil {
		s.Lag = c.ledger.Lag(ends(ranges))
	}
	return s
}

func ends(ranges map[int32]cluster.Range) map[int32]int64 {
	ends := make(map[int32]int64, len(ranges))
	for partition, r := range ranges {
		ends[partition] = r.End
	}
	return ends
}

// serveMetrics starts the monitor when an address is given.
func serveMetrics(ctx context.Context, p *Process, listen string, s monitor.Source) (stop func(), err error) {
	if listen == "" {
		return func() {}, nil
	}
	server, err := monitor.Serve(context.WithoutCancel(ctx), listen, time.Now().UTC().Format("20060102-150405"), s)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(p.Stderr, "metrics on http://%s/metrics\n", server.Addr())
	return server.Close, nil
}

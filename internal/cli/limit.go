package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"redline/internal/analysis"
	"redline/internal/client/libraries"
	"redline/internal/connection"
	"redline/internal/experiment"
	"redline/internal/report"
	"redline/internal/runs"
	"redline/result"
)

// limitFlags are what `redline limit` takes.
type limitFlags struct {
	connectFlags
	storeFlags
	topic      string
	client     string
	time       time.Duration
	size       int
	partitions int32
	seedFlag   seedFlag
	listen     string
	output     string
}

func newLimitCommand(p *Process) *cobra.Command {
	var f limitFlags
	cmd := &cobra.Command{
		Use:   "limit",
		Short: "Find how fast this Kafka goes from here, and which settings reach it",
		Long: `Find how fast a Kafka goes from here, and which settings reach it.

Fills a topic of its own, tries a few settings for consuming and for producing,
and confirms the best against the next best in interleaved rounds. From
--time 6m on it also shows where consuming goes, from the responses read to
clients of other libraries. Without -b and --kafka it measures the embedded
broker, which is not Apache Kafka. With --topic it reads a topic of yours; then
it writes nothing and commits nothing.`,
		Example: `  redline limit
  redline limit --kafka local
  redline limit -b localhost:9092 --topic orders -o json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), p)
		},
	}
	flags := cmd.Flags()
	f.connectFlags.add(cmd, p)
	f.storeFlags.add(cmd)
	flags.StringVar(&f.topic, "topic", "", "existing topic to consume; nothing is written then")
	flags.StringVar(&f.client, "client", "direct", "client library that goes to the limit: direct, franz, confluent (if built with cgo), sarama or segmentio")
	flags.DurationVar(&f.time, "time", experiment.DefaultTime, "how long to measure; less makes the figures less sure")
	flags.IntVar(&f.size, "record-size", 100, "bytes of each value")
	flags.Int32Var(&f.partitions, "partitions", 8, "partitions of the topic that is made")
	f.seedFlag.add(cmd, "draw order and bytes from this number (default: a new one)")
	flags.StringVar(&f.listen, "listen", "", "serve Prometheus metrics and pprof on this `address`, such as 127.0.0.1:9095")
	addOutput(cmd, &f.output)
	complete(cmd, "client", libraries.Names()...)
	completeBy(cmd, "topic", f.topics(p))
	return cmd
}

// maxPartitions and maxLimitSize bound what a limit makes.
const (
	maxPartitions = 1000
	maxLimitSize  = 1_000_000
)

func (f *limitFlags) check(p *Process) error {
	switch {
	case f.time < experiment.MinTime || f.time > 24*time.Hour:
		return usagef("--time %v: choose %v to 24h", f.time, experiment.MinTime)
	case f.size < 0 || f.size > maxLimitSize:
		return usagef("--record-size %d: choose 0 to %d bytes, as a broker takes no larger batch by default", f.size, maxLimitSize)
	case f.partitions < 1 || f.partitions > maxPartitions:
		return usagef("--partitions %d: choose a number from 1 to %d", f.partitions, maxPartitions)
	}
	if _, err := libraries.Open(f.client); err != nil {
		return usagef("--client: %w", err)
	}
	// limit never picks a cluster by itself: what is not named is embedded. A
	// cluster in the environment was named, too.
	if f.kafka == "" {
		named, err := f.named(p)
		if err != nil {
			return err
		}
		if !named {
			f.kafka, f.resolved = "embedded", nil
		}
	}
	if f.topic != "" && f.kafka != "" { // what we start has no topic yet
		return usagef("--topic %s names a topic of an existing cluster: name that with -b", f.topic)
	}
	return nil
}

func (f *limitFlags) run(ctx context.Context, p *Process) error {
	r := result.LimitReport{Header: newHeader(result.LimitSchema)}
	err := f.check(p)
	if err == nil {
		err = f.measure(ctx, p, &r)
	}
	return printReport(p, f.output, &r.Header, view{text: func(w io.Writer) { report.Limit(w, r) }, object: &r}, err)
}

func (f *limitFlags) measure(ctx context.Context, p *Process, r *result.LimitReport) (err error) {
	s, err := f.connectFlags.open(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := errors.Join(s.guard(ctx), noClient(s.Connection, "limit tries settings of its own")); err != nil {
		return err
	}
	r.Environment = s.environment()
	r.Warnings = append(r.Warnings, notes(s)...)
	r.Workload = result.Workload{Topic: f.topic, Partitions: int(f.partitions), RecordBytes: f.size}
	if isText(f.output) {
		fmt.Fprintln(p.Stdout, report.LimitHead(r.Environment, r.Workload))
	}
	folder, err := f.storeFlags.open(p)
	if err != nil {
		return err
	}
	writer, err := folder.Create(f.plan(s, p.Args))
	if err != nil {
		return err
	}
	defer writer.Close() //nolint:errcheck // every trial was on disk before
	fmt.Fprintf(p.Stderr, "run %s\n", writer.Dir())
	run := experiment.Run{Store: storeOf(p, f.output, writer), Open: func(context.Context, result.Arm) (*experiment.Place, error) { return s.place(), nil }}
	err = carry(ctx, p, f.listen, "limit", writer, nil, run)
	return errors.Join(err, f.tell(folder, writer, r, err))
}

// plan says how the limit is looked for.
func (f *limitFlags) plan(s *session, args []string) result.Plan {
	fill := int64(mostFill)
	if s.storage() == "memory" {
		fill = memoryFill()
	}
	kafka := f.kafka
	if kafka == "" {
		kafka = strings.Join(s.Connection.Brokers, ",")
	}
	made := experiment.Limit{
		Client: f.client, Partitions: int(f.partitions), RecordSize: f.size, FillBytes: fill, Time: f.time,
		Topic: f.topic, Seed: f.seedFlag.draw(), Created: time.Now().UTC(), Kafka: kafka,
	}.Plan()
	made.Command = connection.MaskArgs(args)
	return made
}

// tell fills in what the stored trials came to, and leaves the page beside them.
func (f *limitFlags) tell(folder *runs.Folder, writer *runs.Writer, r *result.LimitReport, cause error) error {
	stored, err := folder.Read(writer.ID())
	if err != nil {
		return err
	}
	analysis.Limit(stored, r)
	r.Run = writer.ID()
	r.Warnings = append(r.Warnings, stored.Plan.Notes...)
	if len(stored.Trials) == 0 {
		return nil
	}
	page := analysis.Report(stored, r.Version, 0)
	if cause == nil {
		cause = analysis.Unreached(stored)
		err = cause
	}
	if cause != nil {
		page.Error, page.ErrorKind = asFields(cause)
	}
	return errors.Join(err, writePage(writer, page))
}

// accountFailure gives a broken account its exit code.
func accountFailure(err error) error {
	var broken *experiment.AccountError
	if errors.As(err, &broken) {
		return &Failure{ExitAccount, err}
	}
	return err
}

// notes are what the reader of the figures has to know about what was measured.
func notes(s *session) []string {
	var notes []string
	if s.storage() == "memory" {
		notes = append(notes, "the embedded broker is kfake, not Apache Kafka: its limit is not Kafka's. On real Kafka: redline limit --kafka local")
	}
	if s.keepsNothing() {
		notes = append(notes, "the null sink keeps nothing and is not Kafka: what limits here is the client alone")
	}
	if s.Cluster.IsLoopback() {
		notes = append(notes, "over loopback the receiver's share of TCP is done by the sender: the client's CPU per record leaves it out")
	}
	for name, why := range libraries.Missing() {
		notes = append(notes, fmt.Sprintf("the %s client is left out of this build: %s", name, why))
	}
	return notes
}

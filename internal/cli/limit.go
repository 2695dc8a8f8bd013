package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"redline/internal/client/libraries"
	"redline/internal/experiment"
	"redline/internal/observe"
	"redline/internal/report"
	"redline/internal/term"
	"redline/result"
)

// limitFlags are what `redline limit` takes.
type limitFlags struct {
	connectFlags
	topic      string
	time       time.Duration
	size       int
	partitions int32
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
and confirms the best against the next best in interleaved rounds. Without -b
and --kafka it measures the embedded broker, which is not Apache Kafka. With
--topic it reads a topic of yours; then it writes nothing and commits nothing.`,
		Example: `  redline limit
  redline limit --kafka local
  redline limit -b kafka-1:9092 --topic orders --time 2m -o json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), p) },
	}
	flags := cmd.Flags()
	f.add(cmd)
	flags.StringVar(&f.topic, "topic", "", "existing topic to consume; nothing is written then")
	flags.DurationVar(&f.time, "time", experiment.DefaultTime, "how long to measure; less makes the figures less sure")
	flags.IntVar(&f.size, "record-size", 100, "bytes of each value")
	flags.Int32Var(&f.partitions, "partitions", 8, "partitions of the topic that is made")
	flags.StringVar(&f.listen, "listen", "", "serve Prometheus metrics and pprof on this `address`, such as 127.0.0.1:9095")
	addOutput(cmd, &f.output)
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
	// limit never picks a cluster by itself: what is not named is embedded. A
	// cluster in the environment was named, too.
	if f.kafka == "" && f.bootstrap == "" && p.Getenv(bootstrapEnv) == "" {
		f.kafka = "embedded"
	}
	if f.topic != "" && f.kafka != "" { // what we start has no topic yet
		return usagef("--topic %s names a topic of an existing cluster: name that with -b", f.topic)
	}
	return checkOutput(f.output)
}

func (f *limitFlags) run(ctx context.Context, p *Process) error {
	r := result.LimitReport{Header: newHeader(result.LimitSchema)}
	err := f.check(p)
	if err == nil {
		err = f.measure(ctx, p, &r)
	}
	if f.output == "json" {
		return printReport(p, &r.Header, &r, err)
	}
	report.Limit(p.Stdout, r)
	return err
}

func (f *limitFlags) measure(ctx context.Context, p *Process, r *result.LimitReport) (err error) {
	s, err := f.open(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Cluster.Guard(ctx, f.target); err != nil {
		return err
	}
	r.Environment = s.environment()
	r.Warnings = append(r.Warnings, notes(s)...)
	if f.output != "json" {
		fmt.Fprintln(p.Stdout, report.LimitHead(r.Environment, result.Workload{RecordBytes: f.size, Partitions: int(f.partitions)}))
	}
	library, err := libraries.Open("franz")
	if err != nil {
		return err
	}
	live := experiment.NewLive(library.Name())
	stopMetrics, err := serveMetrics(ctx, p, f.listen, live)
	if err != nil {
		return err
	}
	defer stopMetrics()
	display := term.New(p.Stderr, p.StderrTTY, p.Getenv)
	defer display.Close()
	ctx, cancel := withBroker(ctx, s)
	defer cancel()
	return accountFailure(experiment.RunLimit(ctx, experiment.Limit{
		Cluster: s.Cluster, Brokers: s.Brokers, BrokerPIDs: s.pids(), Library: library,
		Topic: f.topic, Partitions: f.partitions, RecordSize: f.size,
		FillBytes: fillBytes(s), Time: f.time, Seed: rand.Uint64(), Display: display, Live: live,
	}, r))
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
	if s.Cluster.IsLoopback() {
		notes = append(notes, "over loopback the receiver's share of TCP is done by the sender: the client's CPU per record leaves it out")
	}
	for name, why := range libraries.Missing() {
		notes = append(notes, fmt.Sprintf("the %s client is left out of this build: %s", name, why))
	}
	return notes
}

// withBroker ends the context when the broker that we started dies.
func withBroker(ctx context.Context, s *session) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if died := s.died(); died != nil {
		go func() {
			select {
			case <-died:
				cancel(s.Broker.Err())
			case <-ctx.Done():
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}

// fillBytes bounds what is written for reading: an embedded broker keeps it in
// memory, another one on a disk that we may not be able to see.
func fillBytes(s *session) int64 {
	const most = 1200 << 20
	if s.storage() != "memory" {
		return most
	}
	if free := observe.FreeMemory(); free > 0 {
		return min(most/3, free/6)
	}
	return most / 4
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"redline/internal/broker"
	"redline/internal/cluster"
)

// connectFlags say which cluster a command talks to: one named with -b or in the
// environment, or a Kafka started for this command alone.
type connectFlags struct {
	bootstrap string
	kafka     string
	// target is the id of a cluster that may be put under load though it is not
	// on this machine; commands that load hand it to Cluster.Guard.
	target  string
	timeout time.Duration
	// kafkaVersion and data say more about --kafka.
	kafkaVersion, data string
	// brokerProperties are set by an experiment, not by a flag.
	brokerProperties map[string]string
}

// bootstrapEnv is the environment's word for -b.
const bootstrapEnv = "REDLINE_BOOTSTRAP_SERVER"

// defaultBootstrap is where Kafka listens when nobody says otherwise.
const defaultBootstrap = "localhost:9092"

func (f *connectFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.bootstrap, "bootstrap-server", "b", "", "the cluster's `HOST:PORT`, or several with commas (default "+defaultBootstrap+", or $"+bootstrapEnv+")")
	for _, alias := range []string{"bootstrap-servers", "brokers", "broker-list"} {
		flags.StringVar(&f.bootstrap, alias, "", "the same as --bootstrap-server")
		flags.Lookup(alias).Hidden = true
	}
	flags.StringVar(&f.kafka, "kafka", "", "start a Kafka for this command and end it after: `embedded`, local or local:N")
	flags.StringVar(&f.kafkaVersion, "kafka-version", broker.DefaultVersion, "version of Apache Kafka for --kafka local")
	flags.StringVar(&f.data, "data", "", "`folder` for the data of --kafka local, which decides the storage measured (default: on disk)")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "how long to wait for each answer of the cluster to an administrative request")
	flags.StringVar(&f.target, "target", "", "the `CLUSTER_ID` of a cluster elsewhere that you mean to put load on")
}

// session is a connection to the cluster that a command was pointed at.
type session struct {
	Cluster *cluster.Cluster
	// Brokers are the addresses to start from, for further clients.
	Brokers []string
	// Broker is the Kafka that was started for this command; else nil.
	Broker *broker.Broker
	// Ours is what is known of the cluster's broker if redline runs it on this
	// machine, for this command or detached; else nil.
	Ours *broker.State
}

// open starts a Kafka if asked to, and connects. The caller closes the session.
func (f *connectFlags) open(ctx context.Context, p *Process) (*session, error) {
	if f.timeout <= 0 {
		return nil, usagef("--timeout %s: it must be longer than nothing, for example 10s", f.timeout)
	}
	s := &session{}
	if err := f.locate(ctx, p, s); err != nil {
		return nil, err
	}
	var err error
	s.Cluster, err = cluster.Connect(ctx, cluster.Config{Brokers: s.Brokers, Timeout: f.timeout})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.recognize()
	return s, nil
}

// recognize sets Ours. What cannot be found out is not ours.
func (s *session) recognize() {
	if s.Broker != nil {
		state := s.Broker.State()
		s.Ours = &state
		return
	}
	states, err := broker.Status()
	if err != nil {
		return
	}
	for _, state := range states {
		if state.ClusterID == s.Cluster.ID() && state.ClusterID != "" {
			s.Ours = &state
		}
	}
}

// asPlanned points the flags at the Kafka of a plan: one to start, or addresses.
func (f *connectFlags) asPlanned(kafka string) {
	if _, _, err := broker.ParseKind(kafka); err == nil {
		f.kafka = kafka
		return
	}
	f.bootstrap = kafka
}

// locate sets the addresses, and the broker when one is to be started.
func (f *connectFlags) locate(ctx context.Context, p *Process, s *session) error {
	if f.kafka != "" {
		if f.bootstrap != "" {
			return usagef("-b %s and --kafka %s name two different clusters: leave one of them out", f.bootstrap, f.kafka)
		}
		return f.start(ctx, p, s)
	}
	typed, from := f.bootstrap, "-b"
	if typed == "" {
		typed, from = p.Getenv(bootstrapEnv), bootstrapEnv
	}
	if typed == "" {
		typed, from = defaultBootstrap, "the default"
	}
	brokers, err := cluster.ParseBrokers(typed)
	if err != nil {
		return usagef("%s: %w", from, err)
	}
	s.Brokers = brokers
	return nil
}

func (f *connectFlags) start(ctx context.Context, p *Process, s *session) error {
	kind, nodes, err := broker.ParseKind(f.kafka)
	if err != nil {
		return usagef("--kafka: %w", err)
	}
	s.Broker, err = broker.Start(ctx, broker.Config{
		Kind: kind, Nodes: nodes, Version: f.kafkaVersion, DataDir: f.data, Properties: f.brokerProperties,
		Say: func(line string) { fmt.Fprintln(p.Stderr, line) },
	})
	if err != nil {
		return err
	}
	s.Brokers = s.Broker.Addrs()
	return nil
}

// Close ends the connection, and the Kafka if it was started for the command.
func (s *session) Close() error {
	if s.Cluster != nil {
		s.Cluster.Close()
	}
	if s.Broker != nil {
		// Not the command's context: an interrupted command ends its broker too.
		return s.Broker.Stop(context.Background())
	}
	return nil
}

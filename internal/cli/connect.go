package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"redline/internal/broker"
	"redline/internal/cluster"
	"redline/internal/connection"
)

// connectFlags say which cluster a command talks to: one named by flags, files, the
// environment or a context, or a Kafka started for this command alone.
type connectFlags struct {
	connectionFlags
	kafka string
	// kafkaVersion and data say more about --kafka.
	kafkaVersion, data string
	// brokerProperties are set by an experiment, not by a flag.
	brokerProperties map[string]string
	guardFlags
}

// guardFlags say that a load is meant for the cluster that gets it. They are never
// read from the environment, where they would stand for every cluster.
type guardFlags struct {
	// target is the id of a cluster that may be put under load though it is not
	// on this machine.
	target string
	// yesOn is the name of the protected context that is meant.
	yesOn string
}

func (f *connectFlags) add(cmd *cobra.Command, p *Process) {
	f.connectionFlags.add(cmd, p)
	flags := cmd.Flags()
	flags.StringVar(&f.kafka, "kafka", "", "start a Kafka for this command and end it after: `embedded`, local, local:N, or null, a sink that keeps nothing")
	flags.StringVar(&f.kafkaVersion, "kafka-version", broker.DefaultVersion, "version of Apache Kafka for --kafka local")
	flags.StringVar(&f.data, "data", "", "`folder` for the data of --kafka local, which decides the storage measured (default: on disk)")
	flags.StringVar(&f.target, "target", "", "the `CLUSTER_ID` of a cluster elsewhere that you mean to put load on")
	flags.StringVar(&f.yesOn, "yes-on", "", "the `NAME` of the protected context that you mean to write to or put load on")
	group(cmd, "A Kafka of its own", "kafka", "kafka-version", "data")
	group(cmd, "Connecting", "target", "yes-on")
}

// session is a connection to the cluster that a command was pointed at.
type session struct {
	Cluster *cluster.Cluster
	// Connection says how it is reached, for further clients.
	Connection *connection.Connection
	// Broker is the Kafka that was started for this command; else nil.
	Broker *broker.Broker
	// Ours is what is known of the cluster's broker if redline runs it on this
	// machine, for this command or detached; else nil.
	Ours *broker.State

	config cluster.Config
	guards guardFlags
}

// open starts a Kafka if asked to, and connects. The first line of talk names the
// cluster reached: a load generator on the wrong one is worse than a wrong list. The
// caller closes the session.
func (f *connectFlags) open(ctx context.Context, p *Process) (*session, error) {
	s := &session{guards: f.guardFlags}
	var err error
	if s.Connection, err = f.connection(p); err != nil {
		return nil, err
	}
	if f.kafka != "" {
		err = f.start(ctx, p, s)
	}
	if err == nil {
		s.config = f.config(s.Connection)
		s.Cluster, err = cluster.Connect(ctx, s.config)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.recognize()
	if !p.Quiet {
		fmt.Fprintln(p.Stderr, s.reached())
	}
	return s, nil
}

// reached says which cluster this is, as whom, and what named it.
func (s *session) reached() string {
	id := s.Cluster.ID()
	if id == "" {
		id = "without an id"
	}
	text := fmt.Sprintf("cluster %s at %s", clean(id), strings.Join(s.Connection.Brokers, ","))
	if n := len(s.Cluster.Brokers()); n > 1 {
		text += fmt.Sprintf(", %d brokers", n)
	}
	if by := s.Connection.Security; by.TLS != nil || by.SASL != nil {
		text += ", " + by.Protocol()
		if by.SASL != nil {
			text += " by " + string(by.SASL.Mechanism)
		}
		if by.SASL != nil && by.SASL.User != "" {
			text += " as " + clean(by.SASL.User)
		}
	}
	if s.Connection.Context != "" {
		text += ", context " + s.Connection.Context
	}
	return text
}

// guard stands before everything that puts load on a cluster.
func (s *session) guard(ctx context.Context) error {
	return s.Cluster.Guard(ctx, cluster.GuardOptions{
		Target: s.guards.target, Context: s.Connection.Context, Protected: s.Connection.Protected, YesOn: s.guards.yesOn,
	})
}

// protect stands before what creates or deletes.
func (s *session) protect() error {
	return cluster.Protect(s.Connection.Context, s.Connection.Protected, s.guards.yesOn)
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

// connection says how the cluster is reached; of a Kafka that is yet to be started it
// has no addresses.
func (f *connectFlags) connection(p *Process) (*connection.Connection, error) {
	if f.kafka == "" {
		return f.resolve(p)
	}
	return f.alone(p, f.kafka)
}

// start starts the Kafka that --kafka asks for.
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
	own := *s.Connection
	own.Brokers = s.Broker.Addrs()
	s.Connection = &own
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

// lookTimeout bounds a second look at a cluster that has fallen silent.
const lookTimeout = 3 * time.Second

// look is the configuration for a second look at the same cluster, at any of its
// brokers.
func (s *session) look() cluster.Config {
	c := s.config
	c.Brokers, c.Timeout, c.DialTimeout = s.addresses(), lookTimeout, time.Second
	return c
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"redline/internal/broker"
)

// Schemas of the JSON that the broker commands print.
const (
	brokerSchema  = "redline.broker/v1"
	brokersSchema = "redline.brokers/v1"
)

// brokerFlags are the flags of `broker up`.
type brokerFlags struct {
	kafka, version, home, data, heap string
	port                             int
	properties                       []string
	detach                           bool
}

// newBrokerCommand is `redline broker up|status|down`.
func newBrokerCommand(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "Start a Kafka to measure, and end it",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBrokerUp(p), newBrokerStatus(p), newBrokerDown(p))
	return cmd
}

func newBrokerUp(p *Process) *cobra.Command {
	var f brokerFlags
	var output string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a Kafka; it ends on Ctrl-C, or with `broker down` when detached",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			return brokerUp(cmd.Context(), p, f, output)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.kafka, "kafka", "embedded", "what to start: embedded (kfake, in memory), local or local:N (Apache Kafka, N nodes)")
	flags.StringVar(&f.version, "kafka-version", broker.DefaultVersion, "version of Apache Kafka, fetched by Maven once")
	flags.StringVar(&f.home, "kafka-home", "", "folder of an unpacked Apache Kafka, instead of a version")
	flags.StringVar(&f.data, "data", "", "folder for the data, which decides the storage measured (default: on disk, with the state)")
	flags.IntVar(&f.port, "port", 9092, "port of the first node; 0 takes free ones")
	flags.StringVar(&f.heap, "heap", "1g", "Java heap of each node (-Xms and -Xmx)")
	flags.StringArrayVar(&f.properties, "property", nil, "broker property `key=value`; wins over ours; may be repeated")
	flags.BoolVar(&f.detach, "detach", false, "leave the broker running until `broker down`")
	addOutput(cmd, &output)
	return cmd
}

func newBrokerStatus(p *Process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "List the brokers that redline runs on this machine",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			running, err := broker.Status()
			return printBrokers(p, output, running, err, func(w io.Writer) { writeBrokers(w, running) })
		},
	}
	addOutput(cmd, &output)
	return cmd
}

func newBrokerDown(p *Process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "down [ID]",
		Short: "End the detached brokers, or the one with this ID, and remove their data",
		Args:  oneArgumentAtMost,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			ended, err := brokerDown(cmd.Context(), args)
			return printBrokers(p, output, ended, err, func(w io.Writer) { writeEnded(w, ended) })
		},
	}
	addOutput(cmd, &output)
	return cmd
}

func brokerDown(ctx context.Context, args []string) ([]broker.State, error) {
	if len(args) == 0 {
		return broker.Down(ctx)
	}
	// An empty variable of a script must not end the others.
	if args[0] == "" {
		return nil, usagef("which broker? Its ID is empty; `redline broker status` shows it, and without one all detached brokers end")
	}
	return broker.DownOne(ctx, args[0])
}

// noArguments is cobra.NoArgs as a mistake in what was typed.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%q is one word too many after `%s`: see `%s --help`", args[0], cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

// oneArgumentAtMost lets one word stand after the command.
func oneArgumentAtMost(cmd *cobra.Command, args []string) error {
	return noArguments(cmd, args[min(1, len(args)):])
}

// config turns what was typed into what to start.
func (f brokerFlags) config(p *Process) (broker.Config, error) {
	kind, nodes, err := broker.ParseKind(f.kafka)
	if err != nil {
		return broker.Config{}, usagef("--kafka: %w", err)
	}
	properties, err := parseBrokerProperties(f.properties)
	if err != nil {
		return broker.Config{}, err
	}
	c := broker.Config{
		Kind: kind, Nodes: nodes, Version: f.version, Home: f.home, DataDir: f.data,
		Port: f.port, Heap: f.heap, Properties: properties,
		Say: func(s string) { fmt.Fprintln(p.Stderr, s) },
	}
	if err := c.Validate(); err != nil {
		return broker.Config{}, usagef("%w", err)
	}
	return c, nil
}

func parseBrokerProperties(pairs []string) (map[string]string, error) {
	properties := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		key, value, found := strings.Cut(pair, "=")
		if key = strings.TrimSpace(key); !found || key == "" {
			return nil, usagef("--property %s: type it as key=value", pair)
		}
		properties[key] = value
	}
	return properties, nil
}

// brokerUp starts a broker, and holds it unless it is detached.
func brokerUp(ctx context.Context, p *Process, f brokerFlags, output string) error {
	config, err := f.config(p)
	if err != nil {
		return printBroker(p, output, nil, err)
	}
	if f.detach {
		state, err := broker.StartDetached(ctx, config)
		return brokerReady(p, output, state, err, "Ready, and stays until `redline broker down`.")
	}
	b, err := broker.Start(ctx, config)
	if err != nil {
		return printBroker(p, output, nil, err)
	}
	return brokerHold(ctx, p, b, output)
}

// brokerHold holds a broker until ctx ends, which is how it is meant to end, or
// until a node dies. By then the one JSON object is printed: such an error is
// told by standard error and the exit code.
func brokerHold(ctx context.Context, p *Process, b *broker.Broker, output string) (err error) {
	defer func() { err = errors.Join(err, b.Stop(context.WithoutCancel(ctx))) }()
	if err := brokerReady(p, output, b.State(), nil, "Ready. Ctrl-C ends it and removes its data."); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-b.Done():
		return b.Err()
	}
}

// brokerReady prints a broker that has just come up, and says how it will end.
func brokerReady(p *Process, output string, s broker.State, err error, says string) error {
	if err := printBroker(p, output, &s, err); err != nil {
		return err
	}
	if output == "text" {
		fmt.Fprintln(p.Stderr, says)
	}
	return nil
}

// brokerDocument is what up prints as JSON.
type brokerDocument struct {
	document
	// Broker is null when none came up.
	Broker *brokerJSON `json:"broker"`
}

// brokersDocument is what status and down print as JSON: those that run, and
// those that were ended.
type brokersDocument struct {
	document
	Brokers []brokerJSON `json:"brokers"`
}

// brokerJSON is what is stable of a broker in JSON.
type brokerJSON struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Kafka     string    `json:"kafka"`
	Nodes     int       `json:"nodes"`
	ClusterID string    `json:"cluster_id"`
	Brokers   []string  `json:"brokers"`
	Metrics   []string  `json:"metrics"`
	Storage   string    `json:"storage"`
	Logs      string    `json:"logs"`
	Detached  bool      `json:"detached"`
	Started   time.Time `json:"started"`
	PIDs      []int     `json:"pids"`
}

func brokerAsJSON(s broker.State) brokerJSON {
	return brokerJSON{
		ID: s.ID, Kind: string(s.Kind), Kafka: s.Kafka, Nodes: s.Nodes, ClusterID: s.ClusterID,
		Brokers: append([]string{}, s.Brokers...), Metrics: append([]string{}, s.Metrics...),
		Storage: s.Storage, Logs: s.Logs, Detached: s.Detached, Started: s.Started,
		PIDs: append([]int{}, s.PIDs...),
	}
}

// printBroker prints the broker that came up, or why none did.
func printBroker(p *Process, output string, s *broker.State, err error) error {
	return printAnswer(p, output, brokerSchema, err, func(w io.Writer) { writeBroker(w, *s) }, func(d document) any {
		if err != nil {
			return brokerDocument{d, nil}
		}
		shown := brokerAsJSON(*s)
		return brokerDocument{d, &shown}
	})
}

// printBrokers prints a list of brokers, as text in the caller's words.
func printBrokers(p *Process, output string, list []broker.State, err error, text func(io.Writer)) error {
	return printAnswer(p, output, brokersSchema, err, text, func(d document) any {
		brokers := []brokerJSON{}
		for _, s := range list {
			brokers = append(brokers, brokerAsJSON(s))
		}
		return brokersDocument{d, brokers}
	})
}

func writeBrokers(w io.Writer, running []broker.State) {
	if len(running) == 0 {
		fmt.Fprintln(w, "No broker runs.")
	}
	for i, s := range running {
		if i > 0 {
			fmt.Fprintln(w)
		}
		writeBroker(w, s)
	}
}

func writeEnded(w io.Writer, ended []broker.State) {
	if len(ended) == 0 {
		fmt.Fprintln(w, "No detached broker runs.")
	}
	for _, s := range ended {
		fmt.Fprintf(w, "Ended %s on %s; its data is removed.\n", s.Kafka, strings.Join(s.Brokers, ","))
	}
}

func writeBroker(w io.Writer, s broker.State) {
	nodes := "1 node"
	if s.Nodes > 1 {
		nodes = fmt.Sprintf("%d nodes", s.Nodes)
	}
	lines := [][2]string{
		{"Kafka", s.Kafka + ", " + nodes},
		{"Connect", "-b " + strings.Join(s.Brokers, ",")},
		{"Cluster id", s.ClusterID},
		{"Storage", s.Storage},
		{"Logs", s.Logs},
	}
	for _, url := range s.Metrics {
		lines = append(lines, [2]string{"Metrics", url})
	}
	if s.Detached {
		lines = append(lines, [2]string{"Detached", "yes; `redline broker down " + s.ID + "` ends it"})
	}
	for _, line := range lines {
		fmt.Fprintf(w, "%-11s %s\n", line[0]+":", line[1])
	}
}

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"redline/internal/broker"
)

// brokerSchema names the JSON that the broker commands print.
const brokerSchema = "redline.broker/v1"

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
			config, err := f.config(p)
			if err != nil {
				return err
			}
			if f.detach {
				return brokerUpDetached(cmd.Context(), p, config, output)
			}
			return brokerUp(cmd.Context(), p, config, output)
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
			if err != nil {
				return err
			}
			return printBrokers(p, running, output, "No broker runs.")
		},
	}
	addOutput(cmd, &output)
	return cmd
}

func newBrokerDown(p *Process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "down",
		Short: "End the detached brokers, and remove their data",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			ended, err := broker.Down(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				return printBrokers(p, ended, output, "")
			}
			if len(ended) == 0 {
				fmt.Fprintln(p.Stdout, "No detached broker runs.")
			}
			for _, s := range ended {
				fmt.Fprintf(p.Stdout, "Ended %s on %s; its data is removed.\n", s.Kafka, strings.Join(s.Brokers, ","))
			}
			return nil
		},
	}
	addOutput(cmd, &output)
	return cmd
}

func addOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "how to print the result: text or json")
}

func checkOutput(output string) error {
	if output != "text" && output != "json" {
		return usagef("-o %s: the output is text or json", output)
	}
	return nil
}

// noArguments is cobra.NoArgs as a mistake in what was typed.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%q is one word too many after `%s`: see `%s --help`", args[0], cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
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

// brokerUp starts a broker and holds it until ctx ends, which is how it is meant
// to end, or until a node dies.
func brokerUp(ctx context.Context, p *Process, c broker.Config, output string) (err error) {
	b, err := broker.Start(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Stop(context.WithoutCancel(ctx))) }()
	if err := printBroker(p, b.State(), output); err != nil {
		return err
	}
	if output == "text" {
		fmt.Fprintln(p.Stderr, "Ready. Ctrl-C ends it and removes its data.")
	}
	select {
	case <-ctx.Done():
		return nil
	case <-b.Done():
		return b.Err()
	}
}

func brokerUpDetached(ctx context.Context, p *Process, c broker.Config, output string) error {
	state, err := broker.StartDetached(ctx, c)
	if err != nil {
		return err
	}
	if err := printBroker(p, state, output); err != nil {
		return err
	}
	if output == "text" {
		fmt.Fprintln(p.Stderr, "Ready, and stays until `redline broker down`.")
	}
	return nil
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

// printBroker prints one broker that has just come up.
func printBroker(p *Process, s broker.State, output string) error {
	if output == "json" {
		return writeBrokerJSON(p.Stdout, struct {
			Schema string     `json:"schema"`
			Broker brokerJSON `json:"broker"`
		}{brokerSchema, brokerAsJSON(s)})
	}
	return writeBroker(p.Stdout, s)
}

// printBrokers prints a list of brokers, or none when there are none.
func printBrokers(p *Process, list []broker.State, output, none string) error {
	if output == "json" {
		brokers := []brokerJSON{}
		for _, s := range list {
			brokers = append(brokers, brokerAsJSON(s))
		}
		return writeBrokerJSON(p.Stdout, struct {
			Schema  string       `json:"schema"`
			Brokers []brokerJSON `json:"brokers"`
		}{brokerSchema, brokers})
	}
	if len(list) == 0 {
		fmt.Fprintln(p.Stdout, none)
	}
	for i, s := range list {
		if i > 0 {
			fmt.Fprintln(p.Stdout)
		}
		if err := writeBroker(p.Stdout, s); err != nil {
			return err
		}
	}
	return nil
}

func writeBrokerJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

func writeBroker(w io.Writer, s broker.State) error {
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
		lines = append(lines, [2]string{"Detached", "yes; `redline broker down` ends it"})
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(w, "%-11s %s\n", line[0]+":", line[1]); err != nil {
			return err
		}
	}
	return nil
}

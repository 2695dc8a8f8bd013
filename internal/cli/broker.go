package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"redline/internal/broker"
	"redline/internal/connection"
	"redline/internal/report"
	"redline/internal/security"
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
	tls, mtls, acl                   bool
	sasl                             string
	detach                           bool
}

// newBrokerCommand is `redline broker up|status|down`.
func newBrokerCommand(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "Start a Kafka to measure, and end it",
		Example: `  redline broker up --detach
  redline broker status
  redline broker down`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
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
		Long: `Start a Kafka; it ends on Ctrl-C, or with "broker down" when detached.

It listens on 127.0.0.1, and its data goes when it ends. With --tls, --mtls,
--sasl and --acl it is a secured Apache Kafka to try things on: certificates and
the passwords of two users, admin and alice, are made on the spot. Their Java
client.properties, for -F and for Kafka's own tools, is in a folder that goes
with the broker; the certificates are there as PEM too.`,
		Example: `  redline broker up
  redline broker up --kafka local:3 --detach
  redline broker up --kafka local --tls --sasl scram-sha-512 --acl`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return brokerUp(cmd.Context(), p, f, output)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.kafka, "kafka", "embedded", "what to start: embedded (kfake, in memory), local or local:N (Apache Kafka, N nodes), or null (a sink that keeps nothing)")
	flags.StringVar(&f.version, "kafka-version", broker.DefaultVersion, "version of Apache Kafka, fetched by Maven once")
	flags.StringVar(&f.home, "kafka-home", "", "folder of an unpacked Apache Kafka, instead of a version")
	flags.StringVar(&f.data, "data", "", "folder for the data, which decides the storage measured (default: on disk, with the state)")
	flags.IntVar(&f.port, "port", 9092, "port of the first node; 0 takes free ones")
	flags.StringVar(&f.heap, "heap", "1g", "Java heap of each node (-Xms and -Xmx)")
	flags.StringArrayVar(&f.properties, "property", nil, "broker property `key=value`; wins over ours; may be repeated")
	flags.BoolVar(&f.tls, "tls", false, "encrypt clients' connections, with certificates made on the spot (--kafka local)")
	flags.BoolVar(&f.mtls, "mtls", false, "--tls, and ask clients for a certificate")
	flags.StringVar(&f.sasl, "sasl", "", "ask clients who they are: `MECHANISM` is plain, scram-sha-256, scram-sha-512, or oauthbearer with Kafka's unsecured tokens")
	flags.BoolVar(&f.acl, "acl", false, "turn Kafka's authorizer on: admin may do everything, alice nothing (needs --mtls or --sasl)")
	flags.BoolVar(&f.detach, "detach", false, "leave the broker running until \"broker down\"")
	addOutput(cmd, &output)
	group(cmd, "Security", "tls", "mtls", "sasl", "acl")
	return cmd
}

func newBrokerStatus(p *Process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "List the brokers that redline runs on this machine",
		Example: `  redline broker status
  redline broker status -o wide
  redline broker status -o json`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
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
		Example: `  redline broker down "$(redline broker status -o csv | tail -1 | cut -d, -f1)"
  redline broker down
  redline broker down -o json`,
		Args:              oneArgumentAtMost,
		ValidArgsFunction: asArgument(runningBrokers()),
		RunE: func(cmd *cobra.Command, args []string) error {
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
		cmd.SuggestionsMinimumDistance = 2
		meant := ""
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			meant = fmt.Sprintf("did you mean %q, or ", near[0])
		}
		return usagef("%q is one word too many after `%s`: %ssee `%s --help`", args[0], cmd.CommandPath(), meant, cmd.CommandPath())
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
	secure, err := f.secure()
	if err != nil {
		return broker.Config{}, err
	}
	c := broker.Config{
		Kind: kind, Nodes: nodes, Version: f.version, Home: f.home, DataDir: f.data,
		Port: f.port, Heap: f.heap, Secure: secure, Properties: properties,
		Say: func(s string) { fmt.Fprintln(p.Stderr, s) },
	}
	if err := c.Validate(); err != nil {
		return broker.Config{}, usagef("%w", err)
	}
	return c, nil
}

func (f brokerFlags) secure() (broker.Secure, error) {
	s := broker.Secure{TLS: f.tls, MTLS: f.mtls, ACL: f.acl}
	if f.sasl == "" {
		return s, nil
	}
	var err error
	if s.SASL, err = security.ParseMechanism(f.sasl); err != nil {
		return s, usagef("--sasl: %w", err)
	}
	return s, nil
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
	if output != "text" {
		return nil
	}
	if err := writeClient(p.Stdout, s); err != nil {
		return fmt.Errorf("cannot show how to connect: %w", err)
	}
	fmt.Fprintln(p.Stderr, says)
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
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	Kafka     string   `json:"kafka"`
	Nodes     int      `json:"nodes"`
	ClusterID string   `json:"cluster_id"`
	Brokers   []string `json:"brokers"`
	Metrics   []string `json:"metrics"`
	Storage   string   `json:"storage"`
	Logs      string   `json:"logs"`
	// Security is how clients connect, "SASL_SSL, SCRAM-SHA-512", ClientProperties the
	// Java properties file to do so with; both are empty for plaintext. SuperUser is
	// the principal that may do everything, empty without ACLs.
	Security         string    `json:"security"`
	ClientProperties string    `json:"client_properties"`
	SuperUser        string    `json:"super_user"`
	Detached         bool      `json:"detached"`
	Started          time.Time `json:"started"`
	PIDs             []int     `json:"pids"`
}

func brokerAsJSON(s broker.State) brokerJSON {
	return brokerJSON{
		ID: s.ID, Kind: string(s.Kind), Kafka: s.Kafka, Nodes: s.Nodes, ClusterID: s.ClusterID,
		Brokers: append([]string{}, s.Brokers...), Metrics: append([]string{}, s.Metrics...),
		Storage: s.Storage, Logs: s.Logs,
		Security: s.Security, ClientProperties: s.ClientProperties, SuperUser: s.Super,
		Detached: s.Detached, Started: s.Started,
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
	brokers := []brokerJSON{}
	for _, s := range list {
		brokers = append(brokers, brokerAsJSON(s))
	}
	return printTable(p, output, err, view{
		text:   text,
		table:  func() report.Table { return brokersTable(list) },
		object: brokersDocument{newDocument(brokersSchema, err), brokers},
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
	connect := "-b " + strings.Join(s.Brokers, ",")
	if s.ClientProperties != "" {
		connect += " -F " + s.ClientProperties
	}
	lines := [][2]string{{"Kafka", s.Kafka + ", " + nodes}, {"Connect", connect}}
	if s.Security != "" {
		lines = append(lines, [2]string{"Security", s.Security})
	}
	if s.Super != "" {
		lines = append(lines, [2]string{"Super user", s.Super})
	}
	lines = append(lines, [][2]string{{"Cluster id", s.ClusterID}, {"Storage", s.Storage}, {"Logs", s.Logs}}...)
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

// writeClient shows how to connect to a secured broker: what is in admin's
// properties file, but for its secrets, which files there are for alice and for
// other clients than Java's, and a command to try it with.
func writeClient(w io.Writer, s broker.State) error {
	if s.ClientProperties == "" {
		return nil
	}
	text, err := os.ReadFile(s.ClientProperties)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s:\n", s.ClientProperties)
	for line := range strings.Lines(string(text)) {
		fmt.Fprintln(w, "  "+connection.MaskArgs([]string{"-X", strings.TrimSpace(line)})[1])
	}
	beside, err := os.ReadDir(filepath.Dir(s.ClientProperties))
	if err != nil {
		return err
	}
	var names []string
	for _, e := range beside {
		names = append(names, e.Name())
	}
	fmt.Fprintf(w, "\nBeside it:  %s\nTry:        redline topic list -F %s\n", strings.Join(names, ", "), s.ClientProperties)
	return nil
}

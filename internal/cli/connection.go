package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"redline/internal/broker"
	"redline/internal/cluster"
	"redline/internal/connection"
	"redline/internal/secret"
)

// connectionFlags say how a cluster is reached: where, encrypted how, and as whom.
// What they leave open comes from -X, files, the environment and contexts.
type connectionFlags struct {
	bootstrap, context   string
	files, pairs         []string
	tls, tlsInsecure     bool
	allowPlaintext       bool
	passwordFile         string
	timeout, dialTimeout time.Duration

	flags *pflag.FlagSet
	// password is what was read from standard input or a prompt, once.
	password secret.Text
	resolved *connection.Connection
}

// bootstrapEnv is the environment's word for -b.
const bootstrapEnv = "REDLINE_BOOTSTRAP_SERVER"

// defaultBootstrap is where Kafka listens when nobody says otherwise.
const defaultBootstrap = "localhost:9092"

// passwordEnv holds a password; there is no flag that would show one to every user of
// the machine.
const passwordEnv = "REDLINE_SASL_PASSWORD" //nolint:gosec // the variable's name

// namedKey is a flag that stands for one property.
type namedKey struct{ flag, key, usage string }

var (
	tlsKeys = []namedKey{
		{"tls-ca", "ssl.ca.location", "trust the certificates in this PEM `FILE`; implies --tls"},
		{"tls-cert", "ssl.certificate.location", "show this certificate, a PEM `FILE`; implies --tls"},
		{"tls-key", "ssl.key.location", "its private key, a PEM `FILE`"},
		{"tls-server-name", "redline.tls.server.name", "expect this `NAME` in the broker's certificate (default: the host dialled)"},
	}
	saslKeys = []namedKey{
		{"sasl-mechanism", "sasl.mechanism", "`MECHANISM`: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM"},
		{"sasl-user", "sasl.username", "the user's `NAME`"},
		{"oauth-token-file", "redline.oauth.token.file", "OAUTHBEARER: the token is in this `FILE`, read again at each re-authentication"},
		{"oauth-token-command", "redline.oauth.token.command", "OAUTHBEARER: this shell `COMMAND` prints the token"},
	}
	clientKeys = []namedKey{{"client-id", "client.id", "what brokers see and log (default redline)"}}
	namedKeys  = slices.Concat(tlsKeys, saslKeys, clientKeys)
)

func (f *connectionFlags) add(cmd *cobra.Command, p *Process) {
	flags := cmd.Flags()
	f.flags = flags
	flags.StringVarP(&f.bootstrap, "bootstrap-server", "b", "", "the cluster's `HOST:PORT`, or several with commas (default "+defaultBootstrap+")")
	flags.StringArrayVarP(&f.files, "command-config", "F", nil, "Java client.properties `FILE` (JKS, PKCS12, PEM, JAAS); may be repeated")
	flags.StringArrayVarP(&f.pairs, "command-property", "X", nil, "property `key=value` in Java's or librdkafka's spelling; also -X list, -X dump; may be repeated")
	flags.StringVar(&f.context, "context", "", "the cluster of this `NAME` in the configuration file (see redline context)")
	alias(cmd, "bootstrap-server", "bootstrap-servers", "brokers", "broker-list")
	alias(cmd, "command-config", "producer.config", "consumer.config", "config-file")
	alias(cmd, "context", "cluster")
	f.addSecurity(flags)
	addKeys(flags, clientKeys)
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "how long to wait for each answer of the cluster to an administrative request")
	flags.DurationVar(&f.dialTimeout, "dial-timeout", 3*time.Second, "how long to wait for a connection")
	group(cmd, "Connecting", "bootstrap-server", "command-config", "command-property", "context", "client-id", "timeout", "dial-timeout")
	group(cmd, "Security", "tls", "tls-ca", "tls-cert", "tls-key", "tls-server-name", "tls-insecure-skip-verify",
		"sasl-mechanism", "sasl-user", "sasl-password-file", "oauth-token-file", "oauth-token-command", "allow-plaintext-credentials")
	completeBy(cmd, "context", contextNames(p))
	complete(cmd, "sasl-mechanism", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM")
	f.answerQuestions(cmd, p)
}

// addSecurity adds the flags of encryption and authentication, in the order of help.
func (f *connectionFlags) addSecurity(flags *pflag.FlagSet) {
	flags.BoolVar(&f.tls, "tls", false, "encrypt the connection")
	addKeys(flags, tlsKeys)
	flags.BoolVar(&f.tlsInsecure, "tls-insecure-skip-verify", false, "take every certificate: whoever is between can read and change all")
	addKeys(flags, saslKeys)
	flags.StringVar(&f.passwordFile, "sasl-password-file", "", "the password is in this `FILE`; - reads standard input (default: $"+passwordEnv+", or asked for)")
	flags.BoolVar(&f.allowPlaintext, "allow-plaintext-credentials", false, "send a password or token unencrypted to another machine")
}

func addKeys(flags *pflag.FlagSet, keys []namedKey) {
	for _, named := range keys {
		flags.String(named.flag, "", named.usage)
	}
}

// config is what cluster.Connect takes.
func (f *connectionFlags) config(c *connection.Connection) cluster.Config {
	return cluster.Config{Brokers: c.Brokers, ClientID: c.ClientID, Security: c.Security, Timeout: f.timeout, DialTimeout: f.dialTimeout}
}

// named says whether a cluster was named: by anything but the last resorts.
func (f *connectionFlags) named(p *Process) (bool, error) {
	c, err := f.resolve(p)
	if err != nil {
		return false, err
	}
	return !slices.Contains([]string{originDefault, originUp}, bootstrapOrigin(c)), nil
}

func bootstrapOrigin(c *connection.Connection) string {
	for _, e := range c.Entries {
		if e.Key == "bootstrap.servers" {
			return e.Origin.Source
		}
	}
	return ""
}

// The origins of the addresses when nobody names any.
const (
	originDefault = "the default"
	originUp      = "redline broker up"
)

// resolve gives the connection that flags, files, environment and contexts come to,
// once: a prompt and standard input can be read but once.
func (f *connectionFlags) resolve(p *Process) (*connection.Connection, error) {
	if f.resolved != nil {
		return f.resolved, nil
	}
	c, err := f.gather(p)
	if err != nil {
		return nil, err
	}
	f.tell(p, c)
	f.resolved = c
	return c, nil
}

// alone gives what was typed beside a Kafka that is started for the command:
// properties of clients. What the environment and the current context say of some
// cluster does not touch it; what was typed about another one contradicts it.
func (f *connectionFlags) alone(p *Process, kafka string) (*connection.Connection, error) {
	if f.resolved != nil {
		return f.resolved, nil
	}
	if f.context != "" && fromEnvironment(f.flags.Lookup("context")) == "" {
		return nil, usagef("--context %s and --kafka %s name two different clusters: leave one of them out", f.context, kafka)
	}
	in, err := f.inputs(p, func() ([]connection.Given, error) { return byDefault, nil })
	if err != nil {
		return nil, err
	}
	in.Environment, in.NoContext = nil, true
	c, err := connection.Resolve(in)
	if err != nil {
		return nil, settingsFailure(err)
	}
	for _, e := range c.Entries {
		if e.Origin.Source != originDefault && e.Origin != connection.Default && e.Connecting && e.Key != "client.id" {
			return nil, usagef("%s (%s) says how to reach a cluster, and --kafka %s starts another: leave one of them out", e.Typed, e.Origin, kafka)
		}
	}
	c.Brokers = nil
	f.tell(p, c)
	f.resolved = c
	return c, nil
}

// gather asks once more with a password from the prompt where one is missing.
func (f *connectionFlags) gather(p *Process) (*connection.Connection, error) {
	if f.timeout <= 0 || f.dialTimeout <= 0 {
		return nil, usagef("--timeout %s and --dial-timeout %s: they must be longer than nothing, for example 10s", f.timeout, f.dialTimeout)
	}
	in, err := f.inputs(p, func() ([]connection.Given, error) { return fallback(p) })
	if err != nil {
		return nil, err
	}
	c, err := connection.Resolve(in)
	if errors.Is(err, connection.ErrNoPassword) && f.password.IsZero() {
		if f.password, err = ask(p, err); err != nil {
			return nil, settingsFailure(err)
		}
		in.Flags = append(in.Flags, connection.Given{Key: "sasl.password", Value: f.password, Origin: connection.Origin{Source: "the prompt"}})
		c, err = connection.Resolve(in)
	}
	return c, settingsFailure(err)
}

// settingsFailure is a mistake in what was typed or is in a file.
func settingsFailure(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, connection.ErrPlaintextCredentials) {
		return &Failure{ExitUnreachable, err}
	}
	return &Failure{ExitUsage, err}
}

func given(key, value, source string) connection.Given {
	return connection.Given{Key: key, Value: secret.New(value), Origin: connection.Origin{Source: source}}
}

// inputs collects what was typed and what stands in the environment.
func (f *connectionFlags) inputs(p *Process, fallback func() ([]connection.Given, error)) (connection.Inputs, error) {
	in := connection.Inputs{
		Pairs: f.pairs, Files: f.files, Context: f.context, ContextFrom: "--context",
		ConfigFile: configFile(p), Fallback: fallback, Getenv: p.Getenv,
	}
	add := func(flag, key, value string) {
		if env := fromEnvironment(f.flags.Lookup(flag)); env != "" {
			in.Environment = append(in.Environment, given(key, value, env))
			return
		}
		in.Flags = append(in.Flags, given(key, value, "--"+flag))
	}
	if env := fromEnvironment(f.flags.Lookup("context")); env != "" {
		in.ContextFrom = env
	}
	if err := f.checkEmpty(); err != nil {
		return in, err
	}
	if f.bootstrap != "" {
		add("bootstrap-server", "bootstrap.servers", f.bootstrap)
	}
	for _, named := range namedKeys {
		if flag := f.flags.Lookup(named.flag); flag.Changed {
			add(named.flag, named.key, flag.Value.String())
		}
	}
	for _, said := range []struct {
		flag, key string
		value     bool
	}{
		{"tls", "redline.tls", f.tls},
		{"tls-insecure-skip-verify", "enable.ssl.certificate.verification", !f.tlsInsecure},
		{"allow-plaintext-credentials", "redline.allow.plaintext.credentials", f.allowPlaintext},
	} {
		if f.flags.Changed(said.flag) {
			add(said.flag, said.key, strconv.FormatBool(said.value))
		}
	}
	return in, f.addPassword(p, &in)
}

// checkEmpty refuses flags that were typed with nothing in them: the empty variable of a
// script must not lead to whatever other cluster is named elsewhere.
func (f *connectionFlags) checkEmpty() (err error) {
	f.flags.Visit(func(flag *pflag.Flag) {
		of := flag
		if name := flag.Annotations[aliasAnnotation]; len(name) > 0 {
			of = f.flags.Lookup(name[0])
		}
		if groupOf(of) == "Connecting" && flag.Value.Type() == "string" && flag.Value.String() == "" {
			err = usagef("--%s is empty: give it a value, or leave it out", flag.Name)
		}
	})
	return err
}

// addPassword reads the password of the file that was named, or of the environment.
func (f *connectionFlags) addPassword(p *Process, in *connection.Inputs) error {
	if f.passwordFile == "" {
		if password := p.Getenv(passwordEnv); password != "" {
			in.Environment = append(in.Environment, given("sasl.password", password, passwordEnv))
		}
		return nil
	}
	if f.password.IsZero() {
		password, err := readPassword(p, f.passwordFile)
		if err != nil {
			return usagef("--sasl-password-file %s: %w", f.passwordFile, err)
		}
		f.password = password
	}
	in.Flags = append(in.Flags, connection.Given{Key: "sasl.password", Value: f.password, Origin: connection.Origin{Source: "--sasl-password-file"}})
	return nil
}

// maxPassword bounds what is read of a file that holds a password.
const maxPassword = 64 << 10

// readPassword reads a file, or standard input, without the end of its line.
func readPassword(p *Process, path string) (secret.Text, error) {
	from := p.Stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return secret.Text{}, err
		}
		defer file.Close()
		from = file
	}
	data, err := io.ReadAll(io.LimitReader(from, maxPassword+1))
	switch {
	case err != nil:
		return secret.Text{}, err
	case len(data) > maxPassword:
		return secret.Text{}, fmt.Errorf("it is longer than %d bytes, which no password is", maxPassword)
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" {
		return secret.Text{}, errors.New("it is empty")
	}
	return secret.New(text), nil
}

// ask asks for a password on the terminal, without showing it.
func ask(p *Process, missing error) (secret.Text, error) {
	stdin, ok := p.Stdin.(*os.File)
	if !ok || !p.StderrTTY || !term.IsTerminal(int(stdin.Fd())) {
		return secret.Text{}, missing
	}
	fmt.Fprint(p.Stderr, "Password: ")
	text, err := term.ReadPassword(int(stdin.Fd()))
	fmt.Fprintln(p.Stderr)
	switch {
	case err != nil:
		return secret.Text{}, fmt.Errorf("cannot read the password from the terminal: %w", err)
	case len(text) == 0:
		return secret.Text{}, missing
	}
	return secret.New(string(text)), nil
}

// fallback is where to look when nobody names a cluster: the two variables that other
// tools share, a broker that redline holds up, Kafka's own port.
func fallback(p *Process) ([]connection.Given, error) {
	var all []connection.Given
	for _, env := range []string{"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_BROKERS"} {
		if servers := p.Getenv(env); servers != "" {
			all = append(all, given("bootstrap.servers", servers, env))
		}
	}
	up, err := runningBroker()
	if err != nil {
		return nil, err
	}
	return slices.Concat(all, up, byDefault), nil
}

// byDefault is the last of the last resorts.
var byDefault = []connection.Given{given("bootstrap.servers", defaultBootstrap, originDefault)}

// runningBroker is the broker of "redline broker up", if there is exactly one.
func runningBroker() ([]connection.Given, error) {
	states, err := broker.Status()
	if err != nil || len(states) != 1 || len(states[0].Brokers) == 0 {
		return nil, nil //nolint:nilerr // it is a last resort: without it, the default is tried
	}
	state := states[0]
	if state.ClientProperties == "" {
		return []connection.Given{given("bootstrap.servers", strings.Join(state.Brokers, ","), originUp)}, nil
	}
	c, err := connection.FromFile(state.ClientProperties)
	if err != nil {
		return nil, fmt.Errorf("cannot read how to reach the broker that is up: %w", err)
	}
	var all []connection.Given
	for _, e := range c.Entries {
		all = append(all, connection.Given{Key: e.Key, Value: e.Value, Origin: connection.Origin{Source: originUp}})
	}
	return all, nil
}

// tell says on standard error what a reader would not expect, and with -v where each
// value comes from.
func (f *connectionFlags) tell(p *Process, c *connection.Connection) {
	for _, w := range c.Warnings {
		fmt.Fprintln(p.Stderr, "warning: "+clean(w))
	}
	switch origin := bootstrapOrigin(c); origin {
	case "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_BROKERS":
		fmt.Fprintf(p.Stderr, "the cluster is that of $%s: nothing else names one\n", origin)
	}
	if p.Verbose {
		dump(p.Stderr, c)
	}
}

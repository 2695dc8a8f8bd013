// Package connection makes one connection of all that people give: flags, -X
// properties, Java's client.properties, environment variables, and the contexts of
// our own configuration file.
//
// What was given enters, as Inputs; a Connection leaves: addresses, encryption and
// credentials for any client, the properties that remain for the client libraries,
// and for each value where it came from. Nothing here dials.
package connection

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"redline/internal/secret"
	"redline/internal/security"
)

var (
	// ErrSettings is wrapped by every error about what was typed or written into a
	// file: whoever gave it can mend it.
	ErrSettings = errors.New("settings")
	// ErrPlaintextCredentials says that a password or token would go unencrypted to
	// another machine. It is no ErrSettings: the settings are right, and refused.
	ErrPlaintextCredentials = errors.New("credentials over plaintext")
	// ErrNoPassword says that there is a user, and no password. The caller may ask
	// for one, add it to Inputs.Flags and resolve again.
	ErrNoPassword = errors.New("no password")
)

// DefaultClientID is what brokers see and log when nobody names anything else.
const DefaultClientID = "redline"

// Inputs are all that a connection may come from, strongest first.
type Inputs struct {
	// Flags are named flags such as --tls-ca.
	Flags []Given
	// Pairs are the KEY=VALUE of -X.
	Pairs []string
	// Files are Java properties files; later ones win.
	Files []string
	// Environment are the REDLINE_* variables.
	Environment []Given
	// Context is the name of a context of ConfigFile. If it is empty, the file's
	// current one counts, but only when nothing stronger names brokers: a context
	// that nobody typed must not lend its credentials to another cluster.
	Context string
	// ContextFrom is what named it, such as "--context" or "REDLINE_CONTEXT".
	ContextFrom string
	// NoContext leaves ConfigFile unread.
	NoContext bool
	// ConfigFile is the path of our configuration file; empty: ConfigPath(Getenv).
	ConfigFile string
	// Fallback gives clusters to take when nothing else names brokers, and is not asked
	// before: it may have to look for them. Those of one origin belong together, and
	// the first origin counts alone. nil: there are none.
	Fallback func() ([]Given, error)
	// Getenv reads the environment for ${env:…} and the AWS variables; nil: os.Getenv.
	Getenv func(string) string
}

// Given is a value as it was given.
type Given struct {
	// Key is in Java's, librdkafka's or redline's spelling.
	Key    string
	Value  secret.Text
	Origin Origin
}

// Origin is where a value comes from.
type Origin struct {
	// Source is a flag, "-X", a variable's name, a path, or words such as "default".
	Source string
	// Line is counted from 1; 0 if there are none.
	Line int
	// Context is the context's name, if the value is of one.
	Context string
}

// String is "-X", "--tls-ca", "client.properties:3" or "context prod, config.yaml:14".
func (o Origin) String() string {
	text := o.Source
	if o.Line > 0 {
		text = fmt.Sprintf("%s:%d", o.Source, o.Line)
	}
	if o.Context != "" {
		return "context " + o.Context + ", " + text
	}
	return text
}

// Default is the origin of what nobody gave.
var Default = Origin{Source: "default"}

// Connection says how to reach a cluster.
type Connection struct {
	// Brokers are HOST:PORT, at least one.
	Brokers []string
	// ClientID is what brokers see and log.
	ClientID string
	Security security.Security
	// Context is the name of the context that had a part in it; empty if none had.
	Context string
	// Protected says that the context is marked so: load, create and delete need a
	// confirmation.
	Protected bool
	// Entries are what is in force, sorted by key: about connecting, and the client
	// properties.
	Entries []Entry
	// Overridden are what lost, the stronger first.
	Overridden []Entry
	// Warnings are whole sentences.
	Warnings []string
	// Strict are client properties of -X: a client that cannot honour one refuses it.
	// Shared are those of files, contexts and the environment, which may be meant for
	// another client. Both are sorted by key.
	Strict, Shared []Entry
}

// Entry is one value, with where it came from.
type Entry struct {
	// Key is the canonical spelling: Java's if Java has the property.
	Key string
	// Typed is how it was spelled. For what was taken out of a sasl.jaas.config, or
	// follows from another property, it is that property.
	Typed string
	Value secret.Text
	// Secret says that Value must not be shown.
	Secret bool
	// Connecting says that it is about reaching the cluster, not about a client.
	Connecting bool
	Origin     Origin
}

// maxShown bounds, in characters, how much of a value is printed.
const maxShown = 1000

// Shown is the value on one line: **** for a secret and for what stands before the @
// of a URL, and no more than the beginning of a long one.
func (e Entry) Shown() string {
	if e.Secret {
		return e.Value.String()
	}
	value := e.Value.Reveal()
	start, end := strings.Index(value, "://"), strings.LastIndexByte(value, '@')
	if start >= 0 && start < end {
		value = value[:start] + "://" + secret.Mask + value[end:]
	}
	return printable(value, maxShown)
}

// Resolve makes a connection of what was given. For each key the strongest source
// wins, whatever the spelling; values that only mean something together (a trust
// store and its password, a user and his) are taken from where the first of them
// is. Everything found wrong is in the error, a line each, wrapping ErrSettings.
func Resolve(in Inputs) (*Connection, error) {
	r := newResolver(in.Getenv)
	return r.connect(r.sources(in))
}

// FromFile makes a connection of one Java properties file alone, which must name the
// brokers.
func FromFile(path string) (*Connection, error) {
	return Resolve(Inputs{Files: []string{path}, NoContext: true})
}

// Handover is everything needed to make the same connection in another process, by
// canonical key. It holds secrets: it goes through pipes, never into a command line,
// an environment or a file. Client properties are not in it.
func (c *Connection) Handover() map[string]string {
	all := map[string]string{}
	for _, e := range c.Entries {
		if e.Connecting {
			all[e.Key] = absolute(e.Key, e.Value.Reveal(), "")
		}
	}
	return all
}

// FromHandover makes the connection of a Handover.
func FromHandover(all map[string]string) (*Connection, error) {
	r := newResolver(os.Getenv)
	r.literal = true
	var given []Given
	for key, value := range all {
		given = append(given, Given{key, secret.New(value), Origin{Source: "the parent process"}})
	}
	slices.SortFunc(given, func(a, b Given) int { return strings.Compare(a.Key, b.Key) })
	// Lines without effect are as harmless as they were where they came from.
	return r.connect([]source{r.take(fromFallback, given)})
}

// resolver gathers what is found on the way.
type resolver struct {
	getenv func(string) string
	// literal leaves ${…} as it is.
	literal bool
	// context and protected are those of the context that is read.
	context   string
	protected bool

	warnings   []string
	problems   []error
	overridden []Entry
}

func newResolver(getenv func(string) string) *resolver {
	if getenv == nil {
		getenv = os.Getenv
	}
	return &resolver{getenv: getenv}
}

func (r *resolver) warn(at Origin, format string, args ...any) {
	r.warnings = append(r.warnings, at.String()+": "+fmt.Sprintf(format, args...))
}

func (r *resolver) refuse(at Origin, format string, args ...any) {
	err := fmt.Errorf(format, args...)
	r.problems = append(r.problems, &problem{at.String() + ": " + err.Error(), []error{ErrSettings, err}})
}

// err is all that was found wrong, or nil.
func (r *resolver) err() error { return errors.Join(r.problems...) }

// problem is an error that is a whole sentence; it wraps kinds.
type problem struct {
	text  string
	kinds []error
}

func (p *problem) Error() string   { return p.text }
func (p *problem) Unwrap() []error { return p.kinds }

func settingsError(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &problem{err.Error(), []error{ErrSettings, err}}
}

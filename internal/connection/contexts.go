package connection

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"redline/internal/nearest"
	"redline/internal/secret"
)

// Config is our configuration file: contexts, each a cluster with the properties to
// reach it.
//
//	current: dev
//	contexts:
//	  dev:
//	    properties: {bootstrap.servers: "localhost:9092"}
//	  prod:
//	    protected: true
//	    properties:
//	      bootstrap.servers: kafka.example.com:9093
//	      sasl.password: ${file:/run/secrets/kafka}
type Config struct {
	// Current is the name of the context to take when none is named; empty: none.
	Current  string
	Contexts []Context // in the order of the file

	path        string
	text        []byte
	currentLine int
	// shared says that others can read the file.
	shared bool
}

// Context is one cluster.
type Context struct {
	Name string
	// Protected contexts want a confirmation for load, create and delete.
	Protected bool
	// Properties are as in a client.properties. Relative paths begin at the folder of
	// the file.
	Properties []Property
}

// Property is one line of a context.
type Property struct {
	Key   string
	Value secret.Text
	// Line is counted from 1; 0 for a property that is in no file yet.
	Line int
}

// ConfigPath is where our configuration file is: redline/config.yaml in
// $XDG_CONFIG_HOME, else in ~/.config, on macOS too. Without a home folder it is "".
func ConfigPath(getenv func(string) string) string {
	folder := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(folder) { // the XDG specification: ignore such
		home := getenv("HOME")
		if home == "" {
			home, _ = os.UserHomeDir()
		}
		if home == "" {
			return "" // not the current folder, which may be anybody's
		}
		folder = filepath.Join(home, ".config")
	}
	return filepath.Join(folder, "redline", "config.yaml")
}

// ReadConfig reads a configuration file. One that is not there has no contexts, and
// neither has "". Mistakes in it are in the error with file:line, wrapping ErrSettings.
func ReadConfig(path string) (*Config, error) {
	if path == "" {
		return &Config{}, nil
	}
	text, err := readSettings(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Config{path: path}, nil
	}
	if err != nil {
		return nil, settingsError("the configuration file %s cannot be read: %w", path, err)
	}
	c, err := parseConfig(path, text)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil {
		c.shared = info.Mode().Perm()&0o077 != 0
	}
	return c, nil
}

func parseConfig(path string, text []byte) (*Config, error) {
	c := &Config{path: path, text: text}
	root, err := parseYAML(path, text)
	if err != nil {
		return nil, err
	}
	f := &findings{path: path}
	for _, pair := range f.mapping(root, "the file") {
		switch pair.key {
		case "current":
			c.Current, c.currentLine = f.scalar(pair.value, "current"), pair.line
		case "contexts":
			for _, named := range f.mapping(pair.value, "contexts") {
				c.Contexts = append(c.Contexts, f.context(named))
			}
		default:
			f.unknown(pair, "current", "contexts")
		}
	}
	return c, errors.Join(f.all...)
}

// findings are the mistakes of a configuration file.
type findings struct {
	path string
	all  []error
}

func (f *findings) add(line int, format string, args ...any) {
	f.all = append(f.all, settingsError("%s:%d: %w", f.path, max(1, line), fmt.Errorf(format, args...)))
}

func (f *findings) unknown(pair yamlPair, known ...string) {
	text := nameOf(pair.key) + " is no key here"
	for _, name := range known {
		if nearest.Distance(strings.ToLower(pair.key), name, 2) <= 2 {
			f.add(pair.line, "%s; the nearest is %s", text, name)
			return
		}
	}
	f.add(pair.line, "%s: there are %s", text, strings.Join(known, " and "))
}

// mapping gives the pairs of a mapping, each key once; nothing is an empty one.
func (f *findings) mapping(n yamlNode, what string) []yamlPair {
	if n.kind == yamlScalar && n.text != "" || n.kind == yamlOther {
		f.add(n.line, "%s must be a mapping of keys to values", what)
	}
	seen := map[string]bool{}
	for _, pair := range n.pairs {
		if seen[pair.key] {
			f.add(pair.line, "%s is here twice: leave one of them out", nameOf(pair.key))
		}
		seen[pair.key] = true
	}
	return n.pairs
}

func (f *findings) scalar(n yamlNode, what string) string {
	if n.kind != yamlScalar {
		f.add(n.line, "%s must be a single value", what)
	}
	return n.text
}

func (f *findings) context(named yamlPair) Context {
	c := Context{Name: named.key}
	if err := CheckContextName(c.Name); err != nil {
		f.add(named.line, "%w", err)
	}
	for _, pair := range f.mapping(named.value, "a context") {
		switch pair.key {
		case "protected":
			text := f.scalar(pair.value, "protected")
			protected, err := strconv.ParseBool(text)
			if err != nil {
				f.add(pair.line, "protected must be true or false")
			}
			c.Protected = protected
		case "properties":
			for _, p := range f.mapping(pair.value, "properties") {
				c.Properties = append(c.Properties, Property{p.key, secret.New(f.scalar(p.value, nameOf(p.key))), p.line})
			}
		default:
			f.unknown(pair, "protected", "properties")
		}
	}
	return c
}

// CheckContextName looks at the name of a context: letters, digits, dots, dashes and
// underscores.
func CheckContextName(name string) error {
	if name == "" || len(name) > 100 || strings.HasPrefix(name, "-") || strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._-", c)
	}) {
		return settingsError("a context's name is 1 to 100 letters, digits, dots, dashes and underscores, and does not begin with a dash")
	}
	return nil
}

// Get gives a context; if there is none of that name, an error with the names that
// there are.
func (c *Config) Get(name string) (Context, error) {
	for _, context := range c.Contexts {
		if context.Name == name {
			return context, nil
		}
	}
	if len(c.Contexts) == 0 {
		return Context{}, settingsError("there is no context %s: %s has none (add one with \"redline context add\")", printable(name, 100), cmp.Or(c.path, "the configuration"))
	}
	return Context{}, settingsError("there is no context %s in %s: there are %s", printable(name, 100), c.path, strings.Join(c.Names(), ", "))
}

// Names are the names of the contexts, in the order of the file.
func (c *Config) Names() []string {
	var names []string
	for _, context := range c.Contexts {
		names = append(names, context.Name)
	}
	return names
}

// Path is the path of the file.
func (c *Config) Path() string { return c.path }

// Use makes a context the current one and writes the file.
func (c *Config) Use(name string) error {
	if _, err := c.Get(name); err != nil {
		return err
	}
	line := "current: " + quoteYAML(name) + "\n"
	lines := splitLines(c.text)
	if c.currentLine > 0 {
		lines[c.currentLine-1] = line + comment(lines[c.currentLine-1])
	} else {
		lines = slices.Insert(lines, c.top(lines), line)
	}
	return c.write(strings.Join(lines, ""), func(next *Config) bool {
		return next.Current == name && sameContexts(c.Contexts, next.Contexts)
	})
}

// top is before the first key; comments stay above.
func (c *Config) top(lines []string) int {
	for i, line := range lines {
		if text := strings.TrimSpace(line); text != "" && text != "---" && !strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "%") {
			return i
		}
	}
	return len(lines)
}

// comment is what a line says beside its value, as a line of its own.
func comment(line string) string {
	if at := strings.Index(line, " #"); at >= 0 {
		return strings.TrimRight(line[at+1:], "\r\n") + "\n"
	}
	return ""
}

// Add puts a context at the end of the file and writes it; a name that is there
// already is an error. Relative paths are completed from the current folder.
func (c *Config) Add(name string, context Context) error {
	context.Name = name
	if err := CheckContextName(name); err != nil {
		return err
	}
	if slices.Contains(c.Names(), name) {
		return settingsError("there is a context %s in %s already: take another name, or take it out of the file", name, c.path)
	}
	for i, p := range context.Properties {
		context.Properties[i].Value = secret.New(absolute(p.Key, p.Value.Reveal(), ""))
	}
	lines := splitLines(c.text)
	at, indent := endOfContexts(lines)
	lines = slices.Insert(lines, at, context.yaml(indent))
	return c.write(strings.Join(lines, ""), func(next *Config) bool {
		return next.Current == c.Current && sameContexts(append(slices.Clone(c.Contexts), context), next.Contexts)
	})
}

// endOfContexts is after the last line of the contexts, with how far they are indented: not at
// all where their key is not there yet. An empty mapping is opened.
func endOfContexts(lines []string) (at int, indent string) {
	key := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "contexts:") })
	if key < 0 {
		return len(lines), ""
	}
	lines[key] = strings.Replace(lines[key], "{}", "", 1)
	at, indent = key+1, "  "
	for i := at; i < len(lines); i++ {
		text := strings.TrimLeft(lines[i], " ")
		blank := strings.TrimSpace(text) == "" || strings.HasPrefix(text, "#")
		if !blank && len(text) == len(lines[i]) {
			break
		}
		if !blank && at == key+1 {
			indent = lines[i][:len(lines[i])-len(text)]
		}
		if !blank {
			at = i + 1
		}
	}
	return at, indent
}

// yaml is the context as it is put into the file; without an indent it brings the key
// of all contexts along.
func (c Context) yaml(indent string) string {
	var b bytes.Buffer
	if indent == "" {
		indent = "  "
		b.WriteString("contexts:\n")
	}
	fmt.Fprintf(&b, "%s%s:\n", indent, quoteYAML(c.Name))
	if c.Protected {
		fmt.Fprintf(&b, "%s  protected: true\n", indent)
	}
	fmt.Fprintf(&b, "%s  properties:\n", indent)
	for _, p := range c.Properties {
		fmt.Fprintf(&b, "%s    %s: %s\n", indent, quoteYAML(p.Key), quoteYAML(p.Value.Reveal()))
	}
	return b.String()
}

func splitLines(text []byte) []string {
	var lines []string
	for line := range strings.Lines(string(text)) {
		lines = append(lines, strings.TrimSuffix(line, "\n")+"\n")
	}
	return lines
}

func sameContexts(a, b []Context) bool {
	return slices.EqualFunc(a, b, func(a, b Context) bool {
		return a.Name == b.Name && a.Protected == b.Protected && slices.EqualFunc(a.Properties, b.Properties, func(a, b Property) bool {
			return a.Key == b.Key && a.Value.Reveal() == b.Value.Reveal()
		})
	})
}

// write replaces the file at once, readable by its owner alone, if what the edit made
// of it is what was meant: a file in another style of YAML is left as it is.
func (c *Config) write(text string, meant func(*Config) bool) error {
	if c.path == "" {
		return settingsError("there is no home folder for a configuration file: name one with REDLINE_CONFIG")
	}
	next, err := parseConfig(c.path, []byte(text))
	if err != nil || !meant(next) {
		return settingsError("redline cannot make this change in %s without spoiling what you wrote: make it in an editor", c.path)
	}
	if err := replaceFile(c.path, []byte(text)); err != nil {
		return fmt.Errorf("cannot write %s: %w", c.path, err)
	}
	*c = *next
	return nil
}

// replaceFile writes beside the file and renames; of a symbolic link, beside what it
// points to.
func replaceFile(path string, text []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, ".config-*.yaml") // made with mode 0600
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

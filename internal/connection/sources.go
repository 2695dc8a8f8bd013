package connection

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"redline/internal/secret"
)

// kind is what a source is; the smaller is the stronger.
type kind int

const (
	fromFlags kind = iota
	fromPairs
	fromFile
	fromEnvironment
	fromContext
	fromFallback
)

// typed says that somebody has just written it on the command line.
func (k kind) typed() bool { return k <= fromPairs }

// written says that it stands in a file that serves others too, where a line more
// than is used is no mistake.
func (k kind) written() bool { return k == fromFile || k == fromContext || k == fromFallback }

// source is what one place says, by canonical key.
type source struct {
	kind     kind
	settings map[string]setting
}

// setting is a value as one source has it. Its references are not expanded before it
// wins.
type setting struct {
	Entry
	row  *row // nil: a client property
	kind kind
	rank int // of its source; the smaller is the stronger
}

func (s setting) value() string { return s.Value.Reveal() }

// decides says whether a setting is one that decides on a form. A switch that is off
// asks for nothing.
func (s setting) decides() bool {
	return s.row != nil && s.row.anchor && !strings.EqualFold(s.value(), "false")
}

// sources reads all inputs, the strongest first.
func (r *resolver) sources(in Inputs) []source {
	all := []source{r.take(fromFlags, in.Flags), r.pairs(in.Pairs)}
	for _, path := range slices.Backward(in.Files) {
		all = append(all, r.file(path))
	}
	all = append(all, r.take(fromEnvironment, in.Environment))
	if !in.NoContext {
		if s, ok := r.contextSource(in, namesBrokers(all)); ok {
			all = append(all, s)
		}
	}
	if !namesBrokers(all) && in.Fallback != nil {
		all = append(all, r.fallback(in.Fallback))
	}
	return all
}

// fallback takes the clusters of the first origin.
func (r *resolver) fallback(find func() ([]Given, error)) source {
	found, err := find()
	if err != nil {
		r.problems = append(r.problems, err)
	}
	var first []Given
	for _, g := range found {
		if g.Origin.Source == found[0].Origin.Source {
			first = append(first, g)
		}
	}
	return r.take(fromFallback, first)
}

func namesBrokers(sources []source) bool {
	return slices.ContainsFunc(sources, func(s source) bool { _, named := s.settings["bootstrap.servers"]; return named })
}

// pairs reads the KEY=VALUE of -X.
func (r *resolver) pairs(pairs []string) source {
	at := Origin{Source: "-X"}
	var given []Given
	for _, pair := range pairs {
		key, value, found := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		if !found || key == "" {
			r.refuse(at, "%s lacks its value: write -X KEY=VALUE (-X list shows the keys)", nameOf(key))
			continue
		}
		given = append(given, Given{key, secret.New(value), at})
	}
	return r.take(fromPairs, given)
}

// maxProperties bounds the keys of a file: clients have some 200.
const maxProperties = 2000

// file reads a Java properties file.
func (r *resolver) file(path string) source {
	at := Origin{Source: path}
	data, err := readSettings(path)
	if err != nil {
		r.refuse(at, "the file of -F cannot be read: %v", err)
		return source{kind: fromFile}
	}
	properties, err := parseProperties(data)
	if err == nil && len(properties) > maxProperties {
		err = fmt.Errorf("it has %d keys, and no client has more than %d", len(properties), maxProperties)
	}
	if err != nil {
		r.refuse(at, "this is no properties file: %v", err)
		return source{kind: fromFile}
	}
	var given []Given
	for _, p := range properties {
		given = append(given, Given{p.key, secret.New(p.value), Origin{Source: path, Line: p.line}})
	}
	return r.take(fromFile, given)
}

// contextSource reads the context that is named, or the current one if nothing
// stronger names brokers.
func (r *resolver) contextSource(in Inputs, named bool) (source, bool) {
	path := cmp.Or(in.ConfigFile, ConfigPath(r.getenv))
	config, err := ReadConfig(path)
	if err != nil {
		r.problems = append(r.problems, err)
		return source{}, false
	}
	name, by := in.Context, cmp.Or(in.ContextFrom, "the context")
	if name == "" {
		name, by = config.Current, fmt.Sprintf("%s:%d: current", path, config.currentLine)
	}
	if name == "" {
		return source{}, false
	}
	context, err := config.Get(name)
	if err != nil {
		r.problems = append(r.problems, settingsError("%s: %w", by, err))
		return source{}, false
	}
	given := contextGiven(config, context)
	if in.Context == "" && named {
		// Its values are shown among those that lost, and not read further.
		for _, g := range given {
			key, _ := canonical(g.Key)
			r.overridden = append(r.overridden, Entry{Key: cmp.Or(key, g.Key), Typed: g.Key, Value: g.Value, Secret: isSecret(g.Key), Connecting: find(g.Key) != nil, Origin: g.Origin})
		}
		return source{}, false
	}
	r.context, r.protected = name, context.Protected
	for _, g := range given {
		if config.shared && isSecret(g.Key) && !g.Value.IsZero() && !strings.Contains(g.Value.Reveal(), "${") {
			r.warn(g.Origin, "%s is written out in a file that others can read: make the file yours alone (chmod 600), or write ${file:PATH} or ${env:NAME}", nameOf(g.Key))
		}
	}
	return r.take(fromContext, given), true
}

// contextGiven are a context's properties, paths taken from the folder of the file.
func contextGiven(config *Config, context Context) []Given {
	var given []Given
	for _, p := range context.Properties {
		value := absolute(p.Key, p.Value.Reveal(), filepath.Dir(config.path))
		given = append(given, Given{p.Key, secret.New(value), Origin{Source: config.path, Line: p.Line, Context: context.Name}})
	}
	return given
}

// absolute completes a relative path from a folder, or from the current one if that
// is "". What is no path stays.
func absolute(key, value, folder string) string {
	row := find(key)
	if row == nil || !row.path || value == "" || value == systemRoots || strings.HasPrefix(value, "${") || filepath.IsAbs(value) {
		return value
	}
	if whole, err := filepath.Abs(filepath.Join(folder, value)); err == nil {
		return whole
	}
	return value
}

// take turns what was given into the settings of one source.
func (r *resolver) take(k kind, given []Given) source {
	s := source{kind: k, settings: map[string]setting{}}
	last := map[string]int{}
	for i, g := range given {
		last[g.Key] = i
	}
	var implied []setting
	for i, g := range given {
		name, known := canonical(g.Key)
		row := find(g.Key)
		entry := Entry{Key: name, Typed: g.Key, Value: g.Value, Secret: isSecret(g.Key), Connecting: row != nil, Origin: g.Origin}
		switch {
		case !known:
			r.unfit(k, g.Origin, "%s", unknown(g.Key))
		case row != nil && row.cannot != "":
			r.unfit(k, g.Origin, "%s %s", nameOf(g.Key), row.cannot)
		case last[g.Key] != i:
			r.overridden = append(r.overridden, entry)
		case name == "sasl.jaas.config":
			implied = append(implied, r.put(s, entry)...)
		default:
			r.add(s, setting{Entry: entry, row: row, kind: k})
		}
	}
	for _, i := range implied {
		if _, said := s.settings[i.Key]; !said {
			s.settings[i.Key] = i
		}
	}
	return s
}

// unfit says that we have no use for a key: an error where it was written for us, a
// warning in a Java file, which was written for others too.
func (r *resolver) unfit(k kind, at Origin, format string, args ...any) {
	if k == fromFile {
		r.warn(at, format, args...)
		return
	}
	r.refuse(at, format, args...)
}

// add puts a setting into its source, where two spellings of one key must agree.
func (r *resolver) add(s source, new setting) {
	old, twice := s.settings[new.Key]
	if twice && old.value() != new.value() {
		r.refuse(new.Origin, "%s and %s (%s) are two spellings of one property with two values: leave one of them out", new.Typed, old.Typed, old.Origin)
		return
	}
	s.settings[new.Key] = new
}

// put takes a login module apart: each of its options becomes a setting of its own.
// What the module merely implies is returned.
func (r *resolver) put(s source, e Entry) (implied []setting) {
	value := e.Value.Reveal()
	if strings.HasPrefix(value, "${") {
		expanded, err := r.expand(value)
		if err != nil {
			r.refuse(e.Origin, "%s: %v", e.Typed, err)
			return nil
		}
		value = expanded
	}
	parsed, err := parseJAAS(value)
	if err != nil {
		r.refuse(e.Origin, "%s: %v", e.Typed, err)
		return nil
	}
	m, err := parsed.explain()
	if err != nil {
		r.refuse(e.Origin, "%s: %v", e.Typed, err)
		return nil
	}
	for _, name := range m.ignored {
		r.warn(e.Origin, "%s: the option %s has no effect in redline", e.Typed, nameOf(strings.ToLower(name)))
	}
	for _, p := range m.properties {
		row := find(p.key)
		one := setting{Entry: Entry{Key: p.key, Typed: e.Typed, Value: secret.New(p.value), Secret: row.Secret, Connecting: true, Origin: e.Origin}, row: row, kind: s.kind}
		if p.key == "sasl.mechanism" {
			implied = append(implied, one)
			continue
		}
		r.add(s, one)
	}
	if m.unsecured {
		e.Value = secret.New(value)
		r.add(s, setting{Entry: e, row: find(e.Key), kind: s.kind})
	}
	return implied
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

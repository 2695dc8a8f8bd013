package connection

import (
	"errors"
	"path/filepath"
	"strings"

	"redline/internal/secret"
)

// NewContext gathers what flags, -X and files say into a context that has no name yet,
// each value as it was written: what a stronger one overrides is left out, and a
// reference stays one. A secret that is written out in a file becomes a reference to
// its line there; one that was typed is refused, since it would be written out again.
// What does not make a connection is refused as Resolve does, but for a missing
// password, which may be asked for when the context is used.
func NewContext(in Inputs) (Context, error) {
	c, err := Resolve(in)
	if errors.Is(err, ErrNoPassword) {
		asked := in
		asked.Flags = append(asked.Flags[:len(asked.Flags):len(asked.Flags)], Given{"sasl.password", secret.New("asked for"), Origin{Source: "the prompt"}})
		c, err = Resolve(asked)
	}
	if err != nil {
		return Context{}, err
	}
	written, err := asWritten(in)
	if err != nil {
		return Context{}, err
	}
	var made Context
	done := map[spelling]bool{}
	for _, e := range c.Entries {
		at := spelling{e.Typed, e.Origin}
		value, found := written[at]
		if !found || done[at] {
			continue // it follows from another one
		}
		done[at] = true
		if isSecret(e.Typed) && !strings.HasPrefix(value, "${") {
			if e.Origin.Line == 0 {
				return Context{}, settingsError("%s: %s would be written out into the configuration file: put it into a file, and give ${file:PATH} or --sasl-password-file", e.Origin, nameOf(e.Typed))
			}
			path, err := filepath.Abs(e.Origin.Source)
			if err != nil {
				return Context{}, settingsError("%s: its folder cannot be found: %w", e.Origin, err)
			}
			value = "${file:" + path + ":" + e.Typed + "}"
		}
		made.Properties = append(made.Properties, Property{Key: e.Typed, Value: secret.New(value)})
	}
	return made, nil
}

// spelling is a key as it was typed at one place.
type spelling struct {
	typed string
	at    Origin
}

// asWritten are the values of flags, -X and files before anything is expanded.
func asWritten(in Inputs) (map[spelling]string, error) {
	all := map[spelling]string{}
	for _, g := range in.Flags {
		all[spelling{g.Key, g.Origin}] = g.Value.Reveal()
	}
	for _, pair := range in.Pairs {
		key, value, _ := strings.Cut(pair, "=")
		all[spelling{strings.TrimSpace(key), Origin{Source: "-X"}}] = value
	}
	for _, path := range in.Files {
		data, err := readSettings(path)
		if err != nil {
			return nil, settingsError("the file of -F cannot be read: %w", err)
		}
		properties, err := parseProperties(data)
		if err != nil {
			return nil, settingsError("%s is no properties file: %w", path, err)
		}
		for _, p := range properties {
			all[spelling{p.key, Origin{Source: path, Line: p.line}}] = p.value
		}
	}
	return all, nil
}

// Canonical is the canonical spelling of a key; the key itself if it is not known.
func Canonical(key string) string {
	if name, known := canonical(key); known {
		return name
	}
	return key
}

// Shown is the value on one line: **** for a secret that is written out; a reference to
// one is shown.
func (p Property) Shown() string {
	value := p.Value.Reveal()
	if isSecret(p.Key) && (!strings.HasPrefix(value, "${") || !strings.HasSuffix(value, "}")) {
		return p.Value.String()
	}
	return printable(value, maxShown)
}

// Package payload makes the bytes of records: a Config of size, kind, keys and
// seed enters; values with a stamp, keys and partitions leave, one at a time,
// from as many Generators as there are producers.
//
// Nothing is computed per byte while a run lasts: bodies are windows of a pool
// filled beforehand, with their CRCs known, so that the generator costs a few
// nanoseconds a record and is never what limits a run.
package payload

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"redline/internal/audit"
)

// Kind says what bodies are made of.
type Kind string

const (
	// Random bytes do not compress.
	Random Kind = "random"
	// Text is words of an English-like frequency; batches of 16 KB compress to
	// about half with zstd and three quarters with lz4, of 1 MB to a third and to
	// half.
	Text Kind = "text"
	// Zeros compress to almost nothing.
	Zeros Kind = "zeros"
	// JSON is one JSON value a body, behind the stamp if there is one: an object of
	// a few fields, or a number in bodies too short for it.
	JSON Kind = "json"
)

// KeyKind says which keys records carry.
type KeyKind string

const (
	// NoKeys gives records no key, and partitions take turns.
	NoKeys KeyKind = "none"
	// Sequential goes through the range of keys, again and again.
	Sequential KeyKind = "sequential"
	// Uniform draws every key of the range equally often.
	Uniform KeyKind = "uniform"
	// Zipf draws key number k (from 1) with a weight of k^-0.99, as YCSB does:
	// of 10,000 keys the first is every tenth record.
	Zipf KeyKind = "zipf"
)

const (
	// MaxSize is the longest value, in bytes.
	MaxSize = 1 << 30
	// MaxFile is the longest payload file, in bytes.
	MaxFile = 64 << 20
	// MaxKeys is the widest range of keys: keys are made beforehand, and take 20
	// bytes of memory each.
	MaxKeys = 1 << 22
	// DefaultKeys is the range of keys when none is given.
	DefaultKeys = 10_000
)

// Config says what records to make.
type Config struct {
	// Size is the length of a value in bytes, 0 to MaxSize. Values shorter than
	// audit.StampSize carry no stamp.
	Size int
	// Kind of the bodies; empty means Random.
	Kind Kind
	// File, if not empty, is a file of UTF-8 text whose lines are the values, as
	// they are and in random order; Size and Kind mean nothing then. Empty lines
	// are left out, and so are line ends. Such values carry no stamp: they are
	// accounted by offset.
	File string
	// Keys, empty means NoKeys, from a range of KeyRange different ones, 0 means
	// DefaultKeys.
	Keys     KeyKind
	KeyRange uint64
	// Partitions of the topic, at least 1.
	Partitions int32
	// Run, Acks and Idempotent go into the stamps.
	Run        uint32
	Acks       audit.Acks
	Idempotent bool
	// Seed makes bodies and keys the same again.
	Seed uint64
}

// Source is what the Generators of a run share. It does not change.
type Source struct {
	config Config
	bodies pool
	lines  [][]byte
	keys   keys
}

// New checks the configuration, reads the file if there is one, and makes bodies
// and keys.
func New(c Config) (*Source, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := &Source{config: c}
	if c.File != "" {
		lines, err := readLines(c.File)
		if err != nil {
			return nil, err
		}
		s.lines = lines
	} else {
		s.bodies = newPool(c.Kind, c.bodySize(), c.Seed)
	}
	if c.Keys != NoKeys {
		s.keys = newKeys(c.Keys, int(c.KeyRange), c.Partitions)
	}
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.Kind == "" {
		c.Kind = Random
	}
	if c.Keys == "" {
		c.Keys = NoKeys
	}
	if c.KeyRange == 0 {
		c.KeyRange = DefaultKeys
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Size < 0 || c.Size > MaxSize:
		return fmt.Errorf("cannot make records of %d bytes: the size must be 0 to %d", c.Size, MaxSize)
	case c.Kind != Random && c.Kind != Text && c.Kind != Zeros && c.Kind != JSON:
		return fmt.Errorf("unknown payload %q: use random, text, json or zeros", c.Kind)
	case c.Keys != NoKeys && c.Keys != Sequential && c.Keys != Uniform && c.Keys != Zipf:
		return fmt.Errorf("unknown keys %q: use none, sequential, uniform or zipf", c.Keys)
	case c.KeyRange > MaxKeys:
		return fmt.Errorf("cannot make %d different keys: the range must be 1 to %d", c.KeyRange, MaxKeys)
	case c.Partitions < 1:
		return fmt.Errorf("cannot produce to %d partitions: the topic must have at least 1", c.Partitions)
	}
	return nil
}

func (c Config) stamped() bool { return c.File == "" && c.Size >= audit.StampSize }

func (c Config) bodySize() int {
	if c.stamped() {
		return c.Size - audit.StampSize
	}
	return c.Size
}

// Stamped says whether the values carry a stamp. If not, say so to the ledger
// that reads them (audit.Ledger.Unstamped).
func (s *Source) Stamped() bool { return s.config.stamped() }

// Size is the length of the longest value, in bytes.
func (s *Source) Size() int {
	if s.lines == nil {
		return s.config.Size
	}
	longest := 0
	for _, line := range s.lines {
		longest = max(longest, len(line))
	}
	return longest
}

// readLines reads a payload file.
func readLines(path string) ([][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the payload file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read the payload file: %w", err)
	case len(data) > MaxFile:
		return nil, fmt.Errorf("the payload file %s is longer than %d MiB: give a shorter one, its lines are used again and again", path, MaxFile>>20)
	case !utf8.Valid(data):
		return nil, fmt.Errorf("the payload file %s is not UTF-8 text: give a file of text, one record a line", path)
	}
	lines := splitLines(data)
	if len(lines) == 0 {
		return nil, fmt.Errorf("the payload file %s is empty: give a file of text, one record a line", path)
	}
	return lines, nil
}

func splitLines(data []byte) [][]byte {
	var lines [][]byte
	for line := range bytes.Lines(data) {
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) > 0 {
			lines = append(lines, line[:len(line):len(line)])
		}
	}
	return lines
}

package client

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
)

// Side says which kind of client a property belongs to.
type Side int

const (
	// Consuming are consumers, whether they are in a group or not.
	Consuming Side = 1 << iota
	// Producing are producers.
	Producing
	// Grouping are consumers that are members of a group.
	Grouping
	// Both are consumers and producers.
	Both = Consuming | Producing
)

// String names those who have a property of this side.
func (s Side) String() string {
	switch s {
	case Consuming:
		return "consumers"
	case Producing:
		return "producers"
	case Grouping:
		return "members of a consumer group"
	}
	return "every client"
}

// Table is what a library honours, in the order in which it is set. D is the library's
// draft: what gathers the values before its configuration is made of them.
type Table[D any] struct {
	// Library is its name, for errors.
	Library string
	Rows    []Property[D]
}

// Property is one row of a table: how a Kafka property reaches the library.
type Property[D any] struct {
	// Name is Java's spelling where Java has the property; the settings in force are
	// printed under it, so that they can be typed again.
	Name string
	// Aliases are other spellings, librdkafka's mostly.
	Aliases []string
	Side    Side
	// Want describes good values, for the error about a bad one.
	Want string
	// Set reads the value into the draft; false means it is not as wanted.
	Set func(d *D, value string) bool
	// Show gives the value in force; false where it means nothing.
	Show func(d *D) (string, bool)
}

// Apply sets what a profile and, over it, the user's properties say to this kind of
// client. A property of the profile that it has not is left out. What the user asked
// comes back by name.
func (t Table[D]) Apply(d *D, side Side, profile []Preset, user map[string]string) (asked map[string]string, err error) {
	chosen, typed := make(map[string]string), make(map[string]string)
	for _, p := range profile {
		row, err := t.find(p.Key, side)
		if err != nil {
			return nil, err
		}
		if row.Side&side != 0 {
			chosen[row.Name] = p.Value
		}
	}
	asked = make(map[string]string)
	for _, key := range slices.Sorted(maps.Keys(user)) {
		row, err := t.find(key, side)
		if err != nil {
			return nil, err
		}
		if row.Side&side == 0 {
			return nil, InapplicableProperty(t.Library, key, row.Side.String())
		}
		if other, twice := typed[row.Name]; twice {
			return nil, fmt.Errorf("%s and %s are two spellings of one property; give one of them", other, key)
		}
		typed[row.Name], asked[row.Name], chosen[row.Name] = key, user[key], user[key]
	}
	for _, row := range t.Rows {
		if value, ok := chosen[row.Name]; ok && !row.Set(d, value) {
			return nil, BadProperty(t.Library, cmp.Or(typed[row.Name], row.Name), value, row.Want)
		}
	}
	return asked, nil
}

// find looks a key up in any spelling; side is who may have meant another.
func (t Table[D]) find(key string, side Side) (Property[D], error) {
	if err := CheckReserved(key); err != nil {
		return Property[D]{}, err
	}
	var near []string
	for _, row := range t.Rows {
		if row.Name == key || slices.Contains(row.Aliases, key) {
			return row, nil
		}
		if row.Side&side != 0 {
			near = append(append(near, row.Name), row.Aliases...)
		}
	}
	slices.Sort(near)
	return Property[D]{}, UnknownProperty(t.Library, key, near)
}

// Settings are what is in force in this kind of client, by name.
func (t Table[D]) Settings(d *D, side Side) map[string]string {
	inForce := make(map[string]string)
	for _, row := range t.Rows {
		if row.Side&side == 0 {
			continue
		}
		if value, ok := row.Show(d); ok {
			inForce[row.Name] = value
		}
	}
	return inForce
}

// Unless shows a property only where its value is not the one that means nothing.
func (p Property[D]) Unless(nothing string) Property[D] {
	show := p.Show
	p.Show = func(d *D) (string, bool) {
		value, ok := show(d)
		return value, ok && value != nothing
	}
	return p
}

// Number is the property that is a whole number from low to high, in a field of the
// draft.
func Number[D any, T int | int32](name string, side Side, low, high int, want string, field func(*D) *T, aliases ...string) Property[D] {
	return Property[D]{
		Name: name, Aliases: aliases, Side: side, Want: want,
		Set:  Whole(low, high, func(d *D, n int) { *field(d) = T(n) }),
		Show: func(d *D) (string, bool) { return strconv.Itoa(int(*field(d))), true },
	}
}

// Whole is the Set of a whole number from low to high.
func Whole[D any](low, high int, set func(*D, int)) func(*D, string) bool {
	return func(d *D, value string) bool {
		n, err := strconv.Atoi(value)
		if err != nil || n < low || n > high {
			return false
		}
		set(d, n)
		return true
	}
}

// Span is the property that is a time from low to high milliseconds, in a field of the
// draft; a high of math.MaxInt32 is no bound that anybody has to know.
func Span[D any](name string, side Side, low, high float64, field func(*D) *time.Duration, aliases ...string) Property[D] {
	return Property[D]{
		Name: name, Aliases: aliases, Side: side, Want: WantMillis(low, high),
		Set:  Millis(low, high, func(d *D, t time.Duration) { *field(d) = t }),
		Show: func(d *D) (string, bool) { return InMillis(*field(d)), true },
	}
}

// Millis is the Set of a time from low to high milliseconds. It takes fractions too,
// since librdkafka does for linger.
func Millis[D any](low, high float64, set func(*D, time.Duration)) func(*D, string) bool {
	return func(d *D, value string) bool {
		ms, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(ms) || ms < low || ms > high {
			return false
		}
		set(d, time.Duration(ms*float64(time.Millisecond)))
		return true
	}
}

// WantMillis is the Want of such a time.
func WantMillis(low, high float64) string {
	if high == math.MaxInt32 {
		return fmt.Sprintf("milliseconds from %v up", low)
	}
	return fmt.Sprintf("milliseconds from %v to %v", low, int64(high))
}

// InMillis shows such a time.
func InMillis(t time.Duration) string {
	return strconv.FormatFloat(float64(t)/float64(time.Millisecond), 'f', -1, 64)
}

// Flag is the property that is true or false, in a field of the draft.
func Flag[D any](name string, side Side, field func(*D) *bool, aliases ...string) Property[D] {
	return Property[D]{
		Name: name, Aliases: aliases, Side: side, Want: WantFlag,
		Set:  Boolean(func(d *D, on bool) { *field(d) = on }),
		Show: func(d *D) (string, bool) { return strconv.FormatBool(*field(d)), true },
	}
}

// WantFlag is the Want of what is true or false.
const WantFlag = "true or false"

// Boolean is the Set of what is true or false.
func Boolean[D any](set func(*D, bool)) func(*D, string) bool {
	return func(d *D, value string) bool {
		if value != "true" && value != "false" {
			return false
		}
		set(d, value == "true")
		return true
	}
}

// Fixed shows a value that the library always has.
func Fixed[D any](value string) func(*D) (string, bool) {
	return func(*D) (string, bool) { return value, true }
}

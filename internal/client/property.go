package client

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
)

// Preset is one property of a profile, with why it is there.
type Preset struct {
	Key, Value string
	// Reason says what the value buys, and where that was measured or read.
	Reason string
}

// reserved are the properties that the workload itself decides; setting them a
// second time would contradict it.
var reserved = map[string]string{
	"bootstrap.servers":    "the brokers of the command (-b)",
	"metadata.broker.list": "the brokers of the command (-b)",
	"group.id":             "the group of the command (--group)",
	"auto.offset.reset":    "the start of the command (--auto-offset-reset)",
}

// ErrProperty is wrapped by every error about a property that was typed: an
// unknown key, a value that cannot be taken.
var ErrProperty = errors.New("property")

// propertyError says what is wrong with a property.
type propertyError string

func (e propertyError) Error() string { return string(e) }
func (e propertyError) Unwrap() error { return ErrProperty }

func propertyf(format string, args ...any) error {
	return propertyError(fmt.Sprintf(format, args...))
}

// CheckReserved refuses a property that the workload sets itself.
func CheckReserved(key string) error {
	if by, ok := reserved[key]; ok {
		return propertyf("property %q is set by %s; leave it out of the properties", key, by)
	}
	return nil
}

// UnknownProperty is the error for a key that the library cannot honour; known
// are the keys that it can.
func UnknownProperty(library, key string, known []string) error {
	nearest := Nearest(key, known)
	if nearest == "" {
		return propertyf("%s has no property %q, and none with a similar name; leave it out, or try another client", library, key)
	}
	return propertyf("%s has no property %q; the nearest that it has is %q", library, key, nearest)
}

// BadProperty is the error for a value that the library cannot honour; want
// says what would be right, such as "a whole number of bytes of at least 1".
func BadProperty(library, key, value, want string) error {
	return propertyf("%s cannot take %s=%q: it wants %s", library, key, value, want)
}

// Nearest is the name in known with the least edit distance to key, the first
// of several; empty when none shares half of its letters.
func Nearest(key string, known []string) string {
	best, bestDistance := "", len(key)/2+1
	for _, name := range known {
		if d := editDistance(strings.ToLower(key), name); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// editDistance is the least number of bytes inserted, deleted or replaced that
// makes b of a (Levenshtein), with one row of the table in memory.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// BuiltVersion is the version of a module as it was linked into this binary, or
// "unknown version" where the build did not record it.
func BuiltVersion(module string) string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, dep := range info.Deps {
			if dep.Path == module {
				return dep.Version
			}
		}
	}
	return "unknown version"
}

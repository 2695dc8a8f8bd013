package client

import (
	"errors"
	"fmt"
	"runtime/debug"

	"redline/internal/nearest"
)

// Preset is one property of a profile, with why it is there.
type Preset struct {
	Key, Value string
	// Reason says what the value buys, and where that was measured or read.
	Reason string
}

// Presets are the properties that a profile sets, where those of Tuned are tuned; Tuned
// is the default.
func Presets(p Profile, tuned []Preset) ([]Preset, error) {
	switch p {
	case Tuned, "":
		return tuned, nil
	case Defaults:
		return nil, nil
	}
	return nil, fmt.Errorf("there is no profile %q; take %q or %q", p, Tuned, Defaults)
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

// ErrUnknownProperty is wrapped, beside ErrProperty, by an error about a key that
// the library does not have, or not for this kind of client; so that a caller
// can tell it from a bad value.
var ErrUnknownProperty = errors.New("unknown property")

// ErrCannot is wrapped by an error about work that a client cannot do at all,
// whatever its properties: another client has to be taken for it.
var ErrCannot = errors.New("cannot be done by this client")

// Cannot is the error for such work; what completes "cannot", instead says how to go on.
func Cannot(library, what, instead string) error {
	return &propertyError{fmt.Sprintf("%s cannot %s; %s", library, what, instead), []error{ErrCannot}}
}

// propertyError says what is wrong with a property; it wraps kinds.
type propertyError struct {
	text  string
	kinds []error
}

func (e *propertyError) Error() string   { return e.text }
func (e *propertyError) Unwrap() []error { return e.kinds }

func propertyf(format string, args ...any) error {
	return &propertyError{fmt.Sprintf(format, args...), []error{ErrProperty}}
}

func unknownf(format string, args ...any) error {
	return &propertyError{fmt.Sprintf(format, args...), []error{ErrProperty, ErrUnknownProperty}}
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
	near := nearest.Name(key, known)
	if near == "" {
		return unknownf("%s has no property %q, and none with a similar name; leave it out, or try another client", library, key)
	}
	return unknownf("%s has no property %q; the nearest that it has is %q", library, key, near)
}

// InapplicableProperty is the error for a key that the library has, but only for
// owners ("consumers", "producers").
func InapplicableProperty(library, key, owners string) error {
	return unknownf("%s cannot use %q here: it is a property of %s", library, key, owners)
}

// Unsupported is the error for something about the connection that the library
// cannot do at all; what completes "cannot", instead says how to go on.
func Unsupported(library, what, instead string) error {
	return propertyf("%s cannot %s; %s", library, what, instead)
}

// BadProperty is the error for a value that the library cannot honour; want
// says what would be right, such as "a whole number of bytes of at least 1".
func BadProperty(library, key, value, want string) error {
	return propertyf("%s cannot take %s=%q: it wants %s", library, key, value, want)
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

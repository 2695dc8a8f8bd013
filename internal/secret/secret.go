// Package secret holds what must never be printed: passwords, tokens, private keys.
//
// A text enters; it leaves only by Reveal. Everything that prints, such as fmt,
// encoding/json, a log or a panic, gets the mask.
package secret

import "fmt"

// Mask stands wherever a secret would have been printed.
const Mask = "****"

// Text is a secret text. Its zero value is none. The text sits behind a function,
// since fmt reaches into unexported fields of a struct without asking its methods.
type Text struct{ reveal func() string }

// New makes a secret of s; of "" it makes none.
func New(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{func() string { return s }}
}

// Reveal is the secret itself, for the one place that needs it; "" if there is none.
func (t Text) Reveal() string {
	if t.reveal == nil {
		return ""
	}
	return t.reveal()
}

// IsZero says whether there is no secret.
func (t Text) IsZero() bool { return t.reveal == nil }

// String is the mask, or "" if there is no secret.
func (t Text) String() string {
	if t.IsZero() {
		return ""
	}
	return Mask
}

// Format prints String for every verb.
func (t Text) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// MarshalText gives String, also to encoding/json and to YAML.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

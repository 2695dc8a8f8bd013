//go:build cgo

package libraries

import (
	"redline/internal/client"
	"redline/internal/client/confluent"
)

func withC() []client.Library { return []client.Library{confluent.Library} }

// Missing are the libraries left out of this binary, with the reason and what
// to do about it.
func Missing() map[string]string { return map[string]string{} }

//go:build !cgo

package libraries

import "redline/internal/client"

func withC() []client.Library { return nil }

// Missing are the libraries left out of this binary, with the reason and what
// to do about it.
func Missing() map[string]string {
	return map[string]string{
		"confluent": "no C compiler was found when redline was built; install one (such as the package gcc) and build with CGO_ENABLED=1 go build .",
	}
}

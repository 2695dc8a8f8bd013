// Package libraries knows every client library that this binary has.
//
// A name enters ("franz", "confluent", "none"); its library leaves, or a
// sentence about why it is not there.
package libraries

import (
	"fmt"
	"sort"
	"strings"

	"redline/internal/client"
	"redline/internal/client/direct"
	"redline/internal/client/franz"
	"redline/internal/client/java"
	"redline/internal/client/null"
	"redline/internal/client/sarama"
	"redline/internal/client/segmentio"
)

// always are the libraries that need Go alone; withC adds the others.
var always = []client.Library{direct.Library, franz.Library, sarama.Library, segmentio.Library, null.Library}

// External gives the client of that name that works in a process of its own.
func External(name string) (client.External, bool) {
	for _, external := range []client.External{java.Tools, java.Share} {
		if external.Name() == name {
			return external, true
		}
	}
	return nil, false
}

// all is every library of this binary by name.
func all() map[string]client.Library {
	byName := make(map[string]client.Library)
	for _, library := range append(withC(), always...) {
		byName[library.Name()] = library
	}
	return byName
}

// Open gives the library of that name. The error for one that is left out of
// this binary says how to build it in, that for an unknown one lists the names.
func Open(name string) (client.Library, error) {
	if library, ok := all()[name]; ok {
		return library, nil
	}
	if why, left := Missing()[name]; left {
		return nil, client.Cannot("this redline", fmt.Sprintf("work with the client %q", name), why)
	}
	return nil, fmt.Errorf("there is no client %q; take one of %s", name, strings.Join(Names(), ", "))
}

// Names are the libraries of this binary, sorted.
func Names() []string {
	var names []string
	for name := range all() {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

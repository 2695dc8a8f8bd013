package connection

import (
	_ "embed"
	"fmt"
	"strings"

	"redline/internal/nearest"
)

//go:embed known.txt
var knownText string

// clientKeys gives the canonical name of every client property that Java or
// librdkafka has, by spelling.
var clientKeys = func() map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(knownText) {
		line, _, _ = strings.Cut(line, "#")
		names := strings.Fields(line)
		for _, name := range names {
			all[name] = names[0]
		}
	}
	return all
}()

// clientPrefixes begin keys that Java's clients pass on to classes of the user's.
var clientPrefixes = []string{"config.providers.", "metrics.context."}

// canonical gives the canonical spelling of a key; ok is false if nobody has it.
func canonical(key string) (name string, ok bool) {
	if r := find(key); r != nil {
		return r.Name, true
	}
	for _, prefix := range clientPrefixes {
		if strings.HasPrefix(key, prefix) {
			return key, true
		}
	}
	name, ok = clientKeys[key]
	return name, ok
}

// nameOf is how an error names a key. One that looks like no property may be a
// secret on the wrong line, such as a piece of a private key: it is not shown.
func nameOf(key string) string {
	plain := key != "" && len(key) <= 60 && strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
	if plain {
		return key
	}
	return "(a key that is not shown, since it looks like none)"
}

// unknown is the sentence about a key that nobody has.
func unknown(key string) string {
	text := nameOf(key) + " is no property of redline, Java or librdkafka"
	if near := nearestKey(key); near != "" {
		return text + fmt.Sprintf("; the nearest is %s", near)
	}
	return text
}

// nearestKey is the known key with the least edit distance to key; empty if none is
// near. Our own and the clients' keys of one distance go by the alphabet.
func nearestKey(key string) string {
	key = strings.ToLower(key)
	if len(key) > 60 {
		return ""
	}
	best, bestDistance := "", max(1, len(key)/4)+1
	consider := func(name string) {
		d := nearest.Distance(key, name, bestDistance)
		if d < bestDistance || d == bestDistance && best != "" && name < best {
			best, bestDistance = name, d
		}
	}
	for name := range bySpelling {
		consider(name)
	}
	for name := range clientKeys {
		consider(name)
	}
	return best
}

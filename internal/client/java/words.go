package java

import (
	"regexp"
	"strings"
	"unicode"
)

const (
	// mostWords are the lines that are kept of what a tool prints beside its reports, and
	// longestWord the length of each in bytes.
	mostWords, longestWord = 32, 400
	// longestLine bounds a line that is read at all. The rest of a longer one is lost.
	longestLine = 8 << 10
)

// words keeps the last of what a tool prints beside its reports, and what it says of why
// it ends.
type words struct {
	last []string
	// exception is the message of the first stack trace, cause that of what it was caused
	// by, as far down as it goes.
	exception, cause string
	tracing          bool // the first stack trace is not over
	// exceptions are the stack traces that have begun.
	exceptions int64
}

// throwable begins a stack trace: a class, and what it says.
var throwable = regexp.MustCompile(`^(Exception in thread "[^"]*" |Caused by: )?(?:[\w$]+\.)+([\w$]+(?:Exception|Error))(?:: (.*))?$`)

func (w *words) add(line string) {
	line = plain(line)
	if line == "" {
		return
	}
	w.trace(line)
	if len(w.last) == mostWords {
		w.last = append(w.last[:0], w.last[1:]...)
	}
	w.last = append(w.last, line)
}

// trace looks whether the line belongs to a stack trace.
func (w *words) trace(line string) {
	m := throwable.FindStringSubmatch(line)
	switch {
	case m == nil:
		return
	case m[1] == "Caused by: ":
		if w.tracing {
			w.cause = message(m)
		}
		return
	}
	w.exceptions++
	w.tracing = w.exceptions == 1
	if w.tracing {
		w.exception = message(m)
	}
}

// message is what an exception says, or its name where it says nothing.
func message(m []string) string {
	if m[3] == "" {
		return m[2]
	}
	return m[3]
}

// why is the end of a sentence: ": " and what the tool said last of its end, or nothing.
func (w *words) why() string {
	said := w.exception
	if w.cause != "" && !strings.Contains(said, w.cause) {
		said += ": " + w.cause
	}
	if said == "" && len(w.last) > 0 {
		said = w.last[len(w.last)-1]
	}
	if said == "" {
		return ""
	}
	return ": " + strings.TrimSuffix(cut(said, longestWord), ".")
}

// plain is a line as a terminal may be given it.
func plain(line string) string {
	line = strings.Map(func(c rune) rune {
		if c == '\t' || unicode.IsPrint(c) {
			return c
		}
		return -1
	}, strings.ToValidUTF8(line, ""))
	return strings.TrimRight(cut(line, longestWord), " \t")
}

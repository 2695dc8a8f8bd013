package plan

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"redline/internal/term"
	"redline/result"
)

// form is what a value looks like: how it is read, and how that is said to people
// and to editors.
type form[T any] struct {
	// want describes good values, for the error about a bad one.
	want string
	// schema is the same as a JSON Schema.
	schema schema
	// read gives the value of a text; false means it is not as wanted.
	read func(text string) (T, bool)
}

// schema is a JSON Schema, or a part of one.
type schema map[string]any

var wholeForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)

// whole is a whole number from least to most, without signs and separators.
func whole(least, most int) form[int] {
	return form[int]{
		want:   fmt.Sprintf("a whole number from %s to %s", term.Count(int64(least)), term.Count(int64(most))),
		schema: schema{"type": "integer", "minimum": least, "maximum": most},
		read: func(text string) (int, bool) {
			n, err := strconv.Atoi(text)
			return n, wholeForm.MatchString(text) && err == nil && n >= least && n <= most
		},
	}
}

// own is the word for what a client chooses by itself.
const own = result.Own

// ownOr is a whole number, or left to the client.
func ownOr(least, most int) form[string] {
	n := whole(least, most)
	return form[string]{
		want:   own + ", or " + n.want,
		schema: schema{"anyOf": []any{schema{"enum": []string{own}}, n.schema}},
		read: func(text string) (string, bool) {
			_, ok := n.read(text)
			return text, ok || text == own
		},
	}
}

// number is a positive number, in decimal.
func number() form[float64] {
	return form[float64]{
		want:   "a number above 0",
		schema: schema{"type": "number", "exclusiveMinimum": 0},
		read: func(text string) (float64, bool) {
			n, err := strconv.ParseFloat(text, 64)
			return n, err == nil && n > 0 && !math.IsInf(n, 0)
		},
	}
}

const sizePattern = `^([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(B|KiB|MiB|GiB)?$`

var sizeForm = regexp.MustCompile(sizePattern)

// size is a number of bytes from least to most: 100, 4KiB, 1.5 MiB.
func size(least, most int64) form[int64] {
	return form[int64]{
		want: fmt.Sprintf("a size from %s to %s, such as 100, 64KiB or 1MiB", term.Bytes(least), exactly(most)),
		schema: schema{"anyOf": []any{
			schema{"type": "integer", "minimum": least, "maximum": most},
			schema{"type": "string", "pattern": sizePattern},
		}},
		read: func(text string) (int64, bool) {
			parts := sizeForm.FindStringSubmatch(text)
			if parts == nil {
				return 0, false
			}
			n, err := strconv.ParseFloat(parts[1], 64)
			n *= map[string]float64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[parts[2]]
			return int64(n), err == nil && n == math.Trunc(n) && n >= float64(least) && n <= float64(most)
		},
	}
}

// exactly writes a size in a unit only when nothing is lost by it.
func exactly(n int64) string {
	if n%(1<<10) == 0 {
		return term.Bytes(n)
	}
	return term.Count(n) + " B"
}

const spanPattern = `^([0-9]+(\.[0-9]+)? ?(ns|us|µs|ms|s|m|h))+$`

var spanPatternForm = regexp.MustCompile(spanPattern)

// span is a time from least to most: 500ms, 2 s, 1m30s.
func span(least, most time.Duration) form[time.Duration] {
	return form[time.Duration]{
		want:   fmt.Sprintf("a time from %s to %s, such as 500ms, 2s or 5m", short(least), short(most)),
		schema: schema{"type": "string", "pattern": spanPattern},
		read: func(text string) (time.Duration, bool) {
			d, err := time.ParseDuration(strings.ReplaceAll(text, " ", ""))
			return d, spanPatternForm.MatchString(text) && err == nil && d >= least && d <= most
		},
	}
}

// millis is a time as Kafka's properties have it: whole milliseconds, or a time
// that is as many.
func millis(most time.Duration) form[int64] {
	times, numbers := span(0, most), whole(0, int(most.Milliseconds()))
	return form[int64]{
		want:   fmt.Sprintf("milliseconds from 0 to %s, or such a time, as in 5ms", term.Count(most.Milliseconds())),
		schema: schema{"anyOf": []any{numbers.schema, times.schema}},
		read: func(text string) (int64, bool) {
			if n, ok := numbers.read(text); ok {
				return int64(n), true
			}
			d, ok := times.read(text)
			return d.Milliseconds(), ok && d%time.Millisecond == 0
		},
	}
}

const sharePattern = `^[0-9]+(\.[0-9]+)? ?%$`

var shareForm = regexp.MustCompile(sharePattern)

// share is a percentage from least to most, given as a share of 1: 3% is 0.03.
func share(least, most float64) form[float64] {
	return form[float64]{
		want:   fmt.Sprintf("a percentage from %g%% to %g%%, such as 3%%", least, most),
		schema: schema{"type": "string", "pattern": sharePattern},
		read: func(text string) (float64, bool) {
			n, err := strconv.ParseFloat(strings.TrimRight(text, " %"), 64)
			return n / 100, shareForm.MatchString(text) && err == nil && n >= least && n <= most
		},
	}
}

// oneOf is a word out of a few.
func oneOf(words ...string) form[string] {
	return form[string]{
		want:   list(words, "or"),
		schema: schema{"enum": spelled(words)},
		read:   func(text string) (string, bool) { return text, slices.Contains(words, text) },
	}
}

// spelled are words as YAML may read them: 1 is a number there.
func spelled(words []string) []any {
	var all []any
	for _, word := range words {
		all = append(all, word)
		if n, err := strconv.Atoi(word); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// words is text of at most so many characters, on one line.
func words(most int) form[string] {
	return form[string]{
		want:   fmt.Sprintf("a text of 1 to %d characters", most),
		schema: schema{"type": "string", "minLength": 1, "maxLength": most},
		read: func(text string) (string, bool) {
			text = strings.Join(strings.Fields(text), " ")
			return text, text != "" && utf8.RuneCountInString(text) <= most
		},
	}
}

// anyText is the value of a property, whose client or broker knows what it may be.
func anyText() form[string] {
	const most = 4096
	return form[string]{
		want:   fmt.Sprintf("a text or number of at most %d bytes", most),
		schema: schema{"type": []any{"string", "number", "boolean"}},
		read:   func(text string) (string, bool) { return text, len(text) <= most },
	}
}

// clientForm is what names of clients look like; whether there is one of that name is
// for Check to say.
var clientForm = regexp.MustCompile(clientPattern)

const clientPattern = `^[A-Za-z0-9][A-Za-z0-9._:-]{0,39}$`

// clientNames is the name of a client: a library, Kafka's own tools, a rung of the
// ladder, or a program that a run was given.
func clientNames() form[string] {
	return form[string]{
		want:   "the name of a client, such as franz or confluent",
		schema: schema{"type": "string", "pattern": clientPattern},
		read:   func(text string) (string, bool) { return text, clientForm.MatchString(text) },
	}
}

// short writes a time as it is typed: 3m, 1h30m, 500ms.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

package plan

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Handler is what is done with each record that was consumed, once it was accounted.
type Handler struct {
	// Kind is one of the Handle constants.
	Kind string
	// Nanoseconds to burn or to sleep a record; parts of one count when burning, since
	// a record takes a hundred.
	Nanoseconds float64
	// Bytes to allocate a record.
	Bytes int64
}

// Kinds of handlers.
const (
	HandleNone  = "none"
	HandleJSON  = "json"  // decode the value as JSON
	HandleBurn  = "burn"  // CPU time
	HandleSleep = "sleep" // wait, as for a database
	HandleAlloc = "alloc" // memory that the collector has to take back
)

// longestHandler and largestHandler bound what is done for one record.
const (
	longestHandler = time.Second
	largestHandler = 16 << 20
)

const wantHandler = "none, json, or burn=TIME, sleep=TIME or alloc=SIZE a record, such as burn=2us, sleep=50us or alloc=1KiB (at most 1s and 16 MiB)"

// ParseHandler reads a Setting's Handler: "none" or nothing, "json", "burn=2us",
// "sleep=50us", "alloc=1KiB".
func ParseHandler(text string) (Handler, error) {
	kind, amount, given := strings.Cut(text, "=")
	h := Handler{Kind: kind}
	ok := false
	switch kind {
	case "", HandleNone, HandleJSON:
		ok = !given
		if kind == "" {
			h.Kind = HandleNone
		}
	case HandleBurn, HandleSleep:
		h.Nanoseconds, ok = nanoseconds(amount)
	case HandleAlloc:
		h.Bytes, ok = size(1, largestHandler).read(amount)
	}
	if !ok {
		return Handler{}, fmt.Errorf("there is no handler %s: type %s", quote(text), wantHandler)
	}
	return h, nil
}

// timeUnits are the units of a handler's time, in nanoseconds.
var timeUnits = map[string]float64{"ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}

func nanoseconds(text string) (float64, bool) {
	number := strings.TrimRight(text, " nuµms")
	value, err := strconv.ParseFloat(number, 64)
	unit, known := timeUnits[strings.TrimSpace(text[len(number):])]
	n := value * unit
	return n, err == nil && known && n >= 0 && n <= float64(longestHandler)
}

// handlers is the form of a Handler, which stays text.
func handlers() form[string] {
	return form[string]{
		want: wantHandler,
		schema: schema{"anyOf": []any{
			schema{"enum": []any{HandleNone, HandleJSON}},
			schema{"type": "string", "pattern": "^(burn|sleep|alloc)="},
		}},
		read: func(text string) (string, bool) {
			_, err := ParseHandler(text)
			return strings.ReplaceAll(text, " ", ""), err == nil && text != ""
		},
	}
}

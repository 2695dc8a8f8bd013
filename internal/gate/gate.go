// Package gate reads thresholds as text, such as "consume.records_per_second < -5%",
// and holds estimates against them. An estimate is an interval: it lies wholly on one
// side of a threshold, or nothing can be said.
//
// The same text serves two ways. A threshold that an experiment requires is Met when
// the whole interval holds it (Require); what a comparison must not show is NotMet
// then (Forbid).
package gate

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"redline/internal/nearest"
	"redline/result"
)

// Gate is one threshold.
type Gate struct {
	// Text is the gate as it was asked for.
	Text string
	// Workload is result.Consume or result.Produce; empty for whichever is measured.
	Workload string
	// Measure is one of Measures.
	Measure string
	// Op is "<", "<=", ">" or ">=".
	Op string
	// Value is the threshold: in the measure's own unit (records or 10^6 bytes per
	// second, nanoseconds, milliseconds), or as a ratio when Relative: 0.95 is -5%.
	Value    float64
	Relative bool
}

// measure is what a gate may be about: the units that may follow its figure, each
// with what one of them is in the measure's own unit.
type measure struct {
	name     string
	units    map[string]float64
	relative bool
}

var (
	counts = map[string]float64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
	nanos  = map[string]float64{"": 1, "ns": 1, "us": 1e3, "ms": 1e6}
	millis = map[string]float64{"": 1, "us": 1e-3, "ms": 1, "s": 1e3}
)

var measures = []measure{
	{"records_per_second", counts, true},
	{"megabytes_per_second", counts, true},
	{"cpu_ns_per_record", nanos, true},
	{"records_per_second_per_instance", counts, true},
	{"p50_ms", millis, true},
	{"p99_ms", millis, true},
	// The ratio of two such tails says little: it hangs on a few records.
	{"p999_ms", millis, false},
}

// Measures are the names that a gate may be about.
func Measures() []string {
	names := make([]string, len(measures))
	for i, m := range measures {
		names[i] = m.name
	}
	return names
}

// form is [workload.]measure OP figure[unit]. What of it is not known is told apart
// afterwards, so that the error can name it.
var form = regexp.MustCompile(`^(?:(\w+)\.)?(\w+)\s*(<=|>=|<|>)\s*([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)\s*(%|[A-Za-z]*)$`)

// Parse reads a gate: [consume.|produce.]measure OP FIGURE[UNIT]. OP is one of
// < <= > >=. With % the figure is a change, such as -5% or +3%; else it is in the
// measure's own unit, or in the one that follows it: k, M, G for rates, ns, us, ms for
// CPU per record, us, ms, s for latencies.
func Parse(text string) (Gate, error) {
	wrong := func(format string, args ...any) (Gate, error) {
		return Gate{}, fmt.Errorf("gate %q: "+format, append([]any{text}, args...)...)
	}
	parts := form.FindStringSubmatch(strings.TrimSpace(text))
	if parts == nil {
		return wrong(`it must be a measure, one of < <= > >=, and a figure, such as "consume.records_per_second < -5%%"`)
	}
	g := Gate{Text: text, Workload: parts[1], Measure: parts[2], Op: parts[3]}
	if g.Workload != "" && g.Workload != result.Consume && g.Workload != result.Produce {
		return wrong("there is no workload %q; it is consume or produce", g.Workload)
	}
	m, known := find(g.Measure)
	if !known {
		return wrong("there is no measure %q%s; there are %s", g.Measure, meant(g.Measure), strings.Join(Measures(), ", "))
	}
	figure, err := strconv.ParseFloat(parts[4], 64)
	if err != nil {
		return wrong("%q is no figure", parts[4])
	}
	if parts[5] == "%" {
		g.Relative, g.Value = true, 1+figure/100
		if !m.relative {
			return wrong("%s has no relative change; give it in milliseconds", m.name)
		}
		if g.Value <= 0 {
			return wrong("a change of %g%% leaves nothing; it must be above -100%%", figure)
		}
		return g, nil
	}
	unit, known := m.units[parts[5]]
	if !known {
		return wrong("%s is not measured in %q; leave the unit out, or take %s", m.name, parts[5], unitsOf(m))
	}
	g.Value = figure * unit
	if strings.HasPrefix(parts[4], "-") || math.IsInf(g.Value, 0) {
		return wrong("%s is never %s; a change ends in %%", m.name, parts[4])
	}
	return g, nil
}

func find(name string) (measure, bool) {
	for _, m := range measures {
		if m.name == name {
			return m, true
		}
	}
	return measure{}, false
}

// meant is a question for the nearest measure; empty when none is near.
func meant(name string) string {
	near := nearest.Name(name, Measures())
	if near == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", near)
}

// unitsOf names the units of a measure, the least first.
func unitsOf(m measure) string {
	var names []string
	for _, unit := range []string{"k", "M", "G", "ns", "us", "ms", "s"} {
		if _, has := m.units[unit]; has {
			names = append(names, unit)
		}
	}
	if m.relative {
		names = append(names, "%")
	}
	return strings.Join(names, ", ")
}

// Answer is whether an estimate holds a gate.
type Answer int

// Answers of Holds. CannotTell is for an interval with the threshold inside, and
// for an estimate without one.
const (
	CannotTell Answer = iota
	Yes
	No
)

// Holds says whether the whole interval of e satisfies the gate (Yes), none of it
// does (No), or neither (CannotTell). e is the figure itself, or for a Relative gate
// its ratio to what it is compared with.
func (g Gate) Holds(e result.Estimate) Answer {
	if e.Confidence == 0 || math.IsNaN(e.Low) || math.IsNaN(e.High) {
		return CannotTell
	}
	low, high := g.satisfied(e.Low), g.satisfied(e.High)
	switch {
	case low && high:
		return Yes
	case !low && !high:
		return No
	}
	return CannotTell
}

func (g Gate) satisfied(x float64) bool {
	switch g.Op {
	case "<":
		return x < g.Value
	case "<=":
		return x <= g.Value
	case ">":
		return x > g.Value
	}
	return x >= g.Value
}

// Require takes the gate for what has to be so: result.Met when it holds,
// result.NotMet when it does not, else result.Undecided.
func (g Gate) Require(e result.Estimate) string {
	return g.outcome(e, result.Met, result.NotMet)
}

// Forbid takes the gate for what must not be: result.NotMet when it holds,
// result.Met when it does not, else result.Undecided.
func (g Gate) Forbid(e result.Estimate) string {
	return g.outcome(e, result.NotMet, result.Met)
}

func (g Gate) outcome(e result.Estimate, yes, no string) string {
	switch g.Holds(e) {
	case Yes:
		return yes
	case No:
		return no
	}
	return result.Undecided
}

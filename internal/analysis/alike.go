package analysis

import (
	"fmt"
	"slices"

	"redline/result"
)

// alike are the properties that have to be the same for two clients to do the same
// work for a record and to promise the same, by workload, in Java's spelling.
var alike = map[string][]string{
	result.Consume: {"check.crcs", "isolation.level"},
	result.Produce: {"acks", "enable.idempotence", "compression.type", "linger.ms", "batch.size", "max.in.flight.requests.per.connection"},
}

// spellings are librdkafka's words for some of them.
var spellings = map[string][]string{
	"acks":                                  {"request.required.acks"},
	"compression.type":                      {"compression.codec"},
	"linger.ms":                             {"queue.buffering.max.ms"},
	"max.in.flight.requests.per.connection": {"max.in.flight"},
}

// differ notes in each row what of these is another than in the first row of its
// workload, unless it was asked for. Rungs of the ladder have no such settings.
func differ(rows []result.Row) {
	first := map[string]int{}
	for i := range rows {
		r := &rows[i]
		if len(r.InForce) == 0 || r.Adds != "" {
			continue
		}
		base, known := first[r.Workload]
		if !known {
			first[r.Workload] = i
			continue
		}
		for _, property := range alike[r.Workload] {
			mine, theirs := inForce(*r, property), inForce(rows[base], property)
			if mine != "" && theirs != "" && mine != theirs && !askedFor(*r, property) {
				r.Differs = append(r.Differs, fmt.Sprintf("%s is %s, not %s", property, mine, theirs))
			}
		}
	}
}

// inForce is a property's value in a row, alike however it is written; empty when the
// client does not tell.
func inForce(r result.Row, property string) string {
	for _, name := range append([]string{property}, spellings[property]...) {
		if value, ok := r.InForce[name]; ok {
			return canonical(value)
		}
	}
	return ""
}

func canonical(value string) string {
	if value == "-1" {
		return "all" // acks
	}
	return value
}

func askedFor(r result.Row, property string) bool {
	names := append([]string{property}, spellings[property]...)
	return slices.ContainsFunc(names, func(name string) bool {
		_, set := r.Setting.Properties[name]
		return set
	})
}

// waiting adds up where the time of the windows went; a figure that one of them does
// not know is not known of all.
func waiting(trials []result.Trial) *result.Waiting {
	var sum result.Waiting
	var threads []float64
	n := 0
	for _, t := range trials {
		w := t.Waiting
		if w == nil {
			continue
		}
		if w.BusiestThread >= 0 {
			threads = append(threads, w.BusiestThread)
		}
		n++
		if n == 1 {
			sum = *w
			continue
		}
		sum.Requests, sum.Fetches, sum.Produces = plus(sum.Requests, w.Requests), plus(sum.Fetches, w.Fetches), plus(sum.Produces, w.Produces)
		sum.Connections = max(sum.Connections, w.Connections)
		sum.WaitedSeconds, sum.ReceivedSeconds = plus(sum.WaitedSeconds, w.WaitedSeconds), plus(sum.ReceivedSeconds, w.ReceivedSeconds)
		sum.IdleSeconds = plus(sum.IdleSeconds, w.IdleSeconds)
		sum.HandlerSeconds += w.HandlerSeconds
		sum.ThrottledSeconds += w.ThrottledSeconds
	}
	if n == 0 {
		return nil
	}
	sum.BusiestThread = -1
	if len(threads) > 0 {
		slices.Sort(threads)
		sum.BusiestThread = threads[len(threads)/2]
	}
	return &sum
}

// plus adds figures of which negative ones are not known.
func plus[T int64 | float64](a, b T) T {
	if a < 0 || b < 0 {
		return -1
	}
	return a + b
}

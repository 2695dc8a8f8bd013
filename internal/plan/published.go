package plan

import (
	"fmt"
	"slices"
	"strings"

	"redline/result"
)

// rateKey is the key of a published figure, beside the values of its axes.
const rateKey = "records-per-second"

// rates are what can be published.
var rates = number()

// published reads figures from elsewhere: for each workload a list of values of
// axes, with the records per second that were found there.
func (r *reader) published(what string, n node) {
	r.fields(n, what, []field{
		single("source", "", words(200), func(q *Question, v string) { q.source = v }),
		{name: result.Consume, read: (*reader).figures},
		{name: result.Produce, read: (*reader).figures},
	})
	if r.q.source == "" && n.kind == mapping {
		r.add(n.at, "%s has no source: say where the figures come from", what)
	}
}

func (r *reader) figures(workload string, n node) {
	if n.kind != listing {
		r.add(n.at, "%s is %s: it wants a list such as [{consumers: 1, %s: 125000}]", workload, n.kind, rateKey)
		return
	}
	for _, item := range n.items {
		found := figure{at: item.at, workload: workload}
		rated := item.kind != mapping
		for _, p := range r.pairsOf(item, "a published figure") {
			if p.key == rateKey {
				found.rate, _ = one(r, p.key, p.value, rates)
				rated = true
			} else if m, ok := r.match(p); ok {
				found.match = append(found.match, m)
			}
		}
		if !rated {
			r.add(item.at, "a published figure wants %s, %s", rateKey, rates.want)
		}
		r.q.published = append(r.q.published, found)
	}
}

// match reads a value of an axis.
func (r *reader) match(p pair) (match, bool) {
	s, err := find(p.key)
	if err == nil && r.q.axisOf(s) == nil {
		err = fmt.Errorf("%s is no axis of this question: take %s", p.key, list(r.q.axisNames(), "or"))
	}
	if err != nil {
		r.add(p.at, "%v", err)
		return match{}, false
	}
	if p.value.kind != scalar {
		r.add(p.value.at, "%s is %s: it wants %s", p.key, p.value.kind, s.want)
		return match{}, false
	}
	v, ok := r.take(s, p.key, p.value.text, p.value.at)
	return match{s, v}, ok
}

// publishedFor is the first figure for an arm of that workload with these values
// of the axes, or nil.
func (q *Question) publishedFor(workload string, values []value) *result.Published {
	for _, found := range q.published {
		if found.workload == workload && q.matches(found, values) {
			return &result.Published{RecordsPerSecond: found.rate, Source: q.source}
		}
	}
	return nil
}

func (q *Question) matches(found figure, values []value) bool {
	for _, m := range found.match {
		for i, a := range q.axes {
			if a.setting.name == m.setting.name && values[i].canon != m.value.canon {
				return false
			}
		}
	}
	return true
}

// unmatched finds published figures that no arm has.
func (q *Question) unmatched(f *findings) {
	combinations := q.combinations()
	for _, found := range q.published {
		has := func(values []value) bool { return q.matches(found, values) }
		if !slices.Contains(q.Measure, found.workload) {
			f.add(found.at, "this figure is for %s, which is not measured", found.workload)
		} else if !slices.ContainsFunc(combinations, has) {
			f.add(found.at, "no arm has %s: take values that stand in the axes together", found)
		}
	}
}

// String names the values of a figure.
func (found figure) String() string {
	var all []string
	for _, m := range found.match {
		all = append(all, m.setting.name+"="+m.value.text)
	}
	return strings.Join(all, ", ")
}

package plan

import (
	"fmt"
	"slices"
	"time"

	"redline/internal/broker"
	"redline/internal/gate"
	"redline/result"
)

// Parse reads a question from the text of a file, and says everything that is
// wrong with it: the error is *Problems then. file is only a name, for messages
// and for the question's own. check, if not nil, is asked whether clients take
// what the arms set.
func Parse(file string, data []byte, check Check) (*Question, error) {
	r := &reader{q: &Question{
		Name: nameOf(file), file: file, check: check,
		Measure: []string{result.Consume}, Kafka: string(broker.Embedded), Combine: product, Margin: DefaultMargin,
	}}
	root, ok := r.document(file, data)
	if !ok {
		return nil, r.err()
	}
	if root.kind == empty {
		r.add(root.at, "the file holds no question: it needs at least question, what is asked in words")
		return nil, r.err()
	}
	r.fields(root, "the file", fields)
	if r.q.Question == "" && len(r.all) == 0 {
		r.add(root.at, "question is missing: say in words what is asked")
	}
	r.q.build(&r.findings)
	if len(r.all) == 0 {
		r.q.unmatched(&r.findings)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return r.q, nil
}

// reader reads the nodes of a file into a question.
type reader struct {
	findings
	q *Question
}

// field is a key of a mapping in the file.
type field struct {
	name, does string
	schema     schema
	read       func(r *reader, key string, n node)
}

// Ways to combine axes.
const (
	product = "product"
	zip     = "zip"
)

// fields is the table of a file's own keys. They are read in this order: figures
// that were published are told by axes.
var fields = []field{
	single("question", "what is asked, in words", words(500), func(q *Question, v string) { q.Question = v }),
	{"measure", "workloads to measure", schema{"anyOf": []any{workloads.schema, listOf(workloads.schema)}}, (*reader).measure},
	single("kafka", "what to start when no cluster is given: embedded, local (Apache Kafka), local:N, or null, a sink that keeps nothing", kafkaKind(), func(q *Question, v string) { q.Kafka = v }),
	{"base", "settings of all arms", baseSchema(), (*reader).base},
	{"axes", "settings that vary, each with its values", axesSchema(), (*reader).axes},
	single("combine", "how axes go together: every value with every other (product), or the first values together, the second values … (zip)",
		oneOf(product, zip), func(q *Question, v string) { q.Combine = v }),
	single("rounds", "how often each arm is tried; left out, it follows from the number of comparisons", whole(1, 10_000), func(q *Question, v int) { q.Rounds = v }),
	single("time", "time that rounds are fitted into", span(time.Second, 7*24*time.Hour), func(q *Question, v time.Duration) { q.Time = v }),
	{"timing", "how long the parts of each trial last", objectOf(timings), func(r *reader, key string, n node) { r.fields(n, key, timings) }},
	single("fill", "most bytes of values in each topic that is read", size(1<<20, 1<<40), func(q *Question, v int64) { q.FillBytes = v }),
	single("margin", "largest difference that counts as none", share(0.1, 50), func(q *Question, v float64) { q.Margin = v }),
	{"thresholds", "gates on what is found, such as consume.records_per_second >= 100000", listOf(threshold.schema), (*reader).thresholds},
	{"against", "values of axes that tell the arm which each is compared with: the one that has them, and is else alike; left out, it is the first", againstSchema(), (*reader).against},
	{"published", "figures from elsewhere, to be put beside", publishedSchema(), (*reader).published},
}

var timings = []field{
	single("settle", "longest wait for the host to come to rest before a trial", span(0, 10*time.Minute), func(q *Question, v time.Duration) { q.Timing.Settle = orNone(v) }),
	single("warmup", "shortest warm-up, which is not counted", span(10*time.Millisecond, time.Hour), func(q *Question, v time.Duration) { q.Timing.Warmup = v }),
	single("window", "what is counted", span(10*time.Millisecond, time.Hour), func(q *Question, v time.Duration) { q.Timing.Window = v }),
}

// orNone tells a wait of nothing from one that is left to its default.
func orNone(wait time.Duration) time.Duration {
	if wait == 0 {
		return noWait
	}
	return wait
}

// noWait is a Settle of nothing, until Make.
const noWait = -1

var workloads = oneOf(result.Consume, result.Produce)

// single is a field with one value.
func single[T any](name, does string, f form[T], set func(*Question, T)) field {
	return field{name, does, f.schema, func(r *reader, key string, n node) {
		if v, ok := one(r, key, n, f); ok {
			set(r.q, v)
		}
	}}
}

// one reads a scalar of a form.
func one[T any](r *reader, key string, n node, f form[T]) (T, bool) {
	var none T
	if n.kind != scalar {
		r.add(n.at, "%s is %s: it wants %s", key, n.kind, f.want)
		return none, false
	}
	v, ok := f.read(n.text)
	if !ok {
		r.add(n.at, "%s cannot be %s: it wants %s", key, quote(n.text), f.want)
	}
	return v, ok
}

func kafkaKind() form[string] {
	return form[string]{
		want:   fmt.Sprintf("embedded, local, local:N with N from 1 to %d, or null", maxNodes),
		schema: schema{"type": "string", "pattern": fmt.Sprintf("^(embedded|null|local|local:[1-%d])$", maxNodes)},
		read: func(text string) (string, bool) {
			_, _, err := broker.ParseKind(text)
			return text, err == nil
		},
	}
}

// fields reads a mapping whose keys are the names of rows.
func (r *reader) fields(n node, what string, rows []field) {
	known := make([]string, len(rows))
	for i, row := range rows {
		known[i] = row.name
	}
	pairs := map[string]pair{}
	for _, p := range r.pairsOf(n, what) {
		if !slices.Contains(known, p.key) {
			r.add(p.at, "%s has no key %s%s", what, quote(p.key), hint(p.key, known))
		}
		pairs[p.key] = p
	}
	for _, row := range rows {
		if p, ok := pairs[row.name]; ok {
			row.read(r, p.key, p.value)
		}
	}
}

// pairsOf are the pairs of a mapping, each key once.
func (r *reader) pairsOf(n node, what string) []pair {
	if n.kind != mapping {
		r.add(n.at, "%s is %s: it wants keys with values", what, n.kind)
		return nil
	}
	var pairs []pair
	first := map[string]place{}
	for _, p := range n.pairs {
		if before, twice := first[p.key]; twice {
			r.add(p.at, "%s stands here a second time; the first is in line %d", quote(p.key), before.line)
			continue
		}
		first[p.key] = p.at
		pairs = append(pairs, p)
	}
	return pairs
}

// itemsOf are the scalars of a list that is not empty.
func (r *reader) itemsOf(n node, what string) []node {
	if n.kind != listing || len(n.items) == 0 {
		is := string(n.kind)
		if n.kind == listing {
			is = "an empty list"
		}
		r.add(n.at, "%s is %s: it wants a list of values, such as [1, 2]", what, is)
		return nil
	}
	var items []node
	for _, item := range n.items {
		if item.kind != scalar {
			r.add(item.at, "%s holds %s: it wants single values", what, item.kind)
			continue
		}
		items = append(items, item)
	}
	return items
}

func (r *reader) measure(key string, n node) {
	items := []node{n}
	if n.kind != scalar {
		items = r.itemsOf(n, key)
	}
	var measured []string
	for _, item := range items {
		workload, ok := one(r, key, item, workloads)
		if ok && slices.Contains(measured, workload) {
			r.add(item.at, "%s stands here a second time", quote(workload))
		} else if ok {
			measured = append(measured, workload)
		}
	}
	if len(measured) > 0 {
		r.q.Measure = measured
	}
}

// base reads settings with one value each, and the three mappings of properties.
func (r *reader) base(what string, n node) {
	finders := map[string]func(string) (*setting, error){
		"properties": propertySetting, "topic": topicSetting, "broker": brokerSetting,
	}
	for _, p := range r.pairsOf(n, what) {
		within, ok := finders[p.key]
		if !ok {
			r.choose(find, p.key, p)
			continue
		}
		for _, property := range r.pairsOf(p.value, p.key) {
			r.choose(within, property.key, property)
		}
	}
}

// choose adds a setting with its value to the base.
func (r *reader) choose(find func(string) (*setting, error), key string, p pair) {
	s, err := find(key)
	if err != nil {
		r.add(p.at, "%v", err)
		return
	}
	if p.value.kind != scalar {
		r.add(p.value.at, "%s is %s: it wants %s", key, p.value.kind, s.want)
		return
	}
	for _, c := range r.q.base {
		if c.setting.name == s.name {
			r.add(p.at, "%s sets what line %d has set already: give it once", key, c.value.at.line)
			return
		}
	}
	if v, ok := r.take(s, key, p.value.text, p.value.at); ok {
		r.q.base = append(r.q.base, choice{key, s, v})
	}
}

func (r *reader) axes(what string, n node) {
	for _, p := range r.pairsOf(n, what) {
		s, err := find(p.key)
		if err != nil {
			r.add(p.at, "%v", err)
			continue
		}
		if other := r.q.axisOf(s); other != nil {
			r.add(p.at, "%s and %s are the same setting: give one of them", p.key, other.name)
			continue
		}
		a := axis{at: p.at, name: p.key, setting: s}
		for _, item := range r.itemsOf(p.value, p.key) {
			if v, ok := r.take(s, p.key, item.text, item.at); ok {
				a.values = append(a.values, v)
			}
		}
		r.q.axes = append(r.q.axes, a)
	}
}

// axisOf is the axis that varies a setting, or nil.
func (q *Question) axisOf(s *setting) *axis {
	for i := range q.axes {
		if q.axes[i].setting.name == s.name {
			return &q.axes[i]
		}
	}
	return nil
}

// threshold is the text of a gate.
var threshold = words(200)

func (r *reader) thresholds(key string, n node) {
	for _, item := range r.itemsOf(n, key) {
		text, ok := one(r, key, item, threshold)
		if !ok {
			continue
		}
		g, err := gate.Parse(text)
		switch {
		case err != nil:
			r.add(item.at, "%v", err)
		case g.Relative:
			r.add(item.at, "the gate %s is about a change, and a question has nothing to change from: give a figure, or hold two runs against each other with compare --fail-if", quote(text))
		case g.Workload != "" && !slices.Contains(r.q.Measure, g.Workload):
			r.add(item.at, "the gate %s is about %s, which is not measured", quote(text), g.Workload)
		default:
			r.q.Thresholds = append(r.q.Thresholds, text)
		}
	}
}

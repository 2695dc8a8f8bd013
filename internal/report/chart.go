package report

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"redline/result"
)

// chart is a quantity over one axis, as the page's script draws it. Places on the
// axis are computed here, so that to draw it numbers and names are the same.
type chart struct {
	Title  string   `json:"title"`
	Axis   string   `json:"axis"`
	Ticks  []tick   `json:"ticks"`
	Joined bool     `json:"joined"`          // medians are joined by lines: the axis is of numbers, and no law is drawn
	Steep  bool     `json:"steep,omitempty"` // drawn by the logarithm: else the small values could not be read
	Series []series `json:"series"`
	Curve  []place  `json:"curve,omitempty"` // the fitted law
	// number places a number on the axis; nil on one of names.
	number func(float64) float64
	// What the legend has to explain.
	Published bool `json:"-"`
	Excluded  bool `json:"-"`
	Interval  bool `json:"-"`
}

type tick struct {
	X     float64 `json:"x"`
	Label string  `json:"label"`
}

type series struct {
	Name   string  `json:"name"`
	Points []point `json:"points"`
}

// point is a row: its median, interval and trials.
type point struct {
	X         float64   `json:"x"`
	Row       int       `json:"row"`
	Median    float64   `json:"median"`
	Low       float64   `json:"low"`
	High      float64   `json:"high"`
	Interval  bool      `json:"interval"`
	Trials    []float64 `json:"trials"`
	Excluded  []float64 `json:"excluded,omitempty"`
	Published float64   `json:"published,omitempty"`
}

type place struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// mostSeries is how many series a chart tells apart.
const mostSeries = 6

// quantity is what a chart shows of a row, of each of its trials where that is known, and
// of a published figure, 0 where it says nothing.
type quantity struct {
	name      string
	of        func(result.Row) result.Estimate
	each      func(result.RowTrial) (v float64, known bool)
	published func(result.Published) float64
}

var rateDrawn = quantity{
	"records/s",
	func(r result.Row) result.Estimate { return r.RecordsPerSecond },
	func(t result.RowTrial) (float64, bool) { return t.RecordsPerSecond, true },
	func(p result.Published) float64 { return p.RecordsPerSecond },
}

var costDrawn = quantity{
	"CPU ns/record of the client",
	func(r result.Row) result.Estimate { return r.CPUNsPerRecord },
	func(t result.RowTrial) (float64, bool) { return t.CPUNsPerRecord, t.CPUNsPerRecord > 0 },
	func(result.Published) float64 { return 0 },
}

// charts are those of the rows of one workload: the rate over each axis that varies
// in them, or over all rows when there is no such axis or it would hold too many
// series. Where series stand side by side, what a record costs each of them follows.
// One row alone needs none.
func charts(r result.ExperimentReport, rows []row) []chart {
	if len(rows) < 2 {
		return nil
	}
	axes := axesOf(r.Plan, rows)
	var all []chart
	for i, a := range axes {
		others := slices.Delete(slices.Clone(axes), i, i+1)
		c := newChart(rows, rateDrawn, a, others)
		if len(c.Series) > mostSeries {
			continue
		}
		c.addLaw(r.Fit, rows[0].Workload, a.names)
		all = append(all, c)
		if len(c.Series) > 1 && slices.ContainsFunc(rows, costKnown) {
			all = append(all, newChart(rows, costDrawn, a, others))
		}
	}
	if len(all) == 0 {
		all = append(all, newChart(rows, rateDrawn, axis{name: "setting", of: func(r row) string { return r.Label }}, nil))
	}
	return all
}

func costKnown(r row) bool { return r.CPUNsPerRecord.N > 0 }

// axis is what a chart is drawn over.
type axis struct {
	name  string
	names []string // of the axes of the plan that it stands for
	of    func(row) string
}

// axesOf are the axes that vary in some rows. Those that were varied together are
// one.
func axesOf(p result.Plan, rows []row) []axis {
	var all []axis
	for _, a := range p.Axes {
		of := func(r row) string { return r.Values[a.Name] }
		if varies(rows, of) {
			all = append(all, axis{a.Name, []string{a.Name}, of})
		}
	}
	if p.Combine != "zip" || len(all) < 2 {
		return all
	}
	return []axis{zipped(all, rows)}
}

// zipped makes one axis of those that were varied together: "4" where all of
// them are 4, else "franz, tuned".
func zipped(all []axis, rows []row) axis {
	joined := func(r row, sep string) string {
		var values []string
		for _, a := range all {
			values = append(values, a.of(r))
		}
		if len(slices.Compact(slices.Clone(values))) == 1 {
			return values[0]
		}
		return strings.Join(values, sep)
	}
	var names []string
	for _, a := range all {
		names = append(names, a.name)
	}
	sep := " = "
	for _, r := range rows {
		if strings.Contains(joined(r, "\x00"), "\x00") {
			sep = ", "
		}
	}
	return axis{strings.Join(names, sep), names, func(r row) string { return joined(r, ", ") }}
}

func newChart(rows []row, q quantity, a axis, others []axis) chart {
	c := chart{Axis: a.name, Title: rows[0].Workload + ": " + q.name + " over " + a.name}
	var labels []string
	for _, r := range rows {
		if v := a.of(r); !slices.Contains(labels, v) {
			labels = append(labels, v)
		}
	}
	at, number := positions(labels)
	c.number, c.Joined = number, number != nil
	for i, label := range labels {
		c.Ticks = append(c.Ticks, tick{at[i], label})
	}
	for _, r := range rows {
		name := seriesName(r, others)
		i := slices.IndexFunc(c.Series, func(s series) bool { return s.Name == name })
		if i < 0 {
			i = len(c.Series)
			c.Series = append(c.Series, series{Name: name})
		}
		p := newPoint(r, q, at[slices.Index(labels, a.of(r))])
		c.Series[i].Points = append(c.Series[i].Points, p)
		c.Published = c.Published || p.Published > 0
		c.Excluded = c.Excluded || len(p.Excluded) > 0
		c.Interval = c.Interval || p.Interval
	}
	c.Steep = isSteep(c.Series)
	return c
}

// steep is how many times the largest median is the smallest, where a chart from zero up
// shows the small ones as a line on its ground.
const steep = 50

func isSteep(all []series) bool {
	low, high := math.Inf(1), 0.0
	for _, s := range all {
		for _, p := range s.Points {
			if len(p.Trials) > 0 {
				low, high = min(low, slices.Min(p.Trials)), max(high, p.Median)
			}
		}
	}
	return low > 0 && high > steep*low
}

func seriesName(r row, others []axis) string {
	var parts []string
	for _, a := range others {
		if a.name == "client" || a.name == "profile" { // their values name themselves
			parts = append(parts, a.of(r))
		} else {
			parts = append(parts, a.name+"="+a.of(r))
		}
	}
	return strings.Join(parts, " ")
}

func newPoint(r row, q quantity, x float64) point {
	e := q.of(r.Row)
	p := point{X: x, Row: r.Index, Median: e.Median, Low: e.Low, High: e.High, Interval: e.Confidence > 0, Trials: []float64{}}
	if r.Published != nil {
		p.Published = q.published(*r.Published)
	}
	for _, t := range counting(r.Row) {
		if v, known := q.each(t); known {
			p.Trials = append(p.Trials, v)
		}
	}
	for _, t := range r.Trials {
		if v, known := q.each(t); known && len(t.Invalid) > 0 && v > 0 {
			p.Excluded = append(p.Excluded, v)
		}
	}
	return p
}

// crowded is how many times the smallest distance between values may go into
// their span, before labels on a linear axis would lie on each other.
const crowded = 16

// positions places values on an axis: numbers where they are, or by their
// logarithm when they would be crowded, and anything else side by side. number
// places any other number among them; it is nil where that has no meaning.
func positions(labels []string) (at []float64, number func(float64) float64) {
	at = make([]float64, len(labels))
	for i, label := range labels {
		v, err := strconv.ParseFloat(label, 64)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
			return sideBySide(len(labels)), nil
		}
		at[i] = v
	}
	sorted := slices.Sorted(slices.Values(at))
	switch {
	case !isCrowded(sorted):
		return at, func(v float64) float64 { return v }
	case sorted[0] > 0:
		for i := range at {
			at[i] = math.Log2(at[i])
		}
		return at, math.Log2
	}
	return sideBySide(len(labels)), nil
}

func sideBySide(n int) []float64 {
	at := make([]float64, n)
	for i := range at {
		at[i] = float64(i)
	}
	return at
}

func isCrowded(sorted []float64) bool {
	smallest := math.Inf(1)
	for i := 1; i < len(sorted); i++ {
		smallest = min(smallest, sorted[i]-sorted[i-1])
	}
	return sorted[len(sorted)-1]-sorted[0] > crowded*smallest
}

// addLaw draws the law that was fitted over the axis of the chart. It is of all
// points together: a chart of several series has none.
func (c *chart) addLaw(fits []result.Fit, workload string, names []string) {
	if c.number == nil || len(c.Series) > 1 {
		return
	}
	for _, f := range fits {
		if f.Workload != workload || !slices.Contains(names, f.Axis) || len(c.Curve) > 0 {
			continue
		}
		for _, p := range f.Curve {
			if x := c.number(p.N); !math.IsNaN(x) && !math.IsInf(x, 0) {
				c.Curve = append(c.Curve, place{x, p.Rate})
			}
		}
	}
}

// over is a trial's rate over its time, as the page's script draws it.
type over struct {
	Bin    float64   `json:"bin"` // seconds
	Rates  []float64 `json:"rates"`
	Warmup float64   `json:"warmup"` // seconds
	Window float64   `json:"window"` // seconds
	Counts bool      `json:"counts"`
}

// overTime are the trials of a row that have rates; the digits that no screen
// shows are left out.
func overTime(r result.Row) map[int]over {
	all := map[int]over{}
	for i, t := range r.Trials {
		if len(t.Rates) < 2 || t.BinSeconds <= 0 {
			continue
		}
		o := over{t.BinSeconds, make([]float64, len(t.Rates)), t.WarmupSeconds, t.WindowSeconds, counts(t)}
		for j, v := range t.Rates {
			o.Rates[j] = newScale(result.Estimate{Median: v, Confidence: 1}, plain).round(v)
		}
		all[i] = o
	}
	return all
}

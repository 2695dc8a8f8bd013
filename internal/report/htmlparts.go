package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"redline/internal/term"
	"redline/result"
)

// pageComparisons are those of one measure with one arm.
type pageComparisons struct {
	Measure, With, Basis string
	Lines                []pageComparison
}

type pageComparison struct {
	A, Verdict, Chance string
	Mark               string // the class of the mark beside the words
	Change             *figure
	Span               string
}

func newComparison(index int, c result.Comparison, name string) pageComparison {
	line := pageComparison{A: name, Verdict: verdict(c), Chance: chance(c), Mark: marks[c.Verdict], Span: change(c)}
	if c.Ratio.Confidence > 0 {
		middle, low, high, unit := relative(c.Ratio)
		line.Span = fmt.Sprintf("%s … %s %s", low, high, unit)
		if differs(c) {
			f := newFigure("comparison", index, "ratio.median", c.Ratio.Median, middle+" "+unit)
			line.Change = &f
		}
	}
	return line
}

var marks = map[string]string{
	result.Higher: "higher", result.Lower: "lower", result.NoDifference: "same", result.CouldNotTell: "open",
}

// comparisonsOf parts comparisons into tables; names are those of the arms.
func comparisonsOf(all []result.Comparison, names []string) []pageComparisons {
	var groups []pageComparisons
	place := map[[3]string]int{}
	for i, c := range all {
		place[[3]string{c.Measure, c.A, c.B}] = i
	}
	for _, group := range together(all) {
		g := pageComparisons{Measure: group.measure, With: group.with, Basis: basis(group.all)}
		for _, c := range group.all {
			g.Lines = append(g.Lines, newComparison(place[[3]string{c.Measure, c.A, c.B}], c, group.name(names[c.ArmA], c)))
		}
		groups = append(groups, g)
	}
	return groups
}

// pageTimes are the trials of a row whose rate over time is drawn.
type pageTimes struct {
	Row    int
	Label  string
	Trials []pageTrial
}

// pageTrial is a trial with its place in its row.
type pageTrial struct {
	result.RowTrial
	Row, Index           int
	Label                string
	Why                  string // it does not count, or why its reader has to know of it
	Rate, CPU, Megabytes figure
}

func newTrial(row, index int, label string, t result.RowTrial) pageTrial {
	write := func(field string, v float64, k kind) figure {
		text := unknown
		if v > 0 {
			text = newScale(result.Estimate{Median: v, Confidence: 1}, k).value(v)
		}
		return newFigure("row", row, fmt.Sprintf("trials.%d.%s", index, field), v, text)
	}
	why := slices.Clone(t.Invalid)
	if t.Error != "" {
		why = append(why, t.Error)
	}
	return pageTrial{t, row, index, label, strings.Join(why, "; "),
		write("records_per_second", t.RecordsPerSecond, rate), write("cpu_ns_per_record", t.CPUNsPerRecord, plain),
		write("megabytes_per_second", t.MegabytesPerSecond, plain)}
}

// addTrials fills what the page says of single trials.
func (p *page) addTrials() {
	for i, r := range p.Rows {
		times := pageTimes{Row: i, Label: r.Label}
		rates := overTime(r)
		for j, t := range r.Trials {
			trial := newTrial(i, j, p.Names[i], t)
			p.Trials = append(p.Trials, trial)
			if !counts(t) {
				p.LeftOut = append(p.LeftOut, trial)
			}
			if _, drawn := rates[j]; drawn {
				times.Trials = append(times.Trials, trial)
			}
		}
		if len(times.Trials) > 0 {
			p.Times = append(p.Times, times)
			p.Data.Times[i] = rates
		}
	}
}

// pageLatency is the latency of a row; the figures are in the order of the heads.
type pageLatency struct {
	Label   string
	Figures []figure
	N       int64
}

func latencies(rows []result.Row, names []string) []pageLatency {
	var all []pageLatency
	for i, r := range rows {
		if r.Latency == nil {
			continue
		}
		line := pageLatency{Label: names[i], N: r.Latency.N}
		for _, f := range []struct {
			field string
			v     float64
		}{{"p50", r.Latency.P50}, {"p95", r.Latency.P95}, {"p99", r.Latency.P99}, {"p999", r.Latency.P999}, {"max", r.Latency.Max}} {
			line.Figures = append(line.Figures, newFigure("row", i, "latency_ms."+f.field, f.v, digits(f.v, 3)))
		}
		all = append(all, line)
	}
	return all
}

// pageBusy says who kept the processors busy.
type pageBusy struct {
	CPUs int
	Rows []pageBusyRow
}

type pageBusyRow struct {
	Label          string
	Broker, Client measured
	Other, Idle    string
	Bar            []pageSegment
	Words          string // the bar, said
}

// pageSegment is a part of a bar, in shares of 1000.
type pageSegment struct {
	Class    string
	X, Width float64
}

// busy splits the processors of each row: the broker's, the client's, others',
// and idle ones. It is nil where the busy ones are not known.
func busy(rows []result.Row, names []string) *pageBusy {
	b := &pageBusy{}
	for i, row := range rows {
		if row.CPUsBusy.N == 0 || row.Usage.CPUs <= 0 {
			continue
		}
		b.CPUs = row.Usage.CPUs
		b.Rows = append(b.Rows, newBusyRow(i, row, names[i]))
	}
	if len(b.Rows) == 0 {
		return nil
	}
	return b
}

func newBusyRow(i int, row result.Row, name string) pageBusyRow {
	cpus := float64(row.Usage.CPUs)
	broker, client, total := row.BrokerCPUs.Median, row.ClientCPUs.Median, row.CPUsBusy.Median
	other, idle := max(0, total-broker-client), max(0, cpus-total)
	line := pageBusyRow{
		Label:  name,
		Broker: newMeasured("row", i, "broker_cpus", row.BrokerCPUs, processors),
		Client: newMeasured("row", i, "client_cpus", row.ClientCPUs, processors),
		Other:  fmt.Sprintf("%.2f", other), Idle: fmt.Sprintf("%.2f", idle),
	}
	whole, x := max(cpus, broker+client+other), 0.0
	for _, part := range []struct {
		class string
		cpus  float64
	}{{"broker", broker}, {"client", client}, {"other", other}} {
		width := math.Round(1000 * part.cpus / whole)
		line.Bar = append(line.Bar, pageSegment{part.class, x, width})
		x += width
	}
	line.Words = fmt.Sprintf("of %d CPUs: broker %.2f, client %.2f, other %.2f, idle %.2f", row.Usage.CPUs, broker, client, other, idle)
	return line
}

// pageFit is a law, in words and by its parameters.
type pageFit struct {
	Words      string
	Parameters []pageParameter
	Warnings   []string
}

type pageParameter struct {
	Name, Means string
	measured
}

func newFit(i int, f result.Fit, margin float64) pageFit {
	p := pageFit{Words: fitted(f, margin), Warnings: f.Warnings}
	say := func(name, means, field string, e result.Estimate, k kind) {
		p.Parameters = append(p.Parameters, pageParameter{name, means, newMeasured("fit", i, field, e, k)})
	}
	say("λ", "records/s of one", "lambda", f.Lambda, rate)
	if f.Law != result.Linear {
		say("σ", "contention: the share that only one can do at a time", "sigma", f.Sigma, plain)
	}
	if f.Law == result.Universal {
		say("κ", "coherence: what each pair costs", "kappa", f.Kappa, plain)
	}
	return p
}

// pageSettings are the settings in force of the rows of one client.
type pageSettings struct {
	Client string
	Lines  []asked
}

// inForce lists the settings of each client: one value where all its rows have
// the same, else each with the rows that have it.
func inForce(rows []result.Row) []pageSettings {
	groups := map[string][]result.Row{}
	for _, r := range rows {
		if len(r.InForce) > 0 {
			name := strings.TrimSpace(r.Workload + ": " + r.Client + " " + r.Profile)
			groups[name] = append(groups[name], r)
		}
	}
	var all []pageSettings
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		all = append(all, pageSettings{name, settingLines(groups[name])})
	}
	return all
}

func settingLines(rows []result.Row) []asked {
	holders := map[string]map[string][]string{} // by property and value, labels
	for _, r := range rows {
		for key, value := range r.InForce {
			if holders[key] == nil {
				holders[key] = map[string][]string{}
			}
			holders[key][value] = append(holders[key][value], r.Label)
		}
	}
	var lines []asked
	for _, key := range slices.Sorted(maps.Keys(holders)) {
		var values []string
		for _, value := range slices.Sorted(maps.Keys(holders[key])) {
			text := value
			if of := holders[key][value]; len(of) < len(rows) {
				text += " (" + strings.Join(of, ", ") + ")"
			}
			values = append(values, text)
		}
		lines = append(lines, asked{key, strings.Join(values, "; ")})
	}
	return lines
}

// headline names in a line what was measured where.
func headline(r result.ExperimentReport) string {
	parts := []string{"redline", r.Name, kafkaName(r.Environment)}
	if r.Environment.CPUs > 0 {
		parts = append(parts, fmt.Sprintf("%d CPUs", r.Environment.CPUs))
	}
	parts = append(parts, fmt.Sprintf("%s of %s trials", term.Count(int64(r.Finished)), term.Count(int64(r.Planned))))
	if len(r.Sessions) > 0 {
		parts = append(parts, r.Sessions[0].Began.UTC().Format("2006-01-02"))
	}
	return strings.Join(parts, " · ")
}

package analysis

import (
	"fmt"
	"slices"
	"strings"

	"redline/internal/term"
	"redline/result"
)

// answer is what was found in a few sentences, each figure one of the report's.
func answer(r result.ExperimentReport) string {
	var sentences []string
	for _, workload := range []string{result.Consume, result.Produce} {
		measured := measured(r.Rows, workload)
		if len(measured) == 0 {
			continue
		}
		fit := slices.IndexFunc(r.Fit, func(f result.Fit) bool { return f.Workload == workload })
		if fit >= 0 {
			sentences = append(sentences, grown(r.Fit[fit], measured))
			continue
		}
		sentences = append(sentences, fastest(measured, r))
	}
	if len(sentences) == 0 {
		return "Nothing was measured: no trial came to a figure that counts."
	}
	return strings.Join(sentences, " ")
}

// measured are the rows of a workload that have a figure, without the rungs of a ladder
// where there are clients, too: a rung does only a part of their work.
func measured(rows []result.Row, workload string) []result.Row {
	var clients, rungs []result.Row
	for _, row := range rows {
		switch {
		case row.Workload != workload || row.RecordsPerSecond.N == 0 || row.RecordsPerSecond.Median <= 0:
		case row.Adds != "":
			rungs = append(rungs, row)
		default:
			clients = append(clients, row)
		}
	}
	if len(clients) > 0 {
		return clients
	}
	return rungs
}

// doing is a workload as the beginning of a sentence.
func doing(workload string) string {
	if workload == result.Produce {
		return "Producing"
	}
	return "Consuming"
}

// grown tells how a rate grows over an axis that counts.
func grown(f result.Fit, rows []result.Row) string {
	first, last := rows[0], rows[len(rows)-1]
	text := fmt.Sprintf("%s goes from %s records/s with %s to %s with %s", doing(f.Workload),
		figure(first.RecordsPerSecond), first.Label, figure(last.RecordsPerSecond), last.Label)
	if first.CPUsBusy.N > 0 && last.CPUsBusy.N > 0 {
		text += fmt.Sprintf(", with %.2f and %.2f of %d CPUs busy", first.CPUsBusy.Median, last.CPUsBusy.Median, last.Usage.CPUs)
	}
	switch {
	case f.LinearUpTo > f.Points[0].N:
		text += fmt.Sprintf("; it grows in proportion up to %s=%g", f.Axis, f.LinearUpTo)
	default:
		text += fmt.Sprintf("; already from %s=%g on it grows less than in proportion", f.Axis, f.Points[0].N)
	}
	law := map[string]string{
		result.Linear:     "a straight line fits the points best",
		result.Saturating: "a law with contention fits the points best",
		result.Universal:  "a law with contention and a cost of coherence fits the points best",
	}[f.Law]
	text += ", and " + law
	if f.Peak > 0 {
		text += fmt.Sprintf(": it would turn down at about %.2g", f.Peak)
	}
	return text + "."
}

// fastest names the arm with the highest median, and what is told of the others
// against the baseline.
func fastest(rows []result.Row, r result.ExperimentReport) string {
	best := slices.MaxFunc(rows, func(a, b result.Row) int {
		if a.RecordsPerSecond.Median < b.RecordsPerSecond.Median {
			return -1
		}
		return 1
	})
	if len(rows) == 1 {
		return fmt.Sprintf("%s reaches %s records/s with %s%s.", doing(best.Workload), figure(best.RecordsPerSecond), best.Label, span(best.RecordsPerSecond))
	}
	text := fmt.Sprintf("%s is fastest with %s by its median: %s records/s%s", doing(best.Workload), best.Label, figure(best.RecordsPerSecond), span(best.RecordsPerSecond))
	var told []string
	var compared []result.Comparison
	baselines := map[string]bool{}
	baseline := ""
	for _, c := range r.Comparisons {
		if r.Rows[c.ArmA].Workload != best.Workload || (r.Rows[c.ArmA].Adds == "") != (best.Adds == "") || !strings.HasSuffix(c.Measure, Rate.Name) {
			continue
		}
		baseline = c.B
		baselines[baseline] = true
		compared, told = append(compared, c), append(told, told1(c))
	}
	if len(baselines) > 1 {
		baseline = "what each is held against"
	}
	switch {
	case len(told) > manyTold || len(baselines) > 1:
		text += ". Against " + baseline + ": " + inShort(compared)
	case len(told) > 0:
		text += ". Against " + baseline + ": " + strings.Join(told, ", ")
	}
	return text + "."
}

// manyTold is above how many comparisons an answer counts them, and no longer lists
// each.
const manyTold = 6

// inShort counts comparisons by what they told.
func inShort(all []result.Comparison) string {
	counts := map[string]int{}
	for _, c := range all {
		counts[c.Verdict]++
	}
	var parts []string
	for _, v := range []struct{ verdict, words string }{
		{result.Higher, "%d are faster"}, {result.Lower, "%d are slower"},
		{result.NoDifference, "%d show no difference"}, {result.CouldNotTell, "%d could not be told apart"},
	} {
		if n := counts[v.verdict]; n > 0 {
			parts = append(parts, fmt.Sprintf(v.words, n))
		}
	}
	return strings.Join(parts, ", ")
}

func told1(c result.Comparison) string {
	switch c.Verdict {
	case result.Higher, result.Lower:
		return fmt.Sprintf("%s %+.0f %%", c.A, 100*(c.Ratio.Median-1))
	case result.NoDifference:
		return fmt.Sprintf("%s no difference (margin %g %%)", c.A, 100*c.Margin)
	}
	return c.A + " could not be told apart"
}

// figure is a rate with no more digits than its interval bears.
func figure(e result.Estimate) string { return term.Rate(e.Median) }

func span(e result.Estimate) string {
	if e.Confidence == 0 {
		return fmt.Sprintf(" (n=%d, no interval)", e.N)
	}
	return fmt.Sprintf(" (%s – %s)", term.Rate(e.Low), term.Rate(e.High))
}

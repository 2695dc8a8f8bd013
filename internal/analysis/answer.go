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
		var measured []result.Row
		for _, row := range r.Rows {
			if row.Workload == workload && row.RecordsPerSecond.N > 0 && row.RecordsPerSecond.Median > 0 {
				measured = append(measured, row)
			}
		}
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
	baseline := ""
	for _, c := range r.Comparisons {
		if r.Rows[c.ArmA].Workload != best.Workload || !strings.HasSuffix(c.Measure, Rate.Name) {
			continue
		}
		baseline = c.B
		told = append(told, told1(c))
	}
	if len(told) > 0 {
		text += ". Against " + baseline + ": " + strings.Join(told, ", ")
	}
	return text + "."
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

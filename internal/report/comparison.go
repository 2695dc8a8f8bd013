package report

import (
	"fmt"
	"io"
	"math"
	"strconv"

	"redline/result"
)

// Comparisons writes what was compared as text, and the warnings about it.
func Comparisons(w io.Writer, all []result.Comparison, warnings []string) {
	comparisons(w, clean(all))
	for _, warning := range clean(warnings) {
		paragraph(w, "note", warning)
	}
}

// ComparisonTable is what was compared with exact numbers, for other programs.
func ComparisonTable(all []result.Comparison) Table {
	t := Table{Heads: []string{"MEASURE", "A", "B", "VERDICT", "RATIO", "LOW", "HIGH", "CONFIDENCE", "N", "PAIRED", "P", "P-ADJUSTED", "MARGIN"}}
	for _, c := range all {
		t.Rows = append(t.Rows, []any{c.Measure, c.A, c.B, c.Verdict, c.Ratio.Median, c.Ratio.Low, c.Ratio.High,
			c.Ratio.Confidence, c.Ratio.N, c.Paired, c.P, c.Adjusted, c.Margin})
	}
	return t
}

func comparisons(w io.Writer, all []result.Comparison) {
	for _, group := range together(all) {
		first := group[0]
		paragraph(w, "COMPARED", fmt.Sprintf("%s, with %s (%s)", first.Measure, first.B, basis(group)))
		columns := []column{{}, {left: true}, {left: true}, {left: true}}
		for _, c := range group {
			cells := []string{"  " + c.A, verdict(c), change(c), chance(c)}
			for i := range columns {
				columns[i].cells = append(columns[i].cells, cells[i])
			}
		}
		writeTable(w, columns)
	}
}

// together parts comparisons by the measure and by what they are compared with.
func together(all []result.Comparison) [][]result.Comparison {
	var groups [][]result.Comparison
	place := map[[2]string]int{}
	for _, c := range all {
		key := [2]string{c.Measure, c.B}
		at, known := place[key]
		if !known {
			at = len(groups)
			place[key] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], c)
	}
	return groups
}

// basis says what the ratios of some comparisons stand on.
func basis(group []result.Comparison) string {
	ratios := make([]result.Estimate, len(group))
	for i, c := range group {
		ratios[i] = c.Ratio
	}
	text := "made apart"
	if group[0].Paired {
		text = "paired by round"
	}
	text += ", " + trialsEach(ratios)
	if cover := confidence(ratios); cover != "" {
		text += ", intervals cover " + cover
	}
	return text
}

// verdict says in words how a comparison came out, with "~" where no difference
// is there to be named.
func verdict(c result.Comparison) string {
	if c.Verdict == result.NoDifference {
		return fmt.Sprintf("~ no difference within %s %%", brief(100*c.Margin, 2))
	}
	return c.Verdict
}

// change writes a ratio as what it changes, with its interval.
func change(c result.Comparison) string {
	switch {
	case c.Ratio.N == 0:
		return "(nothing to compare)"
	case c.Ratio.Confidence == 0:
		return fmt.Sprintf("(n=%d, no interval)", c.Ratio.N)
	}
	middle, low, high, unit := relative(c.Ratio)
	if differs(c) {
		return fmt.Sprintf("%s %s (%s … %s)", middle, unit, low, high)
	}
	return fmt.Sprintf("(%s … %s %s)", low, high, unit)
}

// differs says whether a comparison found a difference that can be named.
func differs(c result.Comparison) bool {
	return c.Verdict == result.Higher || c.Verdict == result.Lower
}

// relative writes a ratio and its bounds in percent of change, or as a factor
// when it halves or doubles.
func relative(ratio result.Estimate) (middle, low, high, unit string) {
	write := func(v float64) string {
		decimals := 0
		if ratio.High-ratio.Low < 0.02 {
			decimals = 1
		}
		text := strconv.FormatFloat(100*(v-1), 'f', decimals, 64)
		if v >= 1 {
			text = "+" + text
		}
		return signed(text)
	}
	unit = "%"
	if ratio.Median >= 2 || ratio.Median <= 0.5 {
		s := newScale(ratio, plain)
		unit, write = "×", func(v float64) string {
			if v > 1e6 { // nothing was on the other side
				return "∞"
			}
			return s.number(v)
		}
	}
	return write(ratio.Median), write(ratio.Low), write(ratio.High), unit
}

// chance writes how probable so large a difference is by chance, after Holm.
func chance(c result.Comparison) string {
	if !c.Paired || c.Ratio.N == 0 || math.IsNaN(c.Adjusted) {
		return ""
	}
	if c.Adjusted < 0.001 {
		return "p < 0.001"
	}
	return "p " + brief(c.Adjusted, 2)
}

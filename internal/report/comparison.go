package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

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
		paragraph(w, "COMPARED", fmt.Sprintf("%s, %s (%s)", group.measure, group.with, basis(group.all)))
		columns := []column{{}, {left: true}, {left: true}, {left: true}}
		for _, c := range group.all {
			fill(columns, "  "+group.name(c.A, c), verdict(c), change(c), chance(c))
		}
		columns[0].fold = max(nameWidth, width-besides(columns))
		writeTable(w, columns)
	}
}

// besides is how many columns of a terminal stand beside the names.
func besides(columns []column) int {
	n := 0
	for _, c := range columns[1:] {
		n += 2 + c.width()
	}
	return n
}

// compared are comparisons that one table shows.
type compared struct {
	measure string
	// with says what they are compared with: "with none", or what each has of its own,
	// "each with defaults, all else the same".
	with string
	// each says that with does not tell what a line is compared with, so that the line has
	// to.
	each bool
	all  []result.Comparison
}

// name is that of a line, whose arm is known as a.
func (g compared) name(a string, c result.Comparison) string {
	if g.each {
		return a + " with " + c.B
	}
	return a
}

// together parts comparisons by their measure, and by what they are compared with
// unless each is with another.
func together(all []result.Comparison) []compared {
	var groups []compared
	for _, ofMeasure := range partBy(all, func(c result.Comparison) string { return c.Measure }) {
		measure, byB := ofMeasure[0].Measure, partBy(ofMeasure, func(c result.Comparison) string { return c.B })
		but := opponent(ofMeasure)
		switch {
		case len(byB) > 1 && but != "":
			groups = append(groups, compared{measure: measure, with: "each with " + but + ", all else the same", all: ofMeasure})
		case len(byB) > 1 && len(ofMeasure) < 2*len(byB):
			groups = append(groups, compared{measure: measure, with: "each with another", each: true, all: ofMeasure})
		default:
			for _, group := range byB {
				groups = append(groups, compared{measure: measure, with: "with " + group[0].B, all: group})
			}
		}
	}
	return groups
}

func partBy(all []result.Comparison, key func(result.Comparison) string) [][]result.Comparison {
	var groups [][]result.Comparison
	place := map[string]int{}
	for _, c := range all {
		at, known := place[key(c)]
		if !known {
			at = len(groups)
			place[key(c)] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], c)
	}
	return groups
}

// opponent is the one word that the labels of all that is compared with have in place
// of another: "defaults". It is empty where there is no such word.
func opponent(all []result.Comparison) string {
	word := ""
	for _, c := range all {
		a, b := words(c.A), words(c.B)
		if len(a) != len(b) {
			return ""
		}
		for i := range a {
			if a[i] == b[i] {
				continue
			}
			if word != "" && word != b[i] {
				return ""
			}
			word = b[i]
		}
	}
	return word
}

func words(label string) []string {
	return strings.FieldsFunc(label, func(r rune) bool { return r == ' ' || r == ',' })
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

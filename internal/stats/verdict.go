package stats

import (
	"cmp"
	"slices"

	"redline/result"
)

// Alpha is the share of alarms without a cause that the comparisons of one report
// may raise together.
const Alpha = 0.05

// Holm adjusts the p-values of all comparisons of one report, in their order:
// those that stay below Alpha may be called differences together, with at most
// Alpha chance of any false one, however they hang together.
//
// Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	adjusted := make([]float64, len(p))
	most := 0.0
	for step, i := range order {
		most = max(most, min(1, float64(len(p)-step)*p[i]))
		adjusted[i] = most
	}
	return adjusted
}

// Verdict says what a ratio shows: result.NoDifference, result.Higher,
// result.Lower or result.CouldNotTell.
//
//   - No difference: the whole interval lies within 1/(1+margin) … 1+margin, the
//     same whichever of the two is above the line. This comes first: a difference
//     that is real and smaller than the margin is none, since the margin is what was
//     asked for.
//   - Higher, lower: the adjusted p is below Alpha and the interval excludes 1.
//   - Could not tell: all else, and every ratio without an interval.
//
// adjusted is P after Holm. For a ratio of two runs made apart there is none: 0
// leaves the judgement to the interval.
func Verdict(ratio result.Estimate, adjusted, margin float64) string {
	switch {
	case ratio.Confidence == 0:
		return result.CouldNotTell
	case ratio.Low >= 1/(1+margin) && ratio.High <= 1+margin:
		return result.NoDifference
	case adjusted < Alpha && ratio.Low > 1:
		return result.Higher
	case adjusted < Alpha && ratio.High < 1:
		return result.Lower
	}
	return result.CouldNotTell
}

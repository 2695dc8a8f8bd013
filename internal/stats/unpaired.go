package stats

import (
	"fmt"
	"math"
	"slices"

	moremath "github.com/aclements/go-moremath/stats"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"redline/result"
)

// Unpaired is the ratio a/b of two runs made apart: the Hodges-Lehmann shift of
// their logarithms with the interval that inverts the Mann-Whitney test. N counts
// the values of both. It assumes that the two differ by a factor alone, and it
// knows nothing of what drifted between the runs: see Widen.
//
// The least that have an interval at 95 % are 4 and 4 (97.1 %) or 3 and 5; with
// fewer Confidence is 0, with a warning. A value of 0 counts as smaller than all
// others.
//
// Source: Hollander, Wolfe, Chicken, Nonparametric Statistical Methods, 3rd ed.,
// 4.1-4.3. The distribution of U is that of github.com/aclements/go-moremath, exact
// up to 50 values on a side, by its normal approximation beyond.
func Unpaired(a, b []float64) result.Estimate {
	least := leastPositive(append(slices.Clone(a), b...))
	differences := make([]float64, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			differences = append(differences, math.Log(max(x, least/extreme)/max(y, least/extreme)))
		}
	}
	if math.IsInf(least, 1) {
		differences = nil
	}
	e := fromOrder(differences, func(u int) float64 { return mannWhitney(len(a), len(b), u) })
	if len(differences) > 0 {
		e.N = len(a) + len(b)
		if e.Confidence == 0 {
			e.Warnings = []string{fmt.Sprintf("n=%d and %d, no interval (needs 4 and 4)", len(a), len(b))}
		}
	}
	return e
}

// leastPositive is the least value above 0; +Inf when there is none.
func leastPositive(values []float64) float64 {
	least := math.Inf(1)
	for _, v := range values {
		if v > 0 {
			least = min(least, v)
		}
	}
	return least
}

// mannWhitney is the probability that U of n and m values is at most u when there
// is no difference.
func mannWhitney(n, m, u int) float64 {
	if max(n, m) <= 50 {
		return moremath.UDist{N1: n, N2: m}.CDF(float64(u))
	}
	product := float64(n) * float64(m)
	normal := distuv.Normal{Mu: product / 2, Sigma: math.Sqrt(product * float64(n+m+1) / 12)}
	return normal.CDF(float64(u) + 0.5)
}

// Spread is how far runs of one plan drift apart: the standard deviation of the
// logarithms of their medians, which are positive. NaN with fewer than two.
func Spread(medians []float64) float64 {
	logs := make([]float64, len(medians))
	for i, m := range medians {
		logs[i] = math.Log(m)
	}
	return stat.StdDev(logs, nil)
}

// Widen makes the interval of the ratio of two runs made apart as wide as what
// drifts between runs demands. spread is that of `runs` runs of the same plan (see
// Spread). In logarithms, each side of the interval becomes
//
//	sqrt(side² + (t √2 spread)²)
//
// with t the 97.5 % quantile of Student's t at runs-1 degrees of freedom: √2, since
// a difference has the drift of two runs. The noise within runs counts twice, in
// side and in spread: the interval errs on the wide side, also when the runs behind
// spread were longer. It states a cover of at most 95 %.
//
// With fewer than two runs, or a spread that is no number, the drift is not known:
// Confidence is 0 then, with a warning.
func Widen(ratio result.Estimate, spread float64, runs int) result.Estimate {
	if ratio.Confidence == 0 {
		return ratio
	}
	if runs < 2 || math.IsNaN(spread) || math.IsInf(spread, 0) {
		ratio.Low, ratio.High, ratio.Confidence = ratio.Median, ratio.Median, 0
		ratio.Warnings = append(slices.Clone(ratio.Warnings),
			fmt.Sprintf("how far runs of this plan drift apart is not known from %d of them (needs 2), so two runs made apart cannot be compared", runs))
		return ratio
	}
	t := distuv.StudentsT{Sigma: 1, Nu: float64(runs - 1)}.Quantile(1 - (1-Confidence)/2)
	drift := t * math.Sqrt2 * spread
	ratio.Low = ratio.Median / math.Exp(math.Hypot(math.Log(ratio.Median/ratio.Low), drift))
	ratio.High = ratio.Median * math.Exp(math.Hypot(math.Log(ratio.High/ratio.Median), drift))
	ratio.Confidence = min(ratio.Confidence, Confidence)
	return ratio
}

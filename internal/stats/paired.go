package stats

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"gonum.org/v1/gonum/stat"

	"redline/result"
)

// PairedRatio is the ratio of two settings that were tried side by side.
type PairedRatio struct {
	// Ratio is the Hodges-Lehmann estimate of a/b with the interval that inverts
	// Wilcoxon's signed-rank test; N counts pairs.
	Ratio result.Estimate
	// P is the two-sided sign-flip probability of so large a difference if the two
	// were alike; 1 when there are no pairs.
	P float64
	// Noise is the standard deviation of the log-ratio of one pair: 0.05 is 5 %. It
	// is what PairsFor plans with, so it is not made robust: the power of the
	// sign-flip test hangs on the variance, outliers included, and a plan by a robust
	// spread finds less than it promises (docs/statistics.md). Pairs with a 0 say
	// nothing of noise and are left out. 0 with fewer than two pairs.
	Noise float64
}

// Paired compares a[i] with b[i], the values of two settings in round i. It
// assumes that if the two were alike, each could as well have had the other's
// value: the log-ratios are then symmetric around 0, whatever the noise looks like.
//
// Fewer than six pairs have no interval at 95 %: Confidence is 0 then, with a
// warning. A pair of which one value is 0 counts as a ratio beyond all others; of
// two zeros there is no ratio, they are left out, and a warning counts them. It
// panics when a and b differ in length, which is a mistake of the caller.
//
// Source: Hollander, Wolfe, Chicken, Nonparametric Statistical Methods, 3rd ed.,
// 3.1-3.3 (signed-rank test, its estimate and its interval); sign-flips are
// Fisher's (The Design of Experiments, 1935, 21).
func Paired(a, b []float64) PairedRatio {
	logs, left := logRatios(a, b)
	e := hodgesLehmann(logs)
	e.Warnings = append(e.Warnings, left...)
	return PairedRatio{Ratio: e, P: signFlip(logs), Noise: deviation(logs)}
}

// extreme stands for the ratio to nothing, or of nothing: its place in the order
// is all that an order statistic needs.
const extreme = 1e9

// logRatios gives log(a[i]/b[i]) of all pairs that have a ratio, and a warning
// that counts the others.
func logRatios(a, b []float64) (logs []float64, warnings []string) {
	if len(a) != len(b) {
		panic(fmt.Sprintf("stats: %d values paired with %d", len(a), len(b)))
	}
	for i := range a {
		switch {
		case a[i] > 0 && b[i] > 0:
			logs = append(logs, math.Log(a[i]/b[i]))
		case a[i] > 0:
			logs = append(logs, math.Log(extreme))
		case b[i] > 0:
			logs = append(logs, -math.Log(extreme))
		}
	}
	if left := len(a) - len(logs); left > 0 {
		warnings = []string{fmt.Sprintf("%d pairs of nothing were left out", left)}
	}
	return logs, warnings
}

// hodgesLehmann estimates the ratio of which logs are samples: the median of
// their Walsh averages (x_i + x_j)/2, i <= j, and the interval between two of them.
func hodgesLehmann(logs []float64) result.Estimate {
	walsh := make([]float64, 0, len(logs)*(len(logs)+1)/2)
	for i, x := range logs {
		for _, y := range logs[i:] {
			walsh = append(walsh, (x+y)/2)
		}
	}
	cumulated := signedRank(len(logs))
	e := fromOrder(walsh, func(t int) float64 { return cumulated[t] })
	e.N = len(logs)
	if e.N > 0 && e.Confidence == 0 {
		e.Warnings = []string{fmt.Sprintf("n=%d pairs, no interval (needs 6)", e.N)}
	}
	return e
}

// fromOrder is the estimate exp(median) of log-ratios that a rank test counts
// (Walsh averages, differences), between the k-th least and the k-th greatest of
// them: k is the greatest for which it covers Confidence. lower(t) is the
// probability that the test's statistic is at most t when there is no difference;
// the interval then covers 1 - 2 lower(k-1). Confidence is 0 when even the
// outermost two cover less. No values give a warning alone. It sorts them.
func fromOrder(logs []float64, lower func(t int) float64) result.Estimate {
	if len(logs) == 0 {
		return result.Estimate{Warnings: []string{"n=0, nothing was measured"}}
	}
	slices.Sort(logs)
	middle := math.Exp(median(logs))
	k := sort.Search(len(logs)/2, func(t int) bool { return 1-2*lower(t) < Confidence })
	if k == 0 {
		return result.Estimate{Low: middle, Median: middle, High: middle}
	}
	return result.Estimate{
		Low: math.Exp(logs[k-1]), Median: middle, High: math.Exp(logs[len(logs)-k]),
		Confidence: 1 - 2*lower(k-1),
	}
}

// signedRank is the distribution of Wilcoxon's signed-rank statistic of n values
// without a difference: element t is the probability of at most t. Each rank
// 1…n counts or does not, with probability 1/2.
func signedRank(n int) []float64 {
	p := make([]float64, n*(n+1)/2+1)
	p[0] = 1
	for rank := 1; rank <= n; rank++ {
		for t := len(p) - 1; t >= 0; t-- {
			p[t] /= 2
			if t >= rank {
				p[t] += p[t-rank] / 2
			}
		}
	}
	for t := 1; t < len(p); t++ {
		p[t] += p[t-1]
	}
	return p
}

// deviation is the standard deviation of the logs that are ratios of something to
// something; 0 when there are fewer than two.
func deviation(logs []float64) float64 {
	var own []float64
	for _, x := range logs {
		if math.Abs(x) < math.Log(extreme) {
			own = append(own, x)
		}
	}
	if len(own) < 2 {
		return 0
	}
	return stat.StdDev(own, nil)
}

// median of values in ascending order.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Package stats turns samples into estimates that say how sure they are:
// samples enter, a result.Estimate leaves. It is pure: no clock, no input or
// output, and randomness only from a seed, so that the same samples give the same
// estimate.
//
// Which function for what:
//   - Median for one setting.
//   - Paired for two settings tried round by round: what the rounds have in common,
//     the drift of the machine, cancels. Holm over all comparisons of a report, then
//     Verdict.
//   - Unpaired, then Widen, then Verdict, for two runs made apart.
//   - Rounds and PairsFor to plan how often to try.
//   - Scaling for a law of throughput over the number of instances.
//   - Steady and Changes for the rate within one trial.
//
// Bins of one trial follow each other and are no sample: never give them to Median.
// What each interval was found to cover stands in docs/statistics.md.
package stats

import (
	"fmt"
	"math"

	"golang.org/x/perf/benchmath"

	"redline/result"
)

// Confidence is what an interval is asked to cover; order statistics cover at
// least this much, and the estimate states its true cover.
const Confidence = 0.95

// Median is the median of values with its order-statistic interval, which
// assumes nothing about their distribution. Fewer than six values have no
// interval at 95 %: the estimate then says so in a warning, with Confidence 0
// and Low = High = Median. No values give the zero Estimate with a warning.
//
// Source: the interval is that of golang.org/x/perf/benchmath (AssumeNothing).
func Median(values []float64) result.Estimate {
	if len(values) == 0 {
		return result.Estimate{Warnings: []string{"n=0, nothing was measured"}}
	}
	s := benchmath.AssumeNothing.Summary(benchmath.NewSample(values, &benchmath.DefaultThresholds), Confidence)
	if math.IsInf(s.Lo, 0) || math.IsInf(s.Hi, 0) {
		return result.Estimate{
			Low: s.Center, Median: s.Center, High: s.Center, N: len(values),
			Warnings: []string{fmt.Sprintf("n=%d, no interval (needs 6)", len(values))},
		}
	}
	return result.Estimate{Low: s.Lo, Median: s.Center, High: s.Hi, Confidence: s.Confidence, N: len(values)}
}

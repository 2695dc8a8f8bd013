package analysis

import (
	"slices"

	"redline/internal/latency"
	"redline/internal/stats"
	"redline/result"
)

// Measure is one figure of a trial that arms are compared by.
type Measure struct {
	// Name is that of the row's field, such as "records_per_second".
	Name string
	// of gives it for a trial; negative where it is not known.
	of func(result.Trial) float64
}

// Rate, CPU and P99 are the measures of a comparison; the last is of latency from
// intended send to acknowledgement, and there when producing.
var (
	Rate = Measure{"records_per_second", result.Trial.Rate}
	CPU  = Measure{"cpu_ns_per_record", func(t result.Trial) float64 { return orUnknown(t.CPUNsPerRecord()) }}
	P99  = Measure{"p99_ms", p99}
)

func p99(t result.Trial) float64 {
	h, err := latency.Decode(t.LatencyHDR)
	if err != nil || h.Count() == 0 {
		return -1
	}
	return float64(h.Quantile(0.99)) / 1e6
}

// Pair is an arm and the one that it is held against, both of one run.
type Pair struct{ A, B int }

// planned are the pairs that the plan asks for.
func planned(run result.Run) []Pair {
	var pairs []Pair
	switch run.Plan.Kind {
	case result.Limits:
		pairs = finalists(run)
	case result.Nulls:
		return nil // its comparisons are stages, see AA
	}
	for i, arm := range run.Plan.Arms {
		if arm.Against >= 0 {
			pairs = append(pairs, Pair{i, arm.Against})
		}
	}
	return pairs
}

// finalists are the runner-up and the best of each side of a limit.
func finalists(run result.Run) []Pair {
	var pairs []Pair
	for _, workload := range []string{result.Consume, result.Produce} {
		arms := confirmed(run, workload)
		if len(arms) == 2 {
			pairs = append(pairs, Pair{arms[1], arms[0]})
		}
	}
	return pairs
}

// confirmed are the arms of a workload that have confirming trials, best median
// first.
func confirmed(run result.Run, workload string) []int {
	var arms []int
	medians := map[int]float64{}
	for i, arm := range run.Plan.Arms {
		trials := trialsOf(run, i)
		if arm.Workload == workload && slices.ContainsFunc(trials, func(t result.Trial) bool { return t.Stage == result.StageConfirm && t.Counts() }) {
			arms = append(arms, i)
			medians[i] = estimate(counting(trials), result.Trial.Rate).Median
		}
	}
	slices.SortStableFunc(arms, func(a, b int) int {
		if medians[a] > medians[b] {
			return -1
		}
		return 1
	})
	return arms
}

// Compare holds arms of one run against each other, paired by round: what the trials
// of a round have in common, the drift of the machine, cancels. Holm's correction
// is over all comparisons that are returned.
func Compare(run result.Run, pairs []Pair, measures []Measure, margin float64) []result.Comparison {
	labels := result.Labels(run.Plan.Arms)
	comparisons := []result.Comparison{}
	for _, pair := range pairs {
		for _, m := range measures {
			a, b := matched(run, pair, m)
			if len(a) == 0 && m.Name != Rate.Name {
				continue // it is not known of these two
			}
			paired := stats.Paired(a, b)
			comparisons = append(comparisons, result.Comparison{
				A: labels[pair.A], B: labels[pair.B], ArmA: pair.A, ArmB: pair.B,
				Measure: run.Plan.Arms[pair.A].Workload + "." + m.Name,
				Ratio:   paired.Ratio, Paired: true, P: paired.P, Margin: margin,
			})
		}
	}
	adjust(comparisons)
	return comparisons
}

// adjust fills in what depends on all comparisons together.
func adjust(comparisons []result.Comparison) {
	p := make([]float64, len(comparisons))
	for i, c := range comparisons {
		p[i] = c.P
	}
	for i, adjusted := range stats.Holm(p) {
		c := &comparisons[i]
		c.Adjusted = adjusted
		c.Verdict = stats.Verdict(c.Ratio, adjusted, c.Margin)
	}
}

// matched are the values of two arms in the rounds in which both have one.
func matched(run result.Run, pair Pair, m Measure) (a, b []float64) {
	ofA, ofB := byRound(run, pair.A, m), byRound(run, pair.B, m)
	for round := range run.Plan.Rounds {
		va, inA := ofA[round]
		vb, inB := ofB[round]
		if inA && inB {
			a, b = append(a, va), append(b, vb)
		}
	}
	return a, b
}

func byRound(run result.Run, arm int, m Measure) map[int]float64 {
	values := map[int]float64{}
	for _, t := range counting(trialsOf(run, arm)) {
		if v := m.of(t); v >= 0 {
			values[t.Round] = v
		}
	}
	return values
}

// Noise is the standard deviation of the log-ratio of one pair of trials of two arms.
func Noise(run result.Run, pair Pair) float64 {
	a, b := matched(run, pair, Rate)
	return stats.Paired(a, b).Noise
}

// Against pairs each of some arms with the one that the plan holds it against.
func Against(run result.Run, arms []int) []Pair {
	var pairs []Pair
	for _, pair := range planned(run) {
		if slices.Contains(arms, pair.A) {
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

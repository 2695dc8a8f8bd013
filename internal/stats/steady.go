package stats

import "math"

const (
	// batch is how many bins one batch of MSER-5 means.
	batch = 5
	// SteadyBins are the fewest that Steady judges.
	SteadyBins = 40
	// steadyBatches must be left at least: fewer agree by chance.
	steadyBatches = 5
)

// Steady finds the bin from which on a rate is steady, by MSER-5: of the means y
// of batches of five bins, leave out the first d, such that
//
//	sum over i > d of (y_i - mean)² / (n - d)²
//
// is least. The rate is not steady, from is 0 and ok false, when that leaves out
// more than half, or as much as it was allowed to. With fewer than 40 bins nothing
// can be told: ok is false as well. Bins at the end that fill no batch have no say.
//
// Source: White, Cobb, Spratt, A Comparison of Five Steady-State Truncation
// Heuristics for Simulation, 2000.
func Steady(bins []float64) (from int, ok bool) {
	if len(bins) < SteadyBins {
		return 0, false
	}
	n := len(bins) / batch
	best, cut := math.Inf(1), 0
	mean, squares := 0.0, 0.0 // of the last `left` batches (Welford)
	for d := n - 1; d >= 0; d-- {
		y := 0.0
		for _, v := range bins[d*batch : (d+1)*batch] {
			y += v / batch
		}
		left := float64(n - d)
		delta := y - mean
		mean += delta / left
		squares += delta * (y - mean)
		if z := squares / (left * left); n-d >= steadyBatches && z <= best {
			best, cut = z, d
		}
	}
	if cut > n/2 || cut == n-steadyBatches {
		return 0, false
	}
	return cut * batch, true
}

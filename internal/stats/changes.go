package stats

import (
	"errors"
	"math"
	"slices"

	moremath "github.com/aclements/go-moremath/stats"
	"gonum.org/v1/gonum/stat"
)

const (
	// window is how many bins are searched at once; half of it is the step.
	window = 100
	// shortest is the fewest bins that are a level of their own: a second of bins of
	// 100 ms. What passes sooner is noise.
	shortest = 10
	// weakP is what a split must reach to be looked at again, strictP what it must
	// reach between the segments that remain. Hunter has 0.01 and 0.001; the split is
	// the best of many, so that at 0.001 one series of a hundred has a false one.
	weakP, strictP = 0.003, 0.0003
)

// Changes finds the bins at which a rate changes its level for good: those whose
// segments, before and after, differ in their medians by at least the share least
// of the lower one. Ascending; empty when the rate keeps its level.
//
// It is E-divisive with a t-test: in windows that overlap, split where the energy
// distance between the two sides is greatest and Welch's t-test says p < 0.003, each
// side again, then drop the weakest change until all are strict (p < 0.0003) and
// large enough. Bins hang together, so the strict test takes them for as many as they
// are worth, n (1-r)/(1+r) with r the correlation of neighbours. There is no
// randomness in it: the same bins give the same changes.
//
// Source: Matteson and James, arXiv:1306.4933 (energy distance); Fleming et al.,
// Hunter, arXiv:2301.03034 (t-test, windows, weak and strict).
func Changes(bins []float64, least float64) []int {
	var weak []int
	for start := 0; start < len(bins); {
		end := min(start+window, len(bins))
		found := split(bins, start, end)
		weak = append(weak, found...)
		if end == len(bins) {
			break
		}
		start += window / 2
		if len(found) > 0 {
			start = max(start, found[len(found)-1])
		}
	}
	slices.Sort(weak)
	return strict(bins, slices.Compact(weak), least)
}

// split gives the weak changes of bins[start:end], ascending.
func split(bins []float64, start, end int) []int {
	at, until := farthest(bins[start:end])
	if at == 0 || welch(bins[start:start+at], bins[start+at:start+until], 1) >= weakP {
		return nil
	}
	changes := append(split(bins, start, start+at), start+at)
	return append(changes, split(bins, start+at, end)...)
}

// farthest gives the at and until for which x[:at] and x[at:until] are farthest
// apart by the energy distance, scaled by their sizes n and m:
//
//	2/(n+m) sum |x_i-y_j| - 2m/((n+m)(n-1)) sum |x_i-x_k| - 2n/((n+m)(m-1)) sum |y_j-y_l|
//
// until need not be the end: what comes after another change would blur this one.
// at is 0 when x is too short to split.
func farthest(x []float64) (at, until int) {
	sums := distances(x)
	most := math.Inf(-1)
	for t := shortest; t+shortest <= len(x); t++ {
		within := sums.between(0, t, 0, t) / 2
		for e := t + shortest; e <= len(x); e++ {
			n, m := float64(t), float64(e-t)
			q := 2 / (n + m) * (sums.between(0, t, t, e) - m/(n-1)*within - n/(m-1)*sums.between(t, e, t, e)/2)
			if q > most {
				most, at, until = q, t, e
			}
		}
	}
	return at, until
}

// summed holds, at row i and column j, the sum of |x_k-x_l| over k < i and l < j.
type summed [][]float64

func distances(x []float64) summed {
	sums := make(summed, len(x)+1)
	sums[0] = make([]float64, len(x)+1)
	for i, v := range x {
		sums[i+1] = make([]float64, len(x)+1)
		row := 0.0
		for j, w := range x {
			row += math.Abs(v - w)
			sums[i+1][j+1] = sums[i][j+1] + row
		}
	}
	return sums
}

// between is the sum of the distances between a <= k < b and c <= l < d.
func (s summed) between(a, b, c, d int) float64 {
	return s[b][d] - s[a][d] - s[b][c] + s[a][c]
}

// strict drops the weakest of changes, one at a time since its neighbours' segments
// grow by that, until all are significant and at least as large as least.
func strict(bins []float64, changes []int, least float64) []int {
	for len(changes) > 0 {
		segments := cut(bins, changes)
		own := independence(segments)
		weakest, worst := 0, -1.0
		smallest, size := 0, math.Inf(1)
		for i := range changes {
			before, after := segments[i], segments[i+1]
			if p := welch(before, after, own); p > worst {
				weakest, worst = i, p
			}
			if s := step(before, after); s < size {
				smallest, size = i, s
			}
		}
		switch {
		case worst >= strictP:
			changes = slices.Delete(changes, weakest, weakest+1)
		case size < least:
			changes = slices.Delete(changes, smallest, smallest+1)
		default:
			return changes
		}
	}
	return nil
}

// cut gives the segments of bins between changes.
func cut(bins []float64, changes []int) [][]float64 {
	segments, from := make([][]float64, 0, len(changes)+1), 0
	for _, at := range changes {
		segments = append(segments, bins[from:at])
		from = at
	}
	return append(segments, bins[from:])
}

// independence is what share of a bin is news, (1-r)/(1+r) with r the correlation
// of a bin with the one before it in its segment; 1 when they do not hang together.
func independence(segments [][]float64) float64 {
	product, squares := 0.0, 0.0
	for _, s := range segments {
		mean := stat.Mean(s, nil)
		for i, v := range s {
			squares += (v - mean) * (v - mean)
			if i > 0 {
				product += (v - mean) * (s[i-1] - mean)
			}
		}
	}
	if product <= 0 {
		return 1
	}
	return (squares - product) / (squares + product)
}

// step is by what share of the lower median the medians of a and b differ.
func step(a, b []float64) float64 {
	x, y := median(slices.Sorted(slices.Values(a))), median(slices.Sorted(slices.Values(b)))
	if x == y {
		return 0
	}
	return max(x, y)/min(x, y) - 1
}

// thinned is a sample of which only a share of each value is news.
type thinned struct {
	moremath.Sample
	own float64
}

func (t thinned) Weight() float64 { return t.own * t.Sample.Weight() }

// welch is the two-sided p of Welch's t-test on as many values as own leaves of a
// and b. Two levels without any noise differ surely, or not at all; one value alone
// shows nothing.
func welch(a, b []float64, own float64) float64 {
	of := func(x []float64) thinned { return thinned{moremath.Sample{Xs: x}, own} }
	test, err := moremath.TwoSampleWelchTTest(of(a), of(b), moremath.LocationDiffers)
	switch {
	case errors.Is(err, moremath.ErrZeroVariance) && a[0] != b[0]:
		return 0
	case err != nil:
		return 1
	}
	return test.P
}

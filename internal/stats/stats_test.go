package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestMedianStatesItsTrueCover(t *testing.T) {
	// Covers of order-statistic intervals, from the binomial distribution.
	for n, want := range map[int]float64{6: 0.96875, 7: 0.984375, 9: 0.9609375, 10: 0.978515625} {
		values := make([]float64, n)
		for i := range values {
			values[i] = float64(i + 1)
		}
		e := Median(values)
		if math.Abs(e.Confidence-want) > 1e-9 {
			t.Errorf("n=%d: cover %v, want %v", n, e.Confidence, want)
		}
		if e.N != n || e.Low >= e.Median || e.High <= e.Median {
			t.Errorf("n=%d: %+v is not an interval around its median", n, e)
		}
	}
}

func TestMedianOfTooFewValuesHasNoInterval(t *testing.T) {
	for n := 0; n < 6; n++ {
		e := Median(make([]float64, n))
		if e.Confidence != 0 || len(e.Warnings) != 1 || e.Low != e.Median || e.High != e.Median {
			t.Errorf("n=%d: %+v", n, e)
		}
	}
}

func TestMedianIntervalCoversAsOftenAsItStates(t *testing.T) {
	// Heavy-tailed, skewed noise (lognormal): median 1.
	rng := rand.New(rand.NewPCG(1, 2))
	const runs = 10_000
	covered, stated := 0, 0.0
	for range runs {
		values := make([]float64, 8)
		for i := range values {
			values[i] = math.Exp(rng.NormFloat64())
		}
		e := Median(values)
		stated = e.Confidence
		if e.Low <= 1 && 1 <= e.High {
			covered++
		}
	}
	got := float64(covered) / runs
	if math.Abs(got-stated) > 0.007 {
		t.Errorf("covered %.4f, stated %.4f", got, stated)
	}
}

func TestRatioCancelsDriftThatPairsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drift := rapid.SliceOfN(rapid.Float64Range(0.5, 2), 10, 20).Draw(t, "drift")
		factor := rapid.Float64Range(0.5, 2).Draw(t, "factor")
		a, b := make([]float64, len(drift)), make([]float64, len(drift))
		for i, d := range drift {
			b[i] = d * 1e6
			a[i] = b[i] * factor
		}
		e := Paired(a, b).Ratio
		for _, got := range []float64{e.Low, e.Median, e.High} {
			if math.Abs(got-factor) > 1e-9 {
				t.Fatalf("got %v, want %v", got, factor)
			}
		}
	})
}

package stats

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"redline/result"
)

func TestUnpairedIntervalIsThatOfTheMannWhitneyTable(t *testing.T) {
	// Critical values of U, two-sided 5 % (any textbook).
	for n, critical := range map[int]int{4: 0, 5: 2, 6: 5, 8: 13, 10: 23, 12: 37} {
		if low, high := mannWhitney(n, n, critical), mannWhitney(n, n, critical+1); low > 0.025 || high <= 0.025 {
			t.Errorf("n=%d: P(U<=%d)=%v, P(U<=%d)=%v", n, critical, low, critical+1, high)
		}
	}
	// Beyond 50 the normal approximation takes over without a step.
	if exact, normal := mannWhitney(50, 50, 960), mannWhitney(51, 50, 981); math.Abs(exact-normal) > 0.001 {
		t.Errorf("exact %v, normal %v", exact, normal)
	}
}

func TestUnpairedByHand(t *testing.T) {
	// Logs 0…3 and 0, 10, 20, 30: the differences run from -30 to 3; with 4 and 4 the
	// interval is all of them, at 1 - 2/70.
	e := Unpaired(exps(0, 1, 2, 3), exps(0, 10, 20, 30))
	if math.Abs(math.Log(e.Low)+30) > 1e-9 || math.Abs(math.Log(e.High)-3) > 1e-9 || math.Abs(math.Log(e.Median)+13.5) > 1e-9 {
		t.Errorf("%+v", e)
	}
	if math.Abs(e.Confidence-(1-2/70.0)) > 1e-12 || e.N != 8 {
		t.Errorf("cover %v of n=%d", e.Confidence, e.N)
	}
}

func exps(logs ...float64) []float64 {
	for i := range logs {
		logs[i] = math.Exp(logs[i])
	}
	return logs
}

func TestUnpairedOfTooFewOrOfNothing(t *testing.T) {
	e := Unpaired([]float64{2, 2, 2}, []float64{1, 1, 1, 1})
	if e.Confidence != 0 || e.Low != e.Median || e.High != e.Median || math.Abs(e.Median-2) > 1e-9 || !slices.Equal(e.Warnings, []string{"n=3 and 4, no interval (needs 4 and 4)"}) {
		t.Errorf("3 and 4: %+v", e)
	}
	if e := Unpaired([]float64{1, 2, 3}, []float64{1, 2, 3, 4, 5}); e.Confidence < Confidence {
		t.Errorf("3 and 5: %+v", e)
	}
	for _, none := range [][2][]float64{{nil, {1, 2}}, {{1, 2}, nil}, {{0, 0, 0, 0}, {0, 0, 0, 0}}} {
		if e := Unpaired(none[0], none[1]); e.N != 0 || e.Confidence != 0 || len(e.Warnings) != 1 {
			t.Errorf("%v: %+v", none, e)
		}
	}
	e = Unpaired([]float64{0, 2, 2, 2, 2, 2, 2, 2}, []float64{1, 1, 1, 1, 1, 1, 1, 1})
	if math.Abs(e.Median-2) > 1e-9 || math.IsInf(e.Low, 0) || math.IsNaN(e.Low) || e.High != e.Median {
		t.Errorf("a trial that came to nothing: %+v", e)
	}
}

func TestWidenByHand(t *testing.T) {
	// Five runs whose medians differ by a standard deviation of 2 % in log; t(4) is
	// 2.776; sides of 1 % and 3 %.
	ratio := result.Estimate{Low: math.Exp(-0.01), Median: 1, High: math.Exp(0.03), Confidence: 0.97, N: 20}
	e := Widen(ratio, 0.02, 5)
	drift := 2.7764451 * math.Sqrt2 * 0.02
	if math.Abs(math.Log(e.Low)+math.Hypot(0.01, drift)) > 1e-7 || math.Abs(math.Log(e.High)-math.Hypot(0.03, drift)) > 1e-7 {
		t.Errorf("%+v", e)
	}
	if e.Confidence != Confidence || e.Median != 1 || e.N != 20 {
		t.Errorf("%+v", e)
	}
}

func TestUnknownDriftLeavesNoInterval(t *testing.T) {
	ratio := result.Estimate{Low: 1.1, Median: 1.2, High: 1.3, Confidence: 0.97, N: 20, Warnings: []string{"before"}}
	for runs, medians := range [][]float64{nil, {5}, {5, 0}} {
		e := Widen(ratio, Spread(medians), runs)
		if e.Confidence != 0 || e.Low != 1.2 || e.High != 1.2 || len(e.Warnings) != 2 || !strings.Contains(e.Warnings[1], "not known") {
			t.Errorf("%v: %+v", medians, e)
		}
	}
	if len(ratio.Warnings) != 1 {
		t.Error("the warnings of the ratio that was given were changed")
	}
	if e := Widen(result.Estimate{Low: 2, Median: 2, High: 2, N: 3}, 0.1, 5); e.Confidence != 0 || e.High != 2 {
		t.Errorf("no interval before, none after: %+v", e)
	}
}

func TestSpread(t *testing.T) {
	if got := Spread(exps(1, 2, 3)); math.Abs(got-1) > 1e-12 {
		t.Errorf("standard deviation of 1, 2, 3 is 1, not %v", got)
	}
}

func TestWidenNeverNarrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		positive := rapid.SliceOfN(rapid.Float64Range(0.1, 10), 4, 12)
		e := Unpaired(positive.Draw(t, "a"), positive.Draw(t, "b"))
		spread := rapid.Float64Range(0, 0.5).Draw(t, "spread")
		w := Widen(e, spread, rapid.IntRange(2, 20).Draw(t, "runs"))
		if w.Low > e.Low*(1+1e-9) || w.High < e.High*(1-1e-9) || w.Median != e.Median || w.Confidence > Confidence {
			t.Fatalf("%+v became %+v", e, w)
		}
	})
}

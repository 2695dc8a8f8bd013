package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestPairedIntervalIsThatOfWilcoxonsTable(t *testing.T) {
	// Critical values of the signed-rank statistic, two-sided 5 % (any textbook):
	// the interval runs from the (T+1)-th least Walsh average to the (T+1)-th greatest.
	for n, critical := range map[int]int{6: 0, 7: 2, 8: 3, 9: 5, 10: 8, 12: 13, 15: 25, 20: 52} {
		p := signedRank(n)
		if p[critical] > 0.025 || p[critical+1] <= 0.025 {
			t.Errorf("n=%d: P(T<=%d)=%v, P(T<=%d)=%v", n, critical, p[critical], critical+1, p[critical+1])
		}
	}
	// n=8: 36 Walsh averages of 0…7 in log; the 4th least and greatest are 1 and 6.
	a, b := make([]float64, 8), make([]float64, 8)
	for i := range a {
		a[i], b[i] = math.Exp(float64(i)), 1
	}
	e := Paired(a, b).Ratio
	for _, check := range []struct{ got, want float64 }{{e.Low, 1}, {e.Median, 3.5}, {e.High, 6}} {
		if math.Abs(math.Log(check.got)-check.want) > 1e-9 {
			t.Errorf("log %v, want %v", math.Log(check.got), check.want)
		}
	}
	if want := 1 - 2*5.0/256; e.Confidence != want || e.N != 8 {
		t.Errorf("cover %v of n=%d, want %v", e.Confidence, e.N, want)
	}
}

func TestPairedOfFewPairsHasNoInterval(t *testing.T) {
	for n := range 6 {
		a, b := make([]float64, n), make([]float64, n)
		for i := range a {
			a[i], b[i] = 2, 1
		}
		p := Paired(a, b)
		if p.Ratio.Confidence != 0 || len(p.Ratio.Warnings) != 1 || p.Ratio.N != n || p.Ratio.Low != p.Ratio.Median || p.Ratio.High != p.Ratio.Median {
			t.Errorf("n=%d: %+v", n, p)
		}
		if want := min(1, 2/math.Exp2(float64(n))); p.P != want {
			t.Errorf("n=%d: p=%v, want %v", n, p.P, want)
		}
	}
	if want := "n=4 pairs, no interval (needs 6)"; Paired([]float64{1, 1, 1, 1}, []float64{1, 1, 1, 1}).Ratio.Warnings[0] != want {
		t.Errorf("want %q", want)
	}
}

func TestPairedOfNothing(t *testing.T) {
	one := []float64{1, 1, 1, 1, 1, 1, 1, 1}
	p := Paired([]float64{0, 2, 2, 2, 2, 2, 2, 2}, one)
	if p.Ratio.N != 8 || math.Abs(p.Ratio.Median-2) > 1e-9 || p.Ratio.Low > 0.001 || math.Abs(p.Ratio.High-2) > 1e-9 {
		t.Errorf("a trial that came to nothing moves the low end alone: %+v", p.Ratio)
	}
	if p.Noise > 1e-9 {
		t.Errorf("it is no noise: %v", p.Noise)
	}
	p = Paired([]float64{0, 2, 2, 2, 2, 2, 2, 2}, append([]float64{0}, one[1:]...))
	if p.Ratio.N != 7 || len(p.Ratio.Warnings) != 1 || p.P != 2/128.0 {
		t.Errorf("%+v", p)
	}
}

func TestSignFlipByHand(t *testing.T) {
	for _, c := range []struct {
		x    []float64
		want float64
	}{
		{nil, 1},
		{[]float64{0, 0, 0}, 1},
		{[]float64{0.1, 0.2, 0.3, 0.1, 0.2, 0.7}, 2.0 / 64},
		{[]float64{-1, -1, -1, -1, -1, -1}, 2.0 / 64},
		{[]float64{1, 1, 1, 1, 1, -1}, 2 * 7.0 / 64},  // 6, or one of six minus
		{[]float64{3, 2, -1}, 2 * 2.0 / 8},            // sums 6, 4 of 6 4 2 0 …
		{[]float64{1, -1, 1, -1}, 1},                  // sum 0
		{[]float64{20, -0.1, 0.1, 0.1}, 2 * 4.0 / 16}, // rest -0.1…0.3, reached by 3+1 of 8
	} {
		if got := signFlip(c.x); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v: p=%v, want %v", c.x, got, c.want)
		}
	}
}

func TestSignFlipCountsAllSigns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Map(rapid.IntRange(-9, 9), func(i int) float64 { return float64(i) / 10 }), 1, 10).Draw(t, "x")
		observed, count := 0.0, 0
		for _, v := range x {
			observed += v
		}
		for signs := range 1 << len(x) {
			sum := 0.0
			for i, v := range x {
				if signs>>i&1 == 1 {
					v = -v
				}
				sum += v
			}
			if math.Abs(sum) >= math.Abs(observed)-1e-6 {
				count++
			}
		}
		if got, want := signFlip(x), float64(count)/math.Exp2(float64(len(x))); math.Abs(got-want) > 1e-12 {
			t.Fatalf("p=%v, want %v", got, want)
		}
	})
}

func TestSampledSignFlipAgreesWithAllOfThem(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	x := make([]float64, 30)
	sum := 0.0
	for i := range x {
		x[i] = rng.NormFloat64() + 0.2
		sum += x[i]
	}
	exact, sampled := signFlip(x), sampledFlip(x, math.Abs(sum)-1e-9)
	if sd := math.Sqrt(exact / sampledFlips); math.Abs(exact-sampled) > 4*sd || exact > 0.2 || exact < 0.001 {
		t.Errorf("exact %v, sampled %v", exact, sampled)
	}
	long := append(x, x...)
	if p := signFlip(long); p > exact || p < 1/(1.0+sampledFlips) || p != signFlip(long) {
		t.Errorf("60 values: p=%v, then %v", p, signFlip(long))
	}
}

func TestPairedDoesNotCareForUnitsAndDrift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drift := rapid.SliceOfN(rapid.Float64Range(0.5, 2), 6, 20).Draw(t, "drift")
		noise := rapid.SliceOfN(rapid.Float64Range(0.9, 1.1), len(drift), len(drift)).Draw(t, "noise")
		a, b, c := make([]float64, len(drift)), make([]float64, len(drift)), make([]float64, len(drift))
		for i, d := range drift {
			a[i], b[i] = noise[i], 1
			c[i] = d
		}
		times := func(x []float64) []float64 {
			out := make([]float64, len(x))
			for i := range x {
				out[i] = x[i] * c[i]
			}
			return out
		}
		plain, drifted, swapped := Paired(a, b), Paired(times(a), times(b)), Paired(b, a)
		near := func(what string, x, y float64) {
			if math.Abs(x-y) > 1e-9 {
				t.Fatalf("%s: %v and %v", what, x, y)
			}
		}
		near("median under drift", plain.Ratio.Median, drifted.Ratio.Median)
		near("low under drift", plain.Ratio.Low, drifted.Ratio.Low)
		near("noise under drift", plain.Noise, drifted.Noise)
		near("low of b/a", plain.Ratio.Low, 1/swapped.Ratio.High)
		near("p of b/a", plain.P, swapped.P)
		if plain.Ratio.Low > plain.Ratio.Median || plain.Ratio.Median > plain.Ratio.High || plain.Ratio.Confidence < Confidence {
			t.Fatalf("%+v", plain.Ratio)
		}
	})
}

func BenchmarkSignFlip(b *testing.B) {
	for _, n := range []int{10, 20, 30, 31} {
		x := make([]float64, n)
		rng := rand.New(rand.NewPCG(1, 1))
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				signFlip(x)
			}
		})
	}
}

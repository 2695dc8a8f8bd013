package stats

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"redline/result"
)

func TestHolmByHand(t *testing.T) {
	got := Holm([]float64{0.01, 0.04, 0.03, 0.005})
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		if math.Abs(got[i]-want) > 1e-12 {
			t.Errorf("adjusted %v", got)
		}
	}
	if got := Holm([]float64{0.9, 0.8}); got[0] != 1 || got[1] != 1 {
		t.Errorf("no p is above 1: %v", got)
	}
	if got := Holm(nil); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestHolmKeepsTheOrderAndNeverLowers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOf(rapid.Float64Range(0, 1)).Draw(t, "p")
		given := slices.Clone(p)
		adjusted := Holm(p)
		for i := range p {
			if p[i] != given[i] || adjusted[i] < p[i] || adjusted[i] > 1 {
				t.Fatalf("%v became %v", given, adjusted)
			}
			for j := range p {
				if p[i] < p[j] && adjusted[i] > adjusted[j] {
					t.Fatalf("order: %v became %v", p, adjusted)
				}
			}
		}
	})
}

func TestVerdict(t *testing.T) {
	of := func(low, median, high float64) result.Estimate {
		return result.Estimate{Low: low, Median: median, High: high, Confidence: 0.97, N: 10}
	}
	for _, c := range []struct {
		name     string
		ratio    result.Estimate
		adjusted float64
		want     string
	}{
		{"above 1", of(1.04, 1.06, 1.08), 0.01, result.Higher},
		{"below 1", of(0.9, 0.92, 0.95), 0.01, result.Lower},
		{"the interval excludes 1, Holm does not", of(1.04, 1.06, 1.08), 0.05, result.CouldNotTell},
		{"p is small, the interval holds 1", of(0.99, 1.04, 1.08), 0.01, result.CouldNotTell},
		{"wide", of(0.98, 1.02, 1.06), 0.6, result.CouldNotTell},
		{"within the margin", of(0.98, 1, 1.02), 0.9, result.NoDifference},
		{"real, and smaller than the margin", of(1.01, 1.015, 1.02), 0.001, result.NoDifference},
		{"just within", of(1/1.03, 1, 1.03), 0.9, result.NoDifference},
		{"just outside", of(0.97, 1, 1.03), 0.9, result.CouldNotTell},
		{"no interval", result.Estimate{Low: 2, Median: 2, High: 2, N: 3}, 0, result.CouldNotTell},
		{"two runs made apart", of(1.04, 1.06, 1.08), 0, result.Higher},
	} {
		if got := Verdict(c.ratio, c.adjusted, 0.03); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestVerdictIsTheSameFromBothSides(t *testing.T) {
	other := map[string]string{
		result.Higher: result.Lower, result.Lower: result.Higher,
		result.NoDifference: result.NoDifference, result.CouldNotTell: result.CouldNotTell,
	}
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Float64Range(0.9, 1.1).Draw(t, "low")
		high := rapid.Float64Range(low, 1.2).Draw(t, "high")
		p := rapid.Float64Range(0, 0.1).Draw(t, "p")
		e := result.Estimate{Low: low, Median: low, High: high, Confidence: 0.95}
		inverse := result.Estimate{Low: 1 / high, Median: 1 / low, High: 1 / low, Confidence: 0.95}
		if a, b := Verdict(e, p, 0.0317), Verdict(inverse, p, 0.0317); b != other[a] {
			t.Fatalf("%s, and the other way round %s", a, b)
		}
	})
}

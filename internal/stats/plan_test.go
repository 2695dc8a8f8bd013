package stats

import (
	"math"
	"testing"
)

func TestRounds(t *testing.T) {
	for comparisons, want := range map[int]int{0: 10, 1: 10, 3: 10, 4: 10, 7: 11, 8: 11, 12: 11, 13: 12, 20: 12, 100: 14} {
		if got, why := Rounds(comparisons); got != want {
			t.Errorf("%d comparisons: %d rounds, want %d (%s)", comparisons, got, want, why)
		}
	}
	for comparisons, want := range map[int]string{
		1:  "1 comparison needs at least 6 pairs for p < 0.05 after Holm; 10 rounds are the default",
		12: "12 comparisons need at least 9 pairs for p < 0.05 after Holm, and 2 are spare",
	} {
		if _, why := Rounds(comparisons); why != want {
			t.Errorf("%q, want %q", why, want)
		}
	}
}

func TestRoundsSufficeForHolm(t *testing.T) {
	// All comparisons but one show nothing; that one, of pairs that all agree, is found.
	for comparisons := 1; comparisons <= 200; comparisons++ {
		rounds, _ := Rounds(comparisons)
		p := make([]float64, comparisons)
		for i := range p {
			p[i] = 1
		}
		x := make([]float64, rounds-spareRounds)
		for i := range x {
			x[i] = 1
		}
		p[0] = signFlip(x)
		if Holm(p)[0] >= Alpha {
			t.Errorf("%d comparisons, %d rounds: %v", comparisons, rounds, Holm(p)[0])
		}
	}
}

func TestPairsFor(t *testing.T) {
	for _, c := range []struct {
		effect, noise, power float64
		want                 int
	}{
		{0.05, 0.05, 0.8, 10}, // 2.80² + 2 = 9.85
		{0.05, 0.05, 0.9, 13}, // 3.24² + 2 = 12.51
		{0.03, 0.05, 0.8, 24}, // 7.85 · 2.78 + 2 = 23.8
		{-0.03, 0.05, 0.8, 24},
		{0.07, 0.05, 0.8, 8}, // 6.004 + 1
		{0.1, 0.05, 0.8, 6},  // 3.96
		{0.03, 0, 0.8, 6},
		{0, 0.05, 0.8, math.MaxInt32},
	} {
		if got := PairsFor(c.effect, c.noise, c.power); got != c.want {
			t.Errorf("%+v: %d pairs", c, got)
		}
	}
}

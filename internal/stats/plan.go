package stats

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

const (
	// leastPairs have an interval at Confidence, and can reach p < Alpha.
	leastPairs = 6
	// spareRounds may turn out invalid.
	spareRounds = 2
	// usualRounds are tried when nothing asks for more.
	usualRounds = 10
)

// Rounds is how often each setting has to be tried so that any of that many
// comparisons can be told, and why, in a sentence. n pairs that all agree have
// p = 2/2^n, and the first step of Holm asks for p <= Alpha/comparisons: the least
// such n, at least 6, and 2 spare ones; 10 when that is less.
func Rounds(comparisons int) (rounds int, why string) {
	pairs := leastPairs
	for 2/math.Exp2(float64(pairs)) > Alpha/float64(max(1, comparisons)) {
		pairs++
	}
	rounds = max(usualRounds, pairs+spareRounds)
	noun := "comparisons need"
	if comparisons == 1 {
		noun = "comparison needs"
	}
	why = fmt.Sprintf("%d %s at least %d pairs for p < %g after Holm", comparisons, noun, pairs, Alpha)
	if rounds == pairs+spareRounds {
		return rounds, fmt.Sprintf("%s, and %d are spare", why, spareRounds)
	}
	return rounds, fmt.Sprintf("%s; %d rounds are the default", why, rounds)
}

// PairsFor is how many pairs find an effect with that power (0…1) at p < Alpha,
// when noise is the standard deviation of one pair; effect and noise are
// log-ratios, so 0.03 is 3 %. At least 6.
//
//	n = (z(0.975) + z(power))² (noise/effect)² + 2, and one more below 10
//
// The first term is that of the normal test; the 2 is what Student's t needs beyond
// it, z(0.975)²/2 (Guenther, Sample Size Formulas for Normal Theory T Tests, 1981).
// Fewer than 10 pairs have few different p, none of them just below Alpha, and cost
// one pair more. That it holds for sign-flips was found by simulation
// (docs/statistics.md).
func PairsFor(effect, noise, power float64) int {
	z := distuv.UnitNormal.Quantile(1-Alpha/2) + distuv.UnitNormal.Quantile(power)
	n := math.Ceil(z*z*noise*noise/(effect*effect) + 2)
	switch {
	case n <= 4: // so clear that six pairs all agree
		return leastPairs
	case n < 10:
		return max(leastPairs, int(n)) + 1
	case n > math.MaxInt32:
		return math.MaxInt32
	}
	return int(n)
}

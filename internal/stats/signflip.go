package stats

import (
	"math"
	"math/rand/v2"
)

const (
	// exactFlips is the most values whose sign-flips are all counted.
	exactFlips = 30
	// sampledFlips is how many are drawn of more.
	sampledFlips = 99_999
)

// signFlip is the two-sided probability that the sum of x is as far from 0 as it
// is, if each value could as well have had the other sign. It is exact up to
// exactFlips values. For more, it is that among sampledFlips random ones and the
// one that was observed, from a fixed seed, which as a test is exact too (Phipson
// and Smyth, 2010) and never below 1e-5. 1 for no values.
func signFlip(x []float64) float64 {
	sum, size := 0.0, 0.0
	for _, v := range x {
		sum += v
		size += math.Abs(v)
	}
	// Sums of the same values in another order differ in the last digits.
	limit := math.Abs(sum) - 1e-9*size
	if limit <= 0 {
		return 1
	}
	if len(x) > exactFlips {
		return sampledFlip(x, limit)
	}
	half := len(x) / 2
	left, right := signedSums(x[:half]), signedSums(x[half:])
	return min(1, 2*float64(countReaching(left, right, limit))/math.Exp2(float64(len(x))))
}

// signedSums gives the sums ±x_1 ±x_2 … for all signs, in ascending order.
func signedSums(x []float64) []float64 {
	sums := []float64{0}
	for _, v := range x {
		v = math.Abs(v)
		next := make([]float64, 0, 2*len(sums))
		up := 0 // of sums, how many have been taken with +v
		for _, s := range sums {
			for sums[up]+v < s-v {
				next = append(next, sums[up]+v)
				up++
			}
			next = append(next, s-v)
		}
		for _, s := range sums[up:] {
			next = append(next, s+v)
		}
		sums = next
	}
	return sums
}

// countReaching counts the pairs of one of left and one of right, both ascending,
// whose sum is at least limit.
func countReaching(left, right []float64, limit float64) int {
	count, from := 0, len(right)
	for _, l := range left {
		for from > 0 && l+right[from-1] >= limit {
			from--
		}
		count += len(right) - from
	}
	return count
}

// sampledFlip is the share of random sign-flips of x whose sum is at least limit
// away from 0, the observed one among them.
func sampledFlip(x []float64, limit float64) float64 {
	rng := rand.New(rand.NewPCG(1, uint64(len(x))))
	count := 1
	for range sampledFlips {
		sum, signs := 0.0, uint64(0)
		for i, v := range x {
			if i%64 == 0 {
				signs = rng.Uint64()
			}
			sum += math.Float64frombits(math.Float64bits(v) ^ signs<<63)
			signs >>= 1
		}
		if math.Abs(sum) >= limit {
			count++
		}
	}
	return float64(count) / (1 + sampledFlips)
}

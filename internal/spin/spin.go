// Package spin does a fixed amount of arithmetic: an amount of work enters, the
// time it took leaves. The same work before and after a trial tells whether the
// machine was as fast as when it was calibrated; a planned amount of it for each
// record makes a handler of known cost.
package spin

import (
	"slices"
	"time"
)

// Work is an amount of arithmetic, in rounds of a fixed loop that touches no
// memory.
type Work int

// Do works. It is safe for concurrent use.
func (w Work) Do() { xorshift(88172645463325252, int(w)) } //nolint:staticcheck // the time it takes is what is wanted

// xorshift is Marsaglia's generator of period 2^64-1: each step needs the one
// before, so that no processor can do two at once. It is not inlined, or the compiler
// would drop a result that nobody wants.
//
//go:noinline
func xorshift(x uint64, n int) uint64 {
	for range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// Time is how long the work takes now.
func (w Work) Time() time.Duration {
	began := time.Now()
	w.Do()
	return time.Since(began)
}

// Best is the shortest of n times: what the machine can do when nothing comes
// between. A single interruption is not in it, a slower clock or a stolen
// processor is.
func (w Work) Best(n int) time.Duration {
	best := w.Time()
	for range n - 1 {
		best = min(best, w.Time())
	}
	return best
}

// Lasting is the work that takes d on this machine while it is idle: the median of
// some times of a known amount, scaled. Work below a microsecond is too short to
// be timed and comes out of a longer one.
func Lasting(d time.Duration) Work {
	const probe, times = Work(200_000), 9
	probe.Do() // wake the processor's clock
	took := make([]time.Duration, times)
	for i := range took {
		took[i] = probe.Time()
	}
	slices.Sort(took)
	perRound := float64(took[times/2]) / float64(probe)
	return max(1, Work(float64(d)/perRound))
}

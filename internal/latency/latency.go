// Package latency records how long things took, at the speed of the things.
// Durations enter, from any number of goroutines; counts, quantiles and the
// exact maximum leave, at any moment and without stopping who records.
//
// A Recorder keeps its counts in the buckets of an HdrHistogram with two
// significant digits over 1 ns … 1 h (36 KiB), each an atomic counter, so that
// one goroutine may read while others write; a lock around the library's own
// histogram costs twice as much. Reading gives a Histogram, which is the
// library's. A quantile is off by less than 0.8 % of its value; Count and Max
// are exact; Sum and Mean are computed from the middles of the buckets and are
// off by less than 0.4 %.
package latency

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// longest is where the buckets end: longer durations count in the last one.
	longest = time.Hour
	digits  = 2

	// The layout of an HdrHistogram of two digits: 256 buckets of 1 ns, then 128
	// for each further power of two. TestBucketsAreThoseOfHdrHistogram holds it
	// against the library.
	firstBits = 8
	buckets   = 36 << (firstBits - 1)
)

// Recorder counts durations. Its zero value is ready. All methods may be called
// from several goroutines; one Recorder for each that writes keeps their CPU
// caches apart (Merge their readings), one for all is correct too.
type Recorder struct {
	counts [buckets]atomic.Int64
	max    atomic.Int64
}

// Observe counts one duration. A negative one (a clock that was set back)
// counts as 0, one above an hour in the bucket of an hour; Max keeps it as it was.
func (r *Recorder) Observe(d time.Duration) { r.ObserveN(d, 1) }

// ObserveN counts n things that took d each, such as the records of a batch.
func (r *Recorder) ObserveN(d time.Duration, n int64) {
	if d < 0 {
		d = 0
	}
	// The maximum goes first and is read last: no reading has a count above its maximum.
	for m := r.max.Load(); int64(d) > m && !r.max.CompareAndSwap(m, int64(d)); {
		m = r.max.Load()
	}
	r.counts[bucket(d)].Add(n)
}

func bucket(d time.Duration) int {
	v := uint64(min(d, longest))
	shift := bits.Len64(v|(1<<firstBits-1)) - firstBits
	return shift<<(firstBits-1) + int(v>>shift)
}

// Read returns what was counted so far. A duration that is being observed
// meanwhile may or may not be in it.
func (r *Recorder) Read() *Histogram {
	counts := make([]int64, buckets)
	for i := range counts {
		counts[i] = r.counts[i].Load()
	}
	return fromCounts(counts, time.Duration(r.max.Load()))
}

// Histogram is a reading: what some recorders had counted at one moment. It does
// not change.
type Histogram struct {
	hdr *hdrhistogram.Histogram
	max time.Duration
}

// Empty is a Histogram of nothing.
func Empty() *Histogram { return fromCounts(make([]int64, buckets), 0) }

func fromCounts(counts []int64, max time.Duration) *Histogram {
	return &Histogram{
		hdr: hdrhistogram.Import(&hdrhistogram.Snapshot{
			LowestTrackableValue:  1,
			HighestTrackableValue: int64(longest),
			SignificantFigures:    digits,
			Counts:                counts,
		}),
		max: max,
	}
}

// Merge returns the sum of several readings; nil ones are left out.
func Merge(parts ...*Histogram) *Histogram {
	sum, max := make([]int64, buckets), time.Duration(0)
	for _, p := range parts {
		if p == nil {
			continue
		}
		for i, n := range p.hdr.Export().Counts {
			sum[i] += n
		}
		if p.max > max {
			max = p.max
		}
	}
	return fromCounts(sum, max)
}

// Since returns what was counted after an earlier reading of the same
// recorders. Its Max is exact if the maximum was reached in that span, else the
// upper edge of the highest bucket that was (at most 0.8 % above).
func (h *Histogram) Since(earlier *Histogram) *Histogram {
	if earlier == nil {
		return h
	}
	left := h.hdr.Export().Counts
	for i, n := range earlier.hdr.Export().Counts {
		left[i] -= n
	}
	d := fromCounts(left, h.max)
	if h.max == earlier.max {
		d.max = min(h.max, time.Duration(d.hdr.Max()))
	}
	return d
}

// Count is the number of durations.
func (h *Histogram) Count() int64 { return h.hdr.TotalCount() }

// Max is the longest duration; 0 if there is none.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile is the duration that the share q (0…1) of all does not exceed: the
// upper edge of its bucket. Quantile(0.5) is the median; without durations it
// is 0.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.Count() == 0 {
		return 0
	}
	if q >= 1 {
		return h.max
	}
	return min(h.max, time.Duration(h.hdr.ValueAtPercentile(q*100)))
}

// Mean is the average duration; 0 if there is none.
func (h *Histogram) Mean() time.Duration { return time.Duration(h.hdr.Mean()) }

// Sum is the time of all durations together, in seconds.
func (h *Histogram) Sum() float64 {
	return h.hdr.Mean() * float64(h.Count()) / float64(time.Second)
}

// Each calls f for every bucket that holds something, shortest first, with the
// middle of the bucket and its count.
func (h *Histogram) Each(f func(middle time.Duration, n int64)) {
	for _, b := range h.hdr.Distribution() {
		if b.Count > 0 {
			f(time.Duration(b.From+(b.To-b.From)/2), b.Count)
		}
	}
}

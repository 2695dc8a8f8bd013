package audit

import "slices"

// RangeSet is a set of numbers kept as sorted, disjoint, non-adjacent intervals
// [lo, hi). It holds at most max of them: when it is full, the gaps between the
// lower half are folded, which counts their numbers as missing for good and
// forgets which they were.
//
// The zero value is not usable: make one with newRangeSet.
type RangeSet struct {
	spans []span
	max   int
	// folded is how many numbers are missing inside spans[0], foldedTo the end
	// of the last gap folded into it: a number below may be one of them.
	folded   uint64
	foldedTo uint64
	spills   int64
}

type span struct{ lo, hi uint64 }

func newRangeSet(max int) RangeSet { return RangeSet{max: max} }

// Extend makes hi the end of the last interval, which must not end above it.
func (s *RangeSet) Extend(hi uint64) {
	if n := len(s.spans); n > 0 && s.spans[n-1].hi < hi {
		s.spans[n-1].hi = hi
	}
}

// Add puts x into the set and says whether it was not there yet.
func (s *RangeSet) Add(x uint64) bool {
	n := len(s.spans)
	if n > 0 && x == s.spans[n-1].hi {
		s.spans[n-1].hi++
		return true
	}
	if n == 0 || x > s.spans[n-1].hi {
		s.insert(n, span{x, x + 1})
		return true
	}
	i := s.find(x)
	if i < n && s.spans[i].lo <= x {
		return false
	}
	s.fill(i, x)
	return true
}

// AddRun puts n numbers from x on into the set.
func (s *RangeSet) AddRun(x uint64, n int) {
	if last := len(s.spans) - 1; last >= 0 && x == s.spans[last].hi {
		s.Extend(x + uint64(n))
		return
	}
	for i := range uint64(n) {
		s.Add(x + i)
	}
}

// fill adds x, which lies in the gap before spans[i].
func (s *RangeSet) fill(i int, x uint64) {
	left := i > 0 && s.spans[i-1].hi == x
	right := i < len(s.spans) && s.spans[i].lo == x+1
	switch {
	case left && right:
		s.spans[i-1].hi = s.spans[i].hi
		s.spans = slices.Delete(s.spans, i, i+1)
	case left:
		s.spans[i-1].hi++
	case right:
		s.spans[i].lo--
	default:
		s.insert(i, span{x, x + 1})
	}
}

// insert adds an interval that touches no other, about to be at place i.
func (s *RangeSet) insert(i int, x span) {
	if len(s.spans) >= s.max {
		s.fold()
		i = s.find(x.lo)
	}
	// What was folded stays in spans[0], so nothing may be put before it.
	if i == 0 && s.folded > 0 {
		s.absorb(x)
		return
	}
	s.spans = slices.Insert(s.spans, i, x)
}

// fold joins the lower half of the intervals into one. Half, because one at a
// time would move the whole slice for every insertion.
func (s *RangeSet) fold() {
	half := max(2, len(s.spans)/2)
	for i := 1; i < half; i++ {
		s.folded += s.spans[i].lo - s.spans[i-1].hi
	}
	s.foldedTo = s.spans[half-1].lo
	s.spans[0].hi = s.spans[half-1].hi
	s.spans = slices.Delete(s.spans, 1, half)
	s.spills += int64(half - 1)
}

// absorb adds an interval that lies before or inside the folded part.
func (s *RangeSet) absorb(x span) {
	if first := s.spans[0].lo; x.lo < first {
		s.folded += first - x.hi
		s.spans[0].lo = x.lo
		s.spills++
		return
	}
	s.folded -= x.hi - x.lo
}

// Contains says whether x is in the set. For a number inside the folded part
// the answer is true, and sure is false.
func (s *RangeSet) Contains(x uint64) (in, sure bool) {
	i := s.find(x)
	if i >= len(s.spans) || s.spans[i].lo > x {
		return false, true
	}
	return true, i > 0 || s.folded == 0 || x >= s.foldedTo
}

// Excuse counts one number less as missing in the folded part: one came of which
// it is not known whether it was missing.
func (s *RangeSet) Excuse() {
	if s.folded > 0 {
		s.folded--
		s.spills++
	}
}

// Missing counts the numbers in [lo, hi) that are not in the set. Numbers folded
// away count as missing when all of the folded part lies in [lo, hi).
func (s *RangeSet) Missing(lo, hi uint64) int64 {
	if hi <= lo {
		return 0
	}
	return int64(hi-lo) - s.Overlap(lo, hi)
}

// Overlap counts the numbers in [lo, hi) that are in the set.
func (s *RangeSet) Overlap(lo, hi uint64) int64 {
	var n uint64
	for i := s.find(lo); i < len(s.spans) && s.spans[i].lo < hi; i++ {
		n += min(hi, s.spans[i].hi) - max(lo, s.spans[i].lo)
		if i == 0 && s.folded > 0 && lo <= s.spans[0].lo && hi >= s.foldedTo {
			n -= s.folded
		}
	}
	return int64(n)
}

// Gaps calls f for each gap between lo and hi that is still known as one, in
// order.
func (s *RangeSet) Gaps(lo, hi uint64, f func(lo, hi uint64)) {
	for i := s.find(lo); i < len(s.spans) && s.spans[i].lo < hi; i++ {
		if s.spans[i].lo > lo {
			f(lo, s.spans[i].lo)
		}
		lo = max(lo, s.spans[i].hi)
	}
	if lo < hi {
		f(lo, hi)
	}
}

// find returns the first interval that ends above x.
func (s *RangeSet) find(x uint64) int {
	lo, hi := 0, len(s.spans)
	for lo < hi {
		if m := int(uint(lo+hi) >> 1); s.spans[m].hi > x {
			hi = m
		} else {
			lo = m + 1
		}
	}
	return lo
}

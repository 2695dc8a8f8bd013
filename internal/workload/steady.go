package workload

import (
	"time"

	"redline/internal/observe"
	"redline/result"
)

// Bin is the width of the samples that steady state is judged on.
const Bin = 100 * time.Millisecond

// Span is a part of a run and what was counted in it.
type Span struct {
	// From and To are measured from the start of the run.
	From, To time.Duration
	Records  int64
	Bytes    int64
}

// Rate is records per second; 0 for an empty span.
func (s Span) Rate() float64 { return perSecond(s.Records, s.To-s.From) }

// ByteRate is bytes per second; 0 for an empty span.
func (s Span) ByteRate() float64 { return perSecond(s.Bytes, s.To-s.From) }

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// point is a cumulative count at a moment of the run.
type point struct {
	at             time.Duration
	records, bytes int64
}

// Profile is how a run's count grew: one cumulative point per Bin.
type Profile struct{ points []point }

// add appends a point; moments must not go back.
func (p *Profile) add(at time.Duration, records, bytes int64) {
	p.points = append(p.points, point{at, records, bytes})
}

// Active is the span from the last moment without a record to the first moment
// with all of them. It is empty when nothing was counted.
func (p *Profile) Active() Span {
	first, last := p.active()
	return p.span(first, last)
}

// Cut says how the part of a run was chosen that its rate is taken from.
type Cut string

const (
	// Settled goes from the end of the warm-up to the last record.
	Settled Cut = "settled"
	// Bursts is for a client that delivers in bursts: from the start of the first to the
	// start of the last, so that each counts with the pause behind it.
	Bursts Cut = "bursts"
	// Whole is for a rate that did neither: from the first record to the last.
	Whole Cut = "whole"
)

// Steady is the part of Active that a rate may be taken from.
//
// Warm-up ends, by the rule of quick trials, when two successive spans of 200 ms
// agree within 10 %, and not before 0.4 s; what follows counts when it is at
// least a third of all. A client that pauses in a tenth of the bins or more, as
// librdkafka does at its defaults once a second, is cut from burst to burst.
func (p *Profile) Steady() (Span, Cut) {
	first, last := p.active()
	if span, ok := p.bursts(first, last); ok {
		return span, Bursts
	}
	const width = int(200 * time.Millisecond / Bin)
	for i := first + 2*width; i+width <= last && 3*(i-first) <= 2*(last-first); i++ {
		a, b := p.span(i-2*width, i-width).Rate(), p.span(i-width, i).Rate()
		if a > 0 && b > 0 && within(a, b, 0.10) && p.points[i].at-p.points[first].at >= 400*time.Millisecond {
			return p.span(i, last), Settled
		}
	}
	return p.span(first, last), Whole
}

// bursts gives the span from the first burst's start to the last one's, when
// enough of the bins between first and last are empty.
func (p *Profile) bursts(first, last int) (Span, bool) {
	counts := make([]int64, 0, last-first+1)
	for i := first; i <= last && i < len(p.points); i++ {
		counts = append(counts, p.points[i].records)
	}
	starts, ok := BurstStarts(counts)
	if !ok {
		return Span{}, false
	}
	return p.span(first, first+starts[len(starts)-1]), true
}

// BurstStarts looks at counts that only grow, read at equal distances, and gives the
// indexes from which they grow after a pause. ok says that there are such starts and
// that a tenth of the steps or more are empty: what delivers does so in bursts.
func BurstStarts(counts []int64) (starts []int, ok bool) {
	empty, paused := 0, false
	for i := range len(counts) - 1 {
		grows := counts[i+1] > counts[i]
		switch {
		case !grows:
			empty++
		case paused:
			starts = append(starts, i)
		}
		paused = !grows
	}
	return starts, len(starts) > 0 && empty >= 2 && 10*empty >= len(counts)-1
}

func within(a, b, margin float64) bool {
	if a > b {
		a, b = b, a
	}
	return b-a <= margin*b
}

// active gives the indexes that bound the part in which the count grew.
func (p *Profile) active() (first, last int) {
	n := len(p.points)
	if n == 0 {
		return 0, 0
	}
	total := p.points[n-1].records
	for first = 0; first+1 < n && p.points[first+1].records == 0; first++ {
	}
	for last = n - 1; last > first && p.points[last-1].records == total; last-- {
	}
	return first, last
}

func (p *Profile) span(i, j int) Span {
	if len(p.points) == 0 {
		return Span{}
	}
	a, b := p.points[i], p.points[j]
	return Span{From: a.at, To: b.at, Records: b.records - a.records, Bytes: b.bytes - a.bytes}
}

// sampler fills a Profile while a run goes on.
type sampler struct {
	began time.Time
	count func() (records, bytes int64)
	watch *observe.Watch // nil: usage is not wanted
	stop  chan struct{}
	done  chan struct{}

	profile Profile
	// last is the reading of the last sample; from and to bound the part in
	// which the count grew.
	last, from, to observe.Reading
	growing        bool
}

// startSampling calls count every Bin until finish is called.
func startSampling(began time.Time, watch *observe.Watch, count func() (records, bytes int64)) *sampler {
	s := &sampler{began: began, count: count, watch: watch, stop: make(chan struct{}), done: make(chan struct{})}
	s.sample()
	go func() {
		defer close(s.done)
		tick := time.NewTicker(Bin)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.sample()
			case <-s.stop:
				s.sample()
				return
			}
		}
	}()
	return s
}

func (s *sampler) sample() {
	records, bytes := s.count()
	grew := len(s.profile.points) > 0 && records > s.profile.points[len(s.profile.points)-1].records
	s.profile.add(time.Since(s.began), records, bytes)
	if s.watch == nil {
		return
	}
	reading := s.watch.Split()
	if grew {
		if !s.growing {
			s.from, s.growing = s.last, true
		}
		s.to = reading
	}
	s.last = reading
}

// finish takes the last sample and gives the whole profile, with the usage of
// the part in which the count grew.
func (s *sampler) finish() (Profile, result.Usage) {
	close(s.stop)
	<-s.done
	if s.watch == nil {
		return s.profile, result.Usage{}
	}
	if !s.growing {
		return s.profile, s.watch.Usage()
	}
	return s.profile, observe.Between(s.from, s.to)
}

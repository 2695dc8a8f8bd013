package workload

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// profileOf makes a profile of bins with these numbers of records.
func profileOf(bins ...int64) *Profile {
	p := &Profile{}
	p.add(0, 0, 0)
	total := int64(0)
	for i, n := range bins {
		total += n
		p.add(time.Duration(i+1)*Bin, total, 10*total)
	}
	return p
}

func TestSteadyLeavesOutJoiningAndWarmUp(t *testing.T) {
	// 1 s of joining, a ramp, then 100 records a bin, then an idle tail.
	p := profileOf(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 30, 60, 90, 100, 100, 100, 100, 100, 100, 100, 100, 0, 0, 0)
	s, cut := p.Steady()
	if cut != Settled {
		t.Fatalf("a constant rate has to settle: %v", cut)
	}
	if got := s.Rate(); got != 1000 {
		t.Errorf("rate %v, want 1000", got)
	}
	if s.From < 1400*time.Millisecond {
		t.Errorf("steady from %v: less than 0.4 s after the first record", s.From)
	}
	if s.To != 2200*time.Millisecond {
		t.Errorf("steady until %v: the idle tail is no part of it", s.To)
	}
	if active := p.Active(); active.From != time.Second || active.To != s.To || active.Records != 990 {
		t.Errorf("active %+v", active)
	}
}

func TestBurstsAreCutFromStartToStart(t *testing.T) {
	// librdkafka's defaults: a burst of three bins a second.
	var bins []int64
	for range 5 {
		bins = append(bins, 500, 400, 100, 0, 0, 0, 0, 0, 0, 0)
	}
	bins = append(bins, 500, 20)
	s, cut := profileOf(bins...).Steady()
	if cut != Bursts || s.Records != 5000 || s.To-s.From != 5*time.Second || s.Rate() != 1000 {
		t.Errorf("%v %+v", cut, s)
	}
}

func TestAShortTailIsNotTheSteadyPart(t *testing.T) {
	// Wild for 2 s, then the same in two spans of the tail.
	p := profileOf(900, 100, 50, 700, 20, 500, 90, 800, 10, 600, 900, 100, 50, 700, 20, 500, 90, 800, 10, 600, 5, 5, 5, 5, 5, 5)
	s, cut := p.Steady()
	if cut != Whole || s.Records != 7570 {
		t.Errorf("%v %+v", cut, s)
	}
}

func TestProfileOfNothingIsEmpty(t *testing.T) {
	for _, p := range []*Profile{{}, profileOf(), profileOf(0, 0, 0)} {
		s, cut := p.Steady()
		if cut != Whole || s.Records != 0 || s.Rate() != 0 || s.ByteRate() != 0 {
			t.Errorf("%+v %v", s, cut)
		}
	}
}

func TestSpansNeverCountMoreThanWasCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bins := rapid.SliceOf(rapid.Int64Range(0, 1e6)).Draw(t, "bins")
		p := profileOf(bins...)
		total := int64(0)
		for _, n := range bins {
			total += n
		}
		active := p.Active()
		steady, _ := p.Steady()
		if active.Records != total {
			t.Fatalf("active has %d of %d records", active.Records, total)
		}
		if steady.Records > total || steady.From < active.From || steady.To > active.To || math.IsNaN(steady.Rate()) {
			t.Fatalf("steady %+v of active %+v", steady, active)
		}
	})
}

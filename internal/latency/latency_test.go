package latency

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// durations are spread over all magnitudes, as latencies are.
func durations(min int) *rapid.Generator[[]time.Duration] {
	one := rapid.Custom(func(t *rapid.T) time.Duration {
		limit := int64(1) << rapid.IntRange(0, 41).Draw(t, "bits")
		return time.Duration(rapid.Int64Range(0, limit).Draw(t, "d"))
	})
	return rapid.SliceOfN(one, min, 300)
}

func TestBucketsAreThoseOfHdrHistogram(t *testing.T) {
	if got := len(Empty().hdr.Export().Counts); got != buckets {
		t.Fatalf("the library has %d buckets, we have %d", got, buckets)
	}
	rapid.Check(t, func(t *rapid.T) {
		var r Recorder
		want := hdrhistogram.New(1, int64(longest), digits)
		for _, d := range append(durations(0).Draw(t, "d"), 0, longest) {
			r.Observe(d)
			if err := want.RecordValue(int64(d)); err != nil {
				t.Fatal(err)
			}
		}
		if !r.Read().hdr.Equals(want) {
			t.Fatal("counts differ from the library's own")
		}
	})
}

func TestQuantilesAreWithinOnePercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ds := durations(1).Draw(t, "d")
		var r Recorder
		for _, d := range ds {
			r.Observe(d)
		}
		slices.Sort(ds)
		h := r.Read()
		if h.Count() != int64(len(ds)) || h.Max() != ds[len(ds)-1] || h.Quantile(1) != h.Max() {
			t.Fatalf("count %d max %v of %v", h.Count(), h.Max(), ds)
		}
		for _, q := range []float64{0.01, 0.5, 0.95, 0.99, 0.999} {
			rank := min(len(ds), max(1, int(q*float64(len(ds))+0.5)))
			want, got := float64(ds[rank-1]), float64(h.Quantile(q))
			if got < want || got > want*1.01+1 {
				t.Fatalf("q%v: got %v, exact %v", q, got, want)
			}
		}
		sum := 0.0
		for _, d := range ds {
			sum += d.Seconds()
		}
		if math.Abs(h.Sum()-sum) > sum*0.005+1e-9*float64(len(ds)) {
			t.Fatalf("sum %v, exact %v", h.Sum(), sum)
		}
	})
}

func TestMergeAndSinceUndoEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all, first, second Recorder
		for _, d := range durations(0).Draw(t, "first") {
			all.Observe(d)
			first.Observe(d)
		}
		early := all.Read()
		for _, d := range durations(0).Draw(t, "second") {
			all.Observe(d)
			second.Observe(d)
		}
		whole := all.Read()
		if merged := Merge(first.Read(), nil, second.Read()); !merged.hdr.Equals(whole.hdr) || merged.Max() != whole.Max() {
			t.Fatal("merge of the parts is not the whole")
		}
		late := whole.Since(early)
		if !late.hdr.Equals(second.Read().hdr) {
			t.Fatal("whole since the first part is not the second part")
		}
		if got, want := float64(late.Max()), float64(second.Read().Max()); got < want || got > want*1.01+1 {
			t.Fatalf("max %v, want %v", got, want)
		}
	})
}

func TestStrangeDurationsAreKept(t *testing.T) {
	var r Recorder
	r.Observe(-time.Second)
	r.Observe(100 * time.Hour)
	r.ObserveN(time.Millisecond, 3)
	h := r.Read()
	if h.Count() != 5 || h.Max() != 100*time.Hour || h.Quantile(0.01) != 0 {
		t.Errorf("count %d, max %v, least %v", h.Count(), h.Max(), h.Quantile(0.01))
	}
	if e := Empty(); e.Count() != 0 || e.Max() != 0 || e.Quantile(0.99) != 0 || e.Mean() != 0 || e.Sum() != 0 {
		t.Error("nothing is not nothing")
	}
}

func TestAReadingWhileOthersWriteLosesNothing(t *testing.T) {
	const writers, each = 4, 20_000
	var r Recorder
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				r.Observe(time.Duration(w*each+i) * time.Microsecond)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	last := Empty()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		h := r.Read()
		if d := h.Since(last); h.Count() != last.Count()+d.Count() || h.Quantile(0.9999999) > h.Max() {
			t.Fatal("a count fell, or lies above the maximum")
		}
		last = h
	}
	if last.Count() != writers*each || last.Max() != (writers*each-1)*time.Microsecond {
		t.Errorf("count %d, max %v", last.Count(), last.Max())
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	var r Recorder
	if n := testing.AllocsPerRun(100, func() { r.Observe(time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	var r Recorder
	d := time.Duration(12345)
	for b.Loop() {
		r.Observe(d)
		d = d*5&0xffffff + 1
	}
}

func BenchmarkRead(b *testing.B) {
	var r Recorder
	for b.Loop() {
		r.Read()
	}
}

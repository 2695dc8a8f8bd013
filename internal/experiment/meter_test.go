package experiment

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"redline/internal/client"
	"redline/internal/observe"
	"redline/result"
)

// steadyWork makes records at a rate of time, in fake time.
type steadyWork struct {
	began time.Time
	rate  func(time.Duration) float64 // cumulative records at a moment
	done  chan struct{}
	calls atomic.Int64
}

func (w *steadyWork) Records() int64 {
	w.calls.Add(1)
	return int64(w.rate(time.Since(w.began)))
}
func (w *steadyWork) Bytes() int64                { return 100 * w.Records() }
func (w *steadyWork) Done() <-chan struct{}       { return w.done }
func (w *steadyWork) Rewinds() int64              { return 0 }
func (w *steadyWork) Settings() map[string]string { return nil }

func (w *steadyWork) finish(context.Context, bool, *result.Trial) error { return nil }

func measureIn(t *testing.T, timing result.Timing, rate func(time.Duration) float64) (trial result.Trial, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &steadyWork{began: time.Now(), rate: rate, done: make(chan struct{})}
		m := newMeter(w, timing, observe.Begin(nil), &client.Wire{}, &handling{})
		err = m.measure(t.Context(), &trial, func() {}, func() {})
	})
	return trial, err
}

func TestTrialLeavesOutTheWarmUp(t *testing.T) {
	// 1 s of nothing, then 1,000/s for 0.3 s, then 10,000/s.
	trial, err := measureIn(t, DefaultTiming, func(d time.Duration) float64 {
		switch {
		case d < time.Second:
			return 0
		case d < 1300*time.Millisecond:
			return 1000 * (d - time.Second).Seconds()
		}
		return 300 + 10_000*(d-1300*time.Millisecond).Seconds()
	})
	if err != nil || trial.Rate() < 9_900 || trial.Rate() > 10_100 || trial.Cut != "settled" {
		t.Errorf("rate %v, cut %q, %v", trial.Rate(), trial.Cut, err)
	}
	if trial.Warmup < 1400*time.Millisecond {
		t.Errorf("warm-up %v is shorter than joining and 0.4 s", trial.Warmup)
	}
	var all int64
	for _, n := range trial.Bins {
		all += n
	}
	if want := int64(300 + 10_000*(trial.Warmup+trial.Window-1300*time.Millisecond).Seconds()); all < want-100 || all > want+100 {
		t.Errorf("the bins hold %d records, %d passed", all, want)
	}
}

// A client that delivers everything at the start of each second has the rate of
// whole seconds, wherever the window began and ended.
func TestBurstsAreCutFromStartToStart(t *testing.T) {
	trial, err := measureIn(t, result.Timing{Warmup: time.Second, Window: 5500 * time.Millisecond}, func(d time.Duration) float64 {
		whole := d.Truncate(time.Second)
		return 1000 * (whole.Seconds() + min(1, (d-whole).Seconds()*5))
	})
	if err != nil || trial.Cut != "bursts" || trial.Rate() < 980 || trial.Rate() > 1020 {
		t.Errorf("cut %q, rate %v, %v", trial.Cut, trial.Rate(), err)
	}
	if trial.Window > 5*time.Second+time.Millisecond || trial.Usage.Wall > trial.Window+200*time.Millisecond {
		t.Errorf("window %v, usage of %v", trial.Window, trial.Usage.Wall)
	}
}

func TestTrialOfARateThatNeverSettlesEndsAllTheSame(t *testing.T) {
	trial, err := measureIn(t, DefaultTiming, func(d time.Duration) float64 { return 1e6 * d.Seconds() * d.Seconds() })
	if err != nil || trial.Records == 0 || trial.Warmup > 3*DefaultTiming.Warmup+time.Second {
		t.Errorf("%+v, %v", trial, err)
	}
}

func TestTrialWithoutARecordSaysSo(t *testing.T) {
	if _, err := measureIn(t, DefaultTiming, func(time.Duration) float64 { return 0 }); err == nil {
		t.Error("no record ever, and no error")
	}
}

func TestTrialOfAWorkloadThatEndsSaysSo(t *testing.T) {
	w := &steadyWork{began: time.Now(), rate: func(time.Duration) float64 { return 1 }, done: make(chan struct{})}
	close(w.done)
	measure := func(ctx context.Context) error {
		m := newMeter(w, DefaultTiming, observe.Begin(nil), &client.Wire{}, &handling{})
		return m.measure(ctx, &result.Trial{}, func() {}, func() {})
	}
	if err := measure(t.Context()); !errors.Is(err, errEnded) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("a reason")
	cancel(why)
	if err := measure(ctx); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

func TestALongWindowLeavesOutTheRestOfAWarmUp(t *testing.T) {
	// 1,000/s for 2 s of a window of 6 s, then 10,000/s with a wobble.
	trial, err := measureIn(t, result.Timing{Warmup: 400 * time.Millisecond, Window: 6 * time.Second}, func(d time.Duration) float64 {
		if d < 2400*time.Millisecond {
			return 1000 * d.Seconds()
		}
		t := (d - 2400*time.Millisecond).Seconds()
		return 2400 + 10_000*t + 30*math.Sin(50*t)
	})
	if err != nil || trial.Rate() < 9_500 || trial.Window > 4200*time.Millisecond || trial.Window < 3*time.Second {
		t.Errorf("rate %v over %v, %q, %v", trial.Rate(), trial.Window, trial.Notes, err)
	}
}

func TestAChangeInTheMiddleIsNoted(t *testing.T) {
	trial, err := measureIn(t, result.Timing{Warmup: 400 * time.Millisecond, Window: 8 * time.Second}, func(d time.Duration) float64 {
		if d < 6*time.Second {
			return 10_000 * d.Seconds()
		}
		return 60_000 + 7_000*(d-6*time.Second).Seconds()
	})
	if err != nil || len(trial.Notes) == 0 {
		t.Errorf("%q, %v", trial.Notes, err)
	}
}

// toldWork counts for itself, and tells once in a while.
type toldWork struct {
	client.Process
	began   time.Time
	every   time.Duration
	end     time.Duration // when it ends by itself; 0: never
	records atomic.Int64
	told    chan struct{}
	done    chan struct{}
}

func (w *toldWork) Records() int64            { return w.records.Load() }
func (w *toldWork) Bytes() int64              { return 100 * w.Records() }
func (w *toldWork) Rewinds() int64            { return 0 }
func (w *toldWork) Reported() <-chan struct{} { return w.told }
func (w *toldWork) Done() <-chan struct{}     { return w.done }

// tell counts 10,000 records a second.
func (w *toldWork) tell(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(w.every)
		w.records.Store(int64(10_000 * time.Since(w.began).Seconds()))
		select {
		case w.told <- struct{}{}:
		default:
		}
		if w.end > 0 && time.Since(w.began) >= w.end {
			close(w.done)
			return
		}
	}
}

// What a client tells is cut where it tells it: in between its counts stand still.
func TestCountsThatAreToldAreCutBetweenTellings(t *testing.T) {
	for _, tt := range []struct {
		name       string
		every, end time.Duration
		fails      bool
	}{
		{"seldom", 700 * time.Millisecond, 0, false},
		{"often", 90 * time.Millisecond, 0, false},
		{"all was read", 300 * time.Millisecond, 4500 * time.Millisecond, false},
		{"all was read before the window", 300 * time.Millisecond, 1800 * time.Millisecond, false},
		{"too little was there", 300 * time.Millisecond, 600 * time.Millisecond, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				w := &toldWork{began: time.Now(), every: tt.every, end: tt.end, told: make(chan struct{}, 1), done: make(chan struct{})}
				var telling sync.WaitGroup
				telling.Go(func() { w.tell(ctx) })
				m := newMeter(externalWork{w, result.Consume}, result.Timing{Warmup: time.Second, Window: 4 * time.Second}, observe.Begin(nil), &client.Wire{}, &handling{})
				var trial result.Trial
				err := m.measure(ctx, &trial, func() {}, func() {})
				cancel()
				telling.Wait()
				if (err != nil) != tt.fails {
					t.Fatal(err)
				}
				if err == nil && (trial.Rate() < 9_990 || trial.Rate() > 10_010) {
					t.Errorf("%v records/s in %v", trial.Rate(), trial.Window)
				}
			})
		})
	}
}

func TestAClientThatTellsNothingAnyMoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &toldWork{began: time.Now(), told: make(chan struct{}, 1), done: make(chan struct{})}
		w.records.Store(1)
		m := newMeter(externalWork{w, result.Consume}, DefaultTiming, observe.Begin(nil), &client.Wire{}, &handling{})
		if err := m.measure(t.Context(), &result.Trial{}, func() {}, func() {}); err == nil {
			t.Error("no error")
		}
	})
}

package experiment

import (
	"context"
	"errors"
	"math"
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
func (w *steadyWork) Bytes() int64          { return 100 * w.Records() }
func (w *steadyWork) Done() <-chan struct{} { return w.done }

func measureIn(t *testing.T, timing result.Timing, rate func(time.Duration) float64) (trial result.Trial, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &steadyWork{began: time.Now(), rate: rate, done: make(chan struct{})}
		m := newMeter(w, timing, observe.Begin(nil), &client.Wire{}, func() int64 { return 0 })
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
		m := newMeter(w, DefaultTiming, observe.Begin(nil), &client.Wire{}, func() int64 { return 0 })
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

package experiment

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"redline/internal/client"
	"redline/internal/observe"
	"redline/result"
)

func TestDefaultPlanHasTheStatedTrials(t *testing.T) {
	s := plan(DefaultTime, 2, 6)
	if s.timing != defaultTiming || s.rounds != minRounds {
		t.Errorf("%+v", s)
	}
}

func TestPlanKeepsWithinItsTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := time.Duration(rapid.Int64Range(int64(MinTime), int64(time.Hour)).Draw(t, "total"))
		sides := rapid.IntRange(1, 2).Draw(t, "sides")
		s := plan(total, sides, 6)
		if s.rounds < minRounds || s.rounds > maxRounds {
			t.Fatalf("%d rounds", s.rounds)
		}
		if s.timing.window < 50*time.Millisecond || s.timing.window > maxWindow {
			t.Fatalf("window %v", s.timing.window)
		}
		trials := sides * (6 + 2*s.rounds)
		if spent := s.fill + time.Duration(trials)*(s.timing.warm+s.timing.window+overhead); spent > total {
			t.Fatalf("%+v spends %v of %v", s, spent, total)
		}
	})
}

func TestSameSeedSameOrder(t *testing.T) {
	a, b := shuffled(consumeGrid(), 7), shuffled(consumeGrid(), 7)
	if d := cmp.Diff(a, b); d != "" {
		t.Error(d)
	}
	if cmp.Equal(shuffled(consumeGrid(), 1), shuffled(consumeGrid(), 2)) {
		t.Error("the order does not depend on the seed")
	}
}

func TestRoundsAreInterleavedABBA(t *testing.T) {
	var got [][2]int
	for round := range 4 {
		got = append(got, interleaved(round))
	}
	if d := cmp.Diff([][2]int{{0, 1}, {1, 0}, {0, 1}, {1, 0}}, got); d != "" {
		t.Error(d)
	}
}

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

func measureIn(t *testing.T, rate func(time.Duration) float64) (trial result.LimitTrial, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &steadyWork{began: time.Now(), rate: rate, done: make(chan struct{})}
		trial, err = defaultTiming.measure(t.Context(), w, observe.Begin(nil), &client.Wire{}, func() int64 { return 0 })
	})
	return trial, err
}

func TestTrialLeavesOutTheWarmUp(t *testing.T) {
	// 1 s of nothing, then 1,000/s for 0.3 s, then 10,000/s.
	trial, err := measureIn(t, func(d time.Duration) float64 {
		switch {
		case d < time.Second:
			return 0
		case d < 1300*time.Millisecond:
			return 1000 * (d - time.Second).Seconds()
		}
		return 300 + 10_000*(d-1300*time.Millisecond).Seconds()
	})
	if err != nil || trial.Rate() < 9_900 || trial.Rate() > 10_100 {
		t.Errorf("rate %v, %v", trial.Rate(), err)
	}
	if trial.Warmup < 1400*time.Millisecond {
		t.Errorf("warm-up %v is shorter than joining and 0.4 s", trial.Warmup)
	}
}

func TestTrialOfARateThatNeverSettlesEndsAllTheSame(t *testing.T) {
	trial, err := measureIn(t, func(d time.Duration) float64 { return 1e6 * d.Seconds() * d.Seconds() })
	if err != nil || trial.Records == 0 || trial.Warmup > 3*defaultTiming.warm+time.Second {
		t.Errorf("%+v, %v", trial, err)
	}
}

func TestTrialWithoutARecordSaysSo(t *testing.T) {
	if _, err := measureIn(t, func(time.Duration) float64 { return 0 }); err == nil {
		t.Error("no record ever, and no error")
	}
}

func TestTrialOfAWorkloadThatEndsSaysSo(t *testing.T) {
	w := &steadyWork{began: time.Now(), rate: func(time.Duration) float64 { return 1 }, done: make(chan struct{})}
	close(w.done)
	if _, err := defaultTiming.measure(context.Background(), w, observe.Begin(nil), &client.Wire{}, func() int64 { return 0 }); !errors.Is(err, errEnded) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("a reason")
	cancel(why)
	if _, err := defaultTiming.measure(ctx, w, observe.Begin(nil), &client.Wire{}, func() int64 { return 0 }); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

func TestTheBetterFinalistWinsByItsMedian(t *testing.T) {
	slow, fast := result.ClientSetting{Connections: 1}, result.ClientSetting{Connections: 2}
	trial := func(rate int64) result.LimitTrial {
		return result.LimitTrial{Measured: result.Measured{Window: time.Second, Records: rate, Bytes: 100 * rate}}
	}
	var trials [2][]result.LimitTrial
	for i := range 8 {
		trials[0] = append(trials[0], trial(100+int64(i)))
		trials[1] = append(trials[1], trial(200+int64(i)))
	}
	r := &limitRun{Limit: Limit{Library: nil}}
	r.Library = namedLibrary{}
	reached, _ := r.reached([]result.ClientSetting{slow, fast}, trials[:])
	if reached.Settings.Connections != 2 || reached.RecordsPerSecond.N != 8 || reached.RecordsPerSecond.Median < 200 {
		t.Errorf("%+v", reached)
	}
	if ratio := reached.RunnerUp.Ratio; ratio.Median > 0.52 || ratio.High > 0.53 || ratio.N != 8 {
		t.Errorf("%+v", ratio)
	}
}

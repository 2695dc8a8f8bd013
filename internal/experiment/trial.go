package experiment

import (
	"context"
	"fmt"
	"time"

	"redline/internal/client"
	"redline/internal/observe"
	"redline/result"
)

// running is a workload that goes on, seen from the trial that measures it.
type running interface {
	// Records and Bytes count what the workload has done so far.
	Records() int64
	Bytes() int64
	// Done is closed when it ends by itself.
	Done() <-chan struct{}
}

// timing is how long the parts of a quick trial last.
type timing struct {
	// warm is the shortest warm-up; it goes on until two bins of half its length
	// agree within 10 %, at most twice as long.
	warm   time.Duration
	window time.Duration
}

// defaultTiming is that of a trial of `limit` at its default length.
var defaultTiming = timing{warm: 400 * time.Millisecond, window: time.Second}

// measure takes a workload that has just begun: it waits until the rate is warm,
// then counts for the length of the window. A window without a record is a trial
// like any other, with a rate of 0.
func (t timing) measure(ctx context.Context, w running, watch *observe.Watch, wire *client.Wire, rewinds func() int64) (result.LimitTrial, error) {
	began := time.Now()
	if err := t.waitWarm(ctx, w); err != nil {
		return result.LimitTrial{}, err
	}
	warm := time.Since(began)
	before, records, bytes, again := watch.Split(), w.Records(), w.Bytes(), rewinds()
	read, written := wire.Read.Load(), wire.Written.Load()
	opened := time.Now()
	if err := pause(ctx, w, t.window); err != nil {
		return result.LimitTrial{}, err
	}
	trial := result.LimitTrial{Measured: result.Measured{
		Warmup: warm, Window: time.Since(opened),
		Records: w.Records() - records, Bytes: w.Bytes() - bytes, Rewinds: rewinds() - again,
	}}
	trial.Usage = observe.Between(before, watch.Split())
	trial.Usage.WireRead, trial.Usage.WireWritten = wire.Read.Load()-read, wire.Written.Load()-written
	return trial, nil
}

// waitWarm is the rule of quick trials: at least the warm-up, and until two
// successive bins agree within 10 %. A rate that never settles is measured all
// the same after two warm-ups: its spread shows in the interval.
func (t timing) waitWarm(ctx context.Context, w running) error {
	const first = 10 * time.Second // to the first record, or nothing comes at all
	for began := time.Now(); w.Records() == 0; {
		if time.Since(began) > first {
			return fmt.Errorf("no record came through in %v", first)
		}
		if err := pause(ctx, w, 5*time.Millisecond); err != nil {
			return err
		}
	}
	bin := t.warm / 2
	last, previous := w.Records(), int64(-1)
	for i := 1; i <= 4; i++ {
		if err := pause(ctx, w, bin); err != nil {
			return err
		}
		now := w.Records()
		delta := now - last
		if i >= 2 && agree(previous, delta) {
			return nil
		}
		last, previous = now, delta
	}
	return nil
}

func agree(a, b int64) bool {
	if a > b {
		a, b = b, a
	}
	return a > 0 && float64(b-a) <= 0.10*float64(b)
}

// pause waits for d. It fails when ctx or the workload ends meanwhile.
func pause(ctx context.Context, w running, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-w.Done():
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return errEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

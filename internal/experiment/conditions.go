package experiment

import (
	"context"
	"fmt"
	"slices"
	"time"

	"redline/internal/observe"
	"redline/internal/spin"
	"redline/result"
)

// canary is a fixed spin whose time is compared with that of the calibration.
type canary struct {
	work spin.Work
	took time.Duration // in the calibration
}

// canaryTimes is how often the spin of a canary is done: its best time counts, so
// that a single interruption does not.
const canaryTimes = 5

// length is how long each spin of a canary lasts: 50 ms for the five together,
// less beside windows that are short themselves.
func length(t result.Timing) time.Duration {
	return max(time.Millisecond, min(10*time.Millisecond, t.Window/20))
}

// sing is how long the canary takes now, over its time in the calibration.
func (c canary) sing() float64 {
	if c.took <= 0 {
		return 0
	}
	return float64(c.work.Best(canaryTimes)) / float64(c.took)
}

// calibrationSpans is how many spans of an idle machine make a calibration.
const calibrationSpans = 10

// calibrate looks at the machine while nothing of ours goes on but idle brokers.
// It takes a second and a half.
func calibrate(ctx context.Context, t result.Timing, watch *observe.Watch, brokersKnown bool) (result.Calibration, canary, error) {
	c := canary{work: spin.Lasting(length(t))}
	const span = 100 * time.Millisecond
	var steal, foreign, idle, sung []float64
	for range calibrationSpans {
		sung = append(sung, float64(c.work.Best(canaryTimes)))
		from, around := watch.Split(), observe.Around()
		if err := wait(ctx, span); err != nil {
			return result.Calibration{}, c, err
		}
		usage := observe.Between(from, watch.Split())
		conditions := observe.Conditions(usage, brokersKnown, around, observe.Around())
		steal, foreign = append(steal, conditions.Steal), append(foreign, conditions.Foreign)
		idle = append(idle, max(0, usage.HostCPU)/usage.Wall.Seconds())
	}
	c.took = time.Duration(quantile(sung, 0.5))
	return result.Calibration{
		Steal: quantile(steal, 0.95), Foreign: quantile(foreign, 0.95), Idle: quantile(idle, 0.5),
		Canary: c.took, CanarySlow: quantile(sung, 0.95) / float64(c.took),
	}, c, nil
}

// quantile is the value that the share q of values does not exceed.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// wait lets d go by; it fails when ctx ends meanwhile.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settle waits until the host uses no more than 3 % of its processors beyond what it
// did in the calibration, at most as long as the timing says, and tells how long
// that took and whether it did.
func settle(ctx context.Context, t result.Timing, idle float64, watch *observe.Watch) (time.Duration, bool, error) {
	const look = 100 * time.Millisecond
	began := time.Now()
	from := watch.Split()
	for time.Since(began) < t.Settle {
		if err := wait(ctx, min(look, t.Settle)); err != nil {
			return 0, false, err
		}
		now := watch.Split()
		usage := observe.Between(from, now)
		if usage.HostCPU < 0 || usage.HostCPU/usage.Wall.Seconds() <= idle+0.03*float64(usage.CPUs) {
			return time.Since(began), true, nil
		}
		from = now
	}
	return time.Since(began), false, nil
}

// The least that makes a trial invalid, where the idle machine's own 95 % quantile
// is lower: what a calm machine does now and then must not cost a trial. Our own load
// makes work that the kernel does in the name of nobody (network, write-back), which
// counts as foreign.
const (
	leastSteal   = 0.03 // of all processors' time
	leastForeign = 0.15 // processors
	leastSlow    = 1.20 // times as long as in the calibration
	leastStep    = 100 * time.Millisecond
	// ticks is what the system's counters, which tick a hundred times a second, may be
	// off at the edges of a window, in seconds.
	ticks = 0.02
)

// judge says why a trial must not count, by rules about its conditions alone. What
// came of it is not asked: who leaves out the results that look odd finds what he
// looked for.
func judge(c result.Conditions, idle result.Calibration, window time.Duration) []string {
	var why []string
	say := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	if most := max(leastSteal, idle.Steal) + ticks/window.Seconds(); c.Steal > most {
		say("stolen by the hypervisor: %.0f %% of the CPU time (at most %.0f %%)", 100*c.Steal, 100*most)
	}
	if most := idle.Foreign + leastForeign + ticks/window.Seconds(); c.Foreign > most {
		say("other work on the machine: %.2f CPUs (at most %.2f)", c.Foreign, most)
	}
	if most := max(leastSlow, idle.CanarySlow); max(c.CanaryBefore, c.CanaryAfter) > most {
		say("a slow machine: a fixed computation took %.2f times as long as when it was idle (at most %.2f)", max(c.CanaryBefore, c.CanaryAfter), most)
	}
	if step := max(c.ClockStep, -c.ClockStep); step > leastStep {
		say("the clock was set: by %v", c.ClockStep.Round(time.Millisecond))
	}
	if c.Rebalances > 0 {
		say("rebalances: %d", c.Rebalances)
	}
	if c.LeaderChanges > 0 {
		say("changes of leader: %d partitions", c.LeaderChanges)
	}
	return why
}

package pace

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	ms      = time.Millisecond
	forever = time.Duration(math.MaxInt64)
)

func TestPace(t *testing.T) {
	for _, c := range []struct {
		name    string
		pacer   Pacer
		elapsed time.Duration
		sent    int64
		wait    time.Duration
		stop    bool
	}{
		{"closed loop never waits", Closed{}, 0, 0, 0, false},
		{"closed loop never ends", Closed{}, forever, math.MaxInt64, 0, false},
		{"closed loop before its count", Closed{Count: 10}, 0, 9, 0, false},
		{"closed loop at its count", Closed{Count: 10}, 0, 10, 0, true},
		{"first record is due at once", Constant{PerSecond: 1}, 0, 0, 0, false},
		{"second waits for its time", Constant{PerSecond: 1}, 0, 1, time.Second, false},
		{"waits for what is left", Constant{PerSecond: 1}, 900 * ms, 1, 100 * ms, false},
		{"overdue is due at once", Constant{PerSecond: 1}, 5 * time.Second, 1, 0, false},
		{"less than one a second", Constant{PerSecond: 0.5}, 0, 1, 2 * time.Second, false},
		{"a thousand a second are spread evenly", Constant{PerSecond: 1000}, 0, 1, ms, false},
		{"a million: the slot's last comes with its first", Constant{PerSecond: 1e6}, 0, 999, 0, false},
		{"a million: the next slot", Constant{PerSecond: 1e6}, 0, 1000, ms, false},
		{"a million: within the slot", Constant{PerSecond: 1e6}, ms / 4, 1000, ms * 3 / 4, false},
		{"at its count", Constant{PerSecond: 1, Count: 3}, 0, 3, 0, true},
		{"above its count", Constant{PerSecond: 1, Count: 3}, 0, math.MaxInt64, 0, true},
		{"one before its count", Constant{PerSecond: 1, Count: 3}, 2 * time.Second, 2, 0, false},
		// the sad half
		{"no rate is no limit", Constant{}, 0, math.MaxInt64, 0, false},
		{"negative rate is no limit", Constant{PerSecond: -5}, 0, 7, 0, false},
		{"NaN is no limit", Constant{PerSecond: math.NaN()}, 0, 7, 0, false},
		{"infinite rate is no limit", Constant{PerSecond: math.Inf(1)}, 0, 7, 0, false},
		{"negative count is no end", Constant{PerSecond: 1, Count: -1}, 0, 0, 0, false},
		{"negative sent is the first", Constant{PerSecond: 1}, 0, -7, 0, false},
		{"negative elapsed is the start", Constant{PerSecond: 1}, math.MinInt64, 1, time.Second, false},
		{"due after the end of time", Constant{PerSecond: 1}, 0, math.MaxInt64, forever, false},
		{"slowest rate", Constant{PerSecond: math.SmallestNonzeroFloat64}, 0, 1, forever, false},
		{"fastest rate", Constant{PerSecond: math.MaxFloat64}, 0, math.MaxInt64, 0, false},
		{"end of time, due at the end of time", Constant{PerSecond: 1}, forever, math.MaxInt64, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if wait, stop := c.pacer.Pace(c.elapsed, c.sent); wait != c.wait || stop != c.stop {
				t.Errorf("wait %v, stop %v; want %v, %v", wait, stop, c.wait, c.stop)
			}
		})
	}
}

func TestRate(t *testing.T) {
	for _, c := range []struct {
		pacer Pacer
		want  float64
	}{
		{Closed{}, math.Inf(1)},
		{Constant{}, math.Inf(1)},
		{Constant{PerSecond: -1}, math.Inf(1)},
		{Constant{PerSecond: 250}, 250},
	} {
		if got := c.pacer.Rate(time.Hour); got != c.want {
			t.Errorf("%+v: rate %v, want %v", c.pacer, got, c.want)
		}
	}
}

// Whatever stalls there are, a sender that follows the schedule has at every
// moment sent what was due by then, none before its time and none left out.
func TestNoSlotIsSkippedWhateverStalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Constant{PerSecond: rapid.Float64Range(1, 2e5).Draw(t, "rate")}
		stalls := rapid.SliceOfN(rapid.IntRange(0, 40), 1, 20).Draw(t, "stalls in ms")
		var now time.Duration
		var sent int64
		for _, stall := range stalls {
			for {
				wait, _ := c.Pace(now, sent)
				if wait > 0 {
					if c.Due(sent) != now+wait {
						t.Fatalf("record %d: due at %v, asked to wait until %v", sent, c.Due(sent), now+wait)
					}
					break
				}
				sent++
			}
			due := now.Seconds() * c.PerSecond
			slot := c.PerSecond/1000 + 2
			if d := float64(sent) - due; d < -1e-6 || d > slot {
				t.Fatalf("at %v %d were sent, %v were due", now, sent, due)
			}
			now += time.Duration(stall) * ms
		}
	})
}

func TestDueNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Constant{PerSecond: rapid.Float64Min(0).Draw(t, "rate")}
		n := rapid.Int64Range(0, math.MaxInt64-1).Draw(t, "record")
		if a, b := c.Due(n), c.Due(n+1); a < 0 || b < a {
			t.Fatalf("record %d is due at %v, the next at %v", n, a, b)
		}
	})
}

func BenchmarkPace(b *testing.B) {
	var p Pacer = Constant{PerSecond: 1e6}
	for i := range b.N {
		p.Pace(time.Duration(i), int64(i))
	}
}

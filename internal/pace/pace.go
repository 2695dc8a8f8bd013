// Package pace says when the next record is due: the time elapsed and the number
// of records sent enter, how long to wait and whether to stop leave. It reads no
// clock and sleeps not, so that a schedule can be tested in no time.
package pace

import (
	"math"
	"time"
)

// Pacer is a schedule.
type Pacer interface {
	// Pace is asked before record number sent (counted from 0), elapsed after
	// the start. It returns how long to wait before sending it, 0 when it is due
	// or overdue, and stop when the schedule has no such record.
	Pace(elapsed time.Duration, sent int64) (wait time.Duration, stop bool)
	// Rate is the offered load at elapsed in records/s, +Inf without a limit.
	Rate(elapsed time.Duration) float64
}

var (
	_ Pacer = Closed{}
	_ Pacer = Constant{}
)

// Granularity is the length of the slots of a schedule faster than one record
// per slot: all records of a slot are due at its beginning, together. Timers and
// clocks are asked once a slot then, not once a record.
const Granularity = time.Millisecond

// Closed is the closed loop: the next record is due as soon as the client takes
// it. The zero value never stops.
type Closed struct {
	// Count is the number of records after which to stop; 0 means no end.
	Count int64
}

// Pace implements Pacer; it never waits.
func (c Closed) Pace(_ time.Duration, sent int64) (time.Duration, bool) {
	return 0, ended(sent, c.Count)
}

// Rate implements Pacer.
func (c Closed) Rate(time.Duration) float64 { return math.Inf(1) }

// Constant is an open loop with a constant rate. It skips no record: after a
// stall everything overdue is due at once, and a latency that is counted from
// Due shows the stall.
type Constant struct {
	// PerSecond is the rate in records/s. 0, the zero value, and what is no
	// positive number set no limit.
	PerSecond float64
	// Count is the number of records after which to stop; 0 means no end.
	Count int64
}

// Pace implements Pacer.
func (c Constant) Pace(elapsed time.Duration, sent int64) (time.Duration, bool) {
	if ended(sent, c.Count) {
		return 0, true
	}
	due := c.Due(sent)
	if elapsed < 0 {
		elapsed = 0
	}
	return max(0, due-elapsed), false
}

// Rate implements Pacer.
func (c Constant) Rate(time.Duration) float64 {
	if !c.limits() {
		return math.Inf(1)
	}
	return c.PerSecond
}

// Due is the intended send time of record number sent (counted from 0), since
// the start: sent / PerSecond, rounded down to Granularity when several records
// share a slot. Beyond the longest Duration, 292 years, it stays there; without
// a limit it is 0.
func (c Constant) Due(sent int64) time.Duration {
	if sent <= 0 || !c.limits() {
		return 0
	}
	// 53 bits of a float64 are exact nanoseconds for 104 days.
	ns := float64(sent) / c.PerSecond * float64(time.Second)
	if ns >= math.MaxInt64 {
		return math.MaxInt64
	}
	due := time.Duration(ns)
	if c.PerSecond > float64(time.Second/Granularity) {
		due = due.Truncate(Granularity)
	}
	return due
}

func (c Constant) limits() bool { return c.PerSecond > 0 && !math.IsInf(c.PerSecond, 1) }

func ended(sent, count int64) bool { return count > 0 && sent >= count }

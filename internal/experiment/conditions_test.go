package experiment

import (
	"strings"
	"testing"
	"time"

	"redline/result"
)

func TestTrialsAreJudgedByTheirConditionsAlone(t *testing.T) {
	calm := result.Conditions{Steal: 0.01, Foreign: 0.1, CanaryBefore: 1, CanaryAfter: 1.05}
	idle := result.Calibration{Steal: 0.005, Foreign: 0.02, CanarySlow: 1.1}
	with := func(change func(*result.Conditions)) result.Conditions {
		c := calm
		change(&c)
		return c
	}
	for _, test := range []struct {
		name string
		c    result.Conditions
		want string // part of the reason; empty: it counts
	}{
		{"calm", calm, ""},
		{"nothing known", result.Conditions{Steal: -1, Foreign: -1}, ""},
		{"stolen time", with(func(c *result.Conditions) { c.Steal = 0.10 }), "hypervisor"},
		{"a hog", with(func(c *result.Conditions) { c.Foreign = 0.8 }), "other work"},
		{"slow before", with(func(c *result.Conditions) { c.CanaryBefore = 1.5 }), "fixed computation"},
		{"slow after", with(func(c *result.Conditions) { c.CanaryAfter = 1.5 }), "fixed computation"},
		{"clock set back", with(func(c *result.Conditions) { c.ClockStep = -time.Hour }), "clock"},
		{"rebalance", with(func(c *result.Conditions) { c.Rebalances = 1 }), "rebalances"},
		{"leader moved", with(func(c *result.Conditions) { c.LeaderChanges = 2 }), "leader"},
	} {
		t.Run(test.name, func(t *testing.T) {
			why := judge(test.c, idle, time.Second)
			if (test.want == "") != (len(why) == 0) || len(why) > 0 && !strings.Contains(why[0], test.want) {
				t.Errorf("%q", why)
			}
		})
	}
}

func TestABusyIdleMachineMovesTheRule(t *testing.T) {
	busy := result.Calibration{Steal: 0.2, Foreign: 1, CanarySlow: 2}
	c := result.Conditions{Steal: 0.15, Foreign: 1.1, CanaryBefore: 1.8, CanaryAfter: 1.8}
	if why := judge(c, busy, time.Second); len(why) > 0 {
		t.Errorf("%q", why)
	}
}

// The counters of /proc tick a hundred times a second: one tick in a window of 50 ms
// is no hog.
func TestAShortWindowIsNotJudgedByATick(t *testing.T) {
	c := result.Conditions{Steal: 0.01 / 0.05 / 2, Foreign: 0.02 / 0.05}
	if why := judge(c, result.Calibration{}, 50*time.Millisecond); len(why) > 0 {
		t.Errorf("%q", why)
	}
}

package analysis

import (
	"strings"
	"testing"

	"redline/result"
)

// Rows of a limit's ladder are held against its first by their places there, whatever
// else the limit tried.
func TestALimitsLadderStandsForItself(t *testing.T) {
	arms := append(twoArms(), twoArms()...)
	arms[1].Against = -1 // as settings that were tried
	arms[3].Against = 2
	run := made(arms, 8, func(arm, _ int) float64 { return []float64{5e6, 6e6, 4e6, 1e6}[arm] })
	run.Plan.Kind = result.Limits
	for i := range run.Trials {
		stage := result.StageTry
		switch {
		case run.Trials[i].Arm >= 2:
			stage = result.StageLadder
		case run.Trials[i].Round > 0:
			stage = result.StageConfirm
		}
		run.Plan.Trials[i].Stage, run.Trials[i].Stage = stage, stage
	}
	var r result.LimitReport
	Limit(run, &r)
	if r.Ladder == nil || len(r.Ladder.Rows) != 2 || len(r.Ladder.Comparisons) != 1 {
		t.Fatalf("%+v", r.Ladder)
	}
	if c := r.Ladder.Comparisons[0]; c.ArmA != 1 || c.ArmB != 0 || c.Verdict != result.Lower || c.Ratio.Median > 0.26 {
		t.Errorf("%+v", c)
	}
	if c := r.Limit.Consume; c == nil || len(c.Tried) != 2 || c.RunnerUp == nil {
		t.Errorf("the ladder is among what was tried: %+v", c)
	}
	if Limit(made(arms, 8, func(int, int) float64 { return 1 }), &r); r.Ladder != nil {
		t.Error("a ladder out of nothing")
	}
}

// Work of others that was there from the beginning costs no trial; it is said instead.
func TestALimitOnABusyMachineSaysSo(t *testing.T) {
	for foreign, want := range map[float64]int{0.1: 0, 1.02: 1} {
		var report result.LimitReport
		Limit(result.Run{Sessions: []result.Session{{Calibration: result.Calibration{Foreign: foreign}}}}, &report)
		if len(report.Warnings) != want || want > 0 && !strings.Contains(report.Warnings[0], "other work used up to 1 CPUs") {
			t.Errorf("%g CPUs of others: %q", foreign, report.Warnings)
		}
	}
}

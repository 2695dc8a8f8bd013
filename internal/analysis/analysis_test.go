package analysis

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"redline/internal/latency"
	"redline/result"
)

// made is a run of some arms over some rounds: rate gives the records per second of
// an arm in a round, before the drift of the machine that all arms of a round share.
func made(arms []result.Arm, rounds int, rate func(arm, round int) float64) result.Run {
	rng := rand.New(rand.NewPCG(1, 2))
	run := result.Run{
		Plan:     result.Plan{Schema: result.PlanSchema, Run: "a-run", Kind: result.Rounds, Question: "Which?", Arms: arms, Rounds: rounds, Margin: 0.03, Combine: "product"},
		Sessions: []result.Session{{Environment: result.Environment{CPUs: 2, Storage: "disk"}}},
	}
	for round := range rounds {
		drift := math.Exp(0.3 * rng.NormFloat64())
		for i := range arms {
			run.Plan.Trials = append(run.Plan.Trials, result.Planned{Arm: i, Round: round})
			t := result.Trial{Number: len(run.Trials), Attempt: 1, Arm: i, Round: round, Cut: "settled"}
			t.Window = time.Second
			t.Records = int64(rate(i, round) * drift)
			t.Bytes = 100 * t.Records
			t.Usage = result.Usage{Wall: time.Second, CPUs: 2, ClientCPU: 0.5, BrokerCPU: 0.7, HostCPU: 1.3}
			run.Trials = append(run.Trials, t)
		}
	}
	return run
}

func arm(values map[string]string, against int) result.Arm {
	return result.Arm{Workload: result.Consume, Client: "franz", Profile: "tuned", Values: values, Against: against, Setting: result.Setting{Instances: 1, Partitions: 8}}
}

func twoArms() []result.Arm {
	return []result.Arm{arm(map[string]string{"compression": "none"}, -1), arm(map[string]string{"compression": "lz4"}, 0)}
}

// A drift of 30 % between rounds hides a difference of 10 % from unpaired figures; pairs
// see it.
func TestPairsSeeThroughTheDriftOfTheMachine(t *testing.T) {
	run := made(twoArms(), 10, func(arm, round int) float64 {
		return []float64{1e6, 0.9e6}[arm] * (1 + 0.005*float64((round*7+arm*3)%5-2))
	})
	r := Report(run, "test", 0)
	if len(r.Comparisons) != 1 {
		t.Fatalf("%d comparisons", len(r.Comparisons))
	}
	c := r.Comparisons[0]
	if c.Verdict != result.Lower || c.Ratio.Median < 0.88 || c.Ratio.Median > 0.92 || c.Measure != "consume.records_per_second" {
		t.Errorf("%+v", c)
	}
	if !strings.Contains(r.Answer, "compression=lz4 -10 %") {
		t.Errorf("answer: %s", r.Answer)
	}
}

func TestInvalidAndFailedTrialsAreInNoFigure(t *testing.T) {
	run := made(twoArms(), 8, func(int, int) float64 { return 1e6 })
	wrong := run.Trials[0]
	wrong.Records, wrong.Invalid = 1, []string{"other work on the machine: 0.80 CPUs (at most 0.20)"}
	failed := run.Trials[1]
	failed.Records, failed.Attempt, failed.Error = 0, 2, "no record came through in 10s"
	run.Trials = append(run.Trials, wrong, failed)
	r := Report(run, "test", 0)
	if r.Excluded != 1 || r.Failed != 1 || r.Rows[0].RecordsPerSecond.N != 8 || r.Rows[0].RecordsPerSecond.Low < 1000 {
		t.Errorf("excluded %d, failed %d, %+v", r.Excluded, r.Failed, r.Rows[0].RecordsPerSecond)
	}
	if len(r.Rows[0].Trials) != 9 {
		t.Errorf("the report shows %d trials", len(r.Rows[0].Trials))
	}
	if all := strings.Join(append(r.Warnings, r.Rows[1].Warnings...), "\n"); !strings.Contains(all, "other work on the machine") || !strings.Contains(all, "no record came through") {
		t.Errorf("%s", all)
	}
}

func TestANoisyMachineIsTheFirstThingSaid(t *testing.T) {
	run := made(twoArms(), 8, func(int, int) float64 { return 1e6 })
	for i := range 5 {
		run.Trials[i].Invalid = []string{"other work on the machine: 0.80 CPUs (at most 0.20)"}
	}
	if r := Report(run, "test", 0); len(r.Warnings) == 0 || !strings.Contains(r.Warnings[0], "too noisy") {
		t.Errorf("%q", r.Warnings)
	}
}

func TestALawNeedsAnAxisThatCounts(t *testing.T) {
	var arms []result.Arm
	values := []string{"1", "2", "3", "4", "6", "8"}
	for i, n := range values {
		a := arm(map[string]string{"consumers": n}, 0)
		if i == 0 {
			a.Against = -1
		}
		a.Setting.Instances = int(n[0] - '0')
		arms = append(arms, a)
	}
	run := made(arms, 8, func(arm, round int) float64 {
		n := float64(arms[arm].Setting.Instances)
		return 1e5 * n / (1 + 0.05*(n-1)) * (1 + 0.002*float64((round*5+arm)%3))
	})
	run.Plan.Axes = []result.Axis{{Name: "consumers", Values: values}}
	r := Report(run, "test", 0)
	if len(r.Fit) != 1 || r.Fit[0].Axis != "consumers" || math.Abs(r.Fit[0].Sigma.Median-0.05) > 0.02 {
		t.Fatalf("%+v", r.Fit)
	}
	if r.Rows[5].PerInstance.Median > r.Rows[0].PerInstance.Median {
		t.Error("the rate per consumer does not fall")
	}
	run.Plan.Axes[0].Name = "compression"
	if r := Report(run, "test", 0); len(r.Fit) != 0 {
		t.Error("a law over an axis that does not count")
	}
}

func TestPercentilesAreOfAllTrialsTogether(t *testing.T) {
	run := made(twoArms()[:1], 2, func(int, int) float64 { return 1e6 })
	for i, ms := range []int{1, 3} {
		var r latency.Recorder
		r.ObserveN(time.Duration(ms)*time.Millisecond, int64(100*(1+9*i)))
		text, err := r.Read().Encode()
		if err != nil {
			t.Fatal(err)
		}
		run.Trials[i].LatencyHDR = text
	}
	l := Report(run, "test", 0).Rows[0].Latency
	if l == nil || l.N != 1100 || l.P50 < 2.9 || l.P50 > 3.1 {
		t.Errorf("%+v", l)
	}
}

func TestRunsMadeApartNeedToKnowTheirDrift(t *testing.T) {
	a := made(twoArms(), 10, func(int, int) float64 { return 1e6 })
	b := made(twoArms(), 10, func(int, int) float64 { return 0.5e6 })
	b.Plan.Run, b.Sessions[0].Environment.Kernel = "b-run", "another"
	pairs := Counterparts(a, b)
	if len(pairs) != 2 {
		t.Fatalf("%v", pairs)
	}
	alone, unasked := Apart(a, b, pairs, []Measure{Rate}, 0.03, func(int, Measure) (float64, int) { return 0, 1 })
	if alone[0].Verdict != result.CouldNotTell || alone[0].Ratio.Confidence != 0 {
		t.Errorf("%+v", alone[0])
	}
	if len(unasked) != 1 || !strings.Contains(unasked[0], "kernel another") {
		t.Errorf("%q", unasked)
	}
	known, _ := Apart(a, b, pairs, []Measure{Rate}, 0.03, func(int, Measure) (float64, int) { return 0.02, 5 })
	if known[0].Verdict != result.Lower || known[0].Paired {
		t.Errorf("%+v", known[0])
	}
}

func TestSelectorsNameSettings(t *testing.T) {
	run := made(twoArms(), 1, func(int, int) float64 { return 1 })
	for selector, want := range map[string]int{"": 2, "compression=lz4": 1, "client=franz": 2, "workload=consume,compression=none": 1} {
		if arms, err := Select(run, selector); err != nil || len(arms) != want {
			t.Errorf("%q selects %v, %v", selector, arms, err)
		}
	}
	if _, err := Select(run, "compression=zip"); err == nil || !strings.Contains(err.Error(), "compression=lz4") {
		t.Errorf("%v", err)
	}
}

func TestACampaignCountsAlarmsAndFinds(t *testing.T) {
	run := result.Run{Plan: result.Plan{Kind: result.Nulls, Arms: []result.Arm{arm(nil, -1), arm(nil, 0), arm(nil, 0)}, Margin: 0.03}}
	add := func(stage string, slowArm int, ratio func(round int) float64) {
		for round := range 8 {
			for _, i := range []int{0, slowArm} {
				run.Plan.Trials = append(run.Plan.Trials, result.Planned{Arm: i, Round: round, Stage: stage})
				t := result.Trial{Number: len(run.Trials), Attempt: 1, Arm: i, Round: round, Stage: stage}
				t.Window, t.Records = time.Second, 1_000_000
				if i == slowArm {
					t.Records = int64(1e6 * ratio(round))
				}
				run.Trials = append(run.Trials, t)
			}
		}
	}
	wobble := func(round int) float64 { return 1 + 0.02*float64(round%2*2-1) }
	add(NullStage(0), 1, wobble)
	add(NullStage(1), 1, func(round int) float64 { return 1.05 + 0.001*float64(round) }) // an alarm
	add(SlowerStage(0.1, 0), 2, func(round int) float64 { return 0.9 * (1 + 0.001*float64(round)) })
	add(SlowerStage(0.1, 1), 2, func(round int) float64 { return 1.1 + 0.001*float64(round) }) // the wrong way
	add(SlowerStage(0.1, 2), 2, wobble)
	run.Trials = run.Trials[:len(run.Trials)-1] // not complete
	r := AA(run, "test")
	if r.Nulls.Tries != 2 || r.Nulls.Found != 1 {
		t.Errorf("nulls: %+v", r.Nulls)
	}
	if len(r.Planted) != 1 || r.Planted[0].Tries != 2 || r.Planted[0].Found != 1 || r.Planted[0].Effect != 0.1 {
		t.Errorf("planted: %+v", r.Planted)
	}
}

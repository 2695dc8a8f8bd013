package experiment

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"redline/result"
)

func limitPlan(total time.Duration, readOnly bool, seed uint64) result.Plan {
	topic := ""
	if readOnly {
		topic = "mine"
	}
	return Limit{Client: "franz", Partitions: 8, RecordSize: 100, FillBytes: 1 << 20, Time: total, Topic: topic, Seed: seed}.Plan()
}

func TestDefaultLimitHasTheStatedTrials(t *testing.T) {
	p := limitPlan(DefaultTime, false, 1)
	if p.Timing != DefaultTiming || p.Rounds != minRounds || len(p.Trials) != 2*(6+2*8) {
		t.Errorf("%+v, %d rounds, %d trials", p.Timing, p.Rounds, len(p.Trials))
	}
}

func TestLimitKeepsWithinItsTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := time.Duration(rapid.OneOf(
			rapid.Int64Range(int64(MinTime), int64(LadderTime-1)), rapid.Int64Range(int64(LadderTime), int64(time.Hour)),
		).Draw(t, "total"))
		p := limitPlan(total, rapid.Bool().Draw(t, "read only"), 1)
		if p.Rounds < minRounds || p.Rounds > maxRounds || p.Timing.Window < 50*time.Millisecond || p.Timing.Window > maxWindow {
			t.Fatalf("%d rounds of %v", p.Rounds, p.Timing.Window)
		}
		spent := p.FillTime + before + time.Duration(len(p.Trials))*(p.Timing.Warmup+p.Timing.Window+around+2*canaryTimes*length(p.Timing))
		if spent > total {
			t.Fatalf("%+v spends %v of %v", p.Timing, spent, total)
		}
	})
}

// Half of a long limit is for the ladder: each rung once in each round, every other round
// backwards, held against the first.
func TestALongLimitShowsTheLadder(t *testing.T) {
	short, long := limitPlan(LadderTime-time.Second, false, 1), limitPlan(LadderTime, false, 1)
	count := func(p result.Plan) (rungs map[int]int) {
		rungs = map[int]int{}
		for _, planned := range p.Trials {
			if planned.Stage == result.StageLadder {
				rungs[planned.Arm]++
			}
		}
		return rungs
	}
	if n := count(short); len(n) > 0 {
		t.Errorf("%d rungs in a short one", len(n))
	}
	rungs := count(long)
	if len(rungs) < 7 || len(count(limitPlan(LadderTime, true, 1))) > 0 {
		t.Fatalf("rungs: %v", rungs)
	}
	first := len(long.Arms) - len(rungs)
	for arm, rounds := range rungs {
		if rounds < 10 {
			t.Errorf("%d rounds of arm %d", rounds, arm)
		}
		switch against := long.Arms[arm].Against; {
		case arm < first, arm == first && against != -1, arm > first && against != first:
			t.Errorf("arm %d of %d, the first rung being %d, is held against %d", arm, len(long.Arms), first, against)
		}
	}
	if long.Arms[first].Client != "rung:fetch" || long.Arms[first].Adds == "" {
		t.Errorf("the first rung is %+v", long.Arms[first])
	}
	if done := carryOut(long, func(arm int) int64 { return int64(100 + arm) }); len(done) != len(long.Trials) {
		t.Errorf("%d of %d trials", len(done), len(long.Trials))
	}
}

func TestSameSeedSameOrder(t *testing.T) {
	if d := cmp.Diff(limitPlan(DefaultTime, false, 7), limitPlan(DefaultTime, false, 7)); d != "" {
		t.Error(d)
	}
	if cmp.Equal(limitPlan(DefaultTime, false, 1).Trials, limitPlan(DefaultTime, false, 2).Trials) {
		t.Error("the order does not depend on the seed")
	}
}

// carryOut does every trial of a plan against made-up rates.
func carryOut(p result.Plan, rate func(arm int) int64) []result.Trial {
	var done []result.Trial
	for range p.Trials {
		planned, number, more := next(p, done)
		if !more {
			break
		}
		t := result.Trial{Number: number, Attempt: 1, Arm: planned.Arm, Round: planned.Round, Stage: planned.Stage}
		t.Window = time.Second
		if t.Records = rate(planned.Arm); t.Records < 0 {
			t.Records, t.Error = 0, "failed"
		}
		done = append(done, t)
	}
	return done
}

func TestTheBestTwoMeetInInterleavedRounds(t *testing.T) {
	p := limitPlan(DefaultTime, true, 3)
	done := carryOut(p, func(arm int) int64 { return int64(100 + arm) })
	if len(done) != len(p.Trials) {
		t.Fatalf("%d of %d trials", len(done), len(p.Trials))
	}
	var arms []int
	for _, trial := range done[6:] {
		arms = append(arms, trial.Arm)
	}
	if d := cmp.Diff([]int{5, 4, 4, 5, 5, 4, 4, 5}, arms[:8]); d != "" {
		t.Error(d)
	}
}

func TestALoneSettingIsConfirmedAlone(t *testing.T) {
	p := limitPlan(DefaultTime, true, 3)
	done := carryOut(p, func(arm int) int64 {
		if arm == 2 {
			return 100
		}
		return -1
	})
	if len(done) != 6+p.Rounds {
		t.Errorf("%d trials", len(done))
	}
	if none := carryOut(p, func(int) int64 { return -1 }); len(none) != 6 {
		t.Errorf("%d trials of settings that all fail", len(none))
	}
}

func TestACutRunGoesOnAsIfItHadNotBeen(t *testing.T) {
	p := limitPlan(DefaultTime, false, 5)
	rate := func(arm int) int64 { return int64(1000 + 37*arm%11) }
	whole := carryOut(p, rate)
	for cut := range whole {
		planned, number, more := next(p, whole[:cut])
		if want := whole[cut]; !more || number != want.Number || planned.Arm != want.Arm {
			t.Fatalf("after %d trials comes %d of arm %d, was %d of arm %d", cut, number, planned.Arm, want.Number, want.Arm)
		}
	}
}

func TestAnInvalidTrialIsRepeatedThreeTimesAtMost(t *testing.T) {
	p := limitPlan(DefaultTime, true, 3)
	var done []result.Trial
	for attempt := 1; attempt <= result.MaxAttempts; attempt++ {
		planned, number, _ := next(p, done)
		if number != 0 {
			t.Fatalf("attempt %d is of trial %d", attempt, number)
		}
		done = append(done, result.Trial{Number: number, Attempt: attempt, Arm: planned.Arm, Stage: planned.Stage, Invalid: []string{"noise"}})
	}
	if _, number, _ := next(p, done); number != 1 {
		t.Errorf("then comes trial %d", number)
	}
}

func TestWhatIsNotRepeatedIsNotAskedForAgain(t *testing.T) {
	p := limitPlan(DefaultTime, true, 3)
	planned, _, _ := next(p, nil)
	done := []result.Trial{{Number: 0, Attempt: 1, Arm: planned.Arm, Stage: planned.Stage, Invalid: []string{"noise"}, Last: true}}
	if _, number, _ := next(p, done); number != 1 {
		t.Errorf("then comes trial %d", number)
	}
}

func TestATopicWithLessThanHalfIsNamed(t *testing.T) {
	r := &Run{Plan: result.Plan{FillBytes: 100_000_000, FillTime: time.Minute}}
	arm := result.Arm{Workload: result.Consume, Setting: result.Setting{Partitions: 2000, RecordBytes: 100}}
	if note := r.fewer(arm, 499_999); note != "the topic held 499,999 of the 1,000,000 records planned, after 1m0s of filling it" {
		t.Error(note)
	}
	mine := &Run{Plan: result.Plan{FillBytes: 100_000_000, Topic: "mine"}}
	written := arm
	written.Workload = result.Produce
	for _, note := range []string{r.fewer(arm, 500_000), mine.fewer(arm, 1), r.fewer(written, 0)} {
		if note != "" {
			t.Error(note)
		}
	}
}

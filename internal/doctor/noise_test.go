package doctor

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"redline/internal/observe"
	"redline/internal/runs"
	"redline/internal/stats"
	"redline/result"
)

func TestTheLookAtAnIdleMachineIsJudged(t *testing.T) {
	took := make([]float64, Steps)
	for i := range took {
		took[i] = 150 * (1 + 0.02*float64(i%2)) // each second one takes 2 % longer
	}
	calm := machine{rest: restOf(result.Conditions{Steal: 0.001, Foreign: 0.04}, took)}
	judged(t, "steal", steal(t.Context(), calm), result.Yes, "0.1 %")
	judged(t, "foreign", foreign(t.Context(), calm), result.Yes, "0.04 CPUs")
	judged(t, "canary", canary(t.Context(), calm), result.Yes, "1.01 times the median")
	took[5] *= 2
	busy := machine{rest: restOf(result.Conditions{Steal: 0.2, Foreign: 1.5}, took)}
	judged(t, "steal", steal(t.Context(), busy), result.No, "20.0 %")
	judged(t, "foreign", foreign(t.Context(), busy), result.No, "1.50 CPUs")
	judged(t, "canary", canary(t.Context(), busy), result.No, "2.02 times")
	hidden := machine{rest: restOf(result.Conditions{Steal: -1, Foreign: -1}, took)}
	judged(t, "steal", steal(t.Context(), hidden), result.Unknown, "does not show")
	judged(t, "foreign", foreign(t.Context(), hidden), result.Unknown, "does not show")
	failed := machine{Options: Options{Runs: t.TempDir()}, rest: rest{err: errors.New("interrupted")}}
	judged(t, "smallest", smallest(t.Context(), failed), result.Unknown, "interrupted")
}

func TestTheLeastDifferenceSeenIsTheLeastThatThePairsFind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		noise := rapid.Float64Range(0.0001, 0.3).Draw(t, "noise")
		pairs := rapid.IntRange(8, 200).Draw(t, "pairs")
		least := leastSeen(noise, pairs)
		if least <= 1 && stats.PairsFor(least, noise, power) > pairs {
			t.Errorf("%v needs more than %d pairs", least, pairs)
		}
		if smaller := least - 0.001; smaller > 0.0005 && stats.PairsFor(smaller, noise, power) <= pairs {
			t.Errorf("%v would be found too", smaller)
		}
		if leastSeen(noise, 2*pairs) > least || leastSeen(2*noise, pairs) < least {
			t.Errorf("more pairs see less, or more noise sees more")
		}
	})
}

func TestFiveMinutesAffordPairsOfTheSeedsTrials(t *testing.T) {
	a, err := affordable(sight)
	if err != nil || a.pairs < 6 || a.window < time.Second {
		t.Fatalf("%+v, %v", a, err)
	}
	calm, loud := a.judge(0.01, "somewhere", true), a.judge(0.3, "somewhere", false)
	judged(t, "calm", calm, result.Yes, "at best from")
	judged(t, "loud", loud, result.No, "a pair scatters by 30.0 % (somewhere)")
}

// run is one of two settings in so many rounds, whose ratio of a pair is e^±noise.
func run(rounds int, noise float64, there result.Environment) result.Run {
	arm := result.Arm{Workload: result.Consume, Client: "franz", Against: -1, Setting: result.Setting{Instances: 1}}
	other := arm
	other.Against = 0
	r := result.Run{
		Plan: result.Plan{
			Schema: result.PlanSchema, Name: "seed", Kind: result.Rounds, Rounds: rounds, Arms: []result.Arm{arm, other},
			Created: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC), Timing: result.Timing{Window: 2 * time.Second},
		},
		Sessions: []result.Session{{Environment: there}},
	}
	for n := range 2 * rounds {
		round, rate := n/2, 1e6
		if n%2 == 1 {
			rate *= math.Exp(noise * float64(1-2*(round%2)))
		}
		r.Plan.Trials = append(r.Plan.Trials, result.Planned{Arm: n % 2, Round: round})
		trial := result.Trial{Number: n, Attempt: 1, Arm: n % 2, Round: round}
		trial.Window, trial.Records = time.Second, int64(rate)
		r.Trials = append(r.Trials, trial)
	}
	return r
}

// store writes a run into a folder.
func store(t *testing.T, folder *runs.Folder, r result.Run) {
	t.Helper()
	w, err := folder.Create(r.Plan)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close() //nolint:errcheck // every trial was on disk before
	if _, err := w.Session(r.Sessions[0]); err != nil {
		t.Fatal(err)
	}
	for _, trial := range r.Trials {
		if err := w.Append(trial); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheNoiseOfARunOfThisMachineIsTaken(t *testing.T) {
	dir := t.TempDir()
	folder, err := runs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := storedNoise(t.Context(), dir); err == nil {
		t.Error("an empty folder has a noise")
	}
	here := observe.Environment()
	store(t, folder, run(8, 0.05, here))
	there := here
	there.CPUs++
	foreign := run(8, 0.5, there) // newer, of another machine
	foreign.Plan.Created = foreign.Plan.Created.Add(time.Hour)
	store(t, folder, foreign)
	noise, err := storedNoise(t.Context(), dir)
	if err != nil || math.Abs(noise.deviation-0.0535) > 0.001 || !strings.Contains(noise.from, "20260102-150405-seed") {
		t.Errorf("%+v, %v", noise, err)
	}
	judged(t, "smallest", smallest(t.Context(), machine{Options: Options{Runs: dir}}), result.No, "measured in run 20260102-150405-seed, trials of 2 s")
}

func TestAnUnfinishedOrShortRunHasNoNoise(t *testing.T) {
	here := observe.Environment()
	unfinished := run(8, 0.05, here)
	unfinished.Trials = unfinished.Trials[:10]
	for name, r := range map[string]result.Run{"unfinished": unfinished, "short": run(3, 0.05, here)} {
		if noise := noiseOf(r); noise != 0 {
			t.Errorf("%s: %v", name, noise)
		}
	}
}

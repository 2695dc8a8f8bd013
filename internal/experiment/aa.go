package experiment

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"redline/internal/analysis"
	"redline/internal/stats"
	"redline/result"
)

// AA is the question how often redline cries wolf here, and how often it sees:
// comparisons of a setting with itself, and with slower copies of itself. What is
// slower is a handler that burns so much CPU time a record as costs the rate a known
// share.
type AA struct {
	Client                 string
	Partitions, RecordSize int
	FillBytes              int64
	Timing                 result.Timing
	// Nulls comparisons of Pairs pairs each.
	Nulls, Pairs int
	// Effects are the slowdowns, as shares of the rate, each planted Tries times in
	// comparisons of as many pairs as find it with probability Power.
	Effects []float64
	Tries   int
	Power   float64
	Seed    uint64
	Created time.Time
	Kafka   string
}

// Every arm burns baseBurn nanoseconds a record, so that the consumer is what limits
// the rate: else a little more work would hide in its waiting, and a lot would not.
// pilotBurn on top is what the pilot measures the cost of, pilotPairs times.
const (
	baseBurn   = 400.0
	pilotBurn  = 150.0
	pilotPairs = 16
)

// Pilot is the plan that Calibrate learns from: a setting, itself, and itself with a
// handler.
func (a AA) Pilot() result.Plan {
	p := a.plan()
	p.Arms = append(p.Arms, a.arm("itself", 0), a.arm("pilot", pilotBurn))
	for round := range pilotPairs {
		order := []int{0, 1, 2}
		if round%2 == 1 {
			order = []int{2, 1, 0}
		}
		for _, arm := range order {
			p.Trials = append(p.Trials, result.Planned{Arm: arm, Round: round})
		}
	}
	p.Rounds = pilotPairs
	return p
}

// Calibrated is what a pilot tells: the noise of a pair, and how many nanoseconds of
// handler a record cost a share of the rate.
type Calibrated struct {
	Noise float64
	// PilotRatio is the rate with the pilot's handler over that without.
	PilotRatio float64
}

// Calibrate reads the trials of a pilot.
func Calibrate(pilot result.Run) (Calibrated, error) {
	all := analysis.Compare(pilot, []analysis.Pair{{A: 1, B: 0}, {A: 2, B: 0}}, []analysis.Measure{analysis.Rate}, pilot.Plan.Margin)
	null, burned := all[0], all[1]
	if burned.Ratio.N < pilotPairs/2 || burned.Ratio.Median <= 0 || burned.Ratio.Median > 0.97 {
		return Calibrated{}, fmt.Errorf("cannot calibrate a slowdown: %g ns of handler a record on top of %g left %.0f %% of the rate (%d pairs); the machine may be too noisy now", pilotBurn, baseBurn, 100*burned.Ratio.Median, burned.Ratio.N)
	}
	return Calibrated{Noise: analysis.Noise(pilot, analysis.Pair{A: null.ArmA, B: null.ArmB}), PilotRatio: burned.Ratio.Median}, nil
}

// burn is the handler, in nanoseconds a record, that costs a share of the rate. The
// time a record takes grows by the handler's in proportion: with q the rate left by
// the pilot's, 1/q - 1 is what its nanoseconds added, and effect/(1-effect) what is
// to be added.
func (c Calibrated) burn(effect float64) float64 {
	return pilotBurn * effect / (1 - effect) / (1/c.PilotRatio - 1)
}

// Plan puts all comparisons in an order drawn from the seed, so that nulls and
// slowdowns meet the machine alike.
func (a AA) Plan(c Calibrated) result.Plan {
	p := a.plan()
	p.Kind, p.Name, p.Power = result.Nulls, "aa", a.Power
	p.Question = "How often does redline see a difference where there is none, and how often one that is there?"
	p.RoundsWhy = fmt.Sprintf("nulls as asked; slowdowns by the noise of a pair, %.1f %%, for a power of %.0f %%", 100*c.Noise, 100*a.Power)
	p.Notes = append(p.Notes, fmt.Sprintf("%g ns of handler a record on top of %g left %.1f %% of the rate in the pilot", pilotBurn, baseBurn, 100*c.PilotRatio))
	p.Arms = append(p.Arms, a.arm("itself", 0))
	type comparison struct {
		stage      string
		arm, pairs int
	}
	var all []comparison
	for i := range a.Nulls {
		all = append(all, comparison{analysis.NullStage(i), 1, a.Pairs})
	}
	for _, effect := range a.Effects {
		p.Arms = append(p.Arms, a.arm(strconv.FormatFloat(effect, 'g', -1, 64), c.burn(effect)))
		pairs := stats.PairsFor(effect, c.Noise, a.Power)
		for i := range a.Tries {
			all = append(all, comparison{analysis.SlowerStage(effect, i), len(p.Arms) - 1, pairs})
		}
	}
	rng := rand.New(rand.NewPCG(a.Seed, a.Seed))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, c := range all {
		swap := rng.IntN(2)
		for pair := range c.pairs {
			first, second := 0, c.arm
			if (pair+swap)%2 == 1 {
				first, second = second, first
			}
			p.Trials = append(p.Trials,
				result.Planned{Arm: first, Round: pair, Stage: c.stage}, result.Planned{Arm: second, Round: pair, Stage: c.stage})
			p.Rounds = max(p.Rounds, c.pairs)
		}
	}
	each := a.Timing.Warmup + a.Timing.Window + around + 2*canaryTimes*length(a.Timing)
	p.Seconds = (time.Duration(len(p.Trials)) * each).Seconds()
	return p
}

func (a AA) plan() result.Plan {
	p := result.Plan{
		Schema: result.PlanSchema, Name: "pilot", Kind: result.Rounds, Created: a.Created, Seed: a.Seed, Kafka: a.Kafka,
		Question: "Pilot: how noisy is a pair, and what does a handler cost?", Combine: "product",
		FillBytes: a.FillBytes, FillTime: 5 * time.Second, Disk: a.FillBytes, Timing: a.Timing, Margin: 0.03,
		Axes: []result.Axis{{Name: "slower", Values: []string{"0"}}},
	}
	p.Arms = append(p.Arms, a.arm("0", 0))
	p.Arms[0].Against = -1
	return p
}

// arm is a setting with a handler of some nanoseconds a record beyond baseBurn.
func (a AA) arm(slower string, burn float64) result.Arm {
	handler := fmt.Sprintf("burn=%.3fns", baseBurn+burn)
	return result.Arm{
		Workload: result.Consume, Client: a.Client, Profile: "tuned", Values: map[string]string{"slower": slower}, Against: 0,
		Setting: result.Setting{
			Instances: 1, Partitions: a.Partitions, RecordBytes: a.RecordSize, Payload: "random", Keys: "none",
			Compression: "none", Acks: "all", Handler: handler,
		},
	}
}

// Memory is a Store that keeps trials only as long as the process lives.
type Memory struct{ Run result.Run }

// Session begins a sitting.
func (m *Memory) Session(s result.Session) (int, error) {
	m.Run.Sessions = append(m.Run.Sessions, s)
	return len(m.Run.Sessions) - 1, nil
}

// Append keeps a trial.
func (m *Memory) Append(t result.Trial) error {
	m.Run.Trials = append(m.Run.Trials, t)
	return nil
}

// RunPilot carries out the pilot in a place and reads what it tells.
func (a AA) RunPilot(ctx context.Context, run Run) (Calibrated, error) {
	memory := &Memory{Run: result.Run{Plan: a.Pilot()}}
	run.Plan, run.Store = memory.Run.Plan, memory
	if err := run.Carry(ctx); err != nil {
		return Calibrated{}, errors.Join(errors.New("the pilot did not end"), err)
	}
	return Calibrate(memory.Run)
}

package doctor

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"sort"
	"time"

	"redline/internal/analysis"
	"redline/internal/observe"
	"redline/internal/plan"
	"redline/internal/runs"
	"redline/internal/spin"
	"redline/internal/stats"
	"redline/internal/term"
	"redline/result"
)

// Steps of the look at the idle machine: in each the canary, a fixed spin, takes as
// long as stepTime. Where it takes far longer there are fewer.
const (
	Steps    = 24
	stepTime = 150 * time.Millisecond
	longest  = 5 * time.Second
)

// rest is how the machine behaved while nothing of ours went on but the canary.
type rest struct {
	// steal is the share of CPU time that the hypervisor took, foreign how many CPUs
	// others used; -1 when not known.
	steal, foreign float64
	// noise is the standard deviation of the log-ratio of two canaries one after the
	// other, slowest the longest one's time over the median of all canaries.
	noise, slowest float64
	canaries       int
	// err is why there is nothing of it.
	err error
}

// watch takes some seconds.
func watch(ctx context.Context, progress func(done int)) rest {
	if progress == nil {
		progress = func(int) {}
	}
	canary := spin.Lasting(stepTime)
	used, around := observe.Begin(nil), observe.Around()
	var took []float64
	for began := time.Now(); len(took) < Steps && time.Since(began) < longest; {
		if ctx.Err() != nil {
			return rest{err: context.Cause(ctx)}
		}
		took = append(took, float64(canary.Time()), float64(canary.Time()))
		progress(len(took))
	}
	return restOf(observe.Conditions(used.Usage(), true, around, observe.Around()), took)
}

// restOf judges the times of canaries, an even number of them.
func restOf(c result.Conditions, took []float64) rest {
	var first, second []float64
	for i := 0; i+1 < len(took); i += 2 {
		first, second = append(first, took[i]), append(second, took[i+1])
	}
	return rest{
		steal: c.Steal, foreign: c.Foreign, canaries: len(took),
		noise:   stats.Paired(first, second).Noise,
		slowest: slices.Max(took) / stats.Median(slices.Clone(took)).Median, // Median sorts
	}
}

// The most that a calm machine shows: trials beyond are left out of a run, see
// package experiment.
const (
	mostSteal   = 0.03 // of all CPU time
	mostForeign = 0.15 // CPUs
	mostSlow    = 1.20 // times the median
)

func (r rest) missing() finding { return unknown("not looked at: %v", r.err) }

func steal(_ context.Context, m machine) finding {
	switch {
	case m.rest.err != nil:
		return m.rest.missing()
	case m.rest.steal < 0:
		return unknown("this system does not show it")
	}
	return yesIf(m.rest.steal <= mostSteal, "%.1f %% of the CPU time", 100*m.rest.steal)
}

func foreign(_ context.Context, m machine) finding {
	switch {
	case m.rest.err != nil:
		return m.rest.missing()
	case m.rest.foreign < 0:
		return unknown("this system does not show it")
	}
	return yesIf(m.rest.foreign <= mostForeign, "others used %.2f CPUs", m.rest.foreign)
}

func canary(_ context.Context, m machine) finding {
	if m.rest.err != nil {
		return m.rest.missing()
	}
	return yesIf(m.rest.slowest <= mostSlow, "of %d times the same work the slowest took %.2f times the median", m.rest.canaries, m.rest.slowest)
}

// smallest asks for the least difference that can be told here in sight of time.
func smallest(ctx context.Context, m machine) finding {
	a, err := affordable(sight)
	if err != nil {
		return unknown("cannot plan for it: %v", err)
	}
	noise, err := storedNoise(ctx, m.Runs)
	if err == nil {
		return a.judge(noise.deviation, noise.from, false)
	}
	if m.rest.err != nil {
		return m.rest.missing()
	}
	return a.judge(m.rest.noise, "estimated from the canary alone; \"redline aa\" measures it", true)
}

const (
	// sight is how long one may measure, power how often a difference is to be found.
	sight = 5 * time.Minute
	power = 0.8
)

// afforded is what a comparison of two settings gets in a time.
type afforded struct {
	pairs  int
	window time.Duration
}

// affordable is what the planner gives two settings of the suite seed.
func affordable(limit time.Duration) (afforded, error) {
	suite, err := plan.FindSuite("seed")
	if err != nil {
		return afforded{}, err
	}
	q, err := plan.Parse(suite.Name+".yaml", suite.YAML, nil)
	if err == nil {
		err = q.Set("consumers=1,2", "partitions=1,2")
	}
	if err != nil {
		return afforded{}, err
	}
	made, err := plan.Make(q, plan.Want{Time: limit})
	return afforded{made.Rounds, made.Timing.Window}, err
}

// judge says which difference is found at that noise of a pair; atBest says that the
// true noise is larger.
func (a afforded) judge(noise float64, from string, atBest bool) finding {
	least := leastSeen(noise, a.pairs)
	if least > 1 {
		return no("none in %.0f minutes: the ratio of a pair scatters by %.1f %% (%s)", sight.Minutes(), 100*noise, from)
	}
	how := "from"
	if atBest {
		how = "at best from"
	}
	return yesIf(least <= plan.DefaultMargin, "%s %.1f %% on in %.0f minutes: %d pairs of trials of %s fit in and find it %.0f times in 100 (p < %g) when the ratio of a pair scatters by %.1f %% (%s)",
		how, 100*least, sight.Minutes(), a.pairs, term.Duration(a.window), 100*power, stats.Alpha, 100*noise, from)
}

// leastSeen is the least difference, as a share and to a tenth of a percent, that so
// many pairs find with the power; above 1 when none.
func leastSeen(noise float64, pairs int) float64 {
	const step, most = 0.001, 1000
	n := sort.Search(most, func(i int) bool { return stats.PairsFor(step*float64(i+1), noise, power) <= pairs })
	return step * float64(n+1)
}

// measured is the noise of a pair of trials and where it was found.
type measured struct {
	deviation float64
	from      string
}

// newest is how many runs are looked at: older ones are of another machine, or of
// another day on this one.
const newest = 5

// storedNoise is that of the newest run which was made on this machine and is whole.
func storedNoise(ctx context.Context, dir string) (measured, error) {
	folder, err := runs.Existing(dir)
	if err != nil {
		return measured{}, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return measured{}, err
	}
	// The names of runs begin with the time.
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return cmp.Compare(b.Name(), a.Name()) })
	here := observe.Environment()
	for _, entry := range entries[:min(newest, len(entries))] {
		if ctx.Err() != nil {
			return measured{}, context.Cause(ctx)
		}
		run, err := folder.Read(entry.Name())
		if err != nil || !sameMachine(run, here) {
			continue
		}
		if noise := noiseOf(run); noise > 0 {
			return measured{noise, fmt.Sprintf("measured in run %s, trials of %s", entry.Name(), term.Duration(run.Plan.Timing.Window))}, nil
		}
	}
	return measured{}, fmt.Errorf("no run in %s tells the noise of a pair", dir)
}

// sameMachine says whether a run was made on a machine like this one.
func sameMachine(run result.Run, here result.Environment) bool {
	if len(run.Sessions) == 0 {
		return false
	}
	there := run.Sessions[len(run.Sessions)-1].Environment
	return there.CPU == here.CPU && there.CPUs == here.CPUs && there.Memory == here.Memory
}

// noiseOf is the noise of a pair in a whole run: that of its comparisons together; 0
// when it has none with enough pairs.
func noiseOf(run result.Run) float64 {
	const leastRounds = 6
	switch {
	case len(run.Damaged) > 0 || len(run.Missing()) > 0:
		return 0
	case run.Plan.Kind == result.Nulls:
		return analysis.AA(run, "").Noise
	case run.Plan.Rounds < leastRounds:
		return 0
	}
	var squares float64
	pairs := analysis.Against(run, armsOf(run))
	for _, pair := range pairs {
		noise := analysis.Noise(run, pair)
		squares += noise * noise
	}
	if len(pairs) == 0 {
		return 0
	}
	return math.Sqrt(squares / float64(len(pairs)))
}

func armsOf(run result.Run) []int {
	all := make([]int, len(run.Plan.Arms))
	for i := range all {
		all[i] = i
	}
	return all
}

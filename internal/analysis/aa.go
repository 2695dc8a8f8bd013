package analysis

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"redline/internal/stats"
	"redline/result"
)

// AA computes what a campaign of null comparisons and planted slowdowns found. Each
// comparison is a stage of the plan: "null 7", "slower 0.05 3".
func AA(run result.Run, version string) result.AAReport {
	r := result.AAReport{
		Header:  result.Header{Schema: result.AASchema, Version: version, Warnings: []string{}},
		Run:     run.Plan.Run,
		Planted: []result.Campaign{},
	}
	if n := len(run.Sessions); n > 0 {
		r.Environment = run.Sessions[n-1].Environment
	}
	r.Account, r.Excluded, r.Failed = tally(run.Trials)
	comparisons := stages(run)
	var logs []float64
	r.Nulls = campaign(comparisons, 0)
	for _, c := range comparisons {
		if c.effect == 0 && c.complete() {
			logs = append(logs, c.noise())
		}
	}
	r.Noise = pooled(logs)
	for _, effect := range effects(comparisons) {
		c := campaign(comparisons, effect)
		c.Power = run.Plan.Power
		r.Planted = append(r.Planted, c)
	}
	r.Warnings = append(r.Warnings, warnings(run, r.Excluded)...)
	if missing := len(run.Missing()); missing > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d of %d trials are missing: \"redline aa --resume %s\" goes on", missing, len(run.Plan.Trials), run.Plan.Run))
	}
	return r
}

// staged is one comparison of a campaign: what was measured in its pairs, by round.
type staged struct {
	effect       float64
	pairs        int // that were planned
	missing      int // trials that are still to be run
	base, slower map[int]float64
}

func (s *staged) values() (slower, base []float64) {
	for round, v := range s.slower {
		if w, both := s.base[round]; both {
			slower, base = append(slower, v), append(base, w)
		}
	}
	return slower, base
}

// complete says whether no trial is missing, and enough pairs count for a test: some
// may have been left out for their conditions.
func (s *staged) complete() bool {
	const least = 6
	a, _ := s.values()
	return s.missing == 0 && len(a) >= least
}

func (s *staged) noise() float64 {
	a, b := s.values()
	return stats.Paired(a, b).Noise
}

// stages collects the trials of each comparison, in the order of the plan's stages.
func stages(run result.Run) []*staged {
	var order []*staged
	byName := map[string]*staged{}
	for _, planned := range run.Plan.Trials {
		if byName[planned.Stage] == nil {
			s := &staged{effect: effectOf(planned.Stage), base: map[int]float64{}, slower: map[int]float64{}}
			byName[planned.Stage] = s
			order = append(order, s)
		}
		if planned.Arm == 0 {
			byName[planned.Stage].pairs++
		}
	}
	for _, number := range run.Missing() {
		byName[run.Plan.Trials[number].Stage].missing++
	}
	for _, t := range run.Trials {
		s := byName[t.Stage]
		switch {
		case s == nil || !t.Counts():
		case t.Arm == 0:
			s.base[t.Round] = t.Rate()
		default:
			s.slower[t.Round] = t.Rate()
		}
	}
	return order
}

// pooled is the root of the mean square of standard deviations of equal weight.
func pooled(deviations []float64) float64 {
	if len(deviations) == 0 {
		return 0
	}
	var squares float64
	for _, d := range deviations {
		squares += d * d
	}
	return math.Sqrt(squares / float64(len(deviations)))
}

// NullStage and SlowerStage name the stages of a campaign.
func NullStage(i int) string { return fmt.Sprintf("null %d", i) }

// SlowerStage is the i-th comparison with a slowdown of a share.
func SlowerStage(effect float64, i int) string { return fmt.Sprintf("slower %g %d", effect, i) }

func effectOf(stage string) float64 {
	words := strings.Fields(stage)
	if len(words) != 3 || words[0] != "slower" {
		return 0
	}
	effect, _ := strconv.ParseFloat(words[1], 64)
	return effect
}

func effects(comparisons []*staged) []float64 {
	var all []float64
	seen := map[float64]bool{0: true}
	for _, c := range comparisons {
		if !seen[c.effect] {
			seen[c.effect] = true
			all = append(all, c.effect)
		}
	}
	return all
}

// campaign sums up the complete comparisons with one effect.
func campaign(comparisons []*staged, effect float64) result.Campaign {
	c := result.Campaign{Effect: effect, P: []float64{}}
	var ratios []float64
	for _, s := range comparisons {
		if s.effect != effect {
			continue
		}
		c.Pairs = s.pairs
		if !s.complete() {
			continue
		}
		slower, base := s.values()
		paired := stats.Paired(slower, base)
		c.Tries++
		c.P = append(c.P, paired.P)
		ratios = append(ratios, paired.Ratio.Median)
		if paired.P < stats.Alpha && (effect == 0 || paired.Ratio.Median < 1) {
			c.Found++
		}
	}
	c.Ratio = stats.Median(ratios)
	return c
}

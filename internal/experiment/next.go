package experiment

import (
	"slices"

	"redline/result"
)

// next gives the first trial of the plan that is missing, and its number. It is a
// function of the plan and the trials so far, so that a run that was cut off goes on
// as if it had not been.
func next(p result.Plan, done []result.Trial) (result.Planned, int, bool) {
	for _, number := range (result.Run{Plan: p, Trials: done}).Missing() {
		planned := p.Trials[number]
		if planned.Arm == result.ArmOpen {
			arm, ok := decide(p, done, number)
			if !ok {
				continue
			}
			planned.Arm = arm
		}
		return planned, number, true
	}
	return result.Planned{}, 0, false
}

// decide gives the arm of a confirming trial: of the arms that were tried right
// before, the best two meet in interleaved rounds, A B, B A, A B, so that a drift of
// the machine meets both alike. Without a runner-up its trials fall away.
func decide(p result.Plan, done []result.Trial, number int) (int, bool) {
	first := number
	for first > 0 && p.Trials[first-1].Stage == result.StageConfirm {
		first--
	}
	finalists := best(p, done, first)
	place := (number - first) % 2
	if p.Trials[number].Round%2 == 1 {
		place = 1 - place
	}
	if place >= len(finalists) {
		return 0, false
	}
	return finalists[place], true
}

// best gives the two fastest arms of the trials planned right before number, fastest
// first; fewer when fewer came to anything.
func best(p result.Plan, done []result.Trial, number int) []int {
	begin := number
	for begin > 0 && p.Trials[begin-1].Stage == result.StageTry {
		begin--
	}
	rates := map[int]float64{}
	for _, t := range done {
		if t.Number >= begin && t.Number < number && t.Error == "" {
			rates[t.Arm] = t.Rate()
		}
	}
	arms := make([]int, 0, len(rates))
	for arm := range rates {
		arms = append(arms, arm)
	}
	slices.SortFunc(arms, func(a, b int) int {
		switch {
		case rates[a] > rates[b] || rates[a] == rates[b] && a < b:
			return -1
		default:
			return 1
		}
	})
	return arms[:min(2, len(arms))]
}

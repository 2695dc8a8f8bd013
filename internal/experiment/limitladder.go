package experiment

import (
	"runtime"
	"slices"
	"time"

	"redline/internal/client"
	"redline/internal/plan"
	"redline/result"
)

// LadderTime is from where on a limit shows the ladder, too: half of the time is for it.
const LadderTime = 6 * time.Minute

// mostLadderRounds are enough for narrow intervals.
const mostLadderRounds = 20

// ladder are the rungs of consuming, and the clients above them, with as many connections
// each, and the number of rounds that half of the time affords; none in a shorter time,
// and none on a topic of somebody else's, whose records may carry no stamps.
func (l Limit) ladder() (arms []result.Arm, rounds int) {
	if l.Time < LadderTime || l.Topic != "" {
		return nil, 0
	}
	for _, rung := range []string{"fetch", "crc", "decode", "account", "group"} {
		arms = append(arms, l.rung(plan.RungPrefix+rung, ""))
	}
	for _, name := range []string{"franz", "confluent"} {
		for _, profile := range []client.Profile{client.Tuned, client.Defaults} {
			arms = append(arms, l.rung(name, profile))
		}
	}
	arms = slices.DeleteFunc(arms, func(a result.Arm) bool { return a.Cannot != "" })
	return arms, min(mostLadderRounds, int(l.Time/2/cost(DefaultTiming))/len(arms))
}

// rung is an arm of the ladder: with a second connection the broker answers while the
// first one's answer is read, for which it takes a second CPU.
func (l Limit) rung(name string, profile client.Profile) result.Arm {
	connections := min(2, runtime.NumCPU())
	values := map[string]string{"client": name, "connections": digit(connections)}
	if profile != "" {
		values["profile"] = string(profile)
	}
	arm := l.arm(result.Consume, connections, nil, values)
	arm.Client, arm.Profile = name, string(profile)
	if err := Check(arm); err != nil {
		arm.Cannot = err.Error()
		return arm
	}
	arm.Adds, arm.Lighter = Adds(arm), Lighter(arm)
	return arm
}

// opposed compares every arm of the ladder with its first, the ladder standing from here
// on in the arms of the plan.
func opposed(ladder []result.Arm, from int) []result.Arm {
	for i := range ladder {
		if i > 0 {
			ladder[i].Against = from
		}
	}
	return ladder
}

// climbing are the trials of the ladder, which stands from here on in the arms of the plan.
func climbing(from int, ladder []result.Arm, rounds int, seed uint64) []result.Planned {
	trials := plan.Order(ladder, rounds, seed)
	for i := range trials {
		trials[i].Arm += from
		trials[i].Stage = result.StageLadder
	}
	return trials
}

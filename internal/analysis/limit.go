package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"redline/internal/stats"
	"redline/result"
)

// Limit fills in what the trials of a limit came to.
func Limit(run result.Run, report *result.LimitReport) {
	report.Limit.Consume, report.Usage.Consume = side(run, result.Consume)
	report.Limit.Produce, report.Usage.Produce = side(run, result.Produce)
	report.Ladder = ladder(run)
	report.Warnings = append(report.Warnings, busy(run.Sessions)...)
	for _, t := range run.Trials {
		report.Account = report.Account.Add(t.Account)
		if run.Plan.Arms[t.Arm].Workload == result.Consume && t.Topic != "" {
			report.Workload.Topic, report.Workload.Records = t.Topic, t.Held
		}
	}
}

// ladder is what the rungs of a limit came to, nil where it has none.
func ladder(run result.Run) *result.Ladder {
	place := map[int]int{} // of an arm among the rows of the ladder
	found := result.Ladder{Comparisons: []result.Comparison{}}
	for arm, row := range rows(run) {
		climbs := slices.ContainsFunc(run.Trials, func(t result.Trial) bool { return t.Stage == result.StageLadder && t.Arm == arm })
		if climbs && row.RecordsPerSecond.N > 0 {
			place[arm] = len(found.Rows)
			found.Rows = append(found.Rows, row)
		}
	}
	if len(found.Rows) == 0 {
		return nil
	}
	for _, c := range Compare(run, planned(run), []Measure{Rate}, run.Plan.Margin) {
		a, aThere := place[c.ArmA]
		b, bThere := place[c.ArmB]
		if aThere && bThere {
			c.ArmA, c.ArmB = a, b
			found.Comparisons = append(found.Comparisons, c)
		}
	}
	return &found
}

// side is what the better finalist of a workload came to, by its median.
func side(run result.Run, workload string) (*result.Reached, *result.Usage) {
	arms := confirmed(run, workload)
	if len(arms) == 0 {
		return nil, nil
	}
	best := run.Plan.Arms[arms[0]]
	trials := counting(trialsOf(run, arms[0]))
	reached := &result.Reached{
		Client:             best.Client,
		RecordsPerSecond:   estimate(trials, result.Trial.Rate),
		MegabytesPerSecond: estimate(trials, result.Trial.Megabytes),
		CPUNsPerRecord:     stats.Median(each(trials, result.Trial.CPUNsPerRecord)),
		Settings:           clientSetting(best),
		Tried:              tried(run, workload),
	}
	var usage result.Usage
	for _, t := range trials {
		usage = usage.Add(t.Usage)
		reached.Rewinds += t.Rewinds
	}
	if len(arms) > 1 {
		a, b := matched(run, Pair{arms[1], arms[0]}, Rate)
		reached.RunnerUp = &result.RunnerUp{
			Settings: clientSetting(run.Plan.Arms[arms[1]]), Ratio: stats.Paired(a, b).Ratio,
		}
	}
	return reached, &usage
}

// tried are the quick trials of a workload, fastest first.
func tried(run result.Run, workload string) []result.LimitTrial {
	all := []result.LimitTrial{}
	for _, t := range run.Trials {
		if arm := run.Plan.Arms[t.Arm]; arm.Workload == workload && t.Stage == result.StageTry {
			all = append(all, result.LimitTrial{Setting: clientSetting(arm), Measured: t.Measured})
		}
	}
	sortByRate(all)
	return all
}

func clientSetting(arm result.Arm) result.ClientSetting {
	connections := arm.Setting.Instances
	if n, err := strconv.Atoi(arm.Setting.Properties["connections.per.broker"]); err == nil {
		connections *= n
	}
	return result.ClientSetting{Connections: connections, Properties: arm.Setting.Properties}
}

func sortByRate(trials []result.LimitTrial) {
	slices.SortStableFunc(trials, func(a, b result.LimitTrial) int { return cmp.Compare(b.Rate(), a.Rate()) })
}

// Unreached is the error of a limit that found nothing for a side, or only windows
// without a record; nil when there is a figure for each side of the plan.
func Unreached(run result.Run) error {
	for _, workload := range []string{result.Consume, result.Produce} {
		reached, _ := side(run, workload)
		switch {
		case reached == nil && slices.ContainsFunc(run.Plan.Arms, func(a result.Arm) bool { return a.Workload == workload }):
			return fmt.Errorf("%s: no setting came to a figure; the first failed with: %s", workload, firstError(run, workload))
		case reached != nil && reached.RecordsPerSecond.Median == 0:
			return fmt.Errorf("%s: most windows of %v passed without a record; ask again with a longer --time", workload, run.Plan.Timing.Window.Round(time.Millisecond))
		}
	}
	return nil
}

func firstError(run result.Run, workload string) string {
	for _, t := range run.Trials {
		if run.Plan.Arms[t.Arm].Workload == workload && t.Error != "" {
			return t.Error
		}
	}
	return "nothing was stored of it"
}

package analysis

import (
	"fmt"
	"slices"
	"strings"

	"redline/internal/latency"
	"redline/internal/stats"
	"redline/internal/term"
	"redline/result"
)

// rows are the arms of the plan with what their trials came to.
func rows(run result.Run) []result.Row {
	labels := result.Labels(run.Plan.Arms)
	rows := make([]result.Row, len(run.Plan.Arms))
	for i, arm := range run.Plan.Arms {
		rows[i] = row(arm, labels[i], trialsOf(run, i))
	}
	differ(rows)
	return rows
}

// trialsOf are all attempts of an arm, in the order in which they ran.
func trialsOf(run result.Run, arm int) []result.Trial {
	var trials []result.Trial
	for _, t := range run.Trials {
		if t.Arm == arm {
			trials = append(trials, t)
		}
	}
	return trials
}

// counting are the trials that a figure is made of.
func counting(trials []result.Trial) []result.Trial {
	confirmed := slices.ContainsFunc(trials, func(t result.Trial) bool { return t.Stage == result.StageConfirm && t.Counts() })
	var counts []result.Trial
	for _, t := range trials {
		if t.Counts() && (!confirmed || t.Stage == result.StageConfirm) {
			counts = append(counts, t)
		}
	}
	return counts
}

func row(arm result.Arm, label string, trials []result.Trial) result.Row {
	r := result.Row{Arm: arm, Label: label, Trials: []result.RowTrial{}, Warnings: []string{}, InForce: map[string]string{}}
	counts := counting(trials)
	instances := float64(max(1, arm.Setting.Instances))
	r.RecordsPerSecond = estimate(counts, result.Trial.Rate)
	r.MegabytesPerSecond = estimate(counts, result.Trial.Megabytes)
	r.CPUNsPerRecord = known(counts, func(t result.Trial) float64 { return orUnknown(t.CPUNsPerRecord()) })
	r.PerInstance = estimate(counts, func(t result.Trial) float64 { return t.Rate() / instances })
	r.CPUsBusy = known(counts, result.Trial.CPUsBusy)
	r.ClientCPUs = known(counts, func(t result.Trial) float64 { return perSecond(t, t.Usage.ClientCPU) })
	r.BrokerCPUs = known(counts, func(t result.Trial) float64 { return perSecond(t, t.Usage.BrokerCPU) })
	r.Latency = latencies(counts)
	for _, t := range trials {
		r.Lost += t.Account.Lost
		r.Duplicated += t.Account.Duplicated
		r.Redelivered += t.Account.Redelivered
		r.Errors += t.Errors
		if len(t.InForce) > 0 {
			r.InForce = t.InForce
		}
		r.Trials = append(r.Trials, rowTrial(t))
	}
	for _, t := range counts {
		r.Usage = r.Usage.Add(t.Usage)
	}
	r.Waiting = waiting(counts)
	r.Warnings = append(r.Warnings, warningsOf(arm, trials, counts)...)
	return r
}

func estimate(trials []result.Trial, f func(result.Trial) float64) result.Estimate {
	return stats.Median(each(trials, f))
}

// known is the estimate over the trials in which a figure is known (not negative);
// without any it is the zero Estimate, with no warning.
func known(trials []result.Trial, f func(result.Trial) float64) result.Estimate {
	values := slices.DeleteFunc(each(trials, f), func(v float64) bool { return v < 0 })
	if len(values) == 0 {
		return result.Estimate{}
	}
	return stats.Median(values)
}

func each(trials []result.Trial, f func(result.Trial) float64) []float64 {
	values := make([]float64, len(trials))
	for i, t := range trials {
		values[i] = f(t)
	}
	return values
}

func orUnknown(v float64) float64 {
	if v == 0 {
		return -1
	}
	return v
}

func perSecond(t result.Trial, seconds float64) float64 {
	if seconds < 0 || t.Usage.Wall <= 0 {
		return -1
	}
	return seconds / t.Usage.Wall.Seconds()
}

// latencies merges the histograms of the trials: percentiles are never averaged.
func latencies(trials []result.Trial) *result.Latency {
	var parts []*latency.Histogram
	for _, t := range trials {
		if t.LatencyHDR == "" {
			continue
		}
		if h, err := latency.Decode(t.LatencyHDR); err == nil {
			parts = append(parts, h)
		}
	}
	all := latency.Merge(parts...)
	if all.Count() == 0 {
		return nil
	}
	ms := func(q float64) float64 { return float64(all.Quantile(q)) / 1e6 }
	return &result.Latency{
		Mean: float64(all.Mean()) / 1e6, P50: ms(0.5), P95: ms(0.95), P99: ms(0.99), P999: ms(0.999),
		Max: float64(all.Max()) / 1e6, N: all.Count(),
	}
}

func rowTrial(t result.Trial) result.RowTrial {
	r := result.RowTrial{
		Number: t.Number, Attempt: t.Attempt, Round: t.Round, Stage: t.Stage,
		RecordsPerSecond: t.Rate(), MegabytesPerSecond: t.Megabytes(), CPUNsPerRecord: t.CPUNsPerRecord(), Claimed: t.Claimed,
		WarmupSeconds: t.Warmup.Seconds(), WindowSeconds: t.Window.Seconds(), Cut: t.Cut, Rewinds: t.Rewinds,
		Conditions: t.Conditions, Invalid: t.Invalid, Notes: t.Notes, Error: t.Error,
	}
	if t.BinWidth > 0 {
		r.BinSeconds = t.BinWidth.Seconds()
		r.Rates = make([]float64, len(t.Bins))
		for i, n := range t.Bins {
			r.Rates[i] = float64(n) / r.BinSeconds
		}
	}
	return r
}

// warningsOf are what a reader of a row has to know.
func warningsOf(arm result.Arm, trials, counts []result.Trial) []string {
	var warnings []string
	say := func(n int, format string) {
		if n > 0 {
			warnings = append(warnings, fmt.Sprintf(format, n, len(counts)))
		}
	}
	count := func(of []result.Trial, f func(result.Trial) bool) (n int) {
		for _, t := range of {
			if f(t) {
				n++
			}
		}
		return n
	}
	say(count(counts, func(t result.Trial) bool { return t.Cut == "bursts" }), "%d of %d windows were cut from burst to burst: the client delivers in bursts")
	say(count(counts, func(t result.Trial) bool { return t.Rewinds > 0 }), "in %d of %d windows reading began anew from the start of the topic")
	say(count(counts, func(t result.Trial) bool { return t.Records == 0 }), "%d of %d windows passed without a record")
	say(count(counts, func(t result.Trial) bool { return slices.ContainsFunc(t.Notes, unsteady) }), "%d of %d windows were not steady all the time")
	warnings = append(warnings, noted(counts)...)
	warnings = append(warnings, claims(counts)...)
	failed := count(trials, func(t result.Trial) bool { return t.Error != "" })
	if failed > 0 {
		first := slices.IndexFunc(trials, func(t result.Trial) bool { return t.Error != "" })
		warnings = append(warnings, fmt.Sprintf("%d of %d trials failed, the first: %s", failed, len(trials), trials[first].Error))
	}
	if arm.Workload == result.Consume && arm.Setting.Instances > arm.Setting.Partitions && arm.Setting.Partitions > 0 {
		warnings = append(warnings, fmt.Sprintf("%d of %d consumers had no partition to read", arm.Setting.Instances-arm.Setting.Partitions, arm.Setting.Instances))
	}
	return warnings
}

// claims tells what a client says of its own rate, where that is not what was measured.
func claims(counts []result.Trial) []string {
	var claimed, measured []float64
	for _, t := range counts {
		if t.Claimed > 0 {
			claimed, measured = append(claimed, t.Claimed), append(measured, t.Rate())
		}
	}
	if len(claimed) == 0 {
		return nil
	}
	says, is := stats.Median(claimed).Median, stats.Median(measured).Median
	if is > 0 && says > (1-claimedMargin)*is && says < (1+claimedMargin)*is {
		return nil
	}
	return []string{fmt.Sprintf("it says itself that it reached %s records/s, from its first record to its last", term.Rate(says))}
}

// claimedMargin is how far a client's own figure may lie from ours without a word.
const claimedMargin = 0.05

// unsteady says whether a trial's note is about its rate, which rows only count.
func unsteady(note string) bool { return strings.HasPrefix(note, "the rate ") }

// noted are the other notes of trials, each with how many have it.
func noted(counts []result.Trial) []string {
	var order []string
	times := map[string]int{}
	for _, t := range counts {
		for _, note := range t.Notes {
			if unsteady(note) {
				continue
			}
			if times[note] == 0 {
				order = append(order, note)
			}
			times[note]++
		}
	}
	var all []string
	for _, note := range order {
		all = append(all, fmt.Sprintf("%d of %d windows: %s", times[note], len(counts), note))
	}
	return all
}

// Package analysis turns a stored run into what it says: a run enters, rows with
// estimates, comparisons, fits and an answer in a sentence leave. It is pure: whoever
// has the run's folder can compute every figure again.
package analysis

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"redline/internal/stats"
	"redline/result"
)

// noisy is the share of attempts that were invalid above which the machine, not the
// setting, is what a run tells about.
const noisy = 0.20

// notIdle is how many processors other work may use on a machine that is to be idle.
const notIdle = 0.2

// Report computes what an experiment found. margin is the largest difference that
// counts as none; 0 takes the plan's. version is that of the redline that reports.
func Report(run result.Run, version string, margin float64) result.ExperimentReport {
	if margin <= 0 {
		margin = run.Plan.Margin
	}
	r := result.ExperimentReport{
		Header: result.Header{Schema: result.ExperimentSchema, Version: version, Warnings: []string{}},
		Run:    run.Plan.Run, Name: run.Plan.Name, Question: run.Plan.Question, Plan: run.Plan,
		Rows: rows(run), Comparisons: Compare(run, planned(run), []Measure{Rate}, margin),
		Sessions: run.Sessions, Planned: len(run.Plan.Trials), Fit: []result.Fit{},
	}
	if n := len(run.Sessions); n > 0 {
		r.Environment = run.Sessions[n-1].Environment
	}
	for _, t := range run.Latest() {
		if t.Counts() {
			r.Finished++
		}
	}
	r.Account, r.Excluded, r.Failed = tally(run.Trials)
	r.Fit = fits(run, margin)
	r.Gates = gates(run, r.Rows)
	r.Answer = answer(r)
	r.Warnings = append(r.Warnings, warnings(run, r.Excluded)...)
	return r
}

// tally adds up the books of all attempts, and counts those that were invalid and
// those that failed.
func tally(trials []result.Trial) (account result.Account, excluded, failed int) {
	for _, t := range trials {
		account = account.Add(t.Account)
		if len(t.Invalid) > 0 {
			excluded++
		}
		if t.Error != "" {
			failed++
		}
	}
	return account, excluded, failed
}

// warnings are about the run as a whole.
func warnings(run result.Run, excluded int) []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if n := len(run.Trials); excluded > 0 {
		if share := float64(excluded) / float64(n); share > noisy {
			say("the machine was too noisy: %d of %d attempts were made invalid by what went on beside them (%s), so believe the figures only as far as they repeat",
				excluded, n, reasons(run.Trials))
		} else {
			say("%d of %d attempts were left out because of what went on beside them (%s)", excluded, n, reasons(run.Trials))
		}
	}
	if missing := len(run.Missing()); missing > 0 && run.Plan.Kind == result.Rounds {
		say("%d of %d trials are missing: \"redline run --resume %s\" goes on", missing, len(run.Plan.Trials), run.Plan.Run)
	}
	for _, d := range run.Damaged {
		say("%s: it was left out", d)
	}
	all = append(all, places(run.Sessions)...)
	return append(all, run.Plan.Notes...)
}

// reasons are the different causes of invalid attempts, without their figures.
func reasons(trials []result.Trial) string {
	var kinds []string
	for _, t := range trials {
		for _, why := range t.Invalid {
			kind, _, _ := strings.Cut(why, ":")
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	return strings.Join(kinds, "; ")
}

// busy warns of other work that was there from the beginning, which no trial is left out
// for.
func busy(sessions []result.Session) (all []string) {
	for i, s := range sessions {
		if s.Calibration.Foreign > notIdle {
			all = append(all, fmt.Sprintf("the machine was not idle when sitting %d began: other work used up to %.2g CPUs, and what went on at that level later was taken for normal", i+1, s.Calibration.Foreign))
		}
	}
	return all
}

// places warns of what changed between the sittings of a run, and of what its place
// means for its figures.
func places(sessions []result.Session) []string {
	if len(sessions) == 0 {
		return nil
	}
	var all []string
	first := sessions[0].Environment
	for i, s := range sessions[1:] {
		if d := Differences(first, s.Environment); len(d) > 0 {
			all = append(all, fmt.Sprintf("sitting %d was elsewhere than the first: %s", i+2, strings.Join(d, ", ")))
		}
	}
	all = append(all, busy(sessions)...)
	if first.Storage == "none" {
		all = append(all, "the null sink keeps nothing and is not Kafka: what limits here is the client alone")
	}
	if first.Storage == "memory" {
		all = append(all, "the embedded broker is kfake, not Apache Kafka: its figures are not Kafka's")
	}
	return all
}

// Differences names in words what tells two environments apart, the id of the
// cluster aside.
func Differences(a, b result.Environment) []string {
	var all []string
	say := func(what, a, b string) {
		if a != b {
			all = append(all, fmt.Sprintf("%s %s, not %s", what, orNothing(b), orNothing(a)))
		}
	}
	say("redline", a.Redline, b.Redline)
	say("Go", a.Go, b.Go)
	say("system", a.OS, b.OS)
	say("kernel", a.Kernel, b.Kernel)
	say("CPU", a.CPU, b.CPU)
	say("CPUs", strconv.Itoa(a.CPUs), strconv.Itoa(b.CPUs))
	say("memory", strconv.FormatInt(a.Memory>>20, 10)+" MiB", strconv.FormatInt(b.Memory>>20, 10)+" MiB")
	say("Kafka", a.Kafka, b.Kafka)
	say("nodes", strconv.Itoa(a.Nodes), strconv.Itoa(b.Nodes))
	say("storage", a.Storage, b.Storage)
	for client, version := range a.Clients {
		if other, both := b.Clients[client]; both {
			say(client, version, other)
		}
	}
	return all
}

func orNothing(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// fits are the laws of throughput over axes that count instances or partitions, for
// each workload.
func fits(run result.Run, margin float64) []result.Fit {
	all := []result.Fit{}
	axis, found := scaling(run.Plan)
	if !found {
		return all
	}
	for _, workload := range []string{result.Consume, result.Produce} {
		var samples []stats.Sample
		for i, arm := range run.Plan.Arms {
			n, err := strconv.ParseFloat(arm.Values[axis], 64)
			if arm.Workload != workload || err != nil || n <= 0 {
				continue
			}
			s := stats.Sample{N: n}
			for _, t := range counting(trialsOf(run, i)) {
				s.Rates = append(s.Rates, t.Rate())
			}
			if len(s.Rates) > 0 {
				samples = append(samples, s)
			}
		}
		if fit, err := stats.Scaling(samples, margin, run.Plan.Seed); err == nil {
			fit.Workload, fit.Axis = workload, axis
			all = append(all, fit)
		}
	}
	return all
}

// scaling finds the axis that a law may be fitted over: one that counts, where it
// alone varies or the others go along with it.
func scaling(p result.Plan) (string, bool) {
	if p.Kind != result.Rounds || len(p.Axes) != 1 && p.Combine != "zip" {
		return "", false
	}
	for _, axis := range p.Axes {
		if slices.Contains([]string{"consumers", "producers", "instances", "partitions", "nodes"}, axis.Name) {
			return axis.Name, true
		}
	}
	return "", false
}

package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"redline/internal/term"
	"redline/result"
)

// ExperimentPlan writes what a run is going to do, before it does it.
func ExperimentPlan(w io.Writer, p result.Plan) {
	p = clean(p)
	paragraph(w, "QUESTION", p.Question)
	paragraph(w, "PLAN", planned(p))
	for i, s := range settingsOf(p) {
		head := ""
		if i == 0 {
			head = "SETTINGS"
		}
		paragraph(w, head, s.Name+": "+s.Value)
	}
	paragraph(w, "ROUNDS", fmt.Sprintf("%d: %s", p.Rounds, p.RoundsWhy))
	order(w, p)
	paragraph(w, "TIME", duration(p.Seconds)+eachTrial(p.Timing)+restarts(p))
	if p.Disk > 0 {
		paragraph(w, "DISK", term.Bytes(p.Disk)+" of topics at once, at most")
	}
	for _, threshold := range p.Thresholds {
		paragraph(w, "GATE", threshold)
	}
	arms := byWorkload(armsOf(p))
	for _, rows := range arms {
		for _, text := range slices.Concat(lighterNotes(rows), cannotNotes(rows)) {
			if text = strings.TrimPrefix(text, "* "); len(arms) > 1 {
				text = rows[0].Workload + ": " + text
			}
			paragraph(w, "note", text)
		}
	}
	for _, note := range p.Notes {
		paragraph(w, "note", note)
	}
}

func planned(p result.Plan) string {
	tried := fmt.Sprintf("%d setting%s", len(p.Arms), plural(len(p.Arms)))
	if n := len(cannotOf(p)); n > 0 {
		tried += fmt.Sprintf(" (%d cannot be tried)", n)
	}
	return fmt.Sprintf("%s, %d trial%s, on %s, seed %d; a difference within %s %% counts as none",
		tried, len(p.Trials), plural(len(p.Trials)), p.Kafka, p.Seed, brief(100*p.Margin, 2))
}

// armsOf are the arms of a plan as rows, named as the report will name them.
func armsOf(p result.Plan) []result.Row {
	labels := result.Labels(p.Arms)
	rows := make([]result.Row, len(p.Arms))
	for i, arm := range p.Arms {
		rows[i] = result.Row{Arm: arm, Label: labels[i]}
	}
	return named(result.ExperimentReport{Plan: p, Rows: rows}).Rows
}

// cannotOf are the arms that are not tried.
func cannotOf(p result.Plan) []result.Arm {
	return slices.DeleteFunc(slices.Clone(p.Arms), func(a result.Arm) bool { return a.Cannot == "" })
}

func duration(seconds float64) string {
	return "about " + term.Duration(time.Duration(seconds*float64(time.Second)))
}

func eachTrial(t result.Timing) string {
	return fmt.Sprintf(": each trial settles up to %s, warms up %s to %s, counts %s",
		term.Duration(t.Settle), term.Duration(t.Warmup), term.Duration(2*t.Warmup), term.Duration(t.Window))
}

// restarts counts the trials before which brokers are started anew, since they
// are set otherwise than in the trial before.
func restarts(p result.Plan) string {
	n := 0
	for i := 1; i < len(p.Trials); i++ {
		if !isArm(p, p.Trials[i-1].Arm) || !isArm(p, p.Trials[i].Arm) {
			continue
		}
		before, after := p.Arms[p.Trials[i-1].Arm].Setting, p.Arms[p.Trials[i].Arm].Setting
		if before.Nodes != after.Nodes || !maps.Equal(before.Broker, after.Broker) {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; with %d broker restart%s", n, plural(n))
}

// isArm is false for the arm of a trial that is decided as the run goes on.
func isArm(p result.Plan, i int) bool { return i >= 0 && i < len(p.Arms) }

// shownRounds and shownTrials are how much of the order is printed.
const (
	shownRounds = 3
	shownTrials = 12
)

// order writes in which order the arms of the first rounds are tried.
func order(w io.Writer, p result.Plan) {
	arms := armsOf(p)
	labels := map[int][]string{}
	for _, t := range p.Trials {
		name := "what comes out best"
		if isArm(p, t.Arm) {
			name = shortened(arms[t.Arm].Label, arms[t.Arm].Arm)
		}
		labels[t.Round] = append(labels[t.Round], name)
	}
	head := "ORDER"
	for _, round := range firstRounds(p.Trials) {
		of := labels[round]
		text := strings.Join(of[:min(len(of), shownTrials)], " · ")
		if left := len(of) - shownTrials; left > 0 {
			text += fmt.Sprintf(" · and %d more", left)
		}
		paragraph(w, head, fmt.Sprintf("round %d: %s", round+1, text))
		head = ""
	}
}

func firstRounds(trials []result.Planned) []int {
	var rounds []int
	for _, t := range trials {
		if n := len(rounds); n == 0 || rounds[n-1] != t.Round {
			rounds = append(rounds, t.Round)
		}
		if len(rounds) > shownRounds {
			return rounds[:shownRounds]
		}
	}
	return rounds
}

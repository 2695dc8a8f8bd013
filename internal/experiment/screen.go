package experiment

import (
	"fmt"
	"slices"
	"time"

	"redline/internal/stats"
	"redline/internal/term"
	"redline/result"
)

// screen shows how far a run is: on a terminal a calm panel with what is asked, the
// rate now and the estimates so far, elsewhere plain lines. A nil display shows
// nothing.
type screen struct {
	display *term.Display
	plan    result.Plan
	labels  []string
	began   time.Time
	first   int // trials that were stored before
	done    []result.Trial

	phase  *term.Phase
	status string
	recent []float64 // rates of the last bins
}

// sparkBins is how many bins of the rate are shown.
const sparkBins = 32

func newScreen(d *term.Display, p result.Plan, done []result.Trial) *screen {
	return &screen{display: d, plan: p, labels: result.Labels(p.Arms), began: time.Now(), first: len(done), done: slices.Clone(done)}
}

// say shows a sentence about what is done beside trials.
func (s *screen) say(text string) {
	if s.display == nil {
		return
	}
	s.status = text
	if s.display.Terminal() {
		s.display.Panel(s.lines)
		return
	}
	s.display.Print(text)
}

func (s *screen) filling(of result.Setting, records, most int64, rate float64) {
	if s.display == nil || !s.display.Terminal() {
		return
	}
	s.status = fmt.Sprintf("Fill %s of %s records, %d B, %d partitions: %s/s", term.Count(records), term.Count(most), of.RecordBytes, of.Partitions, term.Rate(rate))
	s.display.Panel(s.lines)
}

func (s *screen) filled(of result.Setting, records int64, took time.Duration) {
	if s.display == nil {
		return
	}
	s.display.Print(fmt.Sprintf("Filled %s records of %d B into %d partitions, %s/s",
		term.Count(records), of.RecordBytes, of.Partitions, term.Rate(float64(records)/took.Seconds())))
}

// trial begins a trial.
func (s *screen) trial(number int, p result.Planned, attempt int) {
	s.recent = s.recent[:0]
	if s.display == nil {
		return
	}
	again := ""
	if attempt > 1 {
		again = fmt.Sprintf(", attempt %d", attempt)
	}
	s.status = fmt.Sprintf("Trial %d of %d: %s%s", number+1, len(s.plan.Trials), s.labels[p.Arm], again)
	if s.display.Terminal() {
		s.display.Panel(s.lines)
		return
	}
	if s.phase == nil {
		s.phase = s.display.Phase("Trials", fmt.Sprintf("%d of %d settings", len(s.plan.Trials), len(s.plan.Arms)), int64(len(s.plan.Trials)))
	}
}

// now shows the rate of the last bin.
func (s *screen) now(rate float64) {
	s.recent = append(s.recent, rate)
	s.recent = s.recent[max(0, len(s.recent)-sparkBins):]
	if s.display != nil {
		s.display.Panel(s.lines)
	}
}

// stored shows a trial that is done.
func (s *screen) stored(t result.Trial) {
	s.done = append(s.done, t)
	if s.display == nil {
		return
	}
	switch {
	case t.Error != "":
		s.display.Print(fmt.Sprintf("Trial %d, %s, failed: %s", t.Number+1, s.labels[t.Arm], t.Error))
	case len(t.Invalid) > 0:
		s.display.Print(fmt.Sprintf("Trial %d, %s, does not count: %s", t.Number+1, s.labels[t.Arm], t.Invalid[0]))
	}
	if s.phase != nil {
		s.phase.SetWhat(fmt.Sprintf("%d of %d", t.Number+1, len(s.plan.Trials)), int64(t.Number+1),
			fmt.Sprintf("%s %s/s, %s left", s.labels[t.Arm], term.Rate(t.Rate()), term.Duration(s.left().Round(time.Second))))
	}
	s.display.Panel(s.lines)
}

// end leaves the terminal to the report.
func (s *screen) end() {
	if s.display == nil {
		return
	}
	s.display.EndPanel()
	if s.phase != nil {
		s.phase.End(fmt.Sprintf("%d trials in %s", len(s.done)-s.first, term.Duration(time.Since(s.began))))
	}
}

// left is how long the rest will take if it goes on as it went, or as planned at
// first.
func (s *screen) left() time.Duration {
	rest := len(result.Run{Plan: s.plan, Trials: s.done}.Missing())
	if now := len(s.done) - s.first; now >= 3 {
		return time.Since(s.began) / time.Duration(now) * time.Duration(rest)
	}
	return time.Duration(s.plan.Seconds * float64(rest) / float64(max(1, len(s.plan.Trials))) * float64(time.Second))
}

// maxPanelArms bounds the estimates shown at once: the panel has to fit a terminal
// of 24 lines.
const maxPanelArms = 14

func (s *screen) lines() []string {
	lines := []string{
		s.plan.Question,
		fmt.Sprintf("%s · %s left", s.status, term.Duration(s.left().Round(time.Second))),
	}
	if len(s.recent) > 0 {
		lines = append(lines, fmt.Sprintf("%9s/s  %s", term.Rate(s.recent[len(s.recent)-1]), s.display.Sparkline(s.recent)))
	}
	return append(lines, s.estimates()...)
}

// estimates are a line for each arm that has a trial.
func (s *screen) estimates() []string {
	rates := make([][]float64, len(s.plan.Arms))
	most := 0.0
	for _, t := range s.done {
		if t.Counts() {
			rates[t.Arm] = append(rates[t.Arm], t.Rate())
			most = max(most, t.Rate())
		}
	}
	var lines []string
	for arm, values := range rates {
		if len(values) == 0 {
			continue
		}
		if len(lines) == maxPanelArms {
			lines = append(lines, "…")
			break
		}
		e := stats.Median(values)
		lines = append(lines, fmt.Sprintf("%-28.28s %7s/s %s n=%d", s.labels[arm], term.Rate(e.Median),
			s.display.Interval(e.Low, e.Median, e.High, most, 24), e.N))
	}
	return lines
}

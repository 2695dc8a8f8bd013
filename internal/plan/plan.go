// Package plan turns a question into what is going to be done: a question as YAML
// enters, a result.Plan leaves, with its trials in the order in which they run.
//
// Parse reads the file and says everything that is wrong with it at once, each at
// its line; Set overrides values as --set does; Make draws the order of the trials
// from a seed and fits them into the time and the disk that there are. Every step
// is a function of its arguments alone: the same question, wishes and seed give
// the same plan. The questions that are built in are Suites, the form of the file
// is Schema.
//
// The tables fields and settings are the one place that knows the keys of a file:
// the parser, --set and the schema read them.
package plan

import (
	"path/filepath"
	"strings"
	"time"

	"redline/result"
)

// Question is a question that was read, and found without a mistake.
type Question struct {
	// Name is the file's without its folder and ending.
	Name string
	// Question is what is asked, in words.
	Question string
	// Measure are the workloads: result.Consume, result.Produce or both.
	Measure []string
	// Kafka is what to start when no cluster is given: "embedded" (default),
	// "local" or "local:N".
	Kafka string
	// Combine is "product" (default: every value with every other) or "zip" (the
	// first of each axis together, then the second …).
	Combine string
	// Rounds is how often each arm is tried; 0 leaves it to the number of
	// comparisons.
	Rounds int
	// Time is what rounds are fitted into; 0 is no bound.
	Time time.Duration
	// Timing holds 0 for what the file leaves to its defaults.
	Timing result.Timing
	// FillBytes bounds the values in each topic that is read; 0 leaves it to the
	// disk, DefaultFill at most.
	FillBytes int64
	// Margin is the largest difference, as a share, that counts as none.
	Margin float64
	// Thresholds are gates on the rows, as text.
	Thresholds []string

	file      string
	base      []choice
	axes      []axis
	against   []match           // values of the arm that each is compared with; empty: the first
	programs  map[string]string // commands of clients that are programs, by name
	published []figure
	source    string // of the published figures
	check     Check
	arms      []result.Arm
}

// Check says whether a client takes what an arm sets; the error is a sentence.
type Check func(result.Arm) error

// Defaults of a file.
const (
	DefaultMargin = 0.03
	// DefaultFill is of values in each topic that is read, in bytes.
	DefaultFill int64 = 1 << 30
)

// Bounds of a question: beyond them it is a mistake, not a plan.
const (
	maxArms   = 1000
	maxTrials = 100_000
)

// choice is a setting that the file gives one value for all arms.
type choice struct {
	name    string // as it was written
	setting *setting
	value   value
}

// axis is a setting that varies.
type axis struct {
	at      place
	name    string // as it was written
	setting *setting
	values  []value
}

// figure is a published one, for the arms whose values are those of match, in
// the order of its axes.
type figure struct {
	at       place
	workload string
	match    []match
	rate     float64
}

// match is a value that an axis has to have.
type match struct {
	setting *setting
	value   value
}

// nameOf is the name of a question: its file's, without folder and ending.
func nameOf(file string) string {
	base := filepath.Base(file)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

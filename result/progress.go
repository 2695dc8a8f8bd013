package result

import "time"

// ProgressSchema is the Schema of a Progress.
const ProgressSchema = "redline.progress/v1"

// Progress is a line that consume and produce print under -o jsonl while they go on; the
// last line is the report.
type Progress struct {
	Schema string `json:"schema"`
	// Workload is consume or produce.
	Workload string `json:"workload"`
	// At is when the line was printed, in UTC; Seconds since the start.
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds"`
	// Records are those consumed or acknowledged so far, RecordsPerSecond the rate
	// since the line before.
	Records          int64   `json:"records"`
	RecordsPerSecond float64 `json:"records_per_second"`
	Errors           int64   `json:"errors"`
}

// TrialDoneSchema is the Schema of a TrialDone.
const TrialDoneSchema = "redline.trial/v1"

// TrialDone is a line that run and limit print under -o jsonl when a trial has been
// stored; the last line is the report.
type TrialDone struct {
	Schema string `json:"schema"`
	// Run is the id of the run, Of the number of trials that are planned.
	Run string `json:"run"`
	Of  int    `json:"of"`
	// Trial is as it was stored.
	Trial Trial `json:"trial"`
}

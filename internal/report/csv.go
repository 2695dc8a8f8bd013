package report

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"

	"redline/result"
)

// trialHeads are the columns of a single trial, rowHeads those that are of all trials
// of a row together and stand in each of its lines.
var (
	trialHeads = []string{"round", "stage", "number", "attempt", "records_per_second", "megabytes_per_second",
		"cpu_ns_per_record", "warmup_seconds", "window_seconds", "cut", "counts", "invalid", "error"}
	rowHeads = []string{"client_cpus", "requests_per_second", "records_per_fetch", "bytes_per_fetch", "waited_share",
		"received_share", "idle_share", "handler_share", "busiest_thread", "lighter", "differs", "cannot"}
)

// ExperimentCSV writes a line for each attempt of each trial, with what varied
// and what was counted: tidy data for other programs. A row that has no trial has one
// line without. Numbers are exact; what is not known is empty. An error is of writing.
func ExperimentCSV(w io.Writer, r result.ExperimentReport) error {
	r = clean(r)
	var axes []string
	for _, axis := range r.Plan.Axes {
		if !slices.Contains([]string{"workload", "client", "profile"}, axis.Name) { // these have columns already
			axes = append(axes, axis.Name)
		}
	}
	out := csv.NewWriter(w)
	heads := append([]string{"run", "workload", "client", "profile", "label"}, axes...)
	heads = slices.Concat(heads, trialHeads, rowHeads)
	lines := [][]string{quotedCells(heads)}
	for _, row := range r.Rows {
		of := []string{r.Run, row.Workload, row.Client, row.Profile, row.Label}
		for _, axis := range axes {
			of = append(of, row.Values[axis])
		}
		for _, t := range row.Trials {
			lines = append(lines, slices.Concat(quotedCells(of), trialCells(t), rowCells(row)))
		}
		if len(row.Trials) == 0 {
			lines = append(lines, slices.Concat(quotedCells(of), make([]string, len(trialHeads)), rowCells(row)))
		}
	}
	return out.WriteAll(lines)
}

func trialCells(t result.RowTrial) []string {
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	return []string{
		strconv.Itoa(t.Round), cell(t.Stage), strconv.Itoa(t.Number), strconv.Itoa(t.Attempt),
		number(t.RecordsPerSecond), number(t.MegabytesPerSecond), number(t.CPUNsPerRecord),
		number(t.WarmupSeconds), number(t.WindowSeconds), cell(t.Cut),
		strconv.FormatBool(counts(t)), cell(strings.Join(t.Invalid, "; ")), cell(t.Error),
	}
}

// rowCells are what is known of all trials of a row together.
func rowCells(r result.Row) []string {
	t := timeOf(r)
	var cells []string
	for _, v := range []float64{t.CPUs, t.Requests, t.Records, t.Bytes, t.Waited, t.Received, t.Idle, t.Handler, t.Thread} {
		text := ""
		if v >= 0 {
			text = strconv.FormatFloat(v, 'f', -1, 64)
		}
		cells = append(cells, text)
	}
	return append(cells, cell(strings.Join(r.Lighter, "; ")), cell(strings.Join(r.Differs, "; ")), cell(r.Cannot))
}

func quotedCells(all []string) []string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = cell(s)
	}
	return quoted
}

// cell keeps a spreadsheet from taking text for a formula, by an apostrophe
// before it. Numbers of ours do not pass here, so that -1 stays one.
func cell(s string) string {
	if strings.IndexAny(s, "=+-@\t\r＝＋－＠") == 0 {
		return "'" + s
	}
	return s
}

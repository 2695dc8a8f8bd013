package report

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"

	"redline/result"
)

// ExperimentCSV writes a line for each attempt of each trial, with what varied
// and what was counted: tidy data for other programs. Numbers are exact. An error
// is of writing.
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
	heads = append(heads, "round", "stage", "number", "attempt", "records_per_second", "megabytes_per_second",
		"cpu_ns_per_record", "warmup_seconds", "window_seconds", "cut", "counts", "invalid", "error")
	lines := [][]string{quotedCells(heads)}
	for _, row := range r.Rows {
		of := []string{r.Run, row.Workload, row.Client, row.Profile, row.Label}
		for _, axis := range axes {
			of = append(of, row.Values[axis])
		}
		for _, t := range row.Trials {
			lines = append(lines, append(quotedCells(of), trialCells(t)...))
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

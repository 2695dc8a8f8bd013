package analysis

import (
	"fmt"
	"strings"

	"redline/internal/gate"
	"redline/result"
)

// gates holds the rows against the thresholds of the question: each row of the gate's
// workload has to meet it. A threshold that cannot be read was refused when the
// question was; one of a run written by another version is undecided.
func gates(run result.Run, rows []result.Row) []result.Gate {
	var all []result.Gate
	for _, text := range run.Plan.Thresholds {
		g, err := gate.Parse(text)
		for _, row := range rows {
			estimate, known := rowMeasure(row, g.Measure)
			if err == nil && (g.Workload != "" && g.Workload != row.Workload || !known) {
				continue
			}
			outcome := result.Undecided
			if err == nil {
				outcome = g.Require(estimate)
			}
			all = append(all, result.Gate{Text: text, Row: row.Label, Estimate: estimate, Result: outcome})
		}
	}
	return all
}

// rowMeasure is the estimate of a row that a gate's measure names.
func rowMeasure(row result.Row, name string) (result.Estimate, bool) {
	exact := func(v float64, n int64) (result.Estimate, bool) {
		return result.Estimate{Low: v, Median: v, High: v, Confidence: 1, N: int(n)}, true
	}
	switch name {
	case "records_per_second":
		return row.RecordsPerSecond, true
	case "megabytes_per_second":
		return row.MegabytesPerSecond, true
	case "cpu_ns_per_record":
		return row.CPUNsPerRecord, true
	case "records_per_second_per_instance":
		return row.PerInstance, true
	}
	if row.Latency == nil {
		return result.Estimate{}, false
	}
	switch name {
	case "p50_ms":
		return exact(row.Latency.P50, row.Latency.N)
	case "p99_ms":
		return exact(row.Latency.P99, row.Latency.N)
	case "p999_ms":
		return exact(row.Latency.P999, row.Latency.N)
	}
	return result.Estimate{}, false
}

// Forbid holds comparisons against gates that must not be true of them. A gate that
// is not about a change, or about nothing that was compared, is an error.
func Forbid(gates []gate.Gate, comparisons []result.Comparison) ([]result.Gate, error) {
	var all []result.Gate
	for _, g := range gates {
		if !g.Relative {
			return nil, fmt.Errorf("the gate %q is about a figure, not a change: end it with %%, such as 'consume.records_per_second < -5%%'", g.Text)
		}
		met := false
		for _, c := range comparisons {
			workload, measure, _ := strings.Cut(c.Measure, ".")
			if g.Measure != measure || g.Workload != "" && g.Workload != workload {
				continue
			}
			met = true
			all = append(all, result.Gate{Text: g.Text, Row: c.A + " against " + c.B, Estimate: c.Ratio, Result: g.Forbid(c.Ratio)})
		}
		if !met {
			return nil, fmt.Errorf("the gate %q is about nothing that was compared: there is %s", g.Text, measures(comparisons))
		}
	}
	return all, nil
}

func measures(comparisons []result.Comparison) string {
	var names []string
	for _, c := range comparisons {
		if !strings.Contains(strings.Join(names, ", ")+",", c.Measure+",") {
			names = append(names, c.Measure)
		}
	}
	return strings.Join(names, ", ")
}

package report

import (
	"strconv"

	"redline/internal/term"
	"redline/result"
)

// measure is a figure that every row has.
type measure struct {
	head  string // a line break says where it may be parted
	field string // its name in JSON
	kind  kind
	of    func(result.Row) result.Estimate
}

// instance is what an arm has one or more of.
func instance(workload string) string {
	if workload == result.Produce {
		return "producer"
	}
	return "consumer"
}

// measures are those that the rows of one workload show. The first is the rate.
func measures(rows []row) []measure {
	all := []measure{{"records\n/s", "records_per_second", rate, func(r result.Row) result.Estimate { return r.RecordsPerSecond }}}
	if varies(rows, func(r row) string { return strconv.Itoa(r.Setting.Instances) }) {
		all = append(all, measure{"per\n" + instance(rows[0].Workload), "records_per_second_per_instance", rate,
			func(r result.Row) result.Estimate { return r.PerInstance }})
	}
	all = append(all,
		measure{"MB/s", "megabytes_per_second", plain, func(r result.Row) result.Estimate { return r.MegabytesPerSecond }},
		measure{"CPU ns\n/record", "cpu_ns_per_record", plain, func(r result.Row) result.Estimate { return r.CPUNsPerRecord }})
	busy := measure{"CPUs\nbusy", "cpus_busy", processors, func(r result.Row) result.Estimate { return r.CPUsBusy }}
	for _, r := range rows {
		if r.CPUsBusy.N > 0 {
			return append(all, busy)
		}
	}
	return all
}

func varies(rows []row, of func(row) string) bool {
	for _, r := range rows {
		if of(r) != of(rows[0]) {
			return true
		}
	}
	return false
}

// row is a row of a report and its place there.
type row struct {
	result.Row
	Index int
}

// byWorkload parts the rows of a report by their workload, in their order.
func byWorkload(all []result.Row) [][]row {
	var groups [][]row
	place := map[string]int{}
	for i, r := range all {
		at, known := place[r.Workload]
		if !known {
			at = len(groups)
			place[r.Workload] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], row{r, i})
	}
	return groups
}

func hasPublished(rows []row) bool {
	for _, r := range rows {
		if r.Published != nil {
			return true
		}
	}
	return false
}

// published writes a figure from elsewhere, or nothing.
func published(p *result.Published) string {
	if p == nil {
		return ""
	}
	return term.Rate(p.RecordsPerSecond)
}

// counts says whether a trial came to an end, in conditions that let it count.
func counts(t result.RowTrial) bool { return t.Error == "" && len(t.Invalid) == 0 }

// counting are the trials that a row's figures are made of: those that count,
// and where some of them confirm, they alone.
func counting(r result.Row) []result.RowTrial {
	var all, confirmed []result.RowTrial
	for _, t := range r.Trials {
		if counts(t) {
			all = append(all, t)
			if t.Stage == result.StageConfirm {
				confirmed = append(confirmed, t)
			}
		}
	}
	if len(confirmed) > 0 {
		return confirmed
	}
	return all
}

func rates(rows []row) []result.Estimate {
	all := make([]result.Estimate, len(rows))
	for i, r := range rows {
		all[i] = r.RecordsPerSecond
	}
	return all
}

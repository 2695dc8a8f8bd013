package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"redline/result"
)

// socketRung is the client that stands beside the ladder: the same bytes from a
// process that does nothing but send them.
const socketRung = "rung:socket"

// ladder is the rows of a workload in the order of the plan, from the first rung to
// the clients, held against the first rung.
type ladder struct {
	head   string // the workload, and what the rows have in common beside
	beside []rung // the socket
	rungs  []rung // and the clients
	paired string // what the intervals of the shares stand on; empty without any
}

// rung is a row of a ladder.
type rung struct {
	row
	name string
	// share is of the first rung's rate: paired where they were compared, else the ratio
	// of medians with no interval; N is 0 where one of the two has no figure.
	share result.Estimate
	// compared is the comparison behind the share, and its index; nil when there is none.
	compared *result.Comparison
	index    int
}

// laddersOf are the ladders of the rows of one workload: one for each combination of
// what varies beside the clients, where each has the same rungs. Where some rows have
// values that no rung has, all are one ladder, and their names tell what varies. It is nil
// where no row is a rung.
func laddersOf(r result.ExperimentReport, rows []row) []ladder {
	if !hasRungs(rows) {
		return nil
	}
	others := othersOf(r.Plan, rows)
	each := parts(others, rows)
	if !sameRungs(each) {
		whole := newLadder(rows[0].Workload, rows, r.Comparisons)
		for i := range whole.rungs {
			whole.rungs[i].name = fullName(r.Plan, rows, whole.rungs[i].row)
		}
		return []ladder{whole}
	}
	var ladders []ladder
	for _, part := range each {
		head := strings.TrimSuffix(rows[0].Workload+" "+valuesOf(others, part[0]), " ")
		ladders = append(ladders, newLadder(head, part, r.Comparisons))
	}
	return ladders
}

// parts are rows that have the same values of some axes.
func parts(axes []axis, rows []row) [][]row {
	var all [][]row
	place := map[string]int{}
	for _, r := range rows {
		key := valuesOf(axes, r)
		if _, known := place[key]; !known {
			place[key] = len(all)
			all = append(all, nil)
		}
		all[place[key]] = append(all[place[key]], r)
	}
	return all
}

func valuesOf(axes []axis, r row) string {
	var values []string
	for _, a := range axes {
		values = append(values, a.name+"="+a.of(r))
	}
	return strings.Join(values, ", ")
}

// sameRungs says whether parts have rungs, and all of them the same.
func sameRungs(each [][]row) bool {
	rungs := func(part []row) (names []string) {
		for _, r := range part {
			if isRung(r) {
				names = append(names, r.Client)
			}
		}
		return names
	}
	first := rungs(each[0])
	return len(first) > 0 && !slices.ContainsFunc(each, func(part []row) bool { return !slices.Equal(rungs(part), first) })
}

// isRung is not true of the socket.
func isRung(r row) bool { return r.Adds != "" && r.Client != socketRung }

func newLadder(head string, rows []row, comparisons []result.Comparison) ladder {
	l := ladder{head: head}
	first := max(0, slices.IndexFunc(rows, isRung)) // clients alone are held against the first of them
	var paired []result.Comparison
	for _, row := range rows {
		one := newRung(row, rows[first], comparisons)
		one.name = worker(rows, row)
		if one.compared != nil {
			paired = append(paired, *one.compared)
		}
		if row.Client == socketRung {
			l.beside = append(l.beside, one)
		} else {
			l.rungs = append(l.rungs, one)
		}
	}
	if len(paired) > 0 {
		l.paired = basis(paired)
	}
	return l
}

func newRung(r, base row, all []result.Comparison) rung {
	one := rung{row: r}
	a, b := r.RecordsPerSecond, base.RecordsPerSecond
	for i, c := range all {
		if c.ArmA == r.Index && c.ArmB == base.Index && c.Measure == rateOf(r.Workload) && c.Ratio.N > 0 {
			one.share, one.compared, one.index = c.Ratio, &all[i], i
			return one
		}
	}
	if a.N > 0 && b.N > 0 && b.Median > 0 {
		ratio := a.Median / b.Median
		one.share = result.Estimate{Low: ratio, Median: ratio, High: ratio, N: min(a.N, b.N)}
	}
	return one
}

// rateOf names the rate of a workload as comparisons do.
func rateOf(workload string) string { return workload + ".records_per_second" }

// outsideLadders are the comparisons that no ladder shows.
func outsideLadders(r result.ExperimentReport) []result.Comparison {
	shown := map[int]bool{}
	for _, rows := range byWorkload(r.Rows) {
		for _, l := range laddersOf(r, rows) {
			for _, one := range l.all() {
				if one.compared != nil {
					shown[one.index] = true
				}
			}
		}
	}
	var rest []result.Comparison
	for i, c := range r.Comparisons {
		if !shown[i] {
			rest = append(rest, c)
		}
	}
	return rest
}

// all are the rows as they are printed: what stands beside comes first.
func (l ladder) all() []rung { return slices.Concat(l.beside, l.rungs) }

// brokerNs is what the broker takes for a record, in nanoseconds of CPU time.
func (r rung) brokerNs() string { return nsPerRecord(r.BrokerCPUs, r.RecordsPerSecond) }

func nsPerRecord(cpus, rate result.Estimate) string {
	if cpus.N == 0 || rate.N == 0 || rate.Median <= 0 {
		return unknown
	}
	return digits(1e9*cpus.Median/rate.Median, 3)
}

// ofFirst writes the share in percent.
func (r rung) ofFirst() string {
	switch share := 100 * r.share.Median; {
	case r.share.N == 0:
		return unknown
	case share > 0 && share < 0.1:
		return "<0.1 %"
	case share < 10:
		return digits(share, 2) + " %"
	default:
		return fmt.Sprintf("%.0f %%", share)
	}
}

// span writes the interval of the share.
func (r rung) span() string {
	if r.share.Confidence == 0 {
		return unknown
	}
	e := result.Estimate{Low: 100 * r.share.Low, Median: 100 * r.share.Median, High: 100 * r.share.High, Confidence: r.share.Confidence, N: r.share.N}
	return newScale(e, plain).span(e.Low, e.High) + " %"
}

// verdict says in few words how the rate came out against the first rung's.
func (r rung) verdict() string {
	switch {
	case r.compared == nil:
		return ""
	case r.compared.Verdict == result.NoDifference:
		return fmt.Sprintf("~ within %s %%", brief(100*r.compared.Margin, 2))
	}
	return r.compared.Verdict
}

// chance is how probable so large a difference is by chance.
func (r rung) chance() string {
	if r.compared == nil {
		return ""
	}
	return strings.TrimPrefix(chance(*r.compared), "p ")
}

// remark says what a reader has to know beside the bar: that the client waits by itself.
func (r rung) remark() string {
	t := timeOf(r.Row)
	if !t.waits() {
		return ""
	}
	return "idle " + percent(t.Idle, 0) + " %"
}

// barWidth is that of the first rung's bar, in columns.
const barWidth = 20

// bar is a share as a bar of blocks, to an eighth of a column. What is more than the
// whole is as long as the whole.
func bar(share float64) string {
	if !(share > 0) {
		return ""
	}
	eighths := max(1, int(math.Round(8*barWidth*min(1, share))))
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return text
}

// picture is the bar with the remark, where there is room for it.
func (r rung) picture() string {
	if r.Client == socketRung {
		return "(beside the ladder)"
	}
	text := bar(r.share.Median)
	if remark := r.remark(); remark != "" && utf8.RuneCountInString(text)+2+len(remark) <= barWidth {
		text += "  " + remark
	}
	return text
}

const (
	// ladderNames is where the names of rungs are folded.
	ladderNames = 25
	// ladderHead is how long a heading is that stands beside text, not above it.
	ladderHead = 8
)

// ladderText writes a ladder as two tables: the picture, and how sure it is.
func ladderText(w io.Writer, l ladder) {
	rows := make([]row, len(l.rungs))
	for i, r := range l.rungs {
		rows[i] = r.row
	}
	fmt.Fprintln(w)
	head := strings.ToUpper(l.head)
	if utf8.RuneCountInString(head) > ladderHead {
		fmt.Fprintln(w, head)
		head = ""
	}
	paragraph(w, head, basisOf(rows)+"; CPU is that of client and broker for a record, the share that of the first rung's rate")
	pictures := []column{{fold: ladderNames}, {head: "records\n/s"}, {head: "client\nCPU ns"}, {head: "broker\nCPU ns"}, {head: "share"}, {left: true}}
	doubts := []column{{fold: ladderNames}, {head: "interval"}, {head: "share's"}, {left: true}, {head: "p"}}
	for _, r := range l.all() {
		name := marked([]string{r.name}, []row{r.row})[0]
		fill(pictures, name, median(r.RecordsPerSecond, rate), median(r.CPUNsPerRecord, plain), r.brokerNs(), r.ofFirst(), r.picture())
		fill(doubts, name, spanOf(r.Row), r.span(), r.verdict(), r.chance())
	}
	writeTable(w, pictures)
	if l.paired != "" {
		paragraph(w, "", "intervals of the rates and of the shares ("+l.paired+"):")
		writeTable(w, doubts)
	}
}

// fill adds a row to columns.
func fill(columns []column, cells ...string) {
	for i, cell := range cells {
		columns[i].cells = append(columns[i].cells, cell)
	}
}

package report

import (
	"math"
	"strings"

	"redline/result"
)

// pageLadder is a ladder: its table is its chart.
type pageLadder struct {
	Head, Basis string
	Rows        []pageRung
}

type pageRung struct {
	Label string
	// Class tells rungs, clients and what stands beside from each other.
	Class                           string
	Rate, ClientNs, Megabytes, CPUs measured
	BrokerNs                        string
	Share                           *figure // nil where no comparison is behind it
	ShareText, Span, Remark, Words  string
	Bar                             float64 // of 1000
}

// thinnest is the shortest bar that can be seen, of 1000.
const thinnest = 8

func newPageLadder(l ladder) pageLadder {
	p := pageLadder{Head: l.head, Basis: "Shares are of the first rung's rate"}
	if l.paired != "" {
		p.Basis += " (" + l.paired + ")"
	}
	for _, r := range l.all() {
		p.Rows = append(p.Rows, newPageRung(r))
	}
	return p
}

func newPageRung(r rung) pageRung {
	say := func(field string, e result.Estimate, k kind) measured {
		return newMeasured("row", r.Index, field, e, k)
	}
	line := pageRung{
		Label: marked([]string{r.name}, []row{r.row})[0], Class: "rung",
		Rate:      say("records_per_second", r.RecordsPerSecond, rate),
		ClientNs:  say("cpu_ns_per_record", r.CPUNsPerRecord, plain),
		Megabytes: say("megabytes_per_second", r.MegabytesPerSecond, plain),
		CPUs:      say("cpus_busy", r.CPUsBusy, processors),
		BrokerNs:  r.brokerNs(), ShareText: r.ofFirst(), Remark: r.remark(), Words: r.ofFirst() + " of the first rung",
	}
	switch {
	case r.Client == socketRung:
		line.Class = "beside"
	case r.Adds == "":
		line.Class = "client"
	}
	if line.Class != "beside" && r.share.N > 0 {
		line.Bar = max(thinnest, math.Round(1000*min(1, r.share.Median)))
	}
	if r.compared != nil {
		f := newFigure("comparison", r.index, "ratio.median", r.compared.Ratio.Median, r.ofFirst())
		line.Share, line.Span = &f, r.span()
	}
	return line
}

// pageWaiting says where the time of the clients of a workload went.
type pageWaiting struct {
	Workload    string
	Name, About string
	Heads       []pageHead
	Split       bool // there is a bar of the connections' time
	Rows        []pageWaitingRow
}

// pageHead is the head of a column, with the class of its key in the bar.
type pageHead struct{ Text, Key string }

type pageWaitingRow struct {
	Label string
	Cells []pageReading
	Bar   []pageSegment
	Words string // the bar, said
}

// pageReading is a cell: a figure of the report, or one that is computed from several.
type pageReading struct {
	Figure *figure
	Text   string
}

// partsOfTime are the parts of the bar of the connections' time.
var partsOfTime = []struct {
	class, name string
	of          func(timeSpent) float64
}{
	{"broker", "broker's turn", func(t timeSpent) float64 { return t.Waited }},
	{"wire", "transfer", func(t timeSpent) float64 { return t.Received }},
	{"client", "client's turn", func(t timeSpent) float64 { return t.Idle }},
}

func newPageWaiting(p result.Plan, rows []row) *pageWaiting {
	head, cells := names(p, rows)
	w := &pageWaiting{Workload: rows[0].Workload, Name: head, About: aboutTime(rows)}
	readings := readingsOf(rows)
	for _, reading := range readings {
		h := pageHead{Text: reading.long}
		for _, part := range partsOfTime {
			if strings.HasPrefix(reading.long, part.name) {
				h.Key, w.Split = part.class, true
			}
		}
		w.Heads = append(w.Heads, h)
	}
	for i, r := range rows {
		line := pageWaitingRow{Label: cells[i]}
		for _, reading := range readings {
			line.Cells = append(line.Cells, reading.onPage(r))
		}
		line.Bar, line.Words = splitOf(timeOf(r.Row))
		w.Rows = append(w.Rows, line)
	}
	return w
}

func (c reading) onPage(r row) pageReading {
	text := c.cell(r, 3)
	if c.field == "" || text == unknown {
		return pageReading{Text: text}
	}
	f := newFigure("row", r.Index, c.field, c.of(timeOf(r.Row)), text)
	return pageReading{Figure: &f}
}

// splitOf is the bar of the connections' time; what is not known has no part in it.
func splitOf(t timeSpent) (bar []pageSegment, said string) {
	whole := max(1, t.Waited+t.Received+t.Idle)
	var words []string
	x := 0.0
	for _, part := range partsOfTime {
		share := part.of(t)
		if share < 0 {
			continue
		}
		width := math.Round(1000 * share / whole)
		bar = append(bar, pageSegment{part.class, x, width})
		words = append(words, part.name+" "+percent(share, 0)+" %")
		x += width
	}
	return bar, "of the time of its connections: " + strings.Join(words, ", ")
}

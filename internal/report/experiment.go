package report

import (
	"fmt"
	"io"
	"strings"

	"redline/result"
)

// Experiment writes what an experiment found as text.
func Experiment(w io.Writer, r result.ExperimentReport) {
	r = named(clean(r))
	paragraph(w, "QUESTION", r.Question)
	paragraph(w, "ANSWER", r.Answer)
	if r.Error != nil {
		paragraph(w, "FAILED", *r.Error)
	}
	for _, warning := range r.Warnings {
		paragraph(w, "note", warning)
	}
	for _, rows := range byWorkload(r.Rows) {
		rowTables(w, r, rows)
	}
	fmt.Fprintln(w)
	comparisons(w, outsideLadders(r))
	for _, f := range r.Fit {
		paragraph(w, "FIT", fitted(f, r.Plan.Margin))
		for _, warning := range f.Warnings {
			paragraph(w, "note", warning)
		}
	}
	for _, g := range r.Gates {
		paragraph(w, "GATE", gated(g))
	}
	paragraph(w, "ACCOUNT", Account(r.Account))
	paragraph(w, "TRIALS", counted(r))
	paragraph(w, "WHERE", strings.Join(where(r.Environment), " · "))
	head := "AGAIN"
	for _, command := range repeated(r) {
		paragraph(w, head, command)
		head = ""
	}
}

// rowTables write what the arms of a workload came to: as a ladder where some are
// rungs.
func rowTables(w io.Writer, r result.ExperimentReport, rows []row) {
	if ladders := laddersOf(r, rows); ladders != nil {
		for _, l := range ladders {
			ladderText(w, l)
		}
	} else {
		fmt.Fprintln(w)
		paragraph(w, strings.ToUpper(rows[0].Workload), basisOf(rows))
		rowTable(w, r.Plan, rows)
	}
	if rows := waiting(rows); rows != nil {
		waitingTable(w, r.Plan, rows)
	}
	writeNotes(w, r.Run, notesOf(rows))
}

// rowTable writes the figures of rows.
func rowTable(w io.Writer, p result.Plan, rows []row) {
	head, cells := names(p, rows)
	columns := []column{{head: parted(head), cells: marked(cells, rows)}}
	for i, m := range measures(rows) {
		c := column{head: m.head}
		span := column{head: "interval"}
		for _, r := range rows {
			c.cells = append(c.cells, median(m.of(r.Row), m.kind))
			span.cells = append(span.cells, spanOf(r.Row))
		}
		columns = append(columns, c)
		if i == 0 {
			columns = append(columns, span)
		}
	}
	if hasPublished(rows) {
		c := column{head: "pub-\nlished"}
		for _, r := range rows {
			c.cells = append(c.cells, published(r.Published))
		}
		columns = append(columns, c)
	}
	writeTable(w, columns)
}

// spanOf is the interval of a row's rate, or why it has none.
func spanOf(r result.Row) string {
	if r.Cannot != "" {
		return "cannot"
	}
	return interval(r.RecordsPerSecond, rate)
}

// waitingTable writes where the time of the rows' clients went.
func waitingTable(w io.Writer, p result.Plan, rows []row) {
	fmt.Fprintf(w, "\nWHERE THE TIME GOES, %s\n", rows[0].Workload)
	head, cells := workers(p, rows)
	columns := []column{{head: parted(head), cells: cells}}
	for _, reading := range readingsOf(rows) {
		c := column{head: reading.head}
		for _, r := range rows {
			c.cells = append(c.cells, reading.cell(r, 2))
		}
		columns = append(columns, c)
	}
	writeTable(w, columns)
	paragraph(w, "", aboutTime(rows))
}

// parted breaks the head of the names of rows where it may be.
func parted(head string) string { return headBreaks.Replace(head) }

var headBreaks = strings.NewReplacer(" = ", " =\n", ", ", ",\n")

// basisOf says what the figures of a table stand on.
func basisOf(rows []row) string {
	if tried := those(rows, func(r row) bool { return r.Cannot == "" }); len(tried) > 0 {
		rows = tried
	}
	text := "medians of trials, " + trialsEach(rates(rows))
	if cover := confidence(rates(rows)); cover != "" {
		text += "; intervals cover " + cover
	}
	return text
}

package report

import (
	"fmt"
	"io"
	"strings"

	"redline/result"
)

// Experiment writes what an experiment found as text.
func Experiment(w io.Writer, r result.ExperimentReport) {
	r = clean(r)
	paragraph(w, "QUESTION", r.Question)
	paragraph(w, "ANSWER", r.Answer)
	if r.Error != nil {
		paragraph(w, "FAILED", *r.Error)
	}
	for _, warning := range r.Warnings {
		paragraph(w, "note", warning)
	}
	for _, rows := range byWorkload(r.Rows) {
		rowTable(w, r.Plan, rows)
	}
	fmt.Fprintln(w)
	comparisons(w, r.Comparisons)
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

// rowTable writes what each arm of a workload came to.
func rowTable(w io.Writer, p result.Plan, rows []row) {
	fmt.Fprintln(w)
	paragraph(w, strings.ToUpper(rows[0].Workload), basisOf(rows))
	head, cells := names(p, rows)
	columns := []column{{head: strings.ReplaceAll(head, " = ", " =\n"), cells: cells}}
	for i, m := range measures(rows) {
		c := column{head: m.head}
		span := column{head: "interval"}
		for _, r := range rows {
			c.cells = append(c.cells, median(m.of(r.Row), m.kind))
			span.cells = append(span.cells, interval(m.of(r.Row), m.kind))
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
	for _, note := range rowNotes(rows) {
		paragraph(w, "note", note)
	}
}

// basisOf says what the figures of a table stand on.
func basisOf(rows []row) string {
	text := "medians of trials, " + trialsEach(rates(rows))
	if cover := confidence(rates(rows)); cover != "" {
		text += "; intervals cover " + cover
	}
	return text
}

// rowNotes are what a reader of a table has to know.
func rowNotes(rows []row) []string {
	var notes []string
	if source := figuresFrom(rows); source != "" {
		notes = append(notes, "published: "+source)
	}
	return append(notes, about(rows)...)
}

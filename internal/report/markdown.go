package report

import (
	"fmt"
	"io"
	"strings"

	"redline/result"
)

// ExperimentMarkdown writes what an experiment found as Markdown that pastes
// into a pull request.
func ExperimentMarkdown(w io.Writer, r result.ExperimentReport) {
	r = named(clean(r))
	fmt.Fprintf(w, "### %s\n\n%s\n", escaped(r.Question), escaped(r.Answer))
	if r.Error != nil {
		fmt.Fprintf(w, "\n**Failed:** %s\n", escaped(*r.Error))
	}
	bullets(w, r.Warnings)
	for _, rows := range byWorkload(r.Rows) {
		rowsMarkdown(w, r, rows)
	}
	comparisonsMarkdown(w, r.Comparisons)
	var found []string
	for _, f := range r.Fit {
		found = append(append(found, "Fit: "+fitted(f, r.Plan.Margin)), f.Warnings...)
	}
	for _, g := range r.Gates {
		found = append(found, "Gate "+gated(g))
	}
	bullets(w, append(found, "Account: "+Account(r.Account), "Trials: "+counted(r), "Where: "+strings.Join(where(r.Environment), " · ")))
	fmt.Fprint(w, "\nAgain:\n\n")
	for _, command := range repeated(r) {
		fmt.Fprintf(w, "    %s\n", command) // indented code: nothing in it is read as Markdown
	}
}

// ComparisonsMarkdown writes what was compared as a Markdown table, and the
// warnings about it.
func ComparisonsMarkdown(w io.Writer, all []result.Comparison, warnings []string) {
	comparisonsMarkdown(w, clean(all))
	bullets(w, clean(warnings))
}

// rowsMarkdown writes what the arms of a workload came to.
func rowsMarkdown(w io.Writer, r result.ExperimentReport, rows []row) {
	if ladders := laddersOf(r, rows); ladders != nil {
		for _, l := range ladders {
			ladderMarkdown(w, l)
		}
	} else {
		rowMarkdown(w, r.Plan, rows)
	}
	bullets(w, append([]string{basisOf(rows)}, textsOf(notesOf(rows))...))
	if rows := waiting(rows); rows != nil {
		waitingMarkdown(w, r.Plan, rows)
	}
}

func rowMarkdown(w io.Writer, p result.Plan, rows []row) {
	shown := measures(rows)
	head, cells := names(p, rows)
	heads := []string{rows[0].Workload + ": " + head}
	for i, m := range shown {
		heads = append(heads, oneLine(m.head))
		if i == 0 {
			heads = append(heads, "interval")
		}
	}
	if hasPublished(rows) {
		heads = append(heads, "published")
	}
	lines := make([][]string, len(rows))
	for i, r := range rows {
		line := []string{marked(cells, rows)[i]}
		for j, m := range shown {
			line = append(line, median(m.of(r.Row), m.kind))
			if j == 0 {
				line = append(line, spanOf(r.Row))
			}
		}
		if hasPublished(rows) {
			line = append(line, published(r.Published))
		}
		lines[i] = line
	}
	markdownTable(w, heads, lines, 1)
}

func ladderMarkdown(w io.Writer, l ladder) {
	heads := []string{l.head, "records/s", "interval", "MB/s", "client CPU ns/record", "broker CPU ns/record", "of the first rung", "interval", ""}
	var lines [][]string
	for _, r := range l.all() {
		lines = append(lines, []string{marked([]string{r.name}, []row{r.row})[0], median(r.RecordsPerSecond, rate), spanOf(r.Row),
			median(r.MegabytesPerSecond, plain), median(r.CPUNsPerRecord, plain), r.brokerNs(), r.ofFirst(), r.span(), r.picture()})
	}
	align := []bool{false, true, true, true, true, true, true, true, false}
	fmt.Fprintln(w)
	writeMarkdown(w, heads, lines, align)
}

// waitingMarkdown writes where the time of the rows' clients went.
func waitingMarkdown(w io.Writer, p result.Plan, rows []row) {
	_, cells := workers(p, rows)
	heads := []string{"where the time goes: " + rows[0].Workload}
	lines := make([][]string, len(rows))
	for i := range rows {
		lines[i] = []string{cells[i]}
	}
	for _, reading := range readingsOf(rows) {
		heads = append(heads, reading.long)
		for i, r := range rows {
			lines[i] = append(lines[i], reading.cell(r, 3))
		}
	}
	markdownTable(w, heads, lines, 1)
	bullets(w, []string{aboutTime(rows)})
}

func comparisonsMarkdown(w io.Writer, all []result.Comparison) {
	for _, group := range together(all) {
		heads := []string{group.measure, "verdict", group.with, "after Holm"}
		lines := make([][]string, len(group.all))
		for i, c := range group.all {
			lines[i] = []string{group.name(c.A, c), verdict(c), change(c), chance(c)}
		}
		markdownTable(w, heads, lines, len(heads))
		bullets(w, []string{basis(group.all)})
	}
}

// markdownTable writes a table, its columns from right on aligned to the right.
func markdownTable(w io.Writer, heads []string, lines [][]string, right int) {
	align := make([]bool, len(heads))
	for i := range heads {
		align[i] = i >= right
	}
	fmt.Fprintln(w)
	writeMarkdown(w, heads, lines, align)
}

// writeMarkdown writes a table; right says which columns are aligned to the right.
func writeMarkdown(w io.Writer, heads []string, lines [][]string, right []bool) {
	writeRow := func(cells []string) {
		for _, cell := range cells {
			fmt.Fprintf(w, "| %s ", escaped(cell))
		}
		fmt.Fprintln(w, "|")
	}
	writeRow(heads)
	for _, number := range right {
		if number {
			fmt.Fprint(w, "|--:")
		} else {
			fmt.Fprint(w, "|---")
		}
	}
	fmt.Fprintln(w, "|")
	for _, line := range lines {
		writeRow(line)
	}
}

func bullets(w io.Writer, lines []string) {
	if len(lines) > 0 {
		fmt.Fprintln(w)
	}
	for _, line := range lines {
		fmt.Fprintf(w, "- %s\n", escaped(line))
	}
}

// escaped writes text so that Markdown and HTML take nothing in it for their own.
func escaped(s string) string {
	return markdownEscapes.Replace(s)
}

var markdownEscapes = strings.NewReplacer(
	"\\", "\\\\", "|", "\\|", "`", "\\`", "*", "\\*", "_", "\\_", "~", "\\~", "[", "\\[", "]", "\\]",
	"#", "\\#", "!", "\\!", "<", "&lt;", ">", "&gt;", "&", "&amp;",
)

package report

import (
	"crypto/sha256"
	_ "embed" // the page's parts are in the binary
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"

	"redline/internal/term"
	"redline/result"
)

var (
	//go:embed assets/page.html
	pageSource string
	//go:embed assets/page.css
	pageStyle string
	//go:embed assets/page.js
	pageScript string
	//go:embed assets/uPlot.min.css
	plotStyle string
	//go:embed assets/uPlot.iife.min.js
	plotScript string
)

// pageTemplate escapes whatever is put into it. Only the styles and scripts that
// are embedded here are taken as they are.
var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": term.Count, "add": func(a, b int) int { return a + b },
}).Parse(pageSource))

// HTML writes what an experiment found as one page that needs nothing else: no
// network, no other file, and no script but for its charts. An error is of
// writing, or of figures that are no numbers.
func HTML(w io.Writer, r result.ExperimentReport) error {
	p, err := newPage(named(clean(r)))
	if err != nil {
		return err
	}
	return pageTemplate.Execute(w, p)
}

// page is what the template is filled with.
type page struct {
	result.ExperimentReport
	Policy  string // Content-Security-Policy
	Styles  []template.CSS
	Scripts []template.JS
	Head    string
	Tables  []pageTable
	Charts  []chart
	Data    pageData

	Name        string   // of what tells the rows apart
	Names       []string // of the rows
	Comparisons []pageComparisons
	Times       []pageTimes
	Latencies   []pageLatency
	Busy        *pageBusy
	Fits        []pageFit
	Gates       []string
	Asked       []asked
	InForce     []pageSettings
	Where       [][]string
	Account     string
	Counted     string
	LeftOut     []pageTrial
	Trials      []pageTrial
	Repeat      []string
}

// pageData is what the script draws: charts, and rates over time by row and trial.
type pageData struct {
	Charts []chart              `json:"charts"`
	Times  map[int]map[int]over `json:"times"`
}

func newPage(r result.ExperimentReport) (page, error) {
	if _, err := json.Marshal(r); err != nil { // what is no number could not be drawn
		return page{}, fmt.Errorf("writing the page of run %s: %w", r.Run, err)
	}
	p := page{
		ExperimentReport: r,
		Policy:           policy([]string{plotStyle, pageStyle}, []string{plotScript, pageScript}),
		Styles:           []template.CSS{template.CSS(plotStyle), template.CSS(pageStyle)},
		Scripts:          []template.JS{template.JS(plotScript), template.JS(pageScript)},
		Data:             pageData{Times: map[int]map[int]over{}},
		Head:             headline(r),
		Asked:            settingsOf(r.Plan),
		InForce:          inForce(r.Rows),
		Account:          Account(r.Account),
		Counted:          counted(r),
		Repeat:           repeated(r),
	}
	p.Name, p.Names = namesOfAll(r)
	p.Comparisons, p.Latencies, p.Busy = comparisonsOf(r.Comparisons, p.Names), latencies(r.Rows, p.Names), busy(r.Rows, p.Names)
	for _, rows := range byWorkload(r.Rows) {
		p.addRows(rows)
	}
	p.Data.Charts = p.Charts
	for i, f := range r.Fit {
		p.Fits = append(p.Fits, newFit(i, f, r.Plan.Margin))
	}
	for _, g := range r.Gates {
		p.Gates = append(p.Gates, gated(g))
	}
	for _, s := range r.Sessions {
		p.Where = append(p.Where, append([]string{"began " + s.Began.UTC().Format("2006-01-02 15:04 MST")}, where(s.Environment)...))
	}
	p.addTrials()
	return p, nil
}

// addRows fills what the page says of the rows of a workload: a ladder is its own chart.
func (p *page) addRows(rows []row) {
	table := newTable(p.Plan, rows)
	if ladders := laddersOf(p.ExperimentReport, rows); ladders != nil {
		for _, l := range ladders {
			table.Ladders = append(table.Ladders, newPageLadder(l))
		}
	} else {
		p.Charts = append(p.Charts, charts(p.ExperimentReport, rows)...)
	}
	if rows := waiting(rows); rows != nil {
		table.Waiting = newPageWaiting(p.Plan, rows)
	}
	p.Tables = append(p.Tables, table)
}

// policy allows the page what stands in it, and nothing else.
func policy(styles, scripts []string) string {
	allow := func(kind string, parts []string) string {
		for _, part := range parts {
			sum := sha256.Sum256([]byte(part))
			kind += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		}
		return kind
	}
	return strings.Join([]string{
		"default-src 'none'", allow("style-src", styles), allow("script-src", scripts),
		"img-src data:", "base-uri 'none'", "form-action 'none'",
	}, "; ")
}

// figure is a number of the report as the page writes it. Value is the number as
// JSON has it, so that a test can hold the page against the report.
type figure struct {
	Of    string // "row", "comparison" or "fit"
	Index int
	Field string
	Value string
	Text  string
}

func newFigure(of string, index int, field string, v float64, text string) figure {
	exact, _ := json.Marshal(v) // newPage has seen that all are numbers
	return figure{of, index, field, string(exact), text}
}

// measured is an estimate as the page writes it.
type measured struct {
	Median, Low, High figure
	Unit              string
	Known, Bounded    bool
	N                 int
}

func newMeasured(of string, index int, field string, e result.Estimate, k kind) measured {
	s := newScale(e, k)
	say := func(name string, v float64) figure {
		return newFigure(of, index, field+"."+name, v, s.number(v))
	}
	return measured{say("median", e.Median), say("low", e.Low), say("high", e.High), s.unit, e.N > 0, e.Confidence > 0, e.N}
}

// pageTable is the table of a workload.
type pageTable struct {
	Workload string
	Name     string // of what tells the rows apart
	Heads    []string
	Rows     []pageRow
	Notes    []string
	Ladders  []pageLadder // in place of the rows
	Waiting  *pageWaiting // where the time goes; nil where that tells nothing
}

type pageRow struct {
	Label     string
	Cells     []measured
	Published *figure // nil where no row has one, or this has none
}

func newTable(p result.Plan, rows []row) pageTable {
	t := pageTable{Workload: rows[0].Workload, Notes: append([]string{basisOf(rows)}, textsOf(notesOf(rows))...)}
	head, cells := names(p, rows)
	t.Name = head
	shown := measures(rows)
	for _, m := range shown {
		t.Heads = append(t.Heads, oneLine(m.head))
	}
	if hasPublished(rows) {
		t.Heads = append(t.Heads, "published")
	}
	for i, r := range rows {
		line := pageRow{Label: marked(cells, rows)[i]}
		for _, m := range shown {
			line.Cells = append(line.Cells, newMeasured("row", r.Index, m.field, m.of(r.Row), m.kind))
		}
		if r.Published != nil {
			f := newFigure("row", r.Index, "published.records_per_second", r.Published.RecordsPerSecond, published(r.Published))
			line.Published = &f
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}

func oneLine(head string) string {
	return strings.ReplaceAll(strings.ReplaceAll(head, "\n/", "/"), "\n", " ")
}

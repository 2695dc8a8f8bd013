package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"redline/internal/term"
	"redline/result"
)

// note is what a reader of a table has to know. A lesser one may be left for another
// form of the report.
type note struct {
	text   string
	lesser bool
}

// lighter marks the names of rows that do less for a record than others; no line of a
// page begins with it.
const lighter = "\u00a0*"

// marked are the names of rows, with their marks.
func marked(cells []string, rows []row) []string {
	all := slices.Clone(cells)
	for i, r := range rows {
		if len(r.Lighter) > 0 && r.Cannot == "" {
			all[i] += lighter
		}
	}
	return all
}

// notesOf are those about the rows of a table: first what its figures mean, then what
// else each row has to say.
func notesOf(rows []row) []note {
	var all []note
	say := func(lesser bool, texts ...string) {
		for _, text := range texts {
			all = append(all, note{text, lesser})
		}
	}
	if source := figuresFrom(rows); source != "" {
		say(false, "published: "+source)
	}
	say(false, lighterNotes(rows)...)
	say(false, cannotNotes(rows)...)
	say(false, waitNotes(rows)...)
	said := about(rows)
	for _, text := range said.texts {
		say(!said.grave[text], said.who(text, rows)+": "+text)
	}
	differing := saidOf(rows, func(r row) []string {
		if len(r.Differs) == 0 {
			return nil
		}
		return []string{strings.Join(r.Differs, "; ")}
	})
	for _, text := range differing.texts {
		say(true, differing.who(text, rows)+": "+text)
	}
	return all
}

// textsOf are all of some notes.
func textsOf(notes []note) []string {
	texts := make([]string, len(notes))
	for i, n := range notes {
		texts[i] = n.text
	}
	return texts
}

// mostNotes is how many notes stand under a table of text before lesser ones are
// counted only.
const mostNotes = 8

// writeNotes writes notes under a table of a run.
func writeNotes(w io.Writer, run string, notes []note) {
	room := mostNotes
	if len(notes) == mostNotes+1 { // to count one would take as much room
		room++
	}
	for _, n := range notes {
		if !n.lesser {
			room--
		}
	}
	left := 0
	for _, n := range notes {
		switch {
		case !n.lesser:
			paragraph(w, "note", n.text)
		case room > 0:
			room--
			paragraph(w, "note", n.text)
		default:
			left++
		}
	}
	if left > 0 {
		paragraph(w, "note", fmt.Sprintf("and %d more: redline report %s -o md", left, quoted(run)))
	}
}

// said is what several rows have to say: each text once, with the rows that say it.
type said struct {
	texts []string
	rows  map[string][]row
	grave map[string]bool
}

func (s *said) add(r row, text string) {
	if s.rows == nil {
		s.rows, s.grave = map[string][]row{}, map[string]bool{}
	}
	if len(s.rows[text]) == 0 {
		s.texts = append(s.texts, text)
	}
	if !slices.ContainsFunc(s.rows[text], func(o row) bool { return o.Index == r.Index }) {
		s.rows[text] = append(s.rows[text], r)
	}
}

func (s *said) who(text string, all []row) string { return whoAre(s.rows[text], all) }

func saidOf(rows []row, of func(row) []string) said {
	var s said
	for _, r := range rows {
		for _, text := range of(r) {
			s.add(r, text)
		}
	}
	return s
}

// about are the warnings of each row and of its rate, and what went wrong in it,
// which is grave.
func about(rows []row) said {
	s := saidOf(nil, nil)
	for _, r := range rows {
		if r.Cannot != "" {
			continue // it was not tried
		}
		for _, text := range slices.Concat(r.Warnings, r.RecordsPerSecond.Warnings) {
			s.add(r, text)
		}
		for _, text := range wrongs(r.Row) {
			s.add(r, text)
			s.grave[text] = true
		}
	}
	return s
}

// lighterNotes say which rows do less for a record, and what.
func lighterNotes(rows []row) []string {
	tried := those(rows, func(r row) bool { return r.Cannot == "" })
	less := saidOf(tried, func(r row) []string { return r.Lighter })
	does := map[string][]string{} // by who does less
	var order []string
	for _, text := range less.texts {
		who := less.who(text, tried)
		if does[who] == nil {
			order = append(order, who)
		}
		does[who] = append(does[who], text)
	}
	var notes []string
	for _, who := range order {
		notes = append(notes, "* lighter work ("+who+"): "+strings.Join(does[who], "; "))
	}
	return notes
}

// cannotNotes say why rows have no figures. The sentence of a client names it.
func cannotNotes(rows []row) []string {
	why := saidOf(rows, func(r row) []string {
		if r.Cannot == "" {
			return nil
		}
		return []string{r.Cannot}
	})
	var notes []string
	for _, text := range why.texts {
		if !strings.HasPrefix(text, why.rows[text][0].Client+" ") {
			text = why.who(text, rows) + ": " + text
		}
		notes = append(notes, text)
	}
	return notes
}

// wrongs counts what was lost, duplicated, or went wrong in the trials of a row.
func wrongs(r result.Row) []string {
	var parts []string
	for _, count := range []struct {
		n    int64
		name string
	}{{r.Lost, "lost"}, {r.Duplicated, "duplicated"}, {r.Errors, "errors of the client"}} {
		if count.n != 0 {
			parts = append(parts, term.Count(count.n)+" "+count.name)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return []string{strings.Join(parts, ", ")}
}

// figuresFrom says where published figures come from, each source once.
func figuresFrom(rows []row) string {
	var sources []string
	for _, r := range rows {
		if r.Published != nil && !slices.Contains(sources, r.Published.Source) {
			sources = append(sources, r.Published.Source)
		}
	}
	return strings.Join(sources, "; ")
}

package report

import (
	"fmt"
	"io"

	"redline/internal/runs"
)

// History lists stored runs as text, one a line and newest first.
func History(w io.Writer, all []runs.Summary) {
	if len(all) == 0 {
		fmt.Fprintln(w, "No run is stored yet: \"redline run seed\" makes one.")
		return
	}
	longest := len("RUN")
	for _, s := range all {
		longest = max(longest, len(s.ID))
	}
	fmt.Fprintf(w, "%-*s  %-10s  %11s  %s\n", longest, "RUN", "STATE", "TRIALS", "QUESTION")
	for _, s := range all {
		about := s.Question
		if s.Problem != "" {
			about = s.Problem
		}
		fmt.Fprintf(w, "%-*s  %-10s  %4d of %4d  %s\n", longest, clean(s.ID), s.State, s.Finished, s.Planned, short(clean(about), max(20, 78-longest-27)))
	}
}

// HistoryTable is the list with all that is known of each run.
func HistoryTable(all []runs.Summary) Table {
	t := Table{Heads: []string{"RUN", "STATE", "FINISHED", "PLANNED", "KIND", "NAME", "CREATED", "FINGERPRINT", "QUESTION", "PROBLEM"}}
	for _, s := range all {
		var problem any
		if s.Problem != "" {
			problem = s.Problem
		}
		t.Rows = append(t.Rows, []any{s.ID, s.State, s.Finished, s.Planned, s.Kind, s.Name, s.Created, s.Fingerprint, s.Question, problem})
	}
	return t
}

// short cuts a text to some characters, the last of them saying so.
func short(text string, to int) string {
	runes := []rune(text)
	if len(runes) <= to {
		return text
	}
	return string(runes[:to-1]) + "…"
}

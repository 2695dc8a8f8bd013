package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// place is where something stands: a line of a file, or an argument that has none.
type place struct {
	in   string
	line int // from 1; 0 when in is no file
}

func (p place) String() string {
	if p.line == 0 {
		return p.in
	}
	return fmt.Sprintf("%s:%d", p.in, p.line)
}

// Problem is one thing wrong with a question.
type Problem struct {
	// Where is "file:line", or the --set that it came with.
	Where string
	// What is a sentence: what is wrong, and what would be right.
	What string
}

// Problems are all that is wrong with a question, in the order of its lines.
type Problems struct{ All []Problem }

// mostShown bounds the lines of Error.
const mostShown = 50

// Error has a line for each problem, "file:line: sentence".
func (p *Problems) Error() string {
	lines := make([]string, 0, mostShown+1)
	for i, problem := range p.All {
		if i == mostShown {
			lines = append(lines, fmt.Sprintf("and %d more", len(p.All)-mostShown))
			break
		}
		lines = append(lines, problem.Where+": "+problem.What)
	}
	return strings.Join(lines, "\n")
}

// finding is a problem before it is sorted.
type finding struct {
	at   place
	what string
}

// findings gathers problems while a question is read.
type findings struct {
	all  []finding
	seen map[finding]bool
}

// add keeps a problem, once.
func (f *findings) add(at place, format string, args ...any) {
	found := finding{at, fmt.Sprintf(format, args...)}
	if f.seen == nil {
		f.seen = map[finding]bool{}
	}
	if !f.seen[found] {
		f.seen[found] = true
		f.all = append(f.all, found)
	}
}

// err is what was found, as *Problems, or nil.
func (f *findings) err() error {
	if len(f.all) == 0 {
		return nil
	}
	slices.SortStableFunc(f.all, func(a, b finding) int { return cmp.Compare(a.at.line, b.at.line) })
	p := &Problems{}
	for _, found := range f.all {
		p.All = append(p.All, Problem{found.at.String(), found.what})
	}
	return p
}

// quote shows a piece of the file in a sentence: on one line, and short.
func quote(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// list joins names as a sentence does: "a, b or c".
func list(names []string, last string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + last + " " + names[len(names)-1]
}

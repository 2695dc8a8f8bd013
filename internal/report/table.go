package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"redline/internal/term"
)

// width is that of a terminal as it was first.
const width = 80

// column of a text table. The first column of a table names its rows; it is
// repeated where a table is too wide and goes on below.
type column struct {
	head  string // a line break parts it
	left  bool
	fold  int // where the names of rows are folded; 0 is nameWidth
	cells []string
}

// nameWidth is where the names of rows are folded.
const nameWidth = 28

// writeTable writes columns beside each other, two spaces apart, as many blocks
// below each other as 80 columns demand.
func writeTable(w io.Writer, columns []column) {
	names := columns[0]
	for rest := columns[1:]; len(rest) > 0; {
		used, n := names.nameWidth(), 0
		for n < len(rest) && (n == 0 || used+2+rest[n].width() <= width) {
			used += 2 + rest[n].width()
			n++
		}
		writeBlock(w, names, rest[:n])
		rest = rest[n:]
	}
}

func (c column) width() int {
	widest := 0
	for _, line := range append(strings.Split(c.head, "\n"), c.cells...) {
		widest = max(widest, utf8.RuneCountInString(line))
	}
	return widest
}

// nameWidth is the width of names, folded.
func (c column) nameWidth() int { return min(c.folded(), c.width()) }

func (c column) folded() int {
	if c.fold > 0 {
		return c.fold
	}
	return nameWidth
}

func writeBlock(w io.Writer, names column, columns []column) {
	tall := 1 + strings.Count(names.head, "\n")
	for _, c := range columns {
		tall = max(tall, 1+strings.Count(c.head, "\n"))
	}
	for i := range tall {
		cells := make([]string, len(columns))
		for j, c := range columns {
			cells[j] = c.headLine(i, tall)
		}
		writeLine(w, names.headLine(i, tall), names, cells, columns)
	}
	for i, name := range names.cells {
		cells := make([]string, len(columns))
		for j, c := range columns {
			cells[j] = c.cells[i]
		}
		for j, part := range term.Fold(name, names.folded()) {
			if j > 0 {
				clear(cells)
			}
			writeLine(w, part, names, cells, columns)
		}
	}
}

// headLine is a line of a column's head, which stands at the foot of tall lines.
func (c column) headLine(i, tall int) string {
	lines := strings.Split(c.head, "\n")
	if i -= tall - len(lines); i < 0 {
		return ""
	}
	return lines[i]
}

func writeLine(w io.Writer, name string, names column, cells []string, columns []column) {
	line := pad(name, names.nameWidth(), true)
	for i, c := range columns {
		line += "  " + pad(cells[i], c.width(), c.left)
	}
	if line = strings.TrimRight(line, " "); line != "" {
		fmt.Fprintln(w, line)
	}
}

func pad(s string, to int, left bool) string {
	blank := strings.Repeat(" ", max(0, to-utf8.RuneCountInString(s)))
	if left {
		return s + blank
	}
	return blank + s
}

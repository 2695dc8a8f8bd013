package doctor

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"redline/internal/term"
	"redline/result"
)

// width is that of a terminal as it was first.
const width = 80

var marks = map[result.Allowed]string{result.Yes: "✓", result.No: "✗", result.Unknown: "?", result.NotHere: "-"}

// Text writes checks below headings of their areas, in lines of at most 80 columns
// and without colour: a mark and a word say how each came out.
func Text(w io.Writer, checks []result.DoctorCheck) {
	area := ""
	for _, c := range checks {
		if c.Area != area {
			if area != "" {
				fmt.Fprintln(w)
			}
			area = c.Area
			fmt.Fprintln(w, area)
		}
		paragraph(w, fmt.Sprintf("  %s %-8s  ", marks[c.State], c.State), c.Name+": "+c.Value)
		if c.Lost != "" {
			paragraph(w, "              lost:  ", c.Lost)
		}
		if c.Allow != "" {
			paragraph(w, "              allow: ", c.Allow)
		}
	}
}

// paragraph writes a text beside a label. What came from outside is made printable.
func paragraph(w io.Writer, label, text string) {
	indent := utf8.RuneCountInString(label)
	lines := term.Fold(term.Printable(text), width-indent)
	fmt.Fprintln(w, label+strings.Join(lines, "\n"+strings.Repeat(" ", indent)))
}

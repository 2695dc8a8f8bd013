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
	line := label
	room := width - indent
	for _, word := range words(term.Printable(text), room) {
		switch used := utf8.RuneCountInString(line) - indent; {
		case used == 0:
			line += word
		case used+1+utf8.RuneCountInString(word) <= room:
			line += " " + word
		default:
			fmt.Fprintln(w, line)
			line = strings.Repeat(" ", indent) + word
		}
	}
	fmt.Fprintln(w, line)
}

// words parts a text at its spaces, and words that are longer than a line.
func words(text string, room int) (all []string) {
	for _, word := range strings.Fields(text) {
		letters := []rune(word)
		for len(letters) > room {
			all, letters = append(all, string(letters[:room])), letters[room:]
		}
		all = append(all, string(letters))
	}
	return all
}

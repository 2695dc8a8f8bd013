package term

import (
	"strings"
	"unicode/utf8"
)

// Fold breaks a text between words into lines of at most some columns, and inside
// words that are longer than a line; there is always one line.
func Fold(text string, columns int) []string {
	var lines []string
	line := []rune{}
	for _, word := range strings.Fields(text) {
		if len(line) > 0 && len(line)+1+utf8.RuneCountInString(word) > columns {
			lines, line = append(lines, string(line)), line[:0]
		}
		if len(line) > 0 {
			line = append(line, ' ')
		}
		line = append(line, []rune(word)...)
		for len(line) > columns {
			lines, line = append(lines, string(line[:columns])), line[columns:]
		}
	}
	return append(lines, string(line))
}

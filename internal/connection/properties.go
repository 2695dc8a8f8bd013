package connection

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// property is one key of a Java properties file; line is that of its beginning,
// counted from 1.
type property struct {
	key, value string
	line       int
}

// parseProperties reads a Java properties file as java.util.Properties.load does:
// ISO-8859-1, \uXXXX and the other escapes, lines that go on after a backslash, and
// = or : or a blank after the key. Doubled keys are all returned. An error begins
// with the line and shows none of the text.
func parseProperties(data []byte) ([]property, error) {
	var all []property
	lines := logicalLines(data)
	for _, l := range lines {
		rawKey, rawValue := splitProperty(l.text)
		key, err := unescape(rawKey)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", l.number, err)
		}
		value, err := unescape(rawValue)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", l.number, err)
		}
		all = append(all, property{key, value, l.number})
	}
	return all, nil
}

type logicalLine struct {
	number int
	text   []byte
}

// logicalLines are the lines without comments, blank ones and the blanks that they
// begin with, those that go on joined to one.
func logicalLines(data []byte) []logicalLine {
	var all []logicalLine
	var current logicalLine
	for number := 1; len(data) > 0; number++ {
		var line []byte
		line, data = cutLine(data)
		line = trimBlanks(line)
		// Only where nothing has been read yet can a line be blank or a comment.
		if len(current.text) == 0 {
			if len(line) == 0 || line[0] == '#' || line[0] == '!' {
				continue
			}
			current.number = number
		}
		goesOn := endsOpen(line)
		if goesOn {
			line = line[:len(line)-1]
		}
		current.text = append(current.text, line...)
		if len(current.text) > 0 && (!goesOn || len(data) == 0) {
			all = append(all, current)
			current = logicalLine{}
		}
	}
	if len(current.text) > 0 {
		all = append(all, current)
	}
	return all
}

// cutLine cuts at the first \n, \r or \r\n.
func cutLine(data []byte) (line, rest []byte) {
	for i, c := range data {
		switch {
		case c == '\n', c == '\r' && (i+1 == len(data) || data[i+1] != '\n'):
			return data[:i], data[i+1:]
		case c == '\r':
			return data[:i], data[i+2:]
		}
	}
	return data, nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\f' }

func trimBlanks(line []byte) []byte {
	for len(line) > 0 && isBlank(line[0]) {
		line = line[1:]
	}
	return line
}

// endsOpen says whether a line ends with a backslash that is not itself escaped.
func endsOpen(line []byte) bool {
	n := 0
	for n < len(line) && line[len(line)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// splitProperty cuts at the first unescaped blank, = or :, and takes the blanks
// around and one = or : away.
func splitProperty(line []byte) (key, value []byte) {
	end := 0
	for end < len(line) && !isBlank(line[end]) && line[end] != '=' && line[end] != ':' {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(line))
	key, value = line[:end], trimBlanks(line[end:])
	if len(value) > 0 && (value[0] == '=' || value[0] == ':') {
		value = trimBlanks(value[1:])
	}
	return key, value
}

// unescape reads ISO-8859-1 with Java's escapes. Two \uXXXX may be the halves of one
// character.
func unescape(raw []byte) (string, error) {
	var units []uint16
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' {
			units = append(units, uint16(c))
			continue
		}
		if i++; i == len(raw) {
			break
		}
		switch c = raw[i]; c {
		case 'u':
			if i+5 > len(raw) {
				return "", fmt.Errorf("after \\u come four hexadecimal digits")
			}
			code, err := strconv.ParseUint(string(raw[i+1:i+5]), 16, 16)
			if err != nil {
				return "", fmt.Errorf("after \\u come four hexadecimal digits")
			}
			units = append(units, uint16(code))
			i += 4
		case 't', 'n', 'r', 'f':
			units = append(units, uint16("\t\n\r\f"[strings.IndexByte("tnrf", c)]))
		default:
			units = append(units, uint16(c))
		}
	}
	return string(utf16.Decode(units)), nil
}

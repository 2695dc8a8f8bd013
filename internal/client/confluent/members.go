//go:build cgo

package confluent

import (
	"strconv"
	"strings"
)

// members calls each for the members of the JSON object that text begins with, the key
// as it stands and the value unread, until each has seen enough and returns false. It
// says whether text is such an object, as far as it was read: a value is passed over by
// its brackets and quotes. A statistics object is 11 KB, of which we want some twenty
// numbers near its beginning, several times a second from every client.
func members(text string, each func(key, value string) bool) bool {
	rest, found := strings.CutPrefix(trim(text), "{")
	if rest = trim(rest); !found || strings.HasPrefix(rest, "}") {
		return found
	}
	for {
		key, after := cut(rest)
		value, isMember := strings.CutPrefix(trim(after), ":")
		if len(key) < 2 || key[0] != '"' || !isMember {
			return false
		}
		value, after = cut(trim(value))
		if value == "" {
			return false
		}
		if !each(key[1:len(key)-1], value) {
			return true
		}
		after = trim(after)
		if rest, found = strings.CutPrefix(after, ","); !found {
			return strings.HasPrefix(after, "}")
		}
		rest = trim(rest)
	}
}

// trim takes spaces and line ends from the front.
func trim(text string) string {
	for text != "" && text[0] <= ' ' {
		text = text[1:]
	}
	return text
}

// cut divides text behind the JSON value that it begins with, which is empty when
// there is none or it does not end.
func cut(text string) (value, rest string) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			n := quoted(text[i:])
			if n == 0 {
				return "", ""
			}
			if i += n - 1; depth == 0 {
				return text[:i+1], text[i+1:]
			}
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return text[:i+1], text[i+1:]
			}
			if depth < 0 {
				return text[:i], text[i:]
			}
		case depth == 0 && (c == ',' || c <= ' '):
			return text[:i], text[i:]
		}
	}
	return "", ""
}

// quoted is the length of the string that text begins with; 0 when it does not end.
func quoted(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// whole is a JSON number without a fraction; 0 for anything else and for what is
// negative: nothing that is counted here is.
func whole(value string) int64 {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0
	}
	return max(0, n)
}

// inside is a number of an object inside another.
func inside(object, key string) (n int64) {
	members(object, func(k, value string) bool {
		if k == key {
			n = whole(value)
		}
		return k != key
	})
	return n
}

package exec

import (
	"errors"
	"strings"
)

// splitWords splits a command as a POSIX shell splits one into words: '…' as it stands,
// "…" with a backslash before \ " $ ` alone, outside a backslash before anything. What
// else means something to a shell ($, *, ~, |, >) means nothing here.
func splitWords(command string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(command); i++ {
		c := command[i]
		switch {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
			continue
		case c == '\'' || c == '"':
			length, err := quoted(command[i+1:], c, &word)
			if err != nil {
				return nil, err
			}
			i += length
		case c == '\\':
			if i++; i == len(command) {
				return nil, errors.New("it ends with a backslash")
			}
			if command[i] == '\n' { // the line goes on, and so does the word
				continue
			}
			word.WriteByte(command[i])
		default:
			word.WriteByte(c)
		}
		inWord = true
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// quoted adds to word what stands before the closing quote, and returns the length of
// that with the quote.
func quoted(text string, quote byte, word *strings.Builder) (int, error) {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == quote {
			return i + 1, nil
		}
		if c == '\\' && quote == '"' && i+1 < len(text) && strings.IndexByte("\\\"$`\n", text[i+1]) >= 0 {
			if i++; text[i] == '\n' {
				continue
			}
			c = text[i]
		}
		word.WriteByte(c)
	}
	return 0, errors.New("a quote in it is not closed")
}

package broker

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
)

// lastWords is what the end of a log says of why its process died, as the end of
// a sentence: ": …", or nothing. The last line that names a cause counts, else the
// last line.
func lastWords(path string) string {
	lines := tailLines(path, 16<<10)
	for _, line := range lines {
		if strings.Contains(line, "No space left on device") {
			return ": the disk is full; free some, or choose another folder with --data"
		}
	}
	said := ""
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, "\t") || strings.TrimSpace(line) == "":
			// Part of a stack trace.
		case telling.MatchString(line) || !telling.MatchString(said):
			said = line
		}
	}
	if said == "" {
		return ""
	}
	if len(said) > 300 {
		said = said[:300] + "…"
	}
	return ": " + strings.TrimSpace(said)
}

// telling are lines that name a cause: of a level that says so, an exception or
// an error at the start of its stack trace, a Go panic.
var telling = regexp.MustCompile(`\b(ERROR|FATAL)\b|^Exception in |^[\w.$]+(Exception|Error)\b|^panic: |^fatal error: |^Error`)

// tailLines are the whole lines in the last n bytes of a file.
func tailLines(path string, n int64) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-n), io.SeekStart)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil
	}
	return strings.Split(string(bytes.TrimRight(data, "\n")), "\n")
}

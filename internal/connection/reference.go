package connection

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// Bounds of a file that holds settings. A pipe, such as a shell's <(command), is
// waited for, but not for ever.
const (
	maxFile  = 1 << 20
	readWait = 10 * time.Second
)

// readSettings reads a whole file. The error lacks the path: it completes "cannot
// read PATH: ".
func readSettings(path string) ([]byte, error) {
	// Without O_NONBLOCK the opening itself of a pipe waits for a writer.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, bare(err)
	}
	defer file.Close()
	// A plain file has no deadline and needs none.
	_ = file.SetReadDeadline(time.Now().Add(readWait))
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("nothing came from it for %s", readWait)
	case err != nil:
		return nil, bare(err)
	case len(data) > maxFile:
		return nil, fmt.Errorf("it is larger than %d bytes, which no file of settings is", maxFile)
	}
	return data, nil
}

// bare takes the path and the system call off an error.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// expand puts in what ${file:PATH}, ${file:PATH:KEY} and ${env:NAME} refer to, as
// Kafka's FileConfigProvider and EnvVarConfigProvider do (KIP-297, KIP-887), and a
// whole file too, without the end of its last line. Any other ${…} stays, since a
// password may hold one. What is put in is not looked at again.
func (r *resolver) expand(value string) (string, error) {
	if r.literal {
		return value, nil
	}
	var out strings.Builder
	for {
		start, kind := nextReference(value)
		if start < 0 {
			out.WriteString(value)
			return out.String(), nil
		}
		out.WriteString(value[:start])
		name, rest, closed := strings.Cut(value[start+len("${"+kind+":"):], "}")
		if !closed {
			return "", fmt.Errorf("a ${%s:…} in it is not closed by }", kind)
		}
		text, err := r.referred(kind, name)
		if err != nil {
			return "", err
		}
		out.WriteString(text)
		value = rest
	}
}

func nextReference(value string) (start int, kind string) {
	start = -1
	for _, k := range []string{"file", "env"} {
		if at := strings.Index(value, "${"+k+":"); at >= 0 && (start < 0 || at < start) {
			start, kind = at, k
		}
	}
	return start, kind
}

func (r *resolver) referred(kind, name string) (string, error) {
	if kind == "env" {
		if value := r.getenv(name); value != "" {
			return value, nil
		}
		return "", fmt.Errorf("the environment variable %s of ${env:%s} is not set", printable(name, maxShown), printable(name, maxShown))
	}
	path, key := name, ""
	if colon := strings.LastIndexByte(name, ':'); colon >= 0 {
		path, key = name[:colon], name[colon+1:]
	}
	data, err := readSettings(path)
	if err != nil {
		return "", fmt.Errorf("cannot read the file %s of ${file:…}: %w", printable(path, maxShown), err)
	}
	if key == "" {
		return strings.TrimRight(string(data), "\r\n"), nil
	}
	properties, err := parseProperties(data)
	if err != nil {
		return "", fmt.Errorf("%s: %w", printable(path, maxShown), err)
	}
	for i := len(properties) - 1; i >= 0; i-- {
		if properties[i].key == key {
			return properties[i].value, nil
		}
	}
	return "", fmt.Errorf("the file %s has no key %s", printable(path, maxShown), printable(key, maxShown))
}

// printable is text on one line without control characters, cut to at most so many
// characters.
func printable(text string, most int) string {
	var out strings.Builder
	n := 0
	for _, c := range text {
		if n++; n > most {
			out.WriteString("…")
			break
		}
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == '\u2028' || c == '\u2029' || c == '\ufeff' {
			fmt.Fprintf(&out, "\\u%04x", c)
			continue
		}
		out.WriteRune(c)
	}
	return out.String()
}

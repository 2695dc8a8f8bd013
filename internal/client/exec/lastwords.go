package exec

import "strings"

// maxComplaint bounds what is kept of a child's standard error, in bytes: room for the
// trace of a panic, which begins with why.
const maxComplaint = 64 << 10

// lastWords keeps the end of what is written to it.
type lastWords struct{ kept []byte }

func (w *lastWords) Write(p []byte) (int, error) {
	w.kept = append(w.kept, p[max(0, len(p)-maxComplaint):]...)
	w.kept = w.kept[max(0, len(w.kept)-maxComplaint):]
	return len(p), nil
}

// String is the line of it that says most: where Go began to panic, else the last one.
func (w *lastWords) String() string {
	last := ""
	for line := range strings.Lines(string(w.kept)) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return plain(line)
		}
		if text := plain(line); text != "" {
			last = text
		}
	}
	return last
}

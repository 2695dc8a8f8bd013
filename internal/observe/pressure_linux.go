package observe

import (
	"io/fs"
	"strconv"
	"strings"
)

// pressure is the time in seconds since boot in which some task waited for a
// resource: "cpu", "io" or "memory" (proc_pressure(5)). Its average over the last ten
// seconds would reach beyond a trial; the total does not.
func pressure(resource string) float64 {
	text, err := fs.ReadFile(root, "proc/pressure/"+resource)
	if err != nil {
		return unknown
	}
	return parsePressure(string(text))
}

func parsePressure(text string) float64 {
	line, _, _ := strings.Cut(text, "\n")
	if !strings.HasPrefix(line, "some ") {
		return unknown
	}
	_, total, found := strings.Cut(line, "total=")
	microseconds, err := strconv.ParseUint(strings.TrimSpace(total), 10, 64)
	if !found || err != nil {
		return unknown
	}
	return float64(microseconds) / 1e6
}

// contextSwitches of the host since boot.
func contextSwitches() int64 {
	text, err := fs.ReadFile(root, "proc/stat")
	if err != nil {
		return unknown
	}
	return parseContextSwitches(string(text))
}

func parseContextSwitches(text string) int64 {
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, "ctxt "); found {
			if n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64); err == nil {
				return n
			}
		}
	}
	return unknown
}

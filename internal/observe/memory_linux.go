package observe

import (
	"io/fs"
	"strconv"
	"strings"
)

// peakRSS is the highest resident size of a process in bytes, 0 if unknown.
func peakRSS(root fs.FS, pid string) int64 { return kilobytes(root, "proc/"+pid+"/status", "VmHWM") }

// FreeMemory is how many bytes a new process could use without swapping: what
// the kernel calls available, or what the cgroup's memory limit leaves if that
// is less. 0 means not known.
func FreeMemory() int64 {
	free := kilobytes(root, "proc/meminfo", "MemAvailable")
	if left, limited := cgroupMemoryLeft(root); limited && (free == 0 || left < free) {
		return left
	}
	return free
}

// kilobytes finds the line "key: N kB" and returns it in bytes; 0 if there is none.
func kilobytes(root fs.FS, path, key string) int64 {
	text, err := fs.ReadFile(root, path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		rest, found := strings.CutPrefix(line, key+":")
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil || n < 0 || n > 1<<53 {
			return 0
		}
		return n << 10
	}
	return 0
}

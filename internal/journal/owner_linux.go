package journal

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// startTime of a process in clock ticks since boot, or 0 if there is none. A zombie
// counts as gone.
func startTime(pid int) uint64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, field 2, may hold spaces and brackets; what follows its last
	// bracket is state (field 3) and on.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 || string(fields[0]) == "Z" || string(fields[0]) == "X" {
		return 0
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return 0
	}
	return start
}

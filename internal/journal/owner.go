package journal

// Process names a process for good: pids are used again, pairs of pid and start
// time are not.
type Process struct {
	PID int `json:"pid"`
	// Start is the system's own figure, such as clock ticks since boot on Linux.
	Start uint64 `json:"start"`
}

// ProcessOf names the process that has a pid now; its Start is 0 if there is none.
func ProcessOf(pid int) Process { return Process{PID: pid, Start: startTime(pid)} }

// Alive says whether the process still runs.
func (p Process) Alive() bool { return p.PID != 0 && p.Start != 0 && startTime(p.PID) == p.Start }

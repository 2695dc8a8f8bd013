package journal

import "os"

// process names a process for good: pids are used again, pairs of pid and start
// time are not.
type process struct {
	PID int `json:"pid"`
	// Start is the system's own figure, such as clock ticks since boot on Linux.
	Start uint64 `json:"start"`
}

func self() process { return process{PID: os.Getpid(), Start: startTime(os.Getpid())} }

func (p process) alive() bool { return p.Start != 0 && startTime(p.PID) == p.Start }

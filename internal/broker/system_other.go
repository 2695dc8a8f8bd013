//go:build unix && !linux

package broker

import (
	"syscall"

	"github.com/shirou/gopsutil/v4/process"
)

// childAttributes: own process group. Without Linux's parent-death signal the
// pipe alone tells a child that we died.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func guardedAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// startTime of a process in milliseconds, or 0 if there is none.
func startTime(pid int) uint64 {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return 0
	}
	created, err := p.CreateTime()
	if err != nil {
		return 0
	}
	return uint64(created)
}

// storageOf says what a folder lies on, as far as this system tells.
func storageOf(string) string { return "disk" }

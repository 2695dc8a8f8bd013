//go:build unix && !linux

package journal

import gopsutil "github.com/shirou/gopsutil/v4/process"

// startTime of a process in milliseconds, or 0 if there is none.
func startTime(pid int) uint64 {
	p, err := gopsutil.NewProcess(int32(pid))
	if err != nil {
		return 0
	}
	created, err := p.CreateTime()
	if err != nil {
		return 0
	}
	return uint64(created)
}

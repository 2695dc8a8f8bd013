package observe

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// host is the busy time of all processors and what the hypervisor stole, in CPU
// seconds since boot.
func host(missing *[]string) (busy, steal float64) {
	text, err := fs.ReadFile(root, "proc/stat")
	if err == nil {
		busy, steal, err = parseHost(string(text))
	}
	if err != nil {
		*missing = append(*missing, "CPU of the host")
		return unknown, unknown
	}
	return busy, steal
}

// parseHost reads the first line of /proc/stat: user nice system idle iowait irq
// softirq steal guest guest_nice. Time of guests is part of user and nice already.
// iowait is idle. A sandbox that shows only zeros shows nothing.
func parseHost(text string) (busy, steal float64, err error) {
	line, _, _ := strings.Cut(text, "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return 0, 0, errors.New("/proc/stat does not begin with the CPU line")
	}
	var n [9]float64
	total := 0.0
	for i := 1; i < 9; i++ {
		v, err := strconv.ParseUint(f[i], 10, 64)
		if err != nil {
			return 0, 0, errors.New("/proc/stat holds no number where one is due")
		}
		n[i] = float64(v)
		total += n[i]
	}
	if total == 0 {
		return 0, 0, errors.New("/proc/stat holds only zeros")
	}
	return (n[1] + n[2] + n[3] + n[6] + n[7]) / ticks, n[8] / ticks, nil
}

// machine is the CPU's name, the kernel's release and the memory in bytes; empty
// or 0 where the system does not tell (some ARM kernels name no CPU).
func machine() (cpu, kernel string, memory int64) {
	if text, err := fs.ReadFile(root, "proc/cpuinfo"); err == nil {
		cpu = cpuModel(string(text))
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	return cpu, kernel, kilobytes(root, "proc/meminfo", "MemTotal")
}

func cpuModel(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == "model name" {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return ""
}

package observe

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// root is where /proc and /sys are looked up.
var root = os.DirFS("/")

// ticks is the unit of CPU time in /proc, per second. Linux shows user space
// 100 on all architectures that Go knows, whatever the kernel's own HZ.
const ticks = 100

// self is the CPU time of this process in seconds, to the microsecond, and its
// highest resident size.
func self(missing *[]string) (cpu float64, peak int64) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		*missing = append(*missing, "CPU of this process")
		cpu = unknown
	} else {
		cpu = seconds(u.Utime) + seconds(u.Stime)
	}
	peak = peakRSS(root, "self")
	if peak == 0 {
		*missing = append(*missing, "peak memory of this process")
	}
	return cpu, peak
}

func seconds(t unix.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }

// update takes a new reading of a process. When there is none any more the last
// one stays, and missing says so.
func (p *process) update() {
	text, err := fs.ReadFile(root, fmt.Sprintf("proc/%d/stat", p.pid))
	var s stat
	if err == nil {
		s, err = parseStat(text)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH), err == nil && p.started != 0 && p.started != s.started:
		p.missing = p.gone()
		return
	case err != nil:
		p.missing = p.unreadable(err)
		return
	}
	p.started, p.cpu, p.reaped = s.started, s.cpu, s.reaped
	// A zombie has its CPU time still, but no memory.
	p.peak = max(p.peak, peakRSS(root, strconv.Itoa(p.pid)))
}

// stat is what we use of /proc/<pid>/stat, or that of a thread.
type stat struct {
	name    string
	parent  int
	cpu     float64 // user + system, seconds
	reaped  float64 // the same of children that were waited for
	started uint64  // ticks after boot
}

// parseStat reads a line of proc_pid_stat(5). The second field, the program's
// name in parentheses, may itself hold spaces and parentheses, so counting starts
// after the last one.
func parseStat(line []byte) (stat, error) {
	begin, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if begin < 0 || end < begin {
		return stat{}, errors.New("its stat file has no program name")
	}
	const state, ppid, utime, cstime, starttime = 3, 4, 14, 17, 22
	f := strings.Fields(string(line[end+1:]))
	if len(f) <= starttime-state {
		return stat{}, fmt.Errorf("its stat file has %d fields", len(f)+state-1)
	}
	var n [starttime + 1]uint64
	for _, field := range []int{ppid, utime, utime + 1, cstime - 1, cstime, starttime} {
		var err error
		if n[field], err = strconv.ParseUint(f[field-state], 10, 64); err != nil {
			return stat{}, fmt.Errorf("field %d of its stat file is no number", field)
		}
	}
	return stat{
		name: string(line[begin+1 : end]), parent: int(n[ppid]),
		cpu: (float64(n[utime]) + float64(n[utime+1])) / ticks, reaped: (float64(n[cstime-1]) + float64(n[cstime])) / ticks,
		started: n[starttime],
	}, nil
}

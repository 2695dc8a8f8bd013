package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"redline/internal/observe"
	"redline/internal/term"
)

func cgroup(_ context.Context, m machine) finding {
	if runtime.GOOS != "linux" {
		return notHere("only Linux has them")
	}
	version, dir := observe.Cgroup()
	if version == 0 {
		return no("no cgroup of this process can be seen")
	}
	controllers := text(m.root, filepath.Join(dir, "cgroup.controllers")[1:])
	if controllers == "" {
		return yes("version %d, %s", version, dir)
	}
	return yes("version %d, %s: %s", version, dir, controllers)
}

func childCgroup(context.Context, machine) finding {
	if runtime.GOOS != "linux" {
		return notHere("only Linux has them")
	}
	version, dir := observe.Cgroup()
	if version == 0 {
		return no("no cgroup of this process can be seen")
	}
	return childOf(dir)
}

// childOf makes a folder, which the kernel makes a cgroup of, and removes it at once.
func childOf(dir string) finding {
	child := filepath.Join(dir, fmt.Sprintf("redline-doctor-%d", os.Getpid()))
	err := os.Mkdir(child, 0o755)
	if err == nil {
		err = os.Remove(child)
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return no("below %s: %v", dir, path.Err)
	}
	return yes("one could be made below %s", dir)
}

// pressure sees whether the kernel counts stalls (proc_pressure(5)). A kernel that
// was booted without has the file, and refuses to read it.
func pressure(root fs.FS) finding {
	var missing []string
	for _, resource := range []string{"cpu", "io", "memory"} {
		if !strings.HasPrefix(text(root, "proc/pressure/"+resource), "some ") {
			missing = append(missing, resource)
		}
	}
	switch len(missing) {
	case 0:
		return yes("cpu, io and memory")
	case 3:
		return no("the kernel does not count it")
	}
	return no("not for %s", strings.Join(missing, " and "))
}

// leastFiles are enough for some hundred clients.
const leastFiles = 4096

func openFiles(context.Context, machine) finding {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return unknown("the system does not say: %v", err)
	}
	return filesOf(uint64(limit.Cur)) //nolint:unconvert // the field's type differs between systems
}

func filesOf(limit uint64) finding {
	if limit > 1<<62 {
		return yes("no limit")
	}
	return yesIf(limit >= leastFiles, "at most %s", term.Count(int64(limit)))
}

func clock(_ context.Context, m machine) finding {
	return clockOf(text(m.root, "sys/devices/system/clocksource/clocksource0/current_clocksource"), readingCost())
}

// slowReading is what a reading takes that is not answered without the kernel.
const slowReading = 250 * time.Nanosecond

func clockOf(source string, cost time.Duration) finding {
	if source == "" {
		return yesIf(cost < slowReading, "%v a reading", cost)
	}
	return yesIf(cost < slowReading, "%v a reading, clock source %s", cost, source)
}

// readingCost is the median time of a reading of the clock.
func readingCost() time.Duration {
	const batches, readings = 9, 2000
	took := make([]time.Duration, batches)
	for i := range took {
		began := time.Now()
		for range readings - 1 {
			_ = time.Now()
		}
		took[i] = time.Since(began) / readings
	}
	slices.Sort(took)
	return took[batches/2]
}

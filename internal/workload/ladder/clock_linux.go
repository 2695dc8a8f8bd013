package ladder

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadTime is the CPU time of the thread: what another process takes meanwhile does
// not count. The caller has locked its goroutine to the thread.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return time.Since(started)
	}
	return time.Duration(t.Nano())
}

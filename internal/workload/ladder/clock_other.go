//go:build !linux

package ladder

import "time"

// threadTime is time as it passes, where the CPU time of a thread is not to be had.
func threadTime() time.Duration { return time.Since(started) }

package exec

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"redline/internal/broker"
)

func TestMain(m *testing.M) {
	broker.MaybeChild()
	// Under the race detector a process sleeps for a second before it ends.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	if len(os.Args) > 2 && os.Args[1] == childRole {
		os.Exit(act(os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}

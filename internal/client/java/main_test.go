package java

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"redline/internal/broker"
)

func TestMain(m *testing.M) {
	broker.MaybeChild()
	if script := os.Getenv(ownerVariable); script != "" {
		os.Exit(own(script))
	}
	goleak.VerifyTestMain(m)
}

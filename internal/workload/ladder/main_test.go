package ladder

import (
	"testing"

	"go.uber.org/goleak"

	"redline/internal/broker"
)

func TestMain(m *testing.M) {
	broker.MaybeChild()
	goleak.VerifyTestMain(m)
}

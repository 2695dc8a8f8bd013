package sarama

import (
	"testing"

	"redline/internal/client/clienttest"
)

func TestMain(m *testing.M) { clienttest.Main(m) }

func TestConformance(t *testing.T) {
	clienttest.Conformance(t, Library, "fetch.max.byte", "fetch.max.bytes")
}

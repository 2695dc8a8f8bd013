package client

import (
	"testing"

	"pgregory.net/rapid"
)

func TestNearestNamesTheOneThatWasMeant(t *testing.T) {
	known := []string{"acks", "fetch.max.bytes", "fetch.max.wait.ms", "linger.ms"}
	for typed, want := range map[string]string{
		"fetch.max.byte": "fetch.max.bytes", "Linger.MS": "linger.ms", "fetch.wait.ms": "fetch.max.wait.ms", "akcs": "acks", "ack": "acks",
		"q": "", "entirely.different.words": "", "": "",
	} {
		if got := Nearest(typed, known); got != want {
			t.Errorf("%q: nearest %q, want %q", typed, got, want)
		}
	}
}

// A distance is a metric: zero to itself, the same both ways, never a detour.
func TestEditDistanceIsAMetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[ab.]{0,8}`)
		a, b, c := word.Draw(t, "a"), word.Draw(t, "b"), word.Draw(t, "c")
		if editDistance(a, a) != 0 || (a != b) != (editDistance(a, b) > 0) {
			t.Fatal("not zero exactly to itself")
		}
		if editDistance(a, b) != editDistance(b, a) {
			t.Fatal("not the same both ways")
		}
		if editDistance(a, c) > editDistance(a, b)+editDistance(b, c) {
			t.Fatal("longer than a detour")
		}
	})
}

func TestWhatTheWorkloadSetsIsRefused(t *testing.T) {
	for key := range reserved {
		if CheckReserved(key) == nil {
			t.Errorf("%s is let through", key)
		}
	}
	if err := CheckReserved("acks"); err != nil {
		t.Error(err)
	}
}

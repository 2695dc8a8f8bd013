package nearest

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTheOneThatWasMeantIsNamed(t *testing.T) {
	known := []string{"acks", "fetch.max.bytes", "fetch.max.wait.ms", "linger.ms"}
	for typed, want := range map[string]string{
		"fetch.max.byte": "fetch.max.bytes", "Linger.MS": "linger.ms", "fetch.wait.ms": "fetch.max.wait.ms", "akcs": "acks", "ack": "acks",
		"q": "", "entirely.different.words": "", "": "", strings.Repeat("a", 1<<20): "",
	} {
		if got := Name(typed, known); got != want {
			t.Errorf("%.30q: nearest %q, want %q", typed, got, want)
		}
	}
	if got := Names("test-topci", []string{"other", "test-topic", "test-topics", "testtopic", strings.Repeat("x", 1<<20)}); !slices.Equal(got, []string{"test-topic", "test-topics", "testtopic"}) {
		t.Errorf("got %q", got)
	}
}

func TestADistanceIsTheSameBothWaysAndZeroToItself(t *testing.T) {
	name := rapid.StringMatching(`[abc]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := name.Draw(t, "a"), name.Draw(t, "b")
		d := Distance(a, b, 100)
		if d != Distance(b, a, 100) || (d == 0) != (a == b) || d > max(len(a), len(b)) {
			t.Fatalf("%q to %q is %d", a, b, d)
		}
		if limited := Distance(a, b, 2); (limited <= 2) != (d <= 2) {
			t.Fatalf("%q to %q is %d, within 2 it is %d", a, b, d, limited)
		}
		if len(a) > 1 && a[0] != a[1] {
			if got := Distance(a, string([]byte{a[1], a[0]})+a[2:], 100); got != 1 {
				t.Fatalf("a swap costs %d", got)
			}
		}
	})
}

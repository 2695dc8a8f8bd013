package broker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLastWordsNameTheCause(t *testing.T) {
	for _, c := range []struct{ log, want string }{
		{"", ""},
		{"\n\n", ""},
		{"starting\nstopped\n", ": stopped"},
		{"starting\nError: Could not find or load main class kafka.Kafka\nCaused by: x\n", ": Error: Could not find or load main class kafka.Kafka"},
		{"1 ERROR first\n2 ERROR second\n\tat a.b(C.java:1)\n3 INFO bye\n", ": 2 ERROR second"},
		{"1 INFO event failed with SomeException in 3 ms\n2 INFO bye\n", ": 2 INFO bye"},
		{"java.lang.OutOfMemoryError: Java heap space\nTerminating\n", ": java.lang.OutOfMemoryError: Java heap space"},
		{"a\n1 ERROR Disk error (java.io.IOException: No space left on device)\nlast\n", ": the disk is full; free some, or choose another folder with --data"},
		{strings.Repeat("x", 20<<10) + " ERROR far\n", ": " + strings.Repeat("x", 300) + "…"},
	} {
		path := filepath.Join(t.TempDir(), "node.log")
		if err := os.WriteFile(path, []byte(c.log), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := lastWords(path); got != c.want {
			t.Errorf("%.60q: %.80q, want %.80q", c.log, got, c.want)
		}
	}
	if got := lastWords(filepath.Join(t.TempDir(), "none")); got != "" {
		t.Errorf("of no log: %q", got)
	}
}

func TestTheBrokerDoesNotInheritTheClientsTuning(t *testing.T) {
	got := childEnvironment([]string{"GOGC=400", "PATH=/bin", "GOMAXPROCS=1", "GOMEMLIMIT=1GiB", "GODEBUG=x=1", "GOGCX=1"})
	if strings.Join(got, " ") != "PATH=/bin GOGCX=1" {
		t.Errorf("the child's environment: %v", got)
	}
}

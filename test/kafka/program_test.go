package kafka_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"redline/internal/client/exec/exectest"
)

// The example in Python, on a library of PyPI, is a row beside franz as its
// documentation types it: its trials count, and reports name the row, the library and
// who counted.
func TestAProgramInPythonIsARow(t *testing.T) {
	folder, err := filepath.Abs(filepath.Join("..", "..", "examples", "exec-client", "python"))
	if err != nil {
		t.Fatal(err)
	}
	command := python(t, filepath.Join(folder, "requirements.txt")) + " " + filepath.Join(folder, "client.py")
	question := shortened(t, "clients", "{settle: 0s, warmup: 200ms, window: 500ms}", "16MiB")
	r, dir := carriedOut(t, redline, question, "run", "question.yaml", "--rounds", "2", "--clients", "franz,py", "--client", "py=exec:"+command)
	var rows []string
	for _, row := range r.Rows {
		switch {
		case row.RecordsPerSecond.N == 0 || row.Lost+row.Duplicated+row.Errors > 0:
			t.Errorf("%s: %+v, %q", row.Label, row.Trials, row.Warnings)
		case row.Client == "py":
			rows = append(rows, row.Workload+" "+row.Label)
			if row.Command != command || !strings.HasPrefix(row.InForce["client.software"], "kafka-python ") || !slices.ContainsFunc(row.Lighter, ofItsOwn) {
				t.Errorf("%s: started with %q, %v in force, lighter by %q", row.Label, row.Command, row.InForce, row.Lighter)
			}
		}
	}
	if len(rows) != 2 || len(r.Rows) != 6 || r.Failed > 0 {
		t.Errorf("the rows of the program are %q, of %d; %d trials failed", rows, len(r.Rows), r.Failed)
	}
	reported := told(t, filepath.Dir(filepath.Dir(dir)), "report")
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := regexp.MustCompile(`(?m)^ *py \* +\d`).FindAllString(reported, -1); len(lines) != 2 {
		t.Errorf("it has %d lines in the report:\n%s", len(lines), reported)
	}
	if !strings.Contains(string(page), "kafka-python") {
		t.Error("the page does not name its library")
	}
}

// ofItsOwn is what stands beside counts that are not redline's.
func ofItsOwn(lighter string) bool { return strings.Contains(lighter, "counts are its own") }

// told is what a command prints that reads the runs in a folder.
func told(t *testing.T, folder string, args ...string) string {
	t.Helper()
	c := prepare(t, args...)
	c.Dir, c.Env = folder, append(os.Environ(), "REDLINE_RUNS=")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	c.end(t, 0)
	return c.out()
}

// python has what the example requires.
func python(t *testing.T, requirements string) string {
	t.Helper()
	if redline == "" || os.Getenv("REDLINE_TEST_PYTHON") == "" && os.Getenv("CI") == "" {
		t.Skip("needs Java, Python and packages of PyPI: run scripts/test-full.sh, or set REDLINE_TEST_KAFKA=1 and REDLINE_TEST_PYTHON=1")
	}
	return exectest.Python(t, requirements, t.Fatalf)
}

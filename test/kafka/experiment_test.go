package kafka_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"redline/result"
)

// carriedOut runs redline, one of the two that were built, in a folder of its own and
// gives what it prints as JSON, and the folder of the run.
func carriedOut(t *testing.T, program, question string, args ...string) (result.ExperimentReport, string) {
	t.Helper()
	if program == "" {
		t.Skip("needs Java and Kafka's jars: run scripts/test-full.sh, or set REDLINE_TEST_KAFKA=1")
	}
	dir := t.TempDir()
	if question != "" {
		if err := os.WriteFile(filepath.Join(dir, "question.yaml"), []byte(question), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, append(args, "-o", "json")...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "REDLINE_STATE="+t.TempDir(), "REDLINE_BOOTSTRAP_SERVER=", "REDLINE_RUNS=")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	var r result.ExperimentReport
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatal(err)
	}
	return r, filepath.Join(dir, "runs", r.Run)
}

func TestASuiteEndsWithAReport(t *testing.T) {
	r, dir := carriedOut(t, fast, "", "run", "fetch", "--kafka", "local", "--time", "25s")
	if r.Answer == "" || len(r.Rows) < 3 || r.Account.Lost+r.Account.Duplicated+r.Account.Corrupt != 0 || r.Account.Once == 0 || r.Failed != 0 {
		t.Errorf("%+v", r.Account)
	}
	if !strings.HasPrefix(r.Environment.Kafka, "Apache Kafka") || r.Environment.Clients["franz"] == "" {
		t.Errorf("%+v", r.Environment)
	}
	for _, row := range r.Rows {
		if len(row.InForce) == 0 || len(row.Trials) == 0 || row.Trials[0].RecordsPerSecond == 0 {
			t.Errorf("%s: %d settings in force, %d trials", row.Label, len(row.InForce), len(row.Trials))
		}
	}
	if page, err := os.ReadFile(filepath.Join(dir, "report.html")); err != nil || !strings.Contains(string(page), "Content-Security-Policy") {
		t.Errorf("no page: %v", err)
	}
}

// Arms that need other brokers get them: each block starts its own.
func TestBrokersAreAnAxis(t *testing.T) {
	r, _ := carriedOut(t, redline, `question: Do network threads matter?
measure: [consume, produce]
kafka: local
base: {client: franz, partitions: 2, record-size: 100}
axes: {broker.num.network.threads: [1, 3]}
rounds: 2
timing: {settle: 0s, warmup: 100ms, window: 300ms}
fill: 4MiB
`, "run", "question.yaml")
	if len(r.Rows) != 4 || r.Failed != 0 || r.Account.Lost+r.Account.Duplicated != 0 {
		t.Fatalf("%d rows, %d failed, %+v", len(r.Rows), r.Failed, r.Account)
	}
	for _, row := range r.Rows {
		if len(row.Trials) < 2 || row.Setting.Broker["num.network.threads"] != row.Values["broker.num.network.threads"] {
			t.Errorf("%s: %d trials, %v", row.Label, len(row.Trials), row.Setting.Broker)
		}
	}
}

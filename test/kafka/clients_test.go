package kafka_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"redline/internal/broker"
	"redline/internal/plan"
	"redline/result"
)

// shortened is a built-in suite whose trials last as said, for its figures are not looked
// at: TestASuiteEndsWithAReport has one whole.
func shortened(t *testing.T, suite, timing, fill string) string {
	t.Helper()
	whole, err := plan.FindSuite(suite)
	if err != nil {
		t.Fatal(err)
	}
	return lengths.ReplaceAllString(string(whole.YAML), "") + "timing: " + timing + "\nfill: " + fill + "\n"
}

var lengths = regexp.MustCompile(`(?m)^(timing|fill):.*$`)

// Every client, tuned and at its defaults, does a trial on real Kafka; each of its books
// is clean, and what a row cannot is said. Kafka's own tools read the topic once: it has
// to be filled fast to last. Windows below a second would be too short for the bursts of
// confluent at its defaults.
func TestEveryClientIsMeasured(t *testing.T) {
	question := shortened(t, "clients", "{settle: 0s, warmup: 200ms, window: 1s}", "300MiB")
	r, _ := carriedOut(t, fast, question, "run", "question.yaml", "--rounds", "1")
	if len(r.Rows) < 24 {
		t.Errorf("%d rows", len(r.Rows))
	}
	for _, row := range r.Rows {
		switch {
		case row.Client == "java-share" && row.Workload == result.Produce:
			if row.Cannot == "" {
				t.Errorf("%s can, all of a sudden", row.Label)
			}
		case row.Cannot != "":
			t.Errorf("%s: %s", row.Label, row.Cannot)
		case !measured(row) || row.Lost+row.Duplicated+row.Redelivered > 0:
			t.Errorf("%s: %+v, %q", row.Label, row.RecordsPerSecond, row.Warnings)
		case strings.HasPrefix(row.Client, "java") != (len(row.Lighter) > 1) && row.Client != "segmentio":
			t.Errorf("%s does lighter work: %q", row.Label, row.Lighter)
		}
		if row.Client == "confluent" && row.Profile == "defaults" && row.Workload == result.Consume {
			if w := row.Waiting; w == nil || w.IdleSeconds < 0.5*(w.WaitedSeconds+w.IdleSeconds) {
				t.Errorf("its second of back-off is not seen: %+v", w)
			}
		}
	}
}

// The rungs of both ladders do a trial on real Kafka.
func TestTheLaddersAreClimbed(t *testing.T) {
	for _, tt := range []struct {
		suite string
		rungs int
		more  []string
	}{{"ladder", 8, []string{"--handler", "burn=50ns"}}, {"ladder-produce", 6, nil}} {
		question := shortened(t, tt.suite, "{settle: 0s, warmup: 200ms, window: 500ms}", "32MiB")
		r, _ := carriedOut(t, redline, question, append(tt.more, "run", "question.yaml", "--rounds", "1", "--clients", "franz")...)
		n := 0
		for _, row := range r.Rows {
			if row.Adds != "" {
				n++
			}
			if !measured(row) || row.Lost+row.Duplicated > 0 {
				t.Errorf("%s: %+v, %q", row.Label, row.RecordsPerSecond, row.Warnings)
			}
		}
		if n != tt.rungs {
			t.Errorf("%s has %d rungs", tt.suite, n)
		}
	}
}

// measured says whether a trial of the row came to a figure; one that was left out for
// what went on beside it did, too.
func measured(row result.Row) bool {
	return slices.ContainsFunc(row.Trials, func(t result.RowTrial) bool { return t.Error == "" && t.RecordsPerSecond > 0 })
}

// Who says that he checks CRCs finds a byte that has changed in the log; who says that he
// does not hands the record out as it is, and our own check finds it.
func TestAFlippedByteIsFound(t *testing.T) {
	beside(t)
	dir := t.TempDir()
	b := start(t, broker.Config{DataDir: dir})
	run(t, b, "topic", "create", "flipped")
	run(t, b, "produce", "--topic", "flipped", "--num-records", "1000", "--record-size", "1000")
	flip(t, dir)
	reading := map[string]*command{} // all at once
	for _, client := range []string{"franz", "confluent", "sarama", "segmentio"} {
		args := []string{"consume", "--topic", "flipped", "--group", client, "--client", client, "--duration", "3s", "-o", "json"}
		if client == "confluent" {
			args = append(args, "-X", "check.crcs=true")
		}
		reading[client] = begin(t, b, args...)
	}
	for client, c := range reading {
		_ = c.Wait() // it ends with an error, or with a broken account
		r := decode[result.ConsumeReport](t, c.out())
		checks := client != "segmentio"
		if found := r.Errors > 0 || r.Error != nil; checks && (!found || r.Account.Corrupt > 0) {
			t.Errorf("%s: error %v, %d errors on its way, account %+v", client, r.Error, r.Errors, r.Account)
		}
		if !checks && (r.Account.Once != 1000 || r.Account.Corrupt != 1) {
			t.Errorf("%s: %+v", client, r.Account)
		}
	}
}

// flip changes a byte in the body of the topic's first record, behind its stamp.
func flip(t *testing.T, dir string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "*", "*", "flipped-0", "00000000000000000000.log"))
	if more, _ := filepath.Glob(filepath.Join(dir, "*", "flipped-0", "00000000000000000000.log")); len(more) > 0 {
		logs = more
	}
	if err != nil || len(logs) != 1 {
		t.Fatalf("%v, %v", logs, err)
	}
	f, err := os.OpenFile(logs[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const at = 61 + 500 // behind the head of the batch and the stamp of the first record
	one := make([]byte, 1)
	if _, err := f.ReadAt(one, at); err != nil {
		t.Fatal(err)
	}
	one[0] ^= 1
	if _, err := f.WriteAt(one, at); err != nil {
		t.Fatal(err)
	}
}

package runs

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"redline/result"
)

// killsVariable is at how many random moments the writer is killed; 20 if not set.
const killsVariable = "REDLINE_KILLS"

// killedTrials is how many trials the runs of a writer have that is killed.
const killedTrials = 20

// A process that begins, writes and takes up runs as fast as it can is killed at
// random moments: every trial that it had reported as stored is readable, and what is
// missing can be done, each trial once.
func TestWhatWasStoredOutlivesAKill(t *testing.T) {
	kills := 20
	if text := os.Getenv(killsVariable); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	folder := opened(t, dir)
	stored := map[string][]int{}
	cut := 0
	for kill := range kills {
		for _, line := range killed(t, dir, time.Duration(random.Int64N(int64(50*time.Millisecond)))) {
			var id string
			var number int
			if _, err := fmt.Sscan(line, &id, &number); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			stored[id] = append(stored[id], number)
		}
		if kill%2 == 0 {
			if _, err := folder.Clean(); err != nil {
				t.Fatal(err)
			}
		}
		for id, numbers := range stored {
			requireStored(t, folder, id, numbers)
		}
		if s := listed(t, folder); len(s) > 0 && s[0].State != Finished {
			cut++
		}
	}
	if len(stored) == 0 || cut == 0 {
		t.Errorf("%d runs were begun, %d kills hit one in the middle: nothing was tested", len(stored), cut)
	}
	t.Logf("%d runs, %d of %d kills in the middle of one", len(stored), cut, kills)
	finishAll(t, folder)
	for id, numbers := range stored {
		requireStored(t, folder, id, numbers)
	}
}

// requireStored checks that a run can be read, and holds these trials, none twice.
func requireStored(t *testing.T, folder *Folder, id string, numbers []int) {
	t.Helper()
	run, err := folder.Read(id)
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Damaged) > 0 {
		t.Fatalf("run %s: damaged %v", id, run.Damaged)
	}
	times := map[int]int{}
	for _, trial := range run.Trials {
		if times[trial.Number]++; trial.Records != int64(1000+trial.Number) {
			t.Fatalf("run %s: trial %d holds %d records", id, trial.Number, trial.Records)
		}
	}
	for number, n := range times {
		if n != 1 {
			t.Fatalf("run %s: trial %d is stored %d times", id, number, n)
		}
	}
	for _, number := range numbers {
		if times[number] == 0 {
			t.Fatalf("run %s: trial %d was reported as stored, and is not there", id, number)
		}
	}
}

// finishAll does what is missing of all runs, and cleans: what is left are runs in
// which each trial is stored once.
func finishAll(t *testing.T, folder *Folder) {
	t.Helper()
	if _, err := folder.Clean(); err != nil {
		t.Fatal(err)
	}
	for _, s := range listed(t, folder) {
		if s.State == Unfinished {
			finish(t, folder, s.ID)
		}
	}
	var numbers []int
	for number := range killedTrials {
		numbers = append(numbers, number)
	}
	for _, s := range listed(t, folder) {
		if s.State != Finished || s.Problem != "" {
			t.Errorf("run %s is %s: %s", s.ID, s.State, s.Problem)
		}
		requireStored(t, folder, s.ID, numbers)
	}
	if left, err := folder.Leftovers(); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// finish resumes a run and does what is missing.
func finish(t *testing.T, folder *Folder, id string) {
	t.Helper()
	w, run, err := folder.Resume(id)
	if err != nil {
		t.Fatal(err)
	}
	session, err := w.Session(result.Session{})
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range run.Missing() {
		if err := w.Append(trial(number, session)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// child is the test binary again, with a variable of its own set to dir.
func child(t *testing.T, variable, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), variable+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// killed starts a writer, kills it so long after it was up, and returns what it said
// since then.
func killed(t *testing.T, dir string, after time.Duration) []string {
	t.Helper()
	cmd := child(t, writeVariable, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(out)
	if up, err := in.ReadString('\n'); err != nil || up != "up\n" {
		t.Fatalf("the writer said %q: %v", up, err)
	}
	time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	said, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Fatalf("the writer ended with %v", err)
	}
	lines := strings.Split(string(said), "\n")
	return slices.Clip(lines[:len(lines)-1]) // a line without an end was not said
}

// Package kill kills redline with SIGKILL while it runs an experiment, at random
// moments of its life and at aimed ones, and looks at what is left: every trial that
// had ended has to be readable, resuming has to do exactly what is missing, and after
// "redline clean" no process, topic or folder may remain.
//
// REDLINE_KILLS is the number of random moments: 2 by default, 95 in the campaign.
package kill

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"redline/result"
)

const question = `question: Do more consumers help?
measure: [consume, produce]
base: {client: franz, partitions: 2, record-size: 100}
axes: {consumers: [1, 2]}
rounds: 2
timing: {settle: 0s, warmup: 30ms, window: 100ms}
fill: 1MiB
`

// lab is a folder with a redline, a broker that is up, and runs.
type lab struct {
	t      *testing.T
	dir    string
	binary string
	broker string
	life   time.Duration
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir()}
	l.binary = filepath.Join(l.dir, "redline")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", l.binary, "redline")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(l.dir, "q.yaml"), []byte(question), 0o600); err != nil {
		t.Fatal(err)
	}
	var up struct {
		Broker struct {
			Brokers []string `json:"brokers"`
		} `json:"broker"`
	}
	l.json(&up, "broker", "up", "--kafka", "embedded", "--detach", "--port", "0", "-o", "json")
	l.broker = up.Broker.Brokers[0]
	t.Cleanup(func() {
		l.t = t
		if _, err := l.run(context.Background(), "broker", "down"); err != nil {
			t.Error(err)
		}
	})
	began := time.Now()
	l.must("run", "q.yaml", "-b", l.broker, "--seed", "1")
	l.life = time.Since(began)
	l.forget()
	return l
}

func (l *lab) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.binary, args...)
	cmd.Dir = l.dir
	cmd.Env = append(os.Environ(), "REDLINE_STATE="+filepath.Join(l.dir, "state"), "REDLINE_BOOTSTRAP_SERVER=", "REDLINE_RUNS=")
	return cmd
}

func (l *lab) run(ctx context.Context, args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := l.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		l.t.Logf("redline %s: %v: %s", strings.Join(args, " "), err, errs.String())
		return out.String(), err
	}
	return out.String(), nil
}

func (l *lab) must(args ...string) string {
	l.t.Helper()
	out, err := l.run(l.t.Context(), args...)
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

func (l *lab) json(to any, args ...string) {
	l.t.Helper()
	if err := json.Unmarshal([]byte(l.must(args...)), to); err != nil {
		l.t.Fatal(err)
	}
}

// forget removes the runs.
func (l *lab) forget() {
	l.t.Helper()
	if err := os.RemoveAll(filepath.Join(l.dir, "runs")); err != nil {
		l.t.Fatal(err)
	}
}

// start begins a run and gives the process.
func (l *lab) start(seed int) *exec.Cmd {
	l.t.Helper()
	cmd := l.command(l.t.Context(), "run", "q.yaml", "-b", l.broker, "--seed", strconv.Itoa(seed))
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	return cmd
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// ids are the folders of runs that there are.
func (l *lab) ids() []string {
	entries, _ := os.ReadDir(filepath.Join(l.dir, "runs"))
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Name())
	}
	return ids
}

func (l *lab) read(id string) (result.Run, error) {
	return result.ReadRun(os.DirFS(filepath.Join(l.dir, "runs", id)))
}

// stored counts whole lines: each is a trial whose storing had ended.
func (l *lab) stored(id string) int {
	data, _ := os.ReadFile(filepath.Join(l.dir, "runs", id, result.TrialsFile))
	return bytes.Count(data, []byte("\n"))
}

// after checks what a killed run has left, takes it up, and checks the end.
func (l *lab) after() (found int) {
	l.t.Helper()
	for _, id := range l.ids() {
		lines := l.stored(id)
		run, err := l.read(id)
		if err != nil {
			continue // no plan yet: "clean" removes it
		}
		if len(run.Trials) != lines || len(run.Damaged) != 0 {
			l.t.Errorf("run %s: %d trials of %d lines can be read; %v", id, len(run.Trials), lines, run.Damaged)
		}
		found = lines
		l.must("run", "--resume", id)
		again, err := l.read(id)
		if err != nil {
			l.t.Fatal(err)
		}
		finished := map[int]int{}
		for _, trial := range again.Trials {
			if trial.Error != "" {
				l.t.Errorf("run %s: trial %d failed: %s", id, trial.Number, trial.Error)
			}
			if trial.Counts() || trial.Last {
				finished[trial.Number]++
			}
		}
		for number := range again.Plan.Trials {
			if finished[number] != 1 {
				l.t.Errorf("run %s: trial %d was done %d times", id, number, finished[number])
			}
		}
		for i, trial := range run.Trials {
			if again.Trials[i].Began != trial.Began {
				l.t.Errorf("run %s: trial %d is another one after resuming", id, i)
			}
		}
	}
	l.clean()
	l.forget()
	return found
}

// clean wants nothing of ours left.
func (l *lab) clean() {
	l.t.Helper()
	l.must("clean")
	if topics := l.must("topic", "list", "-b", l.broker); strings.Contains(topics, "redline-") {
		l.t.Errorf("topics are left: %s", topics)
	}
	for _, id := range l.ids() {
		if _, err := l.read(id); err != nil {
			l.t.Errorf("folder %s is left: %v", id, err)
		}
		files, _ := filepath.Glob(filepath.Join(l.dir, "runs", id, "*.tmp"))
		if len(files) > 0 {
			l.t.Errorf("files are left: %v", files)
		}
	}
	journals, _ := filepath.Glob(filepath.Join(l.dir, "state", "journal", "*.jsonl"))
	if len(journals) > 0 {
		l.t.Errorf("journals are left: %v", journals)
	}
	// The detached broker is two processes of our binary: its keeper and itself.
	if n := l.processes(); n > 2 {
		l.t.Errorf("%d processes are left", n)
	}
}

// processes counts those of our binary.
func (l *lab) processes() int {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	n := 0
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == l.binary {
			n++
		}
	}
	return n
}

func TestKilledAtRandomMoments(t *testing.T) {
	kills := 2
	if text := os.Getenv("REDLINE_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	l := newLab(t)
	rng := rand.New(rand.NewPCG(1, uint64(kills)))
	inTrials := 0
	for i := range kills {
		moment := time.Duration(rng.Int64N(int64(l.life)))
		cmd := l.start(i)
		time.Sleep(moment)
		kill(cmd)
		n := l.after()
		if n > 0 {
			inTrials++
		}
		t.Logf("killed after %v of %v: %d trials were stored", moment.Round(time.Millisecond), l.life.Round(time.Millisecond), n)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills, %d of them with trials stored", kills, inTrials)
}

// await waits until f is true, and at most as long as a run lives.
func (l *lab) await(what string, f func() bool) {
	l.t.Helper()
	for end := time.Now().Add(10*time.Second + 2*l.life); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("%s never came", what)
		}
	}
}

func TestKilledAtAimedMoments(t *testing.T) {
	l := newLab(t)
	folder := func() string {
		if ids := l.ids(); len(ids) > 0 {
			return ids[0]
		}
		return ""
	}
	spoil := func(name string, data []byte) {
		t.Helper()
		file, err := os.OpenFile(filepath.Join(l.dir, "runs", folder(), name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	for _, aim := range []struct {
		name   string
		moment func() bool
		spoil  func()
	}{
		{"as soon as there is a folder", func() bool { return folder() != "" }, nil},
		{"before the first trial", func() bool { return folder() != "" && len(l.topics()) > 0 }, nil},
		{"right after a trial was stored", func() bool { return l.stored(folder()) >= 3 }, nil},
		{"with half a line written", func() bool { return l.stored(folder()) >= 2 }, func() {
			data, err := os.ReadFile(filepath.Join(l.dir, "runs", folder(), result.TrialsFile))
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := bytes.Cut(data, []byte("\n"))
			spoil(result.TrialsFile, first[:len(first)/2])
		}},
		{"with a file that was to replace another", func() bool { return l.stored(folder()) >= 1 }, func() {
			spoil("report.html.tmp", []byte("<html>"))
		}},
	} {
		t.Run(aim.name, func(t *testing.T) {
			outer := l.t
			l.t = t
			defer func() { l.t = outer }()
			cmd := l.start(7)
			l.await(aim.name, aim.moment)
			kill(cmd)
			if aim.spoil != nil {
				aim.spoil()
			}
			l.after()
		})
	}
}

// topics are ours on the broker.
func (l *lab) topics() []string {
	var ours []string
	out, err := l.run(l.t.Context(), "topic", "list", "-b", l.broker)
	if err != nil {
		return nil
	}
	for name := range strings.FieldsSeq(out) {
		if strings.HasPrefix(name, "redline-") {
			ours = append(ours, name)
		}
	}
	return ours
}

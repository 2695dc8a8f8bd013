package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"redline/internal/journal"
)

// orphan writes the folder of a broker whose owner is dead.
func orphan(t *testing.T, state string, s State) {
	t.Helper()
	dir := filepath.Join(state, "brokers", s.ID)
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.Owner = journal.Process{PID: os.Getpid(), Start: journal.ProcessOf(os.Getpid()).Start + 1} // our pid, another life
	if err := (&folder{dir: dir, state: s}).save(); err != nil {
		t.Fatal(err)
	}
}

func TestAStartCleansUpAfterDeadOwners(t *testing.T) {
	state := ownState(t)
	left := exec.CommandContext(t.Context(), "sleep", "60")
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- left.Wait() }()
	data := filepath.Join(t.TempDir(), dataName("dead"))
	foreign := filepath.Join(t.TempDir(), "precious")
	for _, dir := range []string{data, foreign} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	us := journal.ProcessOf(os.Getpid())
	orphan(t, state, State{ID: "dead", Data: data, Processes: []journal.Process{journal.ProcessOf(left.Process.Pid), {PID: us.PID, Start: us.Start + 1}}})
	orphan(t, state, State{ID: "liar", Data: foreign})
	if err := sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || err.Error() != "signal: killed" {
		t.Errorf("the orphan process ended with %v, want signal: killed", err)
	}
	if exists(data) {
		t.Error("the orphan's data is still there")
	}
	if !exists(foreign) {
		t.Error("a state file made us remove a folder that is not a broker's")
	}
	if left := brokerFolders(t, state); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAStartLeavesTheLivingAlone(t *testing.T) {
	state := ownState(t)
	owner, s := startOwner(t, keeperOrder{Kind: Embedded})
	if err := sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.Processes[0].Alive() || len(brokerFolders(t, state)) != 1 {
		t.Error("a broker with a living owner was cleaned away")
	}
	ended, err := Down(t.Context())
	if err != nil || len(ended) != 0 || !s.Owner.Alive() {
		t.Errorf("Down() = %v, %v: it must leave brokers in the foreground alone", ended, err)
	}
	if ended, err := DownOne(t.Context(), s.ID); err == nil || !strings.Contains(err.Error(), "Ctrl-C") || len(ended) != 0 || !s.Owner.Alive() {
		t.Errorf("DownOne() = %v, %v: it must leave brokers in the foreground alone, and say what ends them", ended, err)
	}
	_ = owner.Process.Kill()
	_ = owner.Wait()
	eventually(t, "the folder's end", func() bool { return len(brokerFolders(t, state)) == 0 })
}

func TestAFolderBeingMadeIsLeftAlone(t *testing.T) {
	state := ownState(t)
	dir := filepath.Join(state, "brokers", "fresh")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := sweep(t.Context()); err != nil || !exists(dir) {
		t.Errorf("sweep: %v, folder there %v", err, exists(dir))
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(dir, old, old); err != nil {
		t.Fatal(err)
	}
	if err := sweep(t.Context()); err != nil || exists(dir) {
		t.Errorf("an hour later: %v, folder there %v", err, exists(dir))
	}
}

func TestTheLogsOfTheFiveNewestFailuresAreKept(t *testing.T) {
	state := t.TempDir()
	t.Setenv("REDLINE_STATE", state)
	var made []string
	for i := range keptLogs + 2 {
		f, err := newFolder(Local, false)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, f.dir)
		if err := os.WriteFile(f.logFile("node-1"), []byte("why\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		f.state.ID = fmt.Sprintf("%d", i) // names in order, whatever the clock
		if err := os.Rename(f.dir, filepath.Join(filepath.Dir(f.dir), f.state.ID)); err != nil {
			t.Fatal(err)
		}
		f.dir = filepath.Join(filepath.Dir(f.dir), f.state.ID)
		if err := f.end(errors.New("it broke")); err != nil {
			t.Fatal(err)
		}
	}
	var left []string
	for _, dir := range brokerFolders(t, state) {
		left = append(left, filepath.Base(dir))
	}
	if want := []string{"2", "3", "4", "5", "6"}; !slices.Equal(left, want) {
		t.Errorf("kept %v of %d, want %v", left, len(made), want)
	}
	if states, err := Status(); err != nil || len(states) != 0 {
		t.Errorf("Status() = %v, %v: failed brokers do not run", states, err)
	}
}

func TestTheStateFileNamesAreStable(t *testing.T) {
	data, err := json.Marshal(State{Ended: "x"})
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(data, &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range strings.Fields("id kind kafka nodes cluster_id brokers metrics storage logs data detached started pids owner processes ended") {
		if _, there := keys[key]; !there {
			t.Errorf("no key %q", key)
		}
		delete(keys, key)
	}
	if len(keys) > 0 {
		t.Errorf("new keys: %v", keys)
	}
}

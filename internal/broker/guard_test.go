package broker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"redline/internal/journal"
)

// guarded starts a guard of a shell script and returns it as a node.
func guarded(t *testing.T, script string, grace time.Duration) (*node, guardOrder) {
	t.Helper()
	home := t.TempDir()
	order := guardOrder{
		Command: []string{"/bin/sh", "-c", script},
		Dir:     home,
		Log:     filepath.Join(home, "node.log"),
		Data:    filepath.Join(home, "data", "node-1"),
		Home:    filepath.Join(home, "home"),
		Grace:   grace,
	}
	for _, dir := range []string{order.Data, order.Home} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := newSpawner()
	t.Cleanup(s.close)
	n := &node{role: childGuard, order: order, log: order.Log, spawner: s, died: func(*node, string) {}}
	return n, order
}

func startNode(t *testing.T, n *node) journal.Process {
	t.Helper()
	if err := n.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.child.destroy() })
	if err := n.await(t.Context(), func() bool { return n.pid != 0 }); err != nil {
		t.Fatal(err)
	}
	return journal.ProcessOf(n.process())
}

func logged(n *node, text string) func() bool {
	return func() bool {
		data, _ := os.ReadFile(n.log)
		return strings.Contains(string(data), text)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestAGuardKillsAProcessThatIgnoresSIGTERM(t *testing.T) {
	const grace = 300 * time.Millisecond
	n, order := guarded(t, `trap "echo asked" TERM; echo up; while :; do sleep 0.01; done`, grace)
	p := startNode(t, n)
	eventually(t, "the script's start", logged(n, "up"))
	begun := time.Now()
	n.stop(t.Context())
	if took := time.Since(begun); took < grace || took > childPatience {
		t.Errorf("the end took %v: want at least the grace of %v", took, grace)
	}
	if !logged(n, "asked")() {
		t.Error("the process was killed without having been asked")
	}
	if p.Alive() || exists(order.Data) {
		t.Errorf("process alive %v, data there %v", p.Alive(), exists(order.Data))
	}
	if !exists(order.Home) {
		t.Error("a guard whose owner lives removed the broker's folder")
	}
}

func TestAGuardEndsWhatItsProcessStarted(t *testing.T) {
	n, _ := guarded(t, `sleep 60 & echo child $!; wait`, 5*time.Second)
	startNode(t, n)
	eventually(t, "the script's start", logged(n, "\n"))
	data, err := os.ReadFile(n.log)
	if err != nil {
		t.Fatal(err)
	}
	grandchild := journal.ProcessOf(number(t, strings.TrimPrefix(string(data), "child ")))
	n.stop(t.Context())
	eventually(t, "the grandchild's end", func() bool { return !grandchild.Alive() })
}

func TestAGuardWhoseOwnerDiedRemovesEverything(t *testing.T) {
	n, order := guarded(t, "echo up; exec sleep 60", time.Second)
	p := startNode(t, n)
	// The end of the pipe without a word is how an owner's death looks.
	if err := n.child.life.Close(); err != nil {
		t.Fatal(err)
	}
	<-n.child.gone
	if p.Alive() || exists(order.Data) || exists(order.Home) {
		t.Errorf("process alive %v, data there %v, folder there %v", p.Alive(), exists(order.Data), exists(order.Home))
	}
}

func TestTheFolderStaysWhileAnotherGuardNeedsIt(t *testing.T) {
	n, order := guarded(t, "exec sleep 60", time.Second)
	other := filepath.Join(filepath.Dir(order.Data), "node-2")
	if err := os.MkdirAll(other, 0o755); err != nil {
		t.Fatal(err)
	}
	startNode(t, n)
	_ = n.child.life.Close()
	<-n.child.gone
	if exists(order.Data) || !exists(other) || !exists(order.Home) {
		t.Errorf("own data there %v, other's %v, folder %v", exists(order.Data), exists(other), exists(order.Home))
	}
}

func TestKillingTheGuardKillsItsProcess(t *testing.T) {
	n, _ := guarded(t, "exec sleep 60", time.Second)
	p := startNode(t, n)
	told := make(chan string, 1)
	n.mu.Lock()
	n.died = func(_ *node, how string) { told <- how }
	n.mu.Unlock()
	if err := n.child.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if how := <-told; how != "signal: killed" {
		t.Errorf("the death was told as %q", how)
	}
	n.stop(t.Context())
	eventually(t, "the process's end", func() bool { return !p.Alive() })
}

func TestAGuardKillsAndRestartsWithItsData(t *testing.T) {
	n, order := guarded(t, "exec sleep 60", time.Second)
	prepared := filepath.Join(order.Data, "meta.properties")
	order.Prepare = []string{"/bin/sh", "-c", `echo preparing; echo x >> "` + prepared + `"`}
	order.Prepared = prepared
	n.order = order
	first := startNode(t, n)
	if err := n.kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if first.Alive() || !exists(prepared) {
		t.Errorf("after Kill: process alive %v, data there %v", first.Alive(), exists(prepared))
	}
	if err := n.restart(); err != nil {
		t.Fatal(err)
	}
	if err := n.await(t.Context(), func() bool { return n.pid != 0 }); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(prepared); string(data) != "x\n" {
		t.Errorf("the data folder was prepared again: %q", data)
	}
	n.stop(t.Context())
}

func TestAFailingPreparationIsTold(t *testing.T) {
	n, order := guarded(t, "exec sleep 60", time.Second)
	order.Prepare = []string{"/bin/sh", "-c", "echo no such cluster; exit 3"}
	order.Prepared = filepath.Join(order.Data, "none")
	n.order = order
	if err := n.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.stop(t.Context()) })
	err := n.await(t.Context(), func() bool { return n.pid != 0 })
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v", err)
	}
	n.stop(t.Context())
}

package broker

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// ownerVariable makes the test binary an owner that starts the broker of the
// Config in it, prints its state, and waits to be killed.
const ownerVariable = "REDLINE_TEST_OWNER"

func TestMain(m *testing.M) {
	MaybeChild()
	// Under the race detector a process sleeps for a second before it ends.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	if config := os.Getenv(ownerVariable); config != "" {
		fmt.Fprintln(os.Stderr, own(config))
		os.Exit(1)
	}
	// sarama's meters tick for as long as the process lives.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

// own is an owner's life. It ends by itself only when it fails.
func own(config string) error {
	var c keeperOrder
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	if err := os.Unsetenv(ownerVariable); err != nil {
		return err
	}
	b, err := Start(context.Background(), Config{Kind: c.Kind, Nodes: c.Nodes, Version: c.Version, DataDir: c.DataDir, Properties: c.Properties})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(b.State()); err != nil {
		return err
	}
	select {}
}

// ownerCommand is such an owner, not started yet; the test kills it at the end.
func ownerCommand(t *testing.T, c keeperOrder) *exec.Cmd {
	t.Helper()
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), ownerVariable+"="+string(config))
	cmd.Stderr = os.Stderr
	t.Cleanup(func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd
}

// startOwner starts an owner and returns it with its broker's state.
func startOwner(t *testing.T, c keeperOrder) (*exec.Cmd, State) {
	t.Helper()
	cmd := ownerCommand(t, c)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the owner said nothing: %v", err)
	}
	var s State
	if err := json.Unmarshal(line, &s); err != nil {
		t.Fatal(err)
	}
	return cmd, s
}

// startSilentOwner starts an owner whose broker never becomes ready.
func startSilentOwner(t *testing.T, c keeperOrder) *exec.Cmd {
	t.Helper()
	cmd := ownerCommand(t, c)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// ownState gives a test a state folder of its own and checks at the end that
// nothing is left in it.
func ownState(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("REDLINE_STATE", dir)
	t.Cleanup(func() {
		if left := brokerFolders(t, dir); len(left) > 0 && !t.Failed() {
			t.Errorf("left behind: %v", left)
		}
	})
	return dir
}

func brokerFolders(t *testing.T, state string) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(state, "brokers", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// eventually waits until cond is true.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		}
	}
}

// startEmbedded starts an embedded broker that the test ends.
func startEmbedded(t *testing.T, c Config) *Broker {
	t.Helper()
	c.Kind = Embedded
	b, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Package kafka_test types redline's commands against real Apache Kafka.
//
// It needs Java, and Maven where Kafka's jars are not cached yet: therefore it
// runs only with REDLINE_TEST_KAFKA=1, which scripts/test-full.sh sets.
package kafka_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"redline/internal/broker"
)

// redline is the path of the binary under test, built with the race detector; fast is
// one without it, for what has to be fast: filling long topics, and benchmarks.
var redline, fast string

func TestMain(m *testing.M) {
	broker.MaybeChild()
	if args := os.Getenv(bareVariable); args != "" {
		if err := bareLoop(args); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	if os.Getenv("REDLINE_TEST_KAFKA") == "" {
		return m.Run() // every test skips, and says why
	}
	folder, err := os.MkdirTemp("", "redline-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := errors.Join(build(folder), setEnvironment(folder)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build builds both binaries.
func build(folder string) error {
	redline, fast = filepath.Join(folder, "raced", "redline"), filepath.Join(folder, "redline")
	for _, args := range [][]string{{"build", "-race", "-o", redline, "redline"}, {"build", "-o", fast, "redline"}} {
		if out, err := exec.CommandContext(context.Background(), "go", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// setEnvironment is for all that the tests start. The logs that are kept of a broker that
// failed go with the tests.
func setEnvironment(folder string) error {
	set := os.Setenv("REDLINE_STATE", filepath.Join(folder, "state"))
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() != "" {
		return set // what follows is for tests, whose figures are not looked at
	}
	// A program with the race detector sleeps for a second before it ends, and Java's second
	// compiler pays in programs that run longer than these.
	return errors.Join(set,
		os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=20")),
		os.Setenv("JAVA_TOOL_OPTIONS", strings.TrimSpace(os.Getenv("JAVA_TOOL_OPTIONS")+" -XX:TieredStopAtLevel=1")))
}

// beside lets a test run beside others, after those that measure: it waits for brokers
// most of the time, and its figures are not looked at.
func beside(t *testing.T) {
	t.Helper()
	if redline == "" {
		t.Skip("needs Java and Kafka's jars: run scripts/test-full.sh, or set REDLINE_TEST_KAFKA=1")
	}
	t.Parallel()
}

// starting is held while a Kafka starts: two that look for free ports at once might find
// the same.
var starting sync.Mutex

// start starts a Kafka for one test.
func start(t *testing.T, c broker.Config) *broker.Broker {
	t.Helper()
	if redline == "" {
		t.Skip("needs Java and Kafka's jars: run scripts/test-full.sh, or set REDLINE_TEST_KAFKA=1")
	}
	c.Kind, c.Heap = broker.Local, "512m"
	c.Say = func(line string) { t.Log(line) }
	starting.Lock()
	defer starting.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	b, err := broker.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s ready after %.1f s, log on %s", b.Description(), time.Since(began).Seconds(), b.Storage())
	t.Cleanup(func() {
		pids := b.PIDs()
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		for _, pid := range pids {
			if syscall.Kill(pid, 0) == nil {
				t.Errorf("process %d is still there after Stop", pid)
			}
		}
	})
	return b
}

// command is a redline that runs; its output can be read meanwhile.
type command struct {
	*exec.Cmd
	mu             sync.Mutex
	stdout, stderr bytes.Buffer
}

type locked struct {
	c *command
	b *bytes.Buffer
}

func (l locked) Write(p []byte) (int, error) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	return l.b.Write(p)
}

func (c *command) out() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stdout.String()
}

func (c *command) talk() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stderr.String()
}

func begin(t *testing.T, b *broker.Broker, args ...string) *command {
	t.Helper()
	c := prepare(t, args...)
	c.Env = append(os.Environ(), "REDLINE_BOOTSTRAP_SERVER="+strings.Join(b.Addrs(), ","))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// prepare is a command that is yet to start, and ends with the test.
func prepare(t *testing.T, args ...string) *command {
	t.Helper()
	c := &command{Cmd: exec.CommandContext(t.Context(), redline, args...)}
	c.Stdout, c.Stderr = locked{c, &c.stdout}, locked{c, &c.stderr}
	t.Cleanup(func() {
		if c.Process != nil && c.ProcessState == nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	return c
}

// end waits for a command and wants this exit code.
func (c *command) end(t *testing.T, code int) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
	case <-time.After(3 * time.Minute):
		_ = c.Process.Signal(syscall.SIGQUIT) // the stacks of a hang
		<-done                                //nolint:errcheck // it hung: how it ends is beside the point
		t.Fatalf("%v did not end\n%s\n%s", c.Args[1:], c.out(), c.talk())
	}
	if got := c.ProcessState.ExitCode(); got != code {
		t.Fatalf("%v ended with %d, want %d\n%s\n%s", c.Args[1:], got, code, c.out(), c.talk())
	}
}

func run(t *testing.T, b *broker.Broker, args ...string) string {
	t.Helper()
	c := begin(t, b, args...)
	c.end(t, 0)
	return c.out()
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("waited a minute in vain: %s", what)
		}
	}
}

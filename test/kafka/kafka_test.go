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
	"redline/result"
)

// redline is the path of the binary under test.
var redline string

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
	redline = filepath.Join(folder, "redline")
	build := exec.CommandContext(context.Background(), "go", "build", "-race", "-o", redline, "redline")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// start starts a Kafka for one test.
func start(t *testing.T, c broker.Config) *broker.Broker {
	t.Helper()
	if os.Getenv("REDLINE_TEST_KAFKA") == "" {
		t.Skip("needs Java and Kafka's jars: run scripts/test-full.sh, or set REDLINE_TEST_KAFKA=1")
	}
	// The logs that are kept of a broker that failed go with the test.
	t.Setenv("REDLINE_STATE", t.TempDir())
	c.Kind, c.Heap = broker.Local, "512m"
	c.Say = func(line string) { t.Log(line) }
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

// loop is the article's loop with n partitions and consumers, bounded.
func loop(t *testing.T, b *broker.Broker, topic string, n, records int, client ...string) {
	t.Helper()
	run(t, b, "topic", "create", "--topic", topic, "--partitions", fmt.Sprint(n))
	produced := decode[result.ProduceReport](t, run(t, b, append([]string{
		"produce", "--topic", topic, "--num-records", fmt.Sprint(records), "--threads", "2", "-o", "json"}, client...)...))
	if produced.Account.Acked != int64(records) || produced.Account.Books == nil || !produced.Account.Books.Balanced {
		t.Fatalf("produce: %+v", produced.Account)
	}
	consumed := decode[result.ConsumeReport](t, run(t, b, append([]string{
		"consume", "--topic", topic, "--consumers", fmt.Sprint(n), "--group", topic, "--until-end", "-o", "json"}, client...)...))
	a := consumed.Account
	if a.Once != int64(records) || a.Lost+a.Duplicated+a.Corrupt+a.Reordered+a.Foreign+a.Unread != 0 || !a.Books.Balanced {
		t.Fatalf("consume: %+v", a)
	}
	for _, line := range strings.Split(run(t, b, "group", "describe", "--group", topic), "\n") {
		if fields := strings.Fields(line); len(fields) == 9 && fields[0] == topic && fields[5] != "0" {
			t.Errorf("lag is left: %s", line)
		}
	}
}

func TestLoopOnKafka(t *testing.T) {
	b := start(t, broker.Config{})
	for _, client := range [][]string{
		{"--client", "franz"}, {"--client", "franz", "--profile", "defaults"},
		{"--client", "confluent"}, {"--client", "confluent", "--profile", "defaults"},
	} {
		name := strings.ReplaceAll(strings.Join(client, ""), "--", "-")
		t.Run(name, func(t *testing.T) { loop(t, b, "loop"+name, 3, 100_000, client...) })
	}
	t.Run("limit", func(t *testing.T) {
		report := decode[result.LimitReport](t, run(t, b, "limit", "-b", b.Addrs()[0], "--time", "15s", "-o", "json"))
		if report.Limit.Consume == nil || report.Limit.Produce == nil || report.Limit.Consume.RecordsPerSecond.N < 8 {
			t.Errorf("%+v", report)
		}
		if left := run(t, b, "topic", "list"); strings.Contains(left, "redline-") {
			t.Errorf("topics are left over: %s", left)
		}
	})
	t.Run("limit of a topic writes and commits nothing", func(t *testing.T) {
		before := run(t, b, "topic", "list") + run(t, b, "group", "list")
		report := decode[result.LimitReport](t, run(t, b, "limit", "-b", b.Addrs()[0], "--topic", "loop-clientfranz", "--time", "15s", "-o", "json"))
		if report.Limit.Produce != nil || report.Limit.Consume == nil || report.Account.Acked != 0 {
			t.Errorf("%+v", report)
		}
		if after := run(t, b, "topic", "list") + run(t, b, "group", "list"); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

func TestLoopOnKafka39(t *testing.T) {
	loop(t, start(t, broker.Config{Version: "3.9.2"}), "loop39", 2, 100_000)
}

// TestKillOfOneNodeLosesNothing kills a node of three with SIGKILL while records
// are written, and another time while they are read.
func TestKillOfOneNodeLosesNothing(t *testing.T) {
	b := start(t, broker.Config{Nodes: 3})
	run(t, b, "topic", "create", "--topic", "safe", "--partitions", "6")

	const records, rate = 600_000, 60_000
	producer := begin(t, b, "produce", "--topic", "safe", "--num-records", fmt.Sprint(records),
		"--throughput", fmt.Sprint(rate), "--reporting-interval", "500", "-o", "json")
	await(t, "a first line of produce", func() bool { return strings.Contains(producer.talk(), "records sent") })
	if err := b.Kill(1); err != nil {
		t.Fatal(err)
	}
	producer.end(t, 0)
	produced := decode[result.ProduceReport](t, producer.out())
	if produced.Account.Acked != records || produced.Account.Failed+produced.Account.Indeterminate != 0 {
		t.Fatalf("produce: %+v", produced.Account)
	}
	if produced.Latency.Max < 100 {
		t.Errorf("no record waited over 100 ms (max %.0f ms): the fault did not bite", produced.Latency.Max)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := b.Restart(ctx, 1); err != nil {
		t.Fatal(err)
	}
	awaitInSync(t, b, "safe")

	// Small fetches make a slow consumer, so that the kill meets it in the middle.
	consumer := begin(t, b, "consume", "--topic", "safe", "--group", "safe", "--consumers", "2", "--until-end",
		"-X", "fetch.max.bytes=4096", "-X", "max.partition.fetch.bytes=2048", "-o", "json")
	await(t, "a first line of consume", func() bool { return strings.Contains(consumer.talk(), "Messages/sec") })
	if err := b.Kill(2); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(consumer.talk(), fmt.Sprintf("Total: %d,", records)) || strings.Contains(consumer.talk(), "Final") {
		t.Error("the consumer had all records before the kill: the fault did not bite")
	}
	consumer.end(t, 0)
	consumed := decode[result.ConsumeReport](t, consumer.out())
	a := consumed.Account
	if a.Once != records || a.Lost+a.Duplicated+a.Corrupt+a.Unread != 0 {
		t.Errorf("consume: %+v", a)
	}
	t.Logf("produce: %d acked, longest wait %.0f ms; consume: %d once, %d redelivered, %d lost, %d duplicated, %d errors gone on from, %.1f s",
		produced.Account.Acked, produced.Latency.Max, a.Once, a.Redelivered, a.Lost, a.Duplicated, consumed.Errors, consumed.WallSeconds)
}

// awaitInSync waits until every partition has all its replicas in sync.
func awaitInSync(t *testing.T, b *broker.Broker, topic string) {
	t.Helper()
	await(t, "all replicas in sync", func() bool {
		for _, line := range strings.Split(run(t, b, "topic", "describe", "--topic", topic), "\n") {
			if _, isr, ok := strings.Cut(line, "Isr: "); ok && strings.Count(strings.Fields(isr)[0], ",") != 2 {
				return false
			}
		}
		return true
	})
}

// TestTopicDeletedUnderTheRun wants a sentence, not a hang.
func TestTopicDeletedUnderTheRun(t *testing.T) {
	b := start(t, broker.Config{})
	for _, kind := range []string{"consume", "produce"} {
		run(t, b, "topic", "create", "--topic", "gone", "--partitions", "2")
		args := []string{"consume", "--topic", "gone", "--group", "gone"}
		if kind == "produce" {
			args = []string{"produce", "--topic", "gone", "--num-records", "100000000", "--throughput", "5000", "--reporting-interval", "500"}
		} else {
			run(t, b, "produce", "--topic", "gone", "--num-records", "1000")
		}
		c := begin(t, b, args...)
		await(t, "a line of "+kind, func() bool {
			return strings.Contains(c.out(), "Total: 1000") || strings.Contains(c.out(), "records sent")
		})
		run(t, b, "topic", "delete", "--topic", "gone")
		began := time.Now()
		c.end(t, 1)
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("%s ended %v after its topic", kind, took)
		}
		if !strings.Contains(c.talk(), "gone") {
			t.Errorf("%s: %s", kind, c.talk())
		}
	}
}

// TestDiskFull gives a broker a tmpfs of 96 MiB and writes more than that.
func TestDiskFull(t *testing.T) {
	if os.Getenv("REDLINE_TEST_KAFKA") != "" && os.Geteuid() != 0 {
		t.Skip("needs root to mount a small tmpfs")
	}
	folder := t.TempDir()
	if os.Getenv("REDLINE_TEST_KAFKA") != "" {
		if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=1100m", "tmpfs", folder).CombinedOutput(); err != nil {
			t.Skipf("cannot mount a tmpfs here: %v: %s", err, out)
		}
		t.Cleanup(func() {
			if out, err := exec.CommandContext(context.Background(), "umount", "-l", folder).CombinedOutput(); err != nil {
				t.Errorf("umount: %v: %s", err, out)
			}
		})
	}
	b := start(t, broker.Config{DataDir: folder, Properties: map[string]string{"log.retention.bytes": "-1"}})
	if b.Storage() != "tmpfs" {
		t.Errorf("storage %q", b.Storage())
	}
	// Leave the broker 40 MiB.
	filler := filepath.Join(folder, "filler")
	if err := os.WriteFile(filler, make([]byte, 1050<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, b, "topic", "create", "--topic", "full", "--partitions", "1")
	c := begin(t, b, "produce", "--topic", "full", "--num-records", "2000000", "-X", "delivery.timeout.ms=8000")
	began := time.Now()
	c.end(t, 4) // a broker whose only disk is full stops
	t.Logf("ended after %.1f s: %s", time.Since(began).Seconds(), lastLine(c.talk()))
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	if !strings.Contains(c.talk(), "not acknowledged") {
		t.Errorf("it does not say what became of the records: %s", c.talk())
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

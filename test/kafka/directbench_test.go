package kafka_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"redline/internal/broker"
	"redline/internal/cluster"
	"redline/internal/stats"
)

// What direct is held against franz-go by, where a suite of experiments cannot ask: under
// a quota, at the tail of many partitions, with producer and consumer in one process, and
// for long. Each client is measured in a process of its own, which is this test binary
// (see directbenchclient_test.go); both do the same in the same loops. TMPDIR decides what
// the log of the broker lies on.

// scene is a Kafka to be measured on. It ends with the test or benchmark.
type scene struct {
	tb      testing.TB
	kafka   *broker.Broker
	cluster *cluster.Cluster
	client  string // path of the binary that is the measured client
}

func newScene(tb testing.TB) *scene {
	tb.Helper()
	if redline == "" {
		tb.Skip("needs Java and Kafka's jars: run scripts/test-full.sh, or set REDLINE_TEST_KAFKA=1")
	}
	s := &scene{tb: tb, client: measuredBinary(tb)}
	starting.Lock()
	defer starting.Unlock()
	var err error
	if s.kafka, err = broker.Start(context.Background(), broker.Config{Kind: broker.Local}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.kafka.Stop(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	if s.cluster, err = cluster.Connect(context.Background(), cluster.Config{Brokers: s.kafka.Addrs(), Timeout: 10 * time.Second}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.cluster.Close)
	return s
}

// measure is a benchmark of one scene.
func measure(b *testing.B, what func(*scene)) {
	b.Helper()
	s := newScene(b)
	for b.Loop() {
		what(s)
	}
	b.ReportMetric(0, "ns/op") // it is pairs that are compared
}

// The benchmarks of direct run, here with one short pair each: what they find is found by
// hand.
func TestDirectsBenchmarksRun(t *testing.T) {
	t.Setenv("REDLINE_PAIRS", "1")
	t.Setenv("REDLINE_WINDOW", "100ms")
	t.Setenv("REDLINE_PARTITIONS", "20")
	t.Setenv("REDLINE_RATE", "2000")
	t.Setenv("REDLINE_RECORDS", "8000000")
	s := newScene(t)
	s.measureTail()
	s.measureLive()
	s.measureGroup()
	s.measureQuota()
}

// measuredBinary is this binary, or one like it without the race detector.
func measuredBinary(tb testing.TB) string {
	tb.Helper()
	built, _ := debug.ReadBuildInfo()
	if !slices.Contains(built.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return os.Args[0]
	}
	path := filepath.Join(tb.TempDir(), "measured")
	if out, err := exec.CommandContext(context.Background(), "go", "test", "-c", "-o", path, "redline/test/kafka").CombinedOutput(); err != nil {
		tb.Fatalf("go test -c: %v\n%s", err, out)
	}
	return path
}

// topic makes one that is removed at the end.
func (s *scene) topic(name string, partitions int32, configs map[string]string) {
	s.tb.Helper()
	spec := cluster.TopicSpec{Name: name, Partitions: partitions, Replication: 1, Configs: configs}
	if err := s.cluster.CreateTopic(s.tb.Context(), spec); err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(func() {
		if err := s.cluster.DeleteTopic(context.Background(), name); err != nil {
			s.tb.Error(err)
		}
	})
}

// fill writes records of 100 bytes into a topic.
func (s *scene) fill(topic string, records int) {
	s.tb.Helper()
	cmd := exec.CommandContext(s.tb.Context(), fast, "produce", "--topic", topic, "--num-records", fmt.Sprint(records), "-b", strings.Join(s.kafka.Addrs(), ","))
	if out, err := cmd.CombinedOutput(); err != nil {
		s.tb.Fatalf("%v: %s", err, out)
	}
}

// begun is a measured client that runs. Once its standard input is closed it comes to its
// end, if it does not by itself.
type begun struct {
	*exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr bytes.Buffer
}

// begin starts a measured client; enter, where it is not nil, decides where it begins.
func (s *scene) begin(j job, enter func(*exec.Cmd)) *begun {
	s.tb.Helper()
	j.Brokers = s.kafka.Addrs()
	text, err := json.Marshal(j)
	if err != nil {
		s.tb.Fatal(err)
	}
	c := &begun{Cmd: exec.CommandContext(s.tb.Context(), s.client)}
	c.Env = append(os.Environ(), measuredVariable+"="+string(text), "REDLINE_TEST_KAFKA=")
	c.Stdout, c.Stderr = &c.stdout, &c.stderr
	if c.stdin, err = c.StdinPipe(); err != nil {
		s.tb.Fatal(err)
	}
	if enter != nil {
		enter(c.Cmd)
	}
	if err := c.Start(); err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(func() {
		if c.ProcessState == nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	return c
}

// outcome waits for the end of a measured client, and gives what it came to.
func (s *scene) outcome(c *begun) measurement {
	s.tb.Helper()
	var m measurement
	if err := c.Wait(); err != nil {
		s.tb.Fatalf("the measured client: %v\n%s", err, c.stderr.String())
	}
	if err := json.Unmarshal(c.stdout.Bytes(), &m); err != nil {
		s.tb.Fatalf("the measured client: %v in %q", err, c.stdout.String())
	}
	return m
}

// duel is what two jobs came to, by pairs.
type duel struct {
	name, a, b   string
	ours, theirs []measurement
}

// fight measures a job as direct and as franz-go do it.
func (s *scene) fight(name string, j job, enter func(*exec.Cmd)) duel {
	s.tb.Helper()
	ours, theirs := j, j
	ours.Client, theirs.Client = "direct", "franz"
	return s.alternate(duel{name: name, a: "direct", b: "franz"}, ours, theirs, enter)
}

// alternate measures two jobs by turns, A B B A, after one of each that does not count: the
// broker's code is cold.
func (s *scene) alternate(d duel, a, b job, enter func(*exec.Cmd)) duel {
	s.tb.Helper()
	one := func(j job) measurement { return s.outcome(s.begin(j, enter)) }
	one(a)
	one(b)
	for pair := range number(s.tb, "REDLINE_PAIRS", 12) {
		if pair%2 == 0 {
			d.ours = append(d.ours, one(a))
			d.theirs = append(d.theirs, one(b))
		} else {
			d.theirs = append(d.theirs, one(b))
			d.ours = append(d.ours, one(a))
		}
		say("  %s, pair %2d: %s %s | %s %s", d.name, pair+1, d.a, d.ours[pair], d.b, d.theirs[pair])
	}
	return d
}

// agree fails where the values of two clients sum up differently.
func (d duel) agree(tb testing.TB) {
	tb.Helper()
	for i := range d.ours {
		if d.ours[i].Sum != d.theirs[i].Sum {
			tb.Errorf("the values sum up to %x for %s and to %x for %s", d.ours[i].Sum, d.a, d.theirs[i].Sum, d.b)
		}
	}
}

// figure is one that a duel is decided by.
type figure struct {
	name string
	of   func(measurement) float64
}

var (
	rate = figure{"records/s", measurement.rate}
	cost = figure{"CPU ns/record", measurement.cost}
	p50  = figure{"p50", func(m measurement) float64 { return m.P50.Seconds() }}
	p99  = figure{"p99", func(m measurement) float64 { return m.P99.Seconds() }}
	peak = figure{"peak RSS", func(m measurement) float64 { return float64(m.PeakRSS) }}
)

// tell prints the ratio of each figure, with its interval.
func (d duel) tell(figures ...figure) {
	for _, f := range figures {
		var ours, theirs []float64
		for i := range d.ours {
			ours, theirs = append(ours, f.of(d.ours[i])), append(theirs, f.of(d.theirs[i]))
		}
		ratio := stats.Paired(ours, theirs).Ratio
		say("%s, %s, %s / %s: %.3f (%.3f – %.3f, %.1f %% interval, n=%d); medians %.4g and %.4g",
			d.name, f.name, d.a, d.b, ratio.Median, ratio.Low, ratio.High, 100*ratio.Confidence, ratio.N, stats.Median(ours).Median, stats.Median(theirs).Median)
	}
}

// where says what was measured on.
func (s *scene) where(what string) {
	say("%s, log on %s; %s", s.kafka.Description(), s.kafka.Storage(), what)
}

// say prints at once, as b.Log does not.
func say(format string, args ...any) {
	fmt.Printf(format+"\n", args...) //nolint:forbidigo // what a benchmark finds, seen while it runs
}

// number is a count that the environment may set otherwise.
func number(tb testing.TB, variable string, otherwise int) int {
	tb.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		tb.Fatalf("%s=%s: want a whole number above 0", variable, text)
	}
	return n
}

// span is a time that the environment may set otherwise.
func span(tb testing.TB, variable string, otherwise time.Duration) time.Duration {
	tb.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		tb.Fatalf("%s=%s: want a time such as 3s", variable, text)
	}
	return d
}

// windowed is what all benchmarks have in common.
func windowed(tb testing.TB, j job) job {
	tb.Helper()
	j.Window = span(tb, "REDLINE_WINDOW", 3*time.Second)
	j.Warmup = min(time.Second, j.Window)
	return j
}

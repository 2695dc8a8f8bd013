package kafka_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/audit"
	"redline/internal/broker"
	"redline/internal/client"
	"redline/internal/client/franz"
	"redline/internal/cluster"
	"redline/internal/experiment"
	"redline/internal/spin"
	"redline/internal/stats"
	"redline/internal/workload"
	"redline/result"
)

// contest is one topic read by three: a trial of the engine, the workload alone, and
// a bare franz-go loop.
type contest struct {
	b       *testing.B
	brokers []string
	pids    []int
	ranges  map[int32]cluster.Range
	timing  result.Timing
	canary  spin.Work
}

const contestTopic = "contest"

func (c *contest) engine() float64 {
	arm := result.Arm{Workload: result.Consume, Client: "franz", Profile: "tuned", Setting: result.Setting{
		Instances: 1, Partitions: 8, RecordBytes: 100, Handler: "none"}}
	trial, err := experiment.Execute(context.Background(), experiment.Spec{
		Arm: arm, Timing: c.timing, Brokers: c.brokers, BrokerPIDs: c.pids, BrokersKnown: true, Topic: contestTopic,
		Ranges: c.ranges, Canary: c.canary, CanaryTook: 10 * time.Millisecond,
	}, nil)
	if err != nil {
		c.b.Fatal(err)
	}
	return trial.Rate()
}

// workload is the same reader and the same account, with nothing beside: no bins, no
// readings, no canary.
func (c *contest) workload() float64 {
	ledger := audit.NewLedger(contestTopic)
	starts, until := map[int32]int64{}, map[int32]int64{}
	for p, o := range c.ranges {
		starts[p], until[p] = o.Start, o.End
		ledger.Start(p, o.Start, o.Start)
	}
	run, err := workload.StartConsume(context.Background(), workload.Consume{
		Library:   franz.Library,
		Options:   client.ConsumeOptions{Options: client.Options{Brokers: c.brokers, Profile: client.Tuned}, Topic: contestTopic, Assign: starts},
		Consumers: 1, Ledger: ledger, Until: until, Loop: starts,
	})
	if err != nil {
		c.b.Fatal(err)
	}
	rate := c.count(run.Records)
	if _, err := run.Stop(context.Background()); err != nil {
		c.b.Fatal(err)
	}
	return rate
}

// count waits for the warm-up and counts the window.
func (c *contest) count(records func() int64) float64 {
	for records() == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(c.timing.Warmup)
	before, began := records(), time.Now()
	time.Sleep(c.timing.Window)
	return float64(records()-before) / time.Since(began).Seconds()
}

// bare is a franz-go loop that touches every value and counts.
func (c *contest) bare() float64 {
	starts := map[int32]kgo.Offset{}
	for p, o := range c.ranges {
		starts[p] = kgo.NewOffset().At(o.Start)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{contestTopic: starts}),
		kgo.FetchMaxBytes(4<<20), kgo.FetchMaxPartitionBytes(1<<20), kgo.FetchMaxWait(100*time.Millisecond), kgo.WithPools(&slabs{}))
	if err != nil {
		c.b.Fatal(err)
	}
	defer cl.Close()
	var rate float64
	var sum uint64
	var n, from int64
	next := map[int32]int64{}
	var began, opens time.Time
	for {
		fetches := cl.PollFetches(context.Background())
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, r := range p.Records {
				sum += binary.LittleEndian.Uint64(r.Value)
				next[r.Partition] = r.Offset + 1
				r.Recycle()
			}
			n += int64(len(p.Records))
		})
		now := time.Now()
		switch {
		case opens.IsZero() && n > 0:
			opens = now.Add(c.timing.Warmup)
		case began.IsZero() && n > 0 && now.After(opens):
			began, from = now, n
		case !began.IsZero() && now.Sub(began) >= c.timing.Window:
			rate = float64(n-from) / now.Sub(began).Seconds()
			if sum == 1 {
				c.b.Log(sum)
			}
			return rate
		}
		c.again(cl, next, starts)
	}
}

// again goes back to the start when all partitions have been read, as the workload
// does.
func (c *contest) again(cl *kgo.Client, next map[int32]int64, starts map[int32]kgo.Offset) {
	for p, o := range c.ranges {
		if next[p] < o.End {
			return
		}
	}
	to := map[int32]kgo.EpochOffset{}
	for p := range starts {
		to[p] = kgo.EpochOffset{Epoch: -1, Offset: c.ranges[p].Start}
		next[p] = 0
	}
	cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{contestTopic: to})
}

// BenchmarkEngine reads a topic with a trial of the engine, with the workload alone and
// with a bare franz-go loop, in turn, and reports what the engine costs.
//
//	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$' -bench Engine -benchtime 1x -timeout 30m
func BenchmarkEngine(b *testing.B) {
	if redline == "" {
		b.Skip("needs real Kafka: set REDLINE_TEST_KAFKA=1")
	}
	kafka, err := broker.Start(context.Background(), broker.Config{Kind: broker.Local})
	if err != nil {
		b.Fatal(err)
	}
	defer kafka.Stop(context.Background()) //nolint:errcheck // the benchmark is over
	for _, args := range [][]string{{"topic", "create", contestTopic, "--partitions", "8"}, {"produce", "--topic", contestTopic, "--num-records", "20000000"}} {
		if out, err := exec.CommandContext(b.Context(), fast, append(args, "-b", strings.Join(kafka.Addrs(), ","))...).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
	connected, err := cluster.Connect(b.Context(), cluster.Config{Brokers: kafka.Addrs(), Timeout: 10 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	defer connected.Close()
	c := &contest{b: b, brokers: kafka.Addrs(), pids: kafka.PIDs(), canary: spin.Lasting(10 * time.Millisecond),
		timing: result.Timing{Warmup: 500 * time.Millisecond, Window: 2 * time.Second}}
	if c.ranges, err = connected.Offsets(b.Context(), contestTopic); err != nil {
		b.Fatal(err)
	}
	const rounds = 20
	contenders := []func() float64{c.engine, c.workload, c.bare}
	for b.Loop() {
		for _, contender := range contenders {
			contender() // not counted: the broker's code is cold
		}
		rates := make([][]float64, len(contenders))
		for round := range rounds {
			for i := range contenders {
				if round%2 == 1 {
					i = len(contenders) - 1 - i
				}
				rates[i] = append(rates[i], contenders[i]())
			}
			//nolint:forbidigo // seen while it runs, as b.Logf is not
			fmt.Printf("round %2d: engine %5.2f M/s, workload alone %5.2f M/s, bare loop %5.2f M/s\n", round+1, rates[0][round]/1e6, rates[1][round]/1e6, rates[2][round]/1e6)
		}
		for i, name := range []string{"workload alone", "bare franz-go loop"} {
			ratio := stats.Paired(rates[0], rates[i+1]).Ratio
			//nolint:forbidigo // beside the lines of the rounds
			fmt.Printf("engine / %s: %.3f (%.3f – %.3f, %.1f %% interval, n=%d)\n", name, ratio.Median, ratio.Low, ratio.High, 100*ratio.Confidence, ratio.N)
		}
		b.ReportMetric(0, "ns/op")
	}
}

// A CPU hog that begins half way is noticed: trials from then on are left out, and the
// report says why.
func TestAHogIsNoticed(t *testing.T) {
	if redline == "" {
		t.Skip("needs a redline that was built: run scripts/test-full.sh, or set REDLINE_TEST_KAFKA=1")
	}
	dir := t.TempDir()
	question := `question: Is it quiet?
base: {client: franz, partitions: 2, record-size: 100}
axes: {consumers: [1, 2]}
rounds: 6
timing: {settle: 0s, warmup: 100ms, window: 500ms}
fill: 16MiB
`
	if err := os.WriteFile(filepath.Join(dir, "q.yaml"), []byte(question), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), fast, "run", "q.yaml", "--kafka", "embedded", "-o", "json")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "REDLINE_STATE="+t.TempDir(), "REDLINE_BOOTSTRAP_SERVER=", "REDLINE_RUNS=")
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hog := awaitHalf(t, dir, 6)
	err := cmd.Wait()
	_ = hog.Process.Kill()
	_ = hog.Wait()
	if err != nil {
		t.Fatal(err)
	}
	var r result.ExperimentReport
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatal(err)
	}
	late := 0
	for _, row := range r.Rows {
		for _, trial := range row.Trials {
			if trial.Number > 7 && len(trial.Invalid) > 0 {
				late++
			}
		}
	}
	if warnings := strings.Join(r.Warnings, "\n"); r.Excluded == 0 || late == 0 || !strings.Contains(warnings, "other work on the machine") {
		t.Errorf("%d left out, %d of them while the hog ran: %s", r.Excluded, late, warnings)
	}
}

// awaitHalf waits until so many trials are stored, and starts a hog then.
func awaitHalf(t *testing.T, dir string, trials int) *exec.Cmd {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		files, _ := filepath.Glob(filepath.Join(dir, "runs", "*", result.TrialsFile))
		if len(files) == 0 {
			continue
		}
		if data, err := os.ReadFile(files[0]); err == nil && strings.Count(string(data), "\n") >= trials {
			hog := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done")
			if err := hog.Start(); err != nil {
				t.Fatal(err)
			}
			return hog
		}
	}
	t.Fatal("the run never came half way")
	return nil
}

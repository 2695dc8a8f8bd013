package exec

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/broker"
	"redline/internal/client"
	"redline/internal/client/exec/exectest"
)

// examples is where the examples of docs/exec-client.md are.
const examples = "../../../examples/exec-client"

func TestTheExampleInGo(t *testing.T) {
	program := filepath.Join(t.TempDir(), "mine")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = filepath.Join(examples, "go")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	testExample(t, words(program))
}

func TestTheExampleInPython(t *testing.T) {
	if os.Getenv("REDLINE_TEST_PYTHON") == "" && os.Getenv("CI") == "" {
		t.Skip("needs Python and packages of PyPI: run scripts/test-full.sh, or set REDLINE_TEST_PYTHON=1")
	}
	testExample(t, words(python(t), filepath.Join(examples, "python", "client.py")))
}

// python has what the example requires.
func python(t *testing.T) string {
	t.Helper()
	// Where the test has to run, what is missing fails it.
	lacks := t.Skipf
	if os.Getenv("REDLINE_FULL") != "" || os.Getenv("CI") != "" {
		lacks = t.Fatalf
	}
	return exectest.Python(t, filepath.Join(examples, "python", "requirements.txt"), lacks)
}

// testExample has a program produce, read once and read again and again, and holds what
// it tells against what a reader of our own finds.
func testExample(t *testing.T, command string) {
	t.Helper()
	const partitions, size = 3, 100
	t.Setenv("REDLINE_STATE", t.TempDir())
	kafka, err := broker.Start(t.Context(), broker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kafka.Stop(context.Background()) }()
	mine, err := New("mine", command)
	if err != nil {
		t.Fatal(err)
	}
	topic := newTopic(t, kafka.Addrs(), partitions)
	task := client.Task{
		Options: client.Options{Brokers: kafka.Addrs(), Properties: map[string]string{"linger.ms": "3"}},
		Topic:   topic, Instances: 2, Workload: produce, Partitions: partitions, RecordSize: size,
	}

	// A process on a busy machine may be late to begin.
	produced := run(t, mine, task, func(p client.Process) bool { return p.Records() > 3000 })
	starts, ends := map[int32]int64{}, offsetsOf(t, kafka.Addrs(), topic)
	for partition := range ends {
		starts[partition] = 0
	}
	if found := read(t, kafka.Addrs(), topic, starts, ends); !same(found, produced) {
		t.Errorf("produced %v, and a reader finds %v", text(produced), text(found))
	}

	starts[1], ends[2] = 17, ends[2]-23
	task.Workload, task.Starts, task.Ends, task.Once = consume, starts, ends, true
	task.Properties = map[string]string{"max.partition.fetch.bytes": "50000"}
	found := read(t, kafka.Addrs(), topic, starts, ends)
	once := run(t, mine, task, func(client.Process) bool { return false })
	if !same(found, once) {
		t.Errorf("consumed %v, and a reader finds %v", text(once), text(found))
	}

	task.Once = false
	for partition, start := range starts {
		ends[partition] = start + 200
	}
	pass := read(t, kafka.Addrs(), topic, starts, ends)
	again := run(t, mine, task, func(p client.Process) bool { return p.Rewinds() >= 4 })
	if again.Records < 2*pass.Records {
		t.Errorf("%d records after 4 rewinds of passes of %d", again.Records, pass.Records)
	}

	task.Properties = map[string]string{"fetch.max.byte": "1"}
	_, err = mine.Start(t.Context(), task)
	wants(t, err, "fetch.max.byte=1")
}

// run works until enough says so, or by itself to its end.
func run(t *testing.T, c client.External, task client.Task, enough func(client.Process) bool) client.Told {
	t.Helper()
	p, err := c.Start(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	limit := time.After(20 * time.Second)
	for working := true; working && !enough(p); {
		select {
		case <-p.Reported():
		case <-p.Done():
			working = false
		case <-limit:
			t.Errorf("%s: %d records after 20 s", task.Workload, p.Records())
			working = false
		}
	}
	told, err := p.Stop(bounded(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if told.Errors > 0 || told.Sum == nil || p.Settings() == nil {
		t.Errorf("%s: told %s with the settings %v", task.Workload, text(told), p.Settings())
	}
	return told
}

func same(a, b client.Told) bool {
	return a.Records == b.Records && a.Bytes == b.Bytes && a.Sum != nil && b.Sum != nil && *a.Sum == *b.Sum
}

func text(told client.Told) string { return jsonText(told) }

func newTopic(t *testing.T, brokers []string, partitions int32) string {
	t.Helper()
	admin := admin(t, brokers)
	if _, err := admin.CreateTopic(t.Context(), partitions, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	return "t"
}

func admin(t *testing.T, brokers []string) *kadm.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return kadm.NewClient(cl)
}

func offsetsOf(t *testing.T, brokers []string, topic string) map[int32]int64 {
	t.Helper()
	listed, err := admin(t, brokers).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	ends := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends
}

// read is what a reader that is none of ours finds in the ranges.
func read(t *testing.T, brokers []string, topic string, starts, ends map[int32]int64) client.Told {
	t.Helper()
	at, left := map[int32]kgo.Offset{}, int64(0)
	for partition, start := range starts {
		at[partition] = kgo.NewOffset().At(start)
		left += ends[partition] - start
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DisableClientMetrics(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: at}))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var sum uint64
	found := client.Told{Sum: &sum}
	for found.Records < left {
		fetches := cl.PollFetches(bounded(t, 10*time.Second))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset < ends[r.Partition] {
				found.Records++
				found.Bytes += int64(len(r.Value))
				sum += binary.LittleEndian.Uint64(r.Value)
			}
		})
	}
	return found
}

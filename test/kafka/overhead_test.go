package kafka_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/broker"
	"redline/internal/stats"
	"redline/result"
)

// bareVariable makes the test binary a bare franz-go loop: BROKERS TOPIC GROUP N.
const bareVariable = "REDLINE_TEST_BARE"

// pass is one reading of the topic.
type pass struct {
	Seconds float64 // from the first batch to the last
	CPU     float64 // of the process, in seconds
	Records int64
}

func (p pass) rate() float64 { return float64(p.Records) / p.Seconds }

// slabs lends slices of records to kgo, as redline's tuned profile does.
type slabs struct {
	mu   sync.Mutex
	idle [][]kgo.Record
}

func (s *slabs) GetRecords(n int) []kgo.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.idle) - 1; i >= 0; i-- {
		if slab := s.idle[i]; cap(slab) >= n {
			s.idle = append(s.idle[:i], s.idle[i+1:]...)
			return slab
		}
	}
	return make([]kgo.Record, n)
}

func (s *slabs) PutRecords(slab []kgo.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, slab)
}

// bareLoop is what an application would write that only wants to go fast: no
// account, no metrics, every value touched.
func bareLoop(args string) error {
	fields := strings.Fields(args)
	want, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(fields[0], ",")...), kgo.ConsumeTopics(fields[1]), kgo.ConsumerGroup(fields[2]),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxBytes(4<<20), kgo.FetchMaxPartitionBytes(1<<20),
		kgo.BlockRebalanceOnPoll(), kgo.WithPools(&slabs{}),
	)
	if err != nil {
		return err
	}
	var first, last time.Time
	var n int64
	var sum uint64
	for n < want {
		fetches := cl.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, r := range p.Records {
				sum += binary.LittleEndian.Uint64(r.Value)
				r.Recycle()
			}
			n += int64(len(p.Records))
			last = time.Now()
			if first.IsZero() {
				first = last
			}
		})
		cl.AllowRebalance()
	}
	if err := cl.CommitUncommittedOffsets(context.Background()); err != nil {
		return err
	}
	cl.Close()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
	fmt.Fprintln(os.Stderr, "sum", sum)
	return json.NewEncoder(os.Stdout).Encode(pass{last.Sub(first).Seconds(), cpu, n})
}

// BenchmarkOverhead reads a topic with `redline consume` and with a bare franz-go
// loop in turn, A B B A, each in a process of its own and as member of a group,
// and reports what our counting and metrics cost.
//
//	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$' -bench Overhead -benchtime 1x -timeout 30m
func BenchmarkOverhead(b *testing.B) {
	if redline == "" {
		b.Skip("needs real Kafka: set REDLINE_TEST_KAFKA=1")
	}
	kafka, err := broker.Start(context.Background(), broker.Config{Kind: broker.Local})
	if err != nil {
		b.Fatal(err)
	}
	defer kafka.Stop(context.Background()) //nolint:errcheck // the benchmark is over
	brokers := strings.Join(kafka.Addrs(), ",")
	const records, pairs = 20_000_000, 14
	command := func(args ...string) []byte {
		cmd := exec.CommandContext(b.Context(), fast, append(args, "-b", brokers)...)
		out, err := cmd.Output()
		if err != nil {
			b.Fatalf("%v: %v", args, err)
		}
		return out
	}
	command("topic", "create", "overhead", "--partitions", "8")
	command("produce", "--topic", "overhead", "--num-records", fmt.Sprint(records))
	groups := 0
	ours := func() pass {
		groups++
		var r result.ConsumeReport
		out := command("consume", "--topic", "overhead", "--group", fmt.Sprint("ours", groups), "--until-end", "--listen", "127.0.0.1:0", "-o", "json")
		if err := json.Unmarshal(out, &r); err != nil {
			b.Fatal(err)
		}
		return pass{r.LastRecordSeconds - r.FirstRecordSeconds, r.Usage.ClientCPU, r.Records}
	}
	bare := func() pass {
		groups++
		cmd := exec.CommandContext(b.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), bareVariable+"="+strings.Join([]string{brokers, "overhead", fmt.Sprint("bare", groups), fmt.Sprint(records)}, " "))
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		var p pass
		if err := json.Unmarshal(out, &p); err != nil {
			b.Fatal(err)
		}
		return p
	}
	for b.Loop() {
		ours()
		bare() // both once, not counted
		var a, z []pass
		for i := range pairs {
			if i%2 == 0 {
				a, z = append(a, ours()), append(z, bare())
			} else {
				z, a = append(z, bare()), append(a, ours())
			}
			//nolint:forbidigo // seen while it runs, as b.Logf is not
			fmt.Printf("pair %2d: redline consume %5.2f M/s, bare loop %5.2f M/s, ratio %.3f\n",
				i+1, a[i].rate()/1e6, z[i].rate()/1e6, a[i].rate()/z[i].rate())
		}
		var ourRates, bareRates []float64
		for i := range a {
			ourRates, bareRates = append(ourRates, a[i].rate()), append(bareRates, z[i].rate())
		}
		ratio := stats.Paired(ourRates, bareRates).Ratio
		//nolint:forbidigo // beside the lines of the pairs
		fmt.Printf("%s, log on %s, %d records of 100 B, 8 partitions, 1 consumer in a group\n", kafka.Description(), kafka.Storage(), records)
		//nolint:forbidigo // the same
		fmt.Printf("redline consume / bare franz-go loop: %.3f (%.3f – %.3f, %.1f %% interval, n=%d)\n",
			ratio.Median, ratio.Low, ratio.High, 100*ratio.Confidence, ratio.N)
		b.ReportMetric(ratio.Median, "of-the-bare-loop")
		b.ReportMetric(0, "ns/op")
	}
}

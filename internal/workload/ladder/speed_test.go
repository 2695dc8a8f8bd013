package ladder

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/payload"
)

// BenchmarkRungs climbs both ladders on the brokers and the topic that the environment
// names, each rung in turn for REDLINE_LADDER_ROUNDS rounds, and prints medians:
//
//	REDLINE_LADDER=127.0.0.1:9092/topic go test -run '^$' -bench Rungs -benchtime 1x ./internal/workload/ladder
//
// The topic is read as it is; what is written goes to topics of its own, which are deleted.
// Then each step of consuming is timed alone on bytes of the topic.
func BenchmarkRungs(b *testing.B) {
	address, topic, ok := strings.Cut(os.Getenv("REDLINE_LADDER"), "/")
	if !ok {
		b.Skip("REDLINE_LADDER=BROKER/TOPIC names no topic to read")
	}
	const rounds = 5
	for range b.N {
		alone(b, address, topic)
		for _, workload := range []string{consume, produce} {
			if only := os.Getenv("REDLINE_LADDER_WORKLOAD"); only != "" && only != workload {
				continue
			}
			climbs := variants(workload, os.Getenv("REDLINE_LADDER_RUNGS"))
			took := make([][]reading, len(climbs))
			for range rounds {
				for i, v := range climbs {
					took[i] = append(took[i], v.measure(b, address, topic))
				}
			}
			for i, v := range climbs {
				fmt.Fprintf(os.Stdout, "%s %-10s %d connections: %s\n", workload, v.rung, v.connections, summary(took[i]))
			}
		}
	}
}

// alone prints what the steps of consuming take in memory.
func alone(b *testing.B, address, topic string) {
	b.Helper()
	v := variant{consume, "fetch", 1}
	sample, err := Take(b.Context(), v.spec(b, address, topic), 64<<20)
	if err != nil {
		b.Fatal(err)
	}
	for _, step := range []string{"crc", "decompress", "decode", "account"} {
		ns, err := sample.Alone(step, time.Second)
		if err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(os.Stdout, "%s alone: %.1f ns\n", step, ns)
	}
}

type variant struct {
	workload, rung string
	connections    int
}

func variants(workload, only string) []variant {
	var all []variant
	rungs := Rungs(workload)
	if workload == consume {
		rungs = append(rungs, socketRung)
	}
	for _, r := range rungs {
		if only != "" && !slices.Contains(strings.Split(only, ","), r.Name) {
			continue
		}
		for _, n := range []int{1, 2} {
			all = append(all, variant{workload, r.Name, n})
		}
	}
	return all
}

// reading is what one climb came to.
type reading struct{ rate, cpu float64 } // records/s, ns a record

func summary(all []reading) string {
	rates, cpus := make([]float64, len(all)), make([]float64, len(all))
	for i, r := range all {
		rates[i], cpus[i] = r.rate/1e6, r.cpu
	}
	slices.Sort(rates)
	slices.Sort(cpus)
	n := len(all)
	return fmt.Sprintf("%5.2f (%.2f-%.2f) M records/s, %5.1f (%.1f-%.1f) ns CPU", rates[n/2], rates[0], rates[n-1], cpus[n/2], cpus[0], cpus[n-1])
}

func (v variant) measure(b *testing.B, address, topic string) reading {
	b.Helper()
	c, err := Start(context.Background(), v.spec(b, address, topic))
	if err != nil {
		b.Fatal(err)
	}
	time.Sleep(400 * time.Millisecond)
	records, cpu, began := c.Records(), used(), time.Now()
	time.Sleep(time.Second)
	read, spent, took := c.Records()-records, used()-cpu, time.Since(began)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		b.Fatal(err)
	}
	if v.workload == produce {
		if _, err := admin(b, address).DeleteTopics(ctx, c.spec.Topic); err != nil {
			b.Fatal(err)
		}
	}
	return reading{float64(read) / took.Seconds(), float64(spent) / float64(read)}
}

func (v variant) spec(b *testing.B, address, topic string) Spec {
	b.Helper()
	s := Spec{
		Rung: v.rung, Workload: v.workload, Topic: topic, Brokers: []string{address}, Connections: v.connections,
		Wire: new(client.Wire), Ledger: audit.NewLedger(topic), Group: "ladder-" + v.rung,
		Handle: func() func(client.Batch) { return func(client.Batch) {} },
	}
	if v.workload == consume {
		s.Starts, s.Ends = ranges(b, address, topic)
		for p, at := range s.Starts {
			s.Ledger.Start(p, at, at)
		}
		return s
	}
	const size, partitions = 100, 8
	s.Topic, s.Partitions, s.RecordBytes = fmt.Sprintf("%s-written-%d", topic, time.Now().UnixNano()), partitions, size
	cl := admin(b, address)
	if _, err := cl.CreateTopic(b.Context(), partitions, 1, nil, s.Topic); err != nil {
		b.Fatal(err)
	}
	acks, idempotent := Promised(v.rung)
	var err error
	if s.Payload, err = payload.New(payload.Config{Size: size, Partitions: partitions, Run: 7, Acks: acks, Idempotent: idempotent}); err != nil {
		b.Fatal(err)
	}
	return s
}

// used is the CPU time of this process, in nanoseconds.
func used() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func admin(t testing.TB, address string) *kadm.Client {
	t.Helper()
	cl, err := kadm.NewOptClient(kgo.SeedBrokers(address), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// ranges are the offsets of a topic's partitions that have records.
func ranges(t testing.TB, address, topic string) (starts, ends map[int32]int64) {
	t.Helper()
	cl := admin(t, address)
	from, err := cl.ListStartOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	to, err := cl.ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	starts, ends = map[int32]int64{}, map[int32]int64{}
	to.Each(func(end kadm.ListedOffset) {
		if at, ok := from.Lookup(topic, end.Partition); ok && at.Offset < end.Offset {
			starts[end.Partition], ends[end.Partition] = at.Offset, end.Offset
		}
	})
	return starts, ends
}

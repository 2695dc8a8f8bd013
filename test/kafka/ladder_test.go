package kafka_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"redline/internal/broker"
	"redline/internal/cluster"
	"redline/internal/experiment"
	"redline/internal/spin"
	"redline/internal/stats"
	"redline/internal/workload/ladder"
	"redline/result"
)

// prediction is what one step of the ladder costs, alone and on its rung.
type prediction struct {
	alone, ratio, client, broker, rate []float64
}

// steps are those that can be timed on bytes in memory, in the ladder's order.
var steps = []string{"crc", "decompress", "decode", "account"}

// BenchmarkLadder climbs the rungs up to the account, in turn, and beside each times its
// step alone on bytes in memory: the rung of the fetch and the steps up to it have to
// come to what a rung's client uses.
//
//	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$' -bench Ladder -benchtime 1x -timeout 30m
func BenchmarkLadder(b *testing.B) {
	if redline == "" {
		b.Skip("needs real Kafka: set REDLINE_TEST_KAFKA=1")
	}
	kafka, err := broker.Start(context.Background(), broker.Config{Kind: broker.Local})
	if err != nil {
		b.Fatal(err)
	}
	defer kafka.Stop(context.Background()) //nolint:errcheck // the benchmark is over
	connected, err := cluster.Connect(b.Context(), cluster.Config{Brokers: kafka.Addrs(), Timeout: 10 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	defer connected.Close()
	for b.Loop() {
		for _, codec := range []string{"none", "lz4"} {
			topic := "ladder-" + codec
			for _, args := range [][]string{
				{"topic", "create", topic, "--partitions", "8"},
				{"produce", "--topic", topic, "--num-records", "8000000", "--payload", "text", "--compression", codec},
			} {
				if out, err := exec.CommandContext(b.Context(), fast, append(args, "-b", strings.Join(kafka.Addrs(), ","))...).CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
			}
			climbAll(b, kafka, connected, topic, codec)
		}
		b.ReportMetric(0, "ns/op")
	}
}

func climbAll(b *testing.B, kafka *broker.Broker, c *cluster.Cluster, topic, codec string) {
	b.Helper()
	ranges, err := c.Offsets(b.Context(), topic)
	if err != nil {
		b.Fatal(err)
	}
	starts, ends := map[int32]int64{}, map[int32]int64{}
	for p, o := range ranges {
		starts[p], ends[p] = o.Start, o.End
	}
	sample, err := ladder.Take(b.Context(), ladder.Spec{
		Workload: result.Consume, Topic: topic, Brokers: kafka.Addrs(), Connections: 1, Starts: starts, Ends: ends,
	}, 64<<20)
	if err != nil {
		b.Fatal(err)
	}
	climb := func(rung string) result.Trial {
		arm := result.Arm{Workload: result.Consume, Client: "rung:" + rung, Setting: result.Setting{Instances: 1, Partitions: 8, RecordBytes: 100, Handler: "none"}}
		trial, err := experiment.Execute(context.Background(), experiment.Spec{
			Arm: arm, Timing: result.Timing{Warmup: 400 * time.Millisecond, Window: 1500 * time.Millisecond},
			Brokers: kafka.Addrs(), BrokerPIDs: kafka.PIDs(), BrokersKnown: true, Topic: topic, Ranges: ranges,
			Canary: spin.Lasting(time.Millisecond), CanaryTook: time.Millisecond,
		}, nil)
		if err != nil {
			b.Fatal(err)
		}
		return trial
	}
	const rounds = 14
	climb("fetch") // not counted: the broker's code is cold
	rungs := map[string]*prediction{"fetch": {}}
	for _, step := range steps {
		rungs[step] = &prediction{}
	}
	for range rounds {
		note := func(rung string) float64 {
			trial, p := climb(rung), rungs[rung]
			p.client = append(p.client, trial.CPUNsPerRecord())
			p.broker = append(p.broker, trial.Usage.BrokerCPU*1e9/float64(trial.Records))
			p.rate = append(p.rate, trial.Rate())
			return trial.CPUNsPerRecord()
		}
		predicted := note("fetch")
		for _, step := range steps {
			alone, err := sample.Alone(step, 100*time.Millisecond)
			if err != nil {
				b.Fatal(err)
			}
			predicted += alone
			p := rungs[step]
			p.alone, p.ratio = append(p.alone, alone), append(p.ratio, predicted/note(step))
		}
	}
	printLadder(codec, rungs)
}

//nolint:forbidigo // a benchmark's result, as b.Log would not print it
func printLadder(codec string, rungs map[string]*prediction) {
	fmt.Printf("%s, 1 connection, medians of %d rounds\n", codec, len(rungs["fetch"].rate))
	fmt.Printf("  %-10s  %10s  %20s  %12s  %12s  %12s  %s\n", "rung", "records/s", "interval", "client ns", "broker ns", "step alone", "predicted / measured")
	for _, rung := range append([]string{"fetch"}, steps...) {
		p := rungs[rung]
		rate := stats.Median(p.rate)
		fmt.Printf("  %-10s  %8.2f M  %8.2f – %7.2f M  %12.1f  %12.1f", rung, rate.Median/1e6, rate.Low/1e6, rate.High/1e6, stats.Median(p.client).Median, stats.Median(p.broker).Median)
		if len(p.alone) > 0 {
			ratio := stats.Median(p.ratio)
			fmt.Printf("  %12.1f  %.3f (%.3f – %.3f, %.1f %% interval, n=%d)", stats.Median(p.alone).Median, ratio.Median, ratio.Low, ratio.High, 100*ratio.Confidence, ratio.N)
		}
		fmt.Println()
	}
	for i, rung := range steps {
		before := append([]string{"fetch"}, steps...)[i]
		ratio := stats.Paired(rungs[rung].rate, rungs[before].rate).Ratio
		fmt.Printf("  %s / %s: %.3f of its rate (%.3f – %.3f)\n", rung, before, ratio.Median, ratio.Low, ratio.High)
	}
}

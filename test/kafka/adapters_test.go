//go:build cgo

package kafka_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	confluent "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	segmentio "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/broker"
	"redline/internal/client"
	"redline/internal/client/libraries"
	"redline/internal/stats"
)

// reading is what a loop has read so far; sum keeps the values from being left out.
type reading struct {
	records atomic.Int64
	sum     atomic.Uint64
}

// saramaTuned and segmentioTuned are what the tuned profiles come to.
func saramaTuned() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Consumer.MaxProcessingTime = time.Minute
	return config
}

func segmentioTuned() segmentio.ReaderConfig {
	return segmentio.ReaderConfig{MaxBytes: 10_000_000, QueueCapacity: 1000, MaxWait: 3 * time.Second, ReadLagInterval: -1}
}

// lot is what a loop adds at a time, so that counting costs nothing.
const lot = 512

// tally gathers a lot.
type tally struct {
	to  *reading
	n   int64
	sum uint64
}

func (t *tally) value(v []byte) {
	t.sum += binary.LittleEndian.Uint64(v)
	if t.n++; t.n >= lot {
		t.flush()
	}
}

func (t *tally) flush() {
	t.to.records.Add(t.n)
	t.to.sum.Add(t.sum)
	t.n, t.sum = 0, 0
}

// readLoop reads the eight partitions of a topic until ctx ends.
type readLoop func(ctx context.Context, brokers []string, topic string, r *reading) error

const adapterPartitions = 8

// bareLoops read as an application does that wants nothing but the values, with the
// settings that the adapter has in force at profile tuned.
var bareLoops = map[string]readLoop{"franz": bareFranz, "confluent": bareConfluent, "sarama": bareSarama, "segmentio": bareSegmentio}

func bareFranz(ctx context.Context, brokers []string, topic string, r *reading) error {
	starts := map[int32]kgo.Offset{}
	for p := range int32(adapterPartitions) {
		starts[p] = kgo.NewOffset().At(0)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}),
		kgo.FetchMaxBytes(4<<20), kgo.FetchMaxPartitionBytes(1<<20), kgo.FetchMaxWait(100*time.Millisecond), kgo.WithPools(&slabs{}), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer cl.Close()
	t := tally{to: r}
	for ctx.Err() == nil {
		cl.PollFetches(ctx).EachPartition(func(p kgo.FetchTopicPartition) {
			for _, record := range p.Records {
				t.value(record.Value)
				record.Recycle()
			}
		})
	}
	return nil
}

func bareConfluent(ctx context.Context, brokers []string, topic string, r *reading) error {
	c, err := confluent.NewConsumer(&confluent.ConfigMap{
		"bootstrap.servers": strings.Join(brokers, ","), "group.id": "redline-bare", "enable.auto.commit": false, "enable.auto.offset.store": false,
		"fetch.queue.backoff.ms": 10, "check.crcs": true,
	})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // what was read is known by then
	var parts []confluent.TopicPartition
	for p := range int32(adapterPartitions) {
		parts = append(parts, confluent.TopicPartition{Topic: &topic, Partition: p, Offset: 0})
	}
	if err := c.Assign(parts); err != nil {
		return err
	}
	t := tally{to: r}
	for ctx.Err() == nil {
		if m, ok := c.Poll(100).(*confluent.Message); ok {
			t.value(m.Value)
		}
	}
	return nil
}

func bareSarama(ctx context.Context, brokers []string, topic string, r *reading) error {
	c, err := sarama.NewConsumer(brokers, saramaTuned())
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // the loop is over
	var reading sync.WaitGroup
	for p := range int32(adapterPartitions) {
		partition, err := c.ConsumePartition(topic, p, 0)
		if err != nil {
			return err
		}
		// All are drained at once: sarama closes none whose neighbour waits to hand out.
		reading.Go(func() {
			stop := context.AfterFunc(ctx, partition.AsyncClose)
			defer stop()
			t := tally{to: r}
			for m := range partition.Messages() {
				t.value(m.Value)
			}
		})
	}
	reading.Wait()
	return nil
}

func bareSegmentio(ctx context.Context, brokers []string, topic string, r *reading) error {
	var reading sync.WaitGroup
	var failed atomic.Pointer[error]
	for p := range adapterPartitions {
		config := segmentioTuned()
		config.Brokers, config.Topic, config.Partition = brokers, topic, p
		reading.Go(func() {
			reader := segmentio.NewReader(config)
			defer reader.Close() //nolint:errcheck // the loop is over
			t := tally{to: r}
			for {
				m, err := reader.FetchMessage(ctx)
				if err != nil {
					if ctx.Err() == nil {
						failed.Store(&err)
					}
					return
				}
				t.value(m.Value)
			}
		})
	}
	reading.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// adapted reads the same through the interface.
func adapted(name string) readLoop {
	return func(ctx context.Context, brokers []string, topic string, r *reading) error {
		library, err := libraries.Open(name)
		if err != nil {
			return err
		}
		assign := map[int32]int64{}
		for p := range int32(adapterPartitions) {
			assign[p] = 0
		}
		properties := map[string]string{"check.crcs": "true"}
		if library.CheckConsumer(client.Options{Profile: client.Tuned, Properties: properties}) != nil {
			properties = nil
		}
		c, err := library.Consumer(client.ConsumeOptions{
			Options: client.Options{Brokers: brokers, Profile: client.Tuned, Properties: properties, Wire: &client.Wire{}}, Topic: topic, Assign: assign,
		})
		if err != nil {
			return err
		}
		defer c.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the loop is over
		t := tally{to: r}
		each := func(_ int64, _, value []byte) { t.value(value) }
		for ctx.Err() == nil {
			if err := c.Poll(ctx, func(b client.Batch) { b.Each(each) }); err != nil {
				return err
			}
		}
		return nil
	}
}

// rateOf is how many records a second a loop reads, once it has begun to.
func rateOf(b *testing.B, read readLoop, brokers []string, topic string) float64 {
	b.Helper()
	const warmup, window = 400 * time.Millisecond, 1500 * time.Millisecond
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	var r reading
	ended := make(chan error, 1)
	go func() { ended <- read(ctx, brokers, topic, &r) }()
	for r.records.Load() == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(warmup)
	before, began := r.records.Load(), time.Now()
	time.Sleep(window)
	rate := float64(r.records.Load()-before) / time.Since(began).Seconds()
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	if r.records.Load() >= adapterRecords {
		b.Fatal("the topic is too short: it was read to its end")
	}
	return rate
}

const adapterRecords = 28_000_000

// BenchmarkAdapters reads a topic with each library in a bare loop and through its
// adapter, in turn, and reports what the adapter costs.
//
//	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$' -bench Adapters -benchtime 1x -timeout 30m
func BenchmarkAdapters(b *testing.B) {
	if redline == "" {
		b.Skip("needs real Kafka: set REDLINE_TEST_KAFKA=1")
	}
	kafka, err := broker.Start(context.Background(), broker.Config{Kind: broker.Local})
	if err != nil {
		b.Fatal(err)
	}
	defer kafka.Stop(context.Background()) //nolint:errcheck // the benchmark is over
	const topic = "adapters"
	for _, args := range [][]string{{"topic", "create", topic, "--partitions", fmt.Sprint(adapterPartitions)}, {"produce", "--topic", topic, "--num-records", fmt.Sprint(adapterRecords)}} {
		if out, err := exec.CommandContext(b.Context(), fast, append(args, "-b", strings.Join(kafka.Addrs(), ","))...).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
	const pairs = 14
	for b.Loop() {
		for _, name := range []string{"franz", "confluent", "sarama", "segmentio"} {
			bare, ours := bareLoops[name], adapted(name)
			rateOf(b, bare, kafka.Addrs(), topic) // not counted: the broker's code is cold
			var with, without []float64
			for pair := range pairs {
				for _, adapter := range []bool{pair%2 == 0, pair%2 == 1} {
					if adapter {
						with = append(with, rateOf(b, ours, kafka.Addrs(), topic))
					} else {
						without = append(without, rateOf(b, bare, kafka.Addrs(), topic))
					}
				}
			}
			ratio := stats.Paired(with, without).Ratio
			//nolint:forbidigo // seen while it runs, as b.Logf is not
			fmt.Printf("%-10s adapter / bare loop: %.3f (%.3f – %.3f, %.1f %% interval, n=%d); bare loop %.2f M records/s\n",
				name, ratio.Median, ratio.Low, ratio.High, 100*ratio.Confidence, ratio.N, stats.Median(without).Median/1e6)
		}
		b.ReportMetric(0, "ns/op")
	}
}

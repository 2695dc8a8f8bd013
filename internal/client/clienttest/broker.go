// Package clienttest holds every client library to the same promises: a suite
// that a library's own test runs on kfake, in process.
package clienttest

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

// leftFor is how long after the tests a goroutine may still run: librdkafka
// leaves a group whose broker is gone in the background, until the session of
// the member, 6 s in the suite, is over.
const leftFor = 8 * time.Second

// Main runs a package's tests, many at once since most of them wait, and fails
// when a goroutine is left.
func Main(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	code := m.Run()
	for until := time.Now().Add(leftFor); code == 0; {
		err := goleak.Find()
		if err == nil {
			break
		}
		if time.Now().After(until) {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code) //nolint:forbidigo // the end of a TestMain
}

// Broker starts a kfake of one broker that ends with the test, and returns its
// address. Topics are made with the given number of partitions.
func Broker(t testing.TB, topics map[string]int32, more ...kfake.Opt) string {
	t.Helper()
	address, end := StartBroker(t, topics, more...)
	t.Cleanup(end)
	return address
}

// StartBroker is Broker for a test that ends the broker itself.
func StartBroker(t testing.TB, topics map[string]int32, more ...kfake.Opt) (address string, end func()) {
	t.Helper()
	cluster := start(t, topics, more...)
	var once sync.Once
	return cluster.ListenAddrs()[0], func() { once.Do(cluster.Close) }
}

func start(t testing.TB, topics map[string]int32, more ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	opts := append([]kfake.Opt{kfake.NumBrokers(1)}, more...)
	for name, partitions := range topics {
		opts = append(opts, kfake.SeedTopics(partitions, name))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

// Filled is what Fill wrote: how many records each partition got, and sums that
// another reader must come to.
type Filled struct {
	Topic      string
	Partitions int32
	Each       int // records per partition
	Sum        uint64
}

// Records is the number of records in all.
func (f Filled) Records() int { return int(f.Partitions) * f.Each }

// checksum of one record; added up it does not depend on the order of
// partitions, only on what each record is.
func checksum(partition int32, offset int64, key, value []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, part := range [][]byte{key, {0}, value} {
		for _, b := range part {
			h = (h ^ uint64(b)) * 1099511628211
		}
	}
	return h ^ uint64(partition)<<48 ^ uint64(offset)
}

// Fill writes each records to every partition, of changing size, some with
// keys, without any of the libraries under test.
func Fill(t testing.TB, address, topic string, partitions int32, each int) Filled {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	filled := Filled{Topic: topic, Partitions: partitions, Each: each}
	random := rand.New(rand.NewPCG(1, 2))
	for offset := range each {
		for partition := range partitions {
			value := make([]byte, random.IntN(200))
			for i := range value {
				value[i] = byte(random.Uint32())
			}
			var key []byte
			if random.IntN(3) == 0 {
				key = fmt.Appendf(nil, "key-%d", offset)
			}
			filled.Sum += checksum(partition, int64(offset), key, value)
			cl.Produce(context.Background(), &kgo.Record{Topic: topic, Partition: partition, Key: key, Value: value}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("filling %s: %v", topic, err)
				}
			})
		}
	}
	if err := cl.Flush(bounded(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	return filled
}

// Lag of a group on a topic: end offsets less committed ones, where a partition
// without a commit counts whole.
func Lag(t testing.TB, address, group, topic string) int64 {
	t.Helper()
	admin := adminOf(t, address)
	defer admin.Close()
	ctx := bounded(t, 10*time.Second)
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	committed, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		t.Fatal(err)
	}
	var lag int64
	ends.Each(func(end kadm.ListedOffset) {
		lag += end.Offset
		if at, ok := committed.Lookup(topic, end.Partition); ok {
			lag -= at.At
		}
	})
	return lag
}

// Size is the number of records that a topic has ever got.
func Size(t testing.TB, address, topic string) int64 {
	t.Helper()
	admin := adminOf(t, address)
	defer admin.Close()
	ends, err := admin.ListEndOffsets(bounded(t, 10*time.Second), topic)
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	ends.Each(func(end kadm.ListedOffset) { size += end.Offset })
	return size
}

// DeleteTopic deletes a topic under whoever uses it.
func DeleteTopic(t testing.TB, address, topic string) {
	t.Helper()
	admin := adminOf(t, address)
	defer admin.Close()
	if _, err := admin.DeleteTopics(bounded(t, 10*time.Second), topic); err != nil {
		t.Fatal(err)
	}
}

func adminOf(t testing.TB, address string) *kadm.Client {
	t.Helper()
	admin, err := kadm.NewOptClient(kgo.SeedBrokers(address), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	return admin
}

// bounded is a context that ends with the test, and after d.
func bounded(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

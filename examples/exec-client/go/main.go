// A client for redline on franz-go, to be copied: docs/exec-client.md explains it.
//
//	go build -o mine ./examples/exec-client/go
//	redline run clients --clients franz,mine --client mine=exec:./mine
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	log.SetFlags(0) // redline quotes the last line of standard error when we fail
	refuse := func(name string) {
		if value := os.Getenv(name); value != "" && value != "none" {
			log.Fatalf("this example cannot do what %s=%s asks for", name, value)
		}
	}
	refuse("REDLINE_HANDLER")
	refuse("REDLINE_CONNECTION_FILE")
	t := &tally{positions: map[string]int64{}}
	workers, settings := connect(t)
	say(map[string]any{"type": "hello", "protocol": 1, "client": "franz-go", "version": version(), "settings": settings})

	orders := bufio.NewScanner(os.Stdin)
	orders.Scan() // {"type":"start"}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		orders.Scan() // {"type":"stop"}; or the end of input, when redline is gone
		stop()
	}()
	var working sync.WaitGroup
	for _, work := range workers {
		working.Go(func() { work(ctx) })
	}
	finished := make(chan struct{})
	go func() { working.Wait(); close(finished) }()
	for every := time.Duration(number("REDLINE_INTERVAL_MS")) * time.Millisecond; ; {
		select {
		case <-time.After(every):
			say(t.message("count"))
		case <-finished:
			say(t.message("end"))
			return
		}
	}
}

// tally is what all instances have done so far.
type tally struct {
	sync.Mutex
	records, bytes, rewinds, errors int64
	sum                             uint64 // of the first 8 bytes of each value
	positions                       map[string]int64
}

func (t *tally) add(values ...[]byte) {
	var bytes int64
	var sum uint64
	for _, value := range values {
		var first [8]byte // a shorter value goes on with zeros
		copy(first[:], value)
		sum += binary.LittleEndian.Uint64(first[:])
		bytes += int64(len(value))
	}
	t.Lock()
	defer t.Unlock()
	t.records, t.bytes, t.sum = t.records+int64(len(values)), t.bytes+bytes, t.sum+sum
}

// failed tells of a problem that we go on from.
func (t *tally) failed(err error) {
	t.Lock()
	t.errors++
	t.Unlock()
	say(map[string]any{"type": "error", "message": err.Error()})
}

func (t *tally) message(kind string) map[string]any {
	t.Lock()
	defer t.Unlock()
	m := map[string]any{"type": kind, "records": t.records, "bytes": t.bytes, "rewinds": t.rewinds}
	if kind == "end" {
		m["errors"], m["sum"], m["positions"] = t.errors, strconv.FormatUint(t.sum, 10), t.positions
	}
	return m
}

var saying sync.Mutex

// say prints one message, whole and at once.
func say(message map[string]any) {
	saying.Lock()
	defer saying.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(message); err != nil {
		log.Fatal(err) // redline is gone
	}
}

// span is what to read of a partition: from Start up to, not including, End.
type span struct {
	Partition  int32
	Start, End int64
}

// connect makes a worker for each instance and says what they are set to.
func connect(t *tally) (workers []func(context.Context), settings map[string]string) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(os.Getenv("REDLINE_BROKERS"), ",")...),
		kgo.ClientID(os.Getenv("REDLINE_CLIENT_ID")),
		kgo.DefaultProduceTopic(os.Getenv("REDLINE_TOPIC")),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}
	var properties map[string]string
	parse("REDLINE_PROPERTIES", &properties)
	for key, value := range properties {
		n, err := strconv.Atoi(value)
		set, known := settable[key]
		if !known || err != nil { // passing it over would compare what is not alike
			log.Fatalf("this example cannot set %s=%s", key, value)
		}
		opts = append(opts, set(n))
	}
	for i := range number("REDLINE_INSTANCES") {
		work, mine := share(i, t)
		client, err := kgo.NewClient(append(mine, opts...)...)
		if err == nil {
			err = client.Ping(context.Background())
		}
		if err != nil {
			log.Fatal(err)
		}
		settings = map[string]string{
			"fetch.max.bytes": fmt.Sprint(client.OptValue(kgo.FetchMaxBytes)),
			"linger.ms":       fmt.Sprint(client.OptValue(kgo.ProducerLinger).(time.Duration).Milliseconds()),
		}
		workers = append(workers, func(ctx context.Context) { defer client.Close(); work(ctx, client) })
	}
	return workers, settings
}

// settable are the properties of Kafka that this example can set.
var settable = map[string]func(n int) kgo.Opt{
	"fetch.max.bytes":           func(n int) kgo.Opt { return kgo.FetchMaxBytes(int32(n)) },
	"max.partition.fetch.bytes": func(n int) kgo.Opt { return kgo.FetchMaxPartitionBytes(int32(n)) },
	"batch.size":                func(n int) kgo.Opt { return kgo.ProducerBatchMaxBytes(int32(n)) },
	"linger.ms":                 func(n int) kgo.Opt { return kgo.ProducerLinger(time.Duration(n) * time.Millisecond) },
}

// share is the work of instance i, and its options: a reader has every n-th partition.
func share(i int, t *tally) (func(context.Context, *kgo.Client), []kgo.Opt) {
	if os.Getenv("REDLINE_WORKLOAD") == "produce" {
		return func(ctx context.Context, client *kgo.Client) { produce(ctx, client, t) }, nil
	}
	var spans []span
	parse("REDLINE_PARTITIONS", &spans)
	mine, starts := map[int32]span{}, map[int32]kgo.Offset{}
	for n, s := range spans {
		if n%number("REDLINE_INSTANCES") == i {
			mine[s.Partition], starts[s.Partition] = s, kgo.NewOffset().At(s.Start)
		}
	}
	work := func(ctx context.Context, client *kgo.Client) { consume(ctx, client, mine, t) }
	return work, []kgo.Opt{
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{os.Getenv("REDLINE_TOPIC"): starts}),
		kgo.FetchMaxWait(100 * time.Millisecond), // a rewind waits for the fetch under way
	}
}

// consume reads its partitions again and again, and counts records that were decoded.
func consume(ctx context.Context, client *kgo.Client, spans map[int32]span, t *tally) {
	at, open := map[int32]int64{}, len(spans) // the next offset of each; how many go on
	var values [][]byte
	for open > 0 && ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		for _, e := range fetches.Errors() {
			if ctx.Err() == nil {
				t.failed(e.Err)
			}
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			values = values[:0]
			for _, r := range p.Records {
				if end := spans[p.Partition].End; r.Offset < end { // others were written since
					values = append(values, r.Value)
					if at[p.Partition] = r.Offset + 1; at[p.Partition] == end {
						open--
					}
				}
			}
			t.add(values...)
		})
		if open == 0 && os.Getenv("REDLINE_ONCE") != "true" {
			open = len(spans)
			rewind(client, spans, t)
			clear(at)
		}
	}
	t.Lock()
	defer t.Unlock()
	for p, s := range spans {
		t.positions[fmt.Sprint(p)] = max(s.Start, at[p])
	}
}

// rewind begins a new pass; what was fetched before is dropped.
func rewind(client *kgo.Client, spans map[int32]span, t *tally) {
	starts := map[int32]kgo.EpochOffset{}
	for p, s := range spans {
		starts[p] = kgo.EpochOffset{Epoch: -1, Offset: s.Start}
	}
	client.SetOffsets(map[string]map[int32]kgo.EpochOffset{os.Getenv("REDLINE_TOPIC"): starts})
	t.Lock()
	defer t.Unlock()
	t.rewinds++
}

// produce writes to all partitions in turn, and counts records that were acknowledged.
func produce(ctx context.Context, client *kgo.Client, t *tally) {
	values := make([][]byte, 1024)
	for i := range values {
		values[i] = make([]byte, number("REDLINE_RECORD_BYTES"))
		for k := range values[i] {
			values[i][k] = byte(rand.Uint32())
		}
	}
	acked := func(r *kgo.Record, err error) {
		if err != nil {
			t.failed(err)
			return
		}
		t.add(r.Value)
	}
	partitions := number("REDLINE_PARTITIONS")
	for n := 0; ctx.Err() == nil; n++ {
		r := &kgo.Record{Partition: int32(n % partitions), Value: values[n%len(values)]}
		client.Produce(context.Background(), r, acked) // waits while the buffer is full
	}
	_ = client.Flush(context.Background()) // it is redline that bounds it
}

func parse(name string, into any) {
	if err := json.Unmarshal([]byte(os.Getenv(name)), into); err != nil {
		log.Fatalf("%s=%s: %v", name, os.Getenv(name), err)
	}
}

func number(name string) (n int) {
	parse(name, &n)
	return n
}

// version is that of franz-go as it was linked in.
func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/twmb/franz-go" {
			return dep.Version
		}
	}
	return "of unknown version"
}

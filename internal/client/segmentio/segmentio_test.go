package segmentio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"redline/internal/client"
	"redline/internal/client/clienttest"
)

func TestMain(m *testing.M) { clienttest.Main(m) }

func TestConformance(t *testing.T) {
	clienttest.Conformance(t, Library, "fetch.max.byte", "fetch.max.bytes")
}

func TestWhatKafkaGoCannotIsSaidBeforehand(t *testing.T) {
	check := func(err, kind error, words string) {
		t.Helper()
		if !errors.Is(err, kind) || errors.Is(err, client.ErrUnknownProperty) || !strings.HasPrefix(err.Error(), "segmentio cannot ") || !strings.Contains(err.Error(), words) {
			t.Errorf("%v", err)
		}
	}
	with := func(key, value string) client.Options {
		return client.Options{Brokers: []string{"127.0.0.1:1"}, Properties: map[string]string{key: value}}
	}
	check(Library.CheckProducer(with("enable.idempotence", "true")), client.ErrCannot, "enable.idempotence=true")
	check(Library.CheckConsumer(with("isolation.level", "read_committed")), client.ErrCannot, "isolation.level=read_committed")
	check(Library.CheckConsumer(with("check.crcs", "true")), client.ErrProperty, `check.crcs="true"`)
	check(Library.CheckConsumer(with("fetch.min.bytes", "20000000")), client.ErrProperty, "at most fetch.max.bytes")
	check(Library.CheckProducer(with("retry.backoff.max.ms", "50")), client.ErrProperty, "at least retry.backoff.ms")
	_, err := Library.Consumer(client.ConsumeOptions{Options: client.Options{Brokers: []string{"127.0.0.1:1"}}, Topic: "topic", Group: "group", ReadCommitted: true})
	check(err, client.ErrCannot, "aborted transactions")
	for _, fine := range []error{
		Library.CheckProducer(with("enable.idempotence", "false")), Library.CheckConsumer(with("check.crcs", "false")),
		Library.CheckConsumer(with("isolation.level", "read_uncommitted")), Library.CheckProducer(with("retry.backoff.ms", "5000")),
	} {
		if fine != nil {
			t.Error(fine)
		}
	}
}

func TestWhatKafkaGoLeavesOutIsSaid(t *testing.T) {
	lighter := Library.(client.Lighter)
	for workload, words := range map[string]string{"consume": "CRC", "produce": "idempotence"} {
		if said := strings.Join(lighter.Lighter(workload), "; "); !strings.Contains(said, words) {
			t.Errorf("%s: %q", workload, said)
		}
	}
}

func TestEachSpellingReachesKafkaGo(t *testing.T) {
	producer := func(properties map[string]string) *kafka.Writer {
		d, err := profiled(client.Producing, nil, client.Options{Profile: client.Defaults, Properties: properties})
		if err != nil {
			t.Fatal(err)
		}
		return d.writer([]string{"a:1", "b:2"}, "topic")
	}
	w := producer(nil)
	if w.RequiredAcks != kafka.RequireAll || w.BatchTimeout != time.Second || w.BatchSize != 100 || w.Compression != 0 || w.MaxAttempts != 10 {
		t.Errorf("by default %+v", w.Stats())
	}
	w = producer(map[string]string{
		"queue.buffering.max.ms": "2.5", "request.required.acks": "-1", "compression.codec": "zstd", "message.send.max.retries": "0",
		"batch.messages": "7", "batch.size": "4096", "request.timeout.ms": "1500",
	})
	if w.BatchTimeout != 2500*time.Microsecond || w.RequiredAcks != kafka.RequireAll || w.Compression != kafka.Zstd || w.MaxAttempts != 1 ||
		w.BatchSize != 7 || w.BatchBytes != 4096 || w.WriteTimeout != 1500*time.Millisecond || w.Addr.String() != "a:1,b:2" {
		t.Errorf("%+v", w.Stats())
	}
	if w := producer(map[string]string{"linger.ms": "0"}); w.BatchTimeout != 1 {
		t.Errorf("a linger of 0 became %v", w.BatchTimeout)
	}
	d, err := profiled(client.Consuming|client.Grouping, nil, client.Options{Properties: map[string]string{
		"max.partition.fetch.bytes": "4096", "fetch.wait.max.ms": "2000", "rebalance.timeout.ms": "9000",
		"partition.assignment.strategy": "org.apache.kafka.clients.consumer.RoundRobinAssignor, range",
	}})
	if err != nil {
		t.Fatal(err)
	}
	r, g := d.reader([]string{"a:1"}, "topic"), d.group([]string{"a:1"}, "topic", "group")
	if r.MaxBytes != 4096 || r.MaxWait != 2*time.Second || g.RebalanceTimeout != 9*time.Second || g.GroupBalancers[0].ProtocolName() != "roundrobin" || len(g.GroupBalancers) != 2 {
		t.Errorf("%+v\n%+v", r, g)
	}
}

// fetched is a Reader's place in a test of what ends a slab.
func fetched(offset, watermark int64, size int) *kafka.Message {
	return &kafka.Message{Offset: offset, HighWaterMark: watermark, Value: make([]byte, size)}
}

func TestASlabEndsWithTheLastRecordThere(t *testing.T) {
	for _, tt := range []struct {
		records   int
		watermark int64
		size      int
		last      bool
	}{
		{1, 1, 10, true}, {1, 2, 10, false}, {5, 5, 10, true}, {5, 1 << 40, 10, false},
		{slabMost, 1 << 40, 10, true}, {2, 1 << 40, slabBytes / 2, true}, {1, 0, 10, true},
	} {
		one := newSlabs().take(&feed{})
		var m *kafka.Message
		for i := range tt.records {
			m = fetched(int64(i), tt.watermark, tt.size)
			one.add(m)
		}
		if got := one.last(m); got != tt.last {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// A record alone must not wait for others to fill a slab or a call of the Writer.
func TestARecordAloneIsNotHeldBack(t *testing.T) {
	address := clienttest.Broker(t, map[string]int32{"topic": 1})
	o := client.Options{Brokers: []string{address}, Properties: map[string]string{"linger.ms": "1"}}
	acked := make(chan error, 1)
	p, err := Library.Producer(client.ProduceOptions{Options: o, Topic: "topic", RecordSize: 16, Acked: func(_ *client.Record, err error) { acked <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close(t.Context()) }()
	c, err := Library.Consumer(client.ConsumeOptions{Options: client.Options{Brokers: o.Brokers}, Topic: "topic", Assign: map[int32]int64{0: 0}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var fastest time.Duration
	for i := range 20 {
		began := time.Now()
		if err := p.Send(ctx, p.Record()); err != nil {
			t.Fatal(err)
		}
		if err := <-acked; err != nil {
			t.Fatal(err)
		}
		for read := 0; read == 0 && ctx.Err() == nil; {
			if err := c.Poll(ctx, func(b client.Batch) { read += b.Len() }); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); i == 0 || took < fastest {
			fastest = took
		}
	}
	t.Logf("the fastest took %v", fastest)
	if fastest > 100*time.Millisecond {
		t.Errorf("from Send to Poll it took %v", fastest)
	}
}

// A broker that says nothing must not keep a client from the others.
func TestASilentBrokerIsPassedOver(t *testing.T) {
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	address := clienttest.Broker(t, map[string]int32{"topic": 1})
	filled := clienttest.Fill(t, address, "topic", 1, 10)
	o := client.Options{Brokers: []string{silent.Addr().String(), address}}
	c, err := Library.Consumer(client.ConsumeOptions{Options: o, Topic: "topic", Assign: map[int32]int64{0: 0}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	for read := 0; read < filled.Records(); {
		if err := c.Poll(ctx, func(b client.Batch) { read += b.Len() }); err != nil || ctx.Err() != nil {
			t.Fatalf("%d read, %v, %v", read, err, ctx.Err())
		}
	}
}

func TestAPartitionThatIsNotThereIsSaid(t *testing.T) {
	address := clienttest.Broker(t, map[string]int32{"topic": 1})
	c, err := Library.Consumer(client.ConsumeOptions{Options: client.Options{Brokers: []string{address}}, Topic: "topic", Assign: map[int32]int64{0: 0, 7: 0}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	for err == nil && ctx.Err() == nil {
		err = c.Poll(ctx, func(client.Batch) {})
	}
	if err == nil || !strings.Contains(err.Error(), `"topic" has no partition 7`) {
		t.Errorf("got %v", err)
	}
}

func TestOutcomes(t *testing.T) {
	for err, want := range map[error]client.Outcome{
		nil: client.Acked,
		fmt.Errorf("x: %w", kafka.MessageSizeTooLarge):                           client.Failed,
		known(kafka.TopicAuthorizationFailed):                                    client.Failed,
		kafka.NotEnoughReplicasAfterAppend:                                       client.Indeterminate,
		kafka.RequestTimedOut:                                                    client.Indeterminate,
		context.DeadlineExceeded:                                                 client.Indeterminate,
		client.NeverAppended(client.MissingTopic("topic", kafka.UnknownTopicID)): client.Failed,
		client.MissingTopic("topic", known(kafka.UnknownTopicOrPartition)):       client.Indeterminate,
		fmt.Errorf("closed: %w", context.Canceled):                               client.Indeterminate,
		fmt.Errorf("never: %w", client.NeverAppended(errClosed)):                 client.Failed,
	} {
		if got := Library.Outcome(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

package direct

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"pgregory.net/rapid"

	"redline/direct/batch"
)

func TestWhatIsSentIsReadBack(t *testing.T) {
	const partitions = 3
	cluster := fake(t, 1)
	topics := 0
	rapid.Check(t, func(rt *rapid.T) {
		topics++
		topic := fmt.Sprintf("t%d", topics)
		if err := cluster.CreateTopic(topic, partitions, nil); err != nil {
			rt.Fatal(err)
		}
		book := newAckBook(t)
		p, err := NewProducer(t.Context(), ProducerConfig{
			Kafka: seeds(cluster), Topic: topic, OnAck: book.take,
			Compression: batch.Codec(rapid.IntRange(0, 4).Draw(rt, "codec")),
			BatchBytes:  rapid.IntRange(leastBatchBytes, 8000).Draw(rt, "batch"), Linger: time.Millisecond,
			Connections: rapid.IntRange(1, 2).Draw(rt, "connections"), InFlight: rapid.IntRange(1, 5).Draw(rt, "in flight"),
			RequestBytes: rapid.IntRange(8000, 20_000).Draw(rt, "request"), NoIdempotence: rapid.Bool().Draw(rt, "plain"),
			MaxBuffered: rapid.SampledFrom([]int{8 << 10, 64 << 20}).Draw(rt, "buffered"),
		})
		if err != nil {
			rt.Fatal(err)
		}
		bytesOf := rapid.SliceOfN(rapid.Byte(), 0, 300)
		want := map[int32][]Record{}
		for range rapid.IntRange(0, 200).Draw(rt, "records") {
			r := Record{Partition: int32(rapid.IntRange(0, partitions-1).Draw(rt, "partition")), Timestamp: time.UnixMilli(rapid.Int64Range(0, 1<<41).Draw(rt, "ms"))}
			if rapid.Bool().Draw(rt, "has key") {
				r.Key = append([]byte{}, bytesOf.Draw(rt, "key")...)
			}
			if rapid.IntRange(0, 9).Draw(rt, "has value") > 0 {
				r.Value = append([]byte{}, bytesOf.Draw(rt, "value")...)
			}
			for i := range rapid.IntRange(0, 2).Draw(rt, "headers") {
				r.Headers = append(r.Headers, batch.Header{Key: fmt.Sprint(i), Value: r.Key})
			}
			if err := p.Send(t.Context(), r); err != nil {
				rt.Fatal(err)
			}
			want[r.Partition] = append(want[r.Partition], r)
		}
		if err := p.Close(t.Context()); err != nil {
			rt.Fatal(err)
		}
		got := readAll(t, cluster, topic)
		for partition := range int32(partitions) {
			sameRecords(rt, want[partition], got[partition])
		}
		for _, a := range book.all {
			if a.Err != nil || a.Landed != InLog || a.Offset != int64(a.First) {
				rt.Errorf("an acknowledgement is %+v", a)
			}
		}
	})
}

// sameRecords compares what was sent with what was read.
func sameRecords(t *rapid.T, want []Record, got []*kgo.Record) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d records were sent, and %d are there", len(want), len(got))
	}
	same := func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }
	for i, r := range got {
		w := want[i]
		if !same(w.Key, r.Key) || !same(w.Value, r.Value) || !w.Timestamp.Equal(r.Timestamp) || len(w.Headers) != len(r.Headers) {
			t.Fatalf("record %d: %+v was sent, and %+v is there", i, w, r)
		}
		for j, h := range r.Headers {
			if h.Key != w.Headers[j].Key || !same(h.Value, w.Headers[j].Value) {
				t.Errorf("record %d: header %+v was sent, and %+v is there", i, w.Headers[j], h)
			}
		}
	}
}

func TestManyMaySendAtOnce(t *testing.T) {
	const senders, each, partitions = 8, 5000, 4
	for _, codec := range []batch.Codec{batch.None, batch.Snappy} {
		t.Run(codec.String(), func(t *testing.T) {
			cluster := fake(t, partitions)
			p, book := produceTo(t, cluster, ProducerConfig{Connections: 2, BatchBytes: 5000, MaxBuffered: 100_000, Compression: codec})
			var all sync.WaitGroup
			for s := range senders {
				all.Go(func() {
					for i := range each {
						if err := p.Send(t.Context(), Record{Partition: int32(i % partitions), Value: append(eight(i), byte(s))}); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			flush(t, p)
			if n, failed := book.records(); n != senders*each || failed > 0 {
				t.Fatalf("%d records were acknowledged, and %d failed", n, failed)
			}
			next := map[[2]int]int{}
			for partition, records := range readAll(t, cluster, "topic") {
				for _, r := range records {
					key := [2]int{int(partition), int(r.Value[8])}
					if got, due := int(numberOf(r.Value)), next[key]*partitions+int(partition); got != due {
						t.Fatalf("sender %d, partition %d: %d, where %d is due", key[1], partition, got, due)
					}
					next[key]++
				}
			}
		})
	}
}

func TestARecordWithoutAPartitionGetsOne(t *testing.T) {
	cluster := fake(t, 5)
	p, _ := produceTo(t, cluster, ProducerConfig{})
	for i := range 1000 {
		if err := p.Send(t.Context(), Record{Partition: AnyPartition, Key: fmt.Append(nil, "key", i)}); err != nil {
			t.Fatal(err)
		}
		if err := p.Send(t.Context(), Record{Partition: AnyPartition, Value: make([]byte, 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, p)
	seen := map[int32]int{}
	for partition, records := range readAll(t, cluster, "topic") {
		for _, r := range records {
			if r.Key == nil {
				seen[partition]++
			} else if want := KeyPartition(r.Key, 5); partition != want {
				t.Errorf("key %q is in partition %d, not %d", r.Key, partition, want)
			}
		}
	}
	if len(seen) < 3 {
		t.Errorf("records without a key went to %v", seen)
	}
}

func TestARecordWithoutATimestampGetsTheTime(t *testing.T) {
	cluster := fake(t, 1)
	p, _ := produceTo(t, cluster, ProducerConfig{})
	before := time.Now().Truncate(time.Millisecond)
	if err := p.Send(t.Context(), Record{}); err != nil {
		t.Fatal(err)
	}
	flush(t, p)
	r := readAll(t, cluster, "topic")[0][0]
	if r.Timestamp.Before(before) || r.Timestamp.After(time.Now()) || r.Key != nil || r.Value != nil {
		t.Errorf("it is %+v", r)
	}
}

func TestEachKindOfAcks(t *testing.T) {
	for _, c := range []struct {
		acks   Acks
		landed Landing
		known  bool
	}{{AcksAll, InLog, true}, {AcksLeader, InLog, true}, {AcksNone, InDoubt, false}} {
		t.Run(c.acks.String(), func(t *testing.T) {
			cluster := fake(t, 4)
			p, book := produceTo(t, cluster, ProducerConfig{Acks: c.acks})
			sendNumbers(t, p, 0, 10_000)
			flush(t, p)
			if n, failed := book.records(); n != 10_000 || failed > 0 {
				t.Fatalf("%d records were acknowledged, and %d failed", n, failed)
			}
			for _, a := range book.all {
				if a.Landed != c.landed || (a.Offset >= 0) != c.known || a.Bytes != 8*a.Records {
					t.Errorf("an acknowledgement is %+v", a)
				}
			}
			deadline := time.Now().Add(10 * time.Second)
			for all := readAll(t, cluster, "topic"); ; all = readAll(t, cluster, "topic") {
				if n := len(all[0]) + len(all[1]) + len(all[2]) + len(all[3]); n == 10_000 || time.Now().After(deadline) {
					onceInOrder(t, all, 10_000, 4)
					return
				}
				time.Sleep(10 * time.Millisecond) // nobody told that they have arrived
			}
		})
	}
}

func TestWhatCannotBeIsSaidBeforeTheFirstRecord(t *testing.T) {
	cluster := fake(t, 1)
	secured := fake(t, 1, kfake.EnableSASL(), kfake.Superuser("PLAIN", "me", "secret"))
	old := fake(t, 1, kfake.MaxVersions(kversion.V1_0_0()))
	gone, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for _, c := range []struct {
		name string
		cfg  ProducerConfig
		say  string
		is   error
	}{
		{"no topic", ProducerConfig{Kafka: seeds(cluster)}, "no topic was named", nil},
		{"unknown topic", ProducerConfig{Kafka: seeds(cluster), Topic: "other"}, `"other"`, kerr.UnknownTopicOrPartition},
		{"nobody there", ProducerConfig{Kafka: []kgo.Opt{kgo.SeedBrokers(gone.Addr().String()), kgo.RequestRetries(0)}, Topic: "topic"}, "refused", nil},
		{"credentials", ProducerConfig{Kafka: append(seeds(secured), kgo.SASL(plain.Auth{User: "me", Pass: "wrong"}.AsMechanism())), Topic: "topic"}, "credentials right", nil},
		{"too old for zstd", ProducerConfig{Kafka: seeds(old), Topic: "topic", Compression: batch.Zstd, NoIdempotence: true}, "zstd", nil},
		{"level", ProducerConfig{Kafka: seeds(cluster), Topic: "topic", Compression: batch.Gzip, CompressionLevel: 99}, "level 99", nil},
		{"codec", ProducerConfig{Kafka: seeds(cluster), Topic: "topic", Compression: 5}, "compression", nil},
		{"in flight", ProducerConfig{Kafka: seeds(cluster), Topic: "topic", InFlight: 6}, "NoIdempotence", nil},
		{"memory", ProducerConfig{Kafka: seeds(cluster), Topic: "topic", MaxBuffered: 5000}, "at least 1048576", nil},
		{"acks", ProducerConfig{Kafka: seeds(cluster), Topic: "topic", Acks: 7}, "acks 7", nil},
		{"requests", ProducerConfig{Kafka: append(seeds(cluster), kgo.BrokerMaxWriteBytes(1<<20), kgo.MaxBufferedRecords(1), kgo.ProducerBatchMaxBytes(1000)), Topic: "topic"}, "BrokerMaxWriteBytes", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			p, err := NewProducer(t.Context(), c.cfg)
			if err == nil {
				t.Errorf("it begins, and ends with %v", p.Close(t.Context()))
				return
			}
			if !strings.Contains(err.Error(), c.say) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("it says: %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestWhatSendDoesNotTake(t *testing.T) {
	cluster := fake(t, 2)
	p, book := produceTo(t, cluster, ProducerConfig{BatchBytes: 5000, RequestBytes: 10_000})
	for _, c := range []struct {
		r     Record
		say   string
		large bool
	}{
		{Record{Partition: 2}, "it has 2 partitions", false},
		{Record{Partition: -2}, "it has 2 partitions", false},
		{Record{Value: make([]byte, 10_000)}, "RequestBytes allows 10000", true},
		{Record{Headers: []batch.Header{{Key: "k", Value: make([]byte, 10_000)}}}, "RequestBytes allows 10000", true},
	} {
		if err := p.Send(t.Context(), c.r); err == nil || !strings.Contains(err.Error(), c.say) || errors.Is(err, kerr.MessageTooLarge) != c.large {
			t.Errorf("it says: %v", err)
		}
	}
	small, _ := produceTo(t, cluster, ProducerConfig{BatchBytes: 5000, RequestBytes: 100_000, MaxBuffered: 16 << 10})
	if err := small.Send(t.Context(), Record{Value: make([]byte, 17_000)}); !errors.Is(err, kerr.MessageTooLarge) || !strings.Contains(err.Error(), "MaxBuffered allows 16384") {
		t.Errorf("without room it says: %v", err)
	}
	if err := p.Send(t.Context(), Record{Value: make([]byte, 4800)}); err != nil {
		t.Error(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.Send(t.Context(), Record{}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed, it says: %v", err)
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Errorf("closed, Flush says: %v", err)
	}
	if n, _ := book.records(); n != 1 {
		t.Errorf("%d records were told of", n)
	}
}

func TestALargeRecordGoesAlone(t *testing.T) {
	cluster := fake(t, 1)
	p, book := produceTo(t, cluster, ProducerConfig{BatchBytes: 5000})
	for i, size := range []int{10, 1_000_000, 20, 6000, 5000, 30} {
		if err := p.Send(t.Context(), Record{Value: append(eight(i), make([]byte, size)...)}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, p)
	onceInOrder(t, readAll(t, cluster, "topic"), 6, 1)
	for _, a := range book.all {
		if a.Bytes > 5000 && a.Records > 1 {
			t.Errorf("a batch is %+v", a)
		}
	}
}

func TestABatchLingers(t *testing.T) {
	cluster := fake(t, 1)
	p, book := produceTo(t, cluster, ProducerConfig{Linger: 300 * time.Millisecond})
	sendNumbers(t, p, 0, 1)
	time.Sleep(100 * time.Millisecond)
	sendNumbers(t, p, 1, 1)
	if n, _ := book.records(); n > 0 {
		t.Error("it did not linger")
	}
	deadline := time.Now().Add(5 * time.Second)
	for n, _ := book.records(); n < 2; n, _ = book.records() {
		if time.Now().After(deadline) {
			t.Fatal("it lingers for ever")
		}
		time.Sleep(time.Millisecond)
	}
	if len(book.all) != 1 {
		t.Errorf("there are %d batches", len(book.all))
	}
}

func TestFlushDoesNotLinger(t *testing.T) {
	cluster := fake(t, 3)
	p, book := produceTo(t, cluster, ProducerConfig{Linger: time.Hour})
	for round := range 5 {
		sendNumbers(t, p, round*30, 30)
		flush(t, p)
		if n, _ := book.records(); n != round*30+30 {
			t.Fatalf("%d records are acknowledged after round %d", n, round)
		}
	}
	onceInOrder(t, readAll(t, cluster, "topic"), 150, 3)
}

func TestWithoutLingerARecordGoesAtOnce(t *testing.T) {
	cluster := fake(t, 1)
	p, book := produceTo(t, cluster, ProducerConfig{Linger: -1})
	sendNumbers(t, p, 0, 1)
	deadline := time.Now().Add(5 * time.Second)
	for n, _ := book.records(); n < 1; n, _ = book.records() {
		if time.Now().After(deadline) {
			t.Fatal("it does not go")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestPartitionsThatAreAddedAreFound(t *testing.T) {
	cluster := fake(t, 1)
	p, _ := produceTo(t, cluster, ProducerConfig{})
	cl, err := kgo.NewClient(seeds(cluster)...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).UpdatePartitions(t.Context(), 4, "topic"); err != nil {
		t.Fatal(err)
	}
	if err := cluster.MoveTopicPartition("topic", 0, (cluster.LeaderFor("topic", 0)+1)%3); err != nil {
		t.Fatal(err)
	}
	sendNumbers(t, p, 0, 1) // which makes it look
	flush(t, p)
	if p.Partitions() != 4 {
		t.Fatalf("%d partitions are known of", p.Partitions())
	}
	if err := p.Send(t.Context(), Record{Partition: 3, Value: eight(1)}); err != nil {
		t.Fatal(err)
	}
	flush(t, p)
	if len(readAll(t, cluster, "topic")[3]) != 1 {
		t.Error("the record is not there")
	}
}

func TestCloseTellsOfEveryBatchOnce(t *testing.T) {
	cluster := fake(t, 4)
	wake := make(chan struct{})
	defer close(wake)
	silence(cluster, wake)
	p, book := produceTo(t, cluster, ProducerConfig{BatchBytes: 2000, Linger: time.Millisecond})
	sendNumbers(t, p, 0, 4000)
	time.Sleep(50 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := p.Close(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it says: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	n, failed := book.records()
	if n != 4000 || failed != 4000 {
		t.Errorf("%d of 4000 records were told of, and %d failed", n, failed)
	}
	kinds := map[Landing]int{}
	for _, a := range book.all {
		kinds[a.Landed]++
		if !errors.Is(a.Err, ErrClosed) {
			t.Errorf("one failed because: %v", a.Err)
		}
	}
	if kinds[InDoubt] == 0 || kinds[NotInLog] == 0 || kinds[InLog] > 0 {
		t.Errorf("batches were told as %v", kinds)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Errorf("closed again, it says: %v", err)
	}
}

// silence makes brokers take produce requests and not answer them until it ends.
func silence(cluster *kfake.Cluster, wake <-chan struct{}) {
	cluster.ControlKey(produceKey, func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		cluster.SleepControl(func() { <-wake })
		return nil, nil, false
	})
}

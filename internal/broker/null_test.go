package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"redline/internal/journal"
)

// startSink serves a null sink in this process until the test ends.
func startSink(t testing.TB, properties map[string]string) *nullSink {
	t.Helper()
	config, err := readNullConfig(properties)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", loopback(0))
	if err != nil {
		t.Fatal(err)
	}
	s := newNullSink(config, "sink", listener)
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.serve()
	}()
	t.Cleanup(func() {
		s.close()
		<-served
	})
	return s
}

func (s *nullSink) addr() string { return s.listener.Addr().String() }

// sinkClient is a franz-go client of it.
func sinkClient(t testing.TB, s *nullSink, more ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(more, kgo.SeedBrokers(s.addr()), kgo.AllowAutoTopicCreation(), kgo.FetchMaxWait(200*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// seenRecords reads until a partition's records are all there, and checks that they
// follow each other.
func seenRecords(t testing.TB, client *kgo.Client, n int64) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var seen []*kgo.Record
	for int64(len(seen)) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(seen), n, err)
		}
		seen = append(seen, fetches.Records()...)
	}
	for i, r := range seen {
		if r.Offset != seen[0].Offset+int64(i) {
			t.Fatalf("record %d has offset %d, the first %d", i, r.Offset, seen[0].Offset)
		}
	}
	return seen
}

func partitionReader(t testing.TB, s *nullSink, topic string, at int64, more ...kgo.Opt) *kgo.Client {
	t.Helper()
	return sinkClient(t, s, append(more, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(at)}}))...)
}

func TestNullSinkRunsInAChildAndLeavesNothing(t *testing.T) {
	state := ownState(t)
	b, err := Start(t.Context(), Config{Kind: Null})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if pids := b.PIDs(); len(pids) != 1 || pids[0] == os.Getpid() || len(b.Addrs()) != 1 {
		t.Errorf("PIDs %v, addresses %v: want one each, and not our own", pids, b.Addrs())
	}
	if want := "null sink (answers without storing, not Kafka), 1 node"; b.Description() != want || b.Storage() != "none" {
		t.Errorf("Description() = %q, storage %q", b.Description(), b.Storage())
	}
	_, admin := newAdmin(t, b)
	metadata, err := admin.Metadata(t.Context())
	if err != nil || metadata.Cluster != b.ClusterID() || len(metadata.Topics) > 0 {
		t.Errorf("metadata %+v, %v: want the cluster %s without topics", metadata, err, b.ClusterID())
	}
	addrs := b.Addrs()
	if err := b.Kill(0); err != nil {
		t.Fatal(err)
	}
	if err := b.Restart(t.Context(), 0); err != nil || !slices.Equal(addrs, b.Addrs()) {
		t.Errorf("restart: %v, addresses %v, before %v", err, b.Addrs(), addrs)
	}
	child := journal.ProcessOf(b.PIDs()[0])
	if err := b.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left := brokerFolders(t, state); child.Alive() || len(left) > 0 {
		t.Errorf("the child lives: %v; left behind: %v", child.Alive(), left)
	}
}

func TestKillingTheOwnerEndsTheNullSink(t *testing.T) {
	state := ownState(t)
	owner, s := startOwner(t, keeperOrder{Kind: Null})
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	eventually(t, "the child's end", func() bool { return !s.Processes[0].Alive() })
	eventually(t, "the folder's end", func() bool { return len(brokerFolders(t, state)) == 0 })
}

func TestAPropertyTheNullSinkCannotHonourIsAnError(t *testing.T) {
	for says, properties := range map[string]map[string]string{
		`no property "log.retention.bytes"`:      {"log.retention.bytes": "1"},
		"num.partitions=0 is no number from 1":   {"num.partitions": "0"},
		"neither true nor false":                 {"auto.create.topics.enable": "x"},
		"null.records=-1 is no number from 0 to": {"null.records": "-1"},
	} {
		ownState(t)
		if _, err := Start(t.Context(), Config{Kind: Null, Properties: properties}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: error %v, want %q in it", properties, err, says)
		}
	}
}

func TestOffsetsAreThoseOfWhatWasSent(t *testing.T) {
	s := startSink(t, map[string]string{"num.partitions": "3"})
	for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		for _, idempotent := range []bool{true, false} {
			topic := fmt.Sprintf("t-%v-%v", codec, idempotent)
			topic = strings.Trim(strings.NewReplacer("{", "", "}", "", " ", "-").Replace(topic), "-")
			options := []kgo.Opt{kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner())}
			if !idempotent {
				options = append(options, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(5))
			}
			client := sinkClient(t, s, options...)
			var next [3]int64
			for range 50 {
				var records []*kgo.Record
				for p := range int32(3) {
					for range rand.IntN(20) {
						records = append(records, &kgo.Record{Topic: topic, Partition: p, Value: make([]byte, rand.IntN(300))})
					}
				}
				for _, r := range client.ProduceSync(t.Context(), records...) {
					if r.Err != nil || r.Record.Offset != next[r.Record.Partition] {
						t.Fatalf("%s: partition %d offset %d, want %d: %v", topic, r.Record.Partition, r.Record.Offset, next[r.Record.Partition], r.Err)
					}
					next[r.Record.Partition]++
				}
			}
			ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topic)
			if err != nil {
				t.Fatal(err)
			}
			for p, want := range next {
				if o, _ := ends.Lookup(topic, int32(p)); o.Offset != want {
					t.Errorf("%s/%d ends at %d, want %d", topic, p, o.Offset, want)
				}
			}
		}
	}
}

func TestWhatIsReadHasTheSizeOfWhatWasWritten(t *testing.T) {
	s := startSink(t, nil)
	for _, size := range []struct{ key, value int }{{-1, 100}, {-1, 1000}, {16, 10}, {-1, 0}, {300, 20_000}, {-1, 300_000}} {
		topic := fmt.Sprintf("t%d-%d", size.key, size.value)
		writer := sinkClient(t, s, kgo.ProducerBatchCompression(kgo.NoCompression()))
		records := make([]*kgo.Record, 2500)
		if size.value > 10_000 {
			records = records[:30]
		}
		for i := range records {
			records[i] = &kgo.Record{Topic: topic, Value: make([]byte, size.value)}
			if size.key >= 0 {
				records[i].Key = make([]byte, size.key)
			}
		}
		if err := writer.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		// From inside as well as from the start.
		for _, from := range []int64{0, 7, int64(len(records)) - 1} {
			reader := partitionReader(t, s, topic, from)
			seen := seenRecords(t, reader, int64(len(records))-from)
			if int64(len(seen)) != int64(len(records))-from || seen[0].Offset != from {
				t.Errorf("%s: %d records from %d, want %d from %d", topic, len(seen), seen[0].Offset, int64(len(records))-from, from)
			}
			for _, r := range seen {
				if len(r.Value) != size.value || len(r.Key) != max(0, size.key) || (r.Key == nil) != (size.key < 0) {
					t.Fatalf("%s: key of %d bytes, value of %d", topic, len(r.Key), len(r.Value))
				}
			}
		}
	}
}

func TestNothingIsReadPastTheEndAndALongPollWakes(t *testing.T) {
	s := startSink(t, nil)
	writer := sinkClient(t, s)
	one := func() {
		if err := writer.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("x")}).FirstErr(); err != nil {
			t.Error(err)
		}
	}
	one()
	reader := partitionReader(t, s, "t", 0, kgo.FetchMaxWait(30*time.Second))
	seenRecords(t, reader, 1)
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if n := reader.PollFetches(short).NumRecords(); n > 0 {
		t.Errorf("%d records past the end", n)
	}
	began := time.Now()
	var writing sync.WaitGroup
	writing.Go(one)
	defer writing.Wait() // its client lives that long
	seenRecords(t, reader, 1)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a record was seen after %v", took)
	}
}

func TestALongPollEndsWithItsConnection(t *testing.T) {
	s := startSink(t, nil)
	reader := partitionReader(t, s, "t", 0, kgo.FetchMaxWait(time.Minute))
	poll, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	reader.PollFetches(poll)
	topic := func() *nullTopic { return s.topics.named([]byte("t")) }
	eventually(t, "a long poll", func() bool { return topic() != nil && topic().watchers.waiting.Load() == 1 })
	reader.Close()
	eventually(t, "its end", func() bool { return topic().watchers.waiting.Load() == 0 })
}

func TestFetchKeepsToItsLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := new(nullConn)
		batches := prepare(shape{key: -1, value: rapid.Int32Range(0, 5000).Draw(t, "size")}, time.Now())
		records := rapid.Int64Range(1, 1<<50).Draw(t, "records")
		room := rapid.Int64Range(0, 4<<20).Draw(t, "room")
		first := rapid.Bool().Draw(t, "first")
		size := c.choose(batches, records, room, first)
		var got, bytes int64
		for _, batch := range c.chosen {
			got += 1 << batch
			bytes += int64(batches.size(int(batch)))
		}
		switch {
		case bytes != size || got > records:
			t.Fatalf("%d bytes, said to be %d; %d records of %d", bytes, size, got, records)
		case size > room && (!first || got != 1):
			t.Fatalf("%d bytes in a room of %d, first %v", size, room, first)
		case first && got == 0:
			t.Fatal("the first answer holds nothing: its client would stand still")
		case got == 0 && int64(batches.size(0)) <= room:
			t.Fatalf("nothing, though %d bytes fit into %d", batches.size(0), room)
		}
	})
}

func TestPreparedBatchesHoldTheirRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := shape{rapid.Int32Range(-1, 300).Draw(t, "key"), rapid.Int32Range(-1, 3000).Draw(t, "value")}
		if unpackShape(s.pack()) != s {
			t.Fatalf("%v is packed as %v", s, unpackShape(s.pack()))
		}
		p := prepare(s, time.Now())
		for i, head := range p.heads {
			records := p.records[:p.ends[i]]
			batch := append(slices.Clone(head[:]), records...)
			if got, want := binary.BigEndian.Uint32(head[17:]), crc32.Checksum(batch[batchCRCEnd:], castagnoli); got != want {
				t.Fatalf("batch %d: crc %x, want %x", i, got, want)
			}
			if int(binary.BigEndian.Uint32(head[57:])) != 1<<i || len(batch) != batchLengthEnd+int(binary.BigEndian.Uint32(head[8:])) {
				t.Fatalf("batch %d: %d records, %d bytes", i, binary.BigEndian.Uint32(head[57:]), len(batch))
			}
			if got, made := shapeOfRecord(records); !made || got != s {
				t.Fatalf("its first record is of %v (%v), want %v", got, made, s)
			}
		}
		if last := p.ends[len(p.ends)-1]; len(p.ends) > 1 && batchHead+last > mostPreparedBytes || len(p.records) != last {
			t.Fatalf("the largest batch has %d bytes, of %d", batchHead+last, len(p.records))
		}
	})
}

func TestNullSinkTopics(t *testing.T) {
	s := startSink(t, map[string]string{"auto.create.topics.enable": "false", "num.partitions": "4", "null.records": "5"})
	admin := kadm.NewClient(sinkClient(t, s))
	ctx := t.Context()
	value := "1000"
	if r, err := admin.CreateTopic(ctx, -1, -1, map[string]*string{"retention.ms": &value}, "made"); err != nil || r.NumPartitions != 4 {
		t.Fatalf("%+v, %v: want 4 partitions", r, err)
	}
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, "made"); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Errorf("made twice: %v", err)
	}
	if _, err := admin.CreateTopic(ctx, 1, 3, nil, "wide"); !errors.Is(err, kerr.InvalidReplicationFactor) {
		t.Errorf("three replicas: %v", err)
	}
	if _, err := admin.CreateTopic(ctx, mostNullPartitions, 1, nil, "many"); !errors.Is(err, kerr.PolicyViolation) {
		t.Errorf("too many partitions: %v", err)
	}
	if ends, err := admin.ListEndOffsets(ctx, "made"); err != nil || ends["made"][3].Offset != 5 {
		t.Errorf("ends %v, %v: want 5 in each partition", ends, err)
	}
	configs, err := admin.DescribeTopicConfigs(ctx, "made")
	if err != nil || len(configs) != 1 || len(configs[0].Configs) != 1 || configs[0].Configs[0].MaybeValue() != value {
		t.Errorf("configs %v, %v", configs, err)
	}
	describe := kmsg.NewPtrDescribeTopicPartitionsRequest()
	describe.Topics = []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "made"}, {Topic: "missing"}}
	if described, err := describe.RequestWith(ctx, sinkClient(t, s)); err != nil || len(described.Topics) != 2 || len(described.Topics[0].Partitions) != 4 || described.Topics[1].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("described as %+v, %v", described, err)
	}
	if topics, err := admin.ListTopics(ctx, "missing"); err != nil || !errors.Is(topics["missing"].Err, kerr.UnknownTopicOrPartition) {
		t.Errorf("a topic that nobody made: %v, %v", topics["missing"], err)
	}
	if _, err := admin.DeleteTopic(ctx, "made"); err != nil {
		t.Error(err)
	}
	if _, err := admin.DeleteTopic(ctx, "made"); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestTransactionsAreRefused(t *testing.T) {
	s := startSink(t, nil)
	client := sinkClient(t, s, kgo.TransactionalID("tx"))
	err := client.BeginTransaction()
	if err == nil || !strings.Contains(err.Error(), kerr.TransactionalIDAuthorizationFailed.Message) {
		t.Errorf("error %v", err)
	}
}

func TestAGroupSharesThePartitionsAndGoesOnWhereItWas(t *testing.T) {
	s := startSink(t, map[string]string{"num.partitions": "6", "null.records": "1000"})
	writer := sinkClient(t, s)
	if err := writer.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[[2]int64]int{}
	read := func(ctx context.Context, client *kgo.Client) int {
		fetches := client.PollFetches(ctx)
		mu.Lock()
		defer mu.Unlock()
		fetches.EachRecord(func(r *kgo.Record) { seen[[2]int64{int64(r.Partition), r.Offset}]++ })
		return len(seen)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	member := func() *kgo.Client {
		return sinkClient(t, s, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.FetchMaxPartitionBytes(2000), kgo.HeartbeatInterval(100*time.Millisecond))
	}
	var members sync.WaitGroup
	for range 3 {
		client := member()
		members.Go(func() {
			for ctx.Err() == nil {
				if read(ctx, client) == 6001 {
					cancel()
				}
			}
			client.CloseAllowingRebalance() // commits
		})
		time.Sleep(50 * time.Millisecond)
	}
	members.Wait()
	if len(seen) != 6001 {
		t.Fatalf("%d records seen, want 6001", len(seen))
	}
	admin := kadm.NewClient(writer)
	offsets, err := admin.FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	var committed int64
	offsets.Each(func(o kadm.OffsetResponse) { committed += o.At })
	if committed == 0 || committed > 6001 {
		t.Errorf("%d records are committed, of 6001", committed)
	}
	groups, err := admin.DescribeGroups(t.Context())
	if g := groups["g"]; err != nil || g.State != "Empty" || len(g.Members) > 0 || g.ProtocolType != "consumer" {
		t.Errorf("%+v, %v: want it empty", groups, err)
	}
	if _, err := admin.DeleteGroup(t.Context(), "g"); err != nil {
		t.Error(err)
	}
	if _, err := admin.DeleteGroup(t.Context(), "g"); !errors.Is(err, kerr.GroupIDNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestAMemberThatFallsSilentIsLeftOut(t *testing.T) {
	s := startSink(t, map[string]string{"null.records": "10"})
	client := sinkClient(t, s)
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.ProtocolType, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = "g", "consumer", 1000, 60_000
	for _, name := range []string{"cooperative-sticky", "range"} {
		protocol := kmsg.NewJoinGroupRequestProtocol()
		protocol.Name = name
		join.Protocols = append(join.Protocols, protocol)
	}
	joined, err := join.RequestWith(t.Context(), client)
	if err != nil || joined.ErrorCode != 0 || joined.LeaderID != joined.MemberID || joined.Generation != 1 {
		t.Fatalf("%+v, %v", joined, err)
	}
	// It says nothing more, and would lead the others.
	other := sinkClient(t, s, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"))
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	seenRecords(t, other, 11)
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Group, beat.MemberID, beat.Generation = "g", joined.MemberID, joined.Generation
	if heard, err := beat.RequestWith(t.Context(), client); err != nil || heard.ErrorCode != kerr.UnknownMemberID.Code {
		t.Errorf("its heartbeat: %+v, %v", heard, err)
	}
}

func TestSaramaWithTheNullSink(t *testing.T) {
	s := startSink(t, map[string]string{"null.records": "3000"})
	for _, version := range []sarama.KafkaVersion{sarama.V2_1_0_0, sarama.V4_0_0_0} {
		config := sarama.NewConfig()
		config.Version = version
		config.Producer.Return.Successes = true
		config.Producer.Compression = sarama.CompressionSnappy
		producer, err := sarama.NewSyncProducer([]string{s.addr()}, config)
		if err != nil {
			t.Fatal(err)
		}
		topic := "sarama-" + version.String()
		_, offset, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("x")})
		if err != nil || offset != 3000 {
			t.Fatalf("%v: offset %d, %v: want 3000", version, offset, err)
		}
		if err := producer.Close(); err != nil {
			t.Error(err)
		}
		consumer, err := sarama.NewConsumer([]string{s.addr()}, config)
		if err != nil {
			t.Fatal(err)
		}
		partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		for want := range int64(3001) {
			if m := <-partition.Messages(); m.Offset != want || len(m.Value) != 100 {
				t.Fatalf("%v: offset %d of %d bytes, want %d of 100", version, m.Offset, len(m.Value), want)
			}
		}
		if err := errors.Join(partition.Close(), consumer.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestSegmentioWithTheNullSink(t *testing.T) {
	s := startSink(t, map[string]string{"null.records": "3000"})
	writer := &kafkago.Writer{Addr: kafkago.TCP(s.addr()), Topic: "k", RequiredAcks: kafkago.RequireOne, BatchTimeout: time.Millisecond, AllowAutoTopicCreation: true}
	eventually(t, "a record written", func() bool {
		return writer.WriteMessages(t.Context(), kafkago.Message{Value: make([]byte, 50)}) == nil
	})
	if err := writer.Close(); err != nil {
		t.Error(err)
	}
	for _, group := range []string{"", "g"} {
		reader := kafkago.NewReader(kafkago.ReaderConfig{Brokers: []string{s.addr()}, Topic: "k", GroupID: group, MaxWait: 100 * time.Millisecond, StartOffset: kafkago.FirstOffset})
		for want := range int64(3001) {
			if m, err := reader.ReadMessage(t.Context()); err != nil || m.Offset != want || len(m.Value) != 50 {
				t.Fatalf("group %q: offset %d of %d bytes, want %d of 50: %v", group, m.Offset, len(m.Value), want, err)
			}
		}
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}
	if transport, ok := kafkago.DefaultTransport.(*kafkago.Transport); ok {
		transport.CloseIdleConnections()
	}
}

package kafka_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/direct/wire"
)

// The real answers that direct's fuzz targets begin with are made here, and written into
// their testdata when REDLINE_CORPUS says so (make fuzz-corpus):
//
//	REDLINE_CORPUS=1 REDLINE_TEST_KAFKA=1 go test ./test/kafka -run RealAnswers
func TestRealAnswersAreWhatIsFuzzed(t *testing.T) {
	beside(t)
	k := startApache(t, 1, nil)
	const topic, partitions = "topic", 3 // as the fuzz targets have it
	k.create(t, topic, partitions)
	k.writeAllKinds(t, topic)
	conn := dialNode(t, k)
	for version := int16(4); version <= 13; version++ {
		for committed := range int8(2) {
			body, records := k.fetchWhole(t, conn, topic, version, committed)
			if len(records) != partitions {
				t.Fatalf("version %d: %d partitions have records", version, len(records))
			}
			keep(t, "direct", "FuzzFetchAnswers", fmt.Sprintf("real-%d-%d", version, committed), version-4|int16(committed)<<8, body)
			for p, raw := range records {
				keep(t, "direct/batch", "FuzzWalk", fmt.Sprintf("real-%d", p), raw, int64(0), int64(1<<62))
			}
		}
	}
	for version := int16(3); version <= 13; version++ {
		keep(t, "direct", "FuzzProduceAnswers", fmt.Sprintf("real-%d", version), version, k.produceOnce(t, conn, topic, version))
	}
}

// writeAllKinds writes batches of each codec, with keys, headers and nulls, a transaction
// that is committed and one that is aborted; into each of three partitions.
func (k apache) writeAllKinds(t *testing.T, topic string) {
	t.Helper()
	for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		cl, err := kgo.NewClient(k.options(kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(5*time.Millisecond))...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 9 {
			r := &kgo.Record{Topic: topic, Partition: int32(i % 3), Key: []byte("key"), Value: []byte("a value that a value that can be compressed")}
			if i < 3 {
				r.Key, r.Value, r.Headers = nil, nil, []kgo.RecordHeader{{Key: "header"}, {Key: "other", Value: []byte("x")}}
			}
			cl.Produce(t.Context(), r, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
		if err := cl.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		cl.Close()
	}
	b := newBank(t, k, "corpus")
	for _, how := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		b.begin(t)
		b.pay(t, topic, 3, 6)
		b.close(t, how)
	}
}

// dialNode connects as direct does.
func dialNode(t *testing.T, k apache) *wire.Conn {
	t.Helper()
	cl, err := kgo.NewClient(k.options()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	d, err := wire.NewDialer(cl)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := d.Dial(t.Context(), k.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ask is a request's answer, in bytes of its own.
func ask(t *testing.T, conn *wire.Conn, r kmsg.Request) []byte {
	t.Helper()
	if _, err := conn.Send(r); err != nil {
		t.Fatal(err)
	}
	body, _, _, err := conn.Receive(nil, 1<<20, r.Key(), r.IsFlexible())
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// fetchWhole is an answer with all of the topic, and the batches of each partition in it.
func (k apache) fetchWhole(t *testing.T, conn *wire.Conn, topic string, version int16, committed int8) (body []byte, batches [][]byte) {
	t.Helper()
	r := kmsg.NewPtrFetchRequest()
	r.Version, r.MaxWaitMillis, r.MinBytes, r.MaxBytes, r.IsolationLevel, r.SessionEpoch = version, 1000, 1, 1<<20, committed, -1
	of := kmsg.NewFetchRequestTopic()
	of.Topic, of.TopicID = topic, k.id(t, topic)
	for p := range int32(3) {
		part := kmsg.NewFetchRequestTopicPartition()
		part.Partition, part.PartitionMaxBytes = p, 1<<18
		of.Partitions = append(of.Partitions, part)
	}
	r.Topics = append(r.Topics, of)
	body = ask(t, conn, r)
	answer := kmsg.NewPtrFetchResponse()
	answer.Version = version
	if err := answer.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	for _, p := range answer.Topics[0].Partitions {
		if len(p.RecordBatches) > 0 {
			batches = append(batches, p.RecordBatches)
		}
	}
	if version >= 13 { // the targets know of no id: that lies behind throttle, code, session and the number of topics
		clear(body[11:27])
	}
	return body, batches
}

// produceOnce is the answer to two partitions, of which one is not there.
func (k apache) produceOnce(t *testing.T, conn *wire.Conn, topic string, version int16) []byte {
	t.Helper()
	b := kmsg.RecordBatch{Magic: 2, PartitionLeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: 1, Records: []byte{14, 0, 0, 0, 1, 2, 'v', 0}}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	r := kmsg.NewPtrProduceRequest()
	r.Version, r.Acks, r.TimeoutMillis = version, 1, 1000
	of := kmsg.NewProduceRequestTopic()
	of.Topic, of.TopicID = topic, k.id(t, topic)
	for _, p := range []int32{0, 7} {
		part := kmsg.NewProduceRequestTopicPartition()
		part.Partition, part.Records = p, raw // whose CRC is wrong, so that there is something to say
		of.Partitions = append(of.Partitions, part)
	}
	r.Topics = append(r.Topics, of)
	body := ask(t, conn, r)
	if version >= 13 { // as the target knows it
		made := [16]byte{7, 15: 9}
		copy(body[1:17], made[:])
	}
	return body
}

// id is that of a topic.
func (k apache) id(t *testing.T, topic string) [16]byte {
	t.Helper()
	listed, err := k.admin.ListTopics(t.Context(), topic)
	if err != nil || listed[topic].Err != nil {
		t.Fatal(err, listed[topic].Err)
	}
	return [16]byte(listed[topic].ID)
}

// keep writes an input of a fuzz target, as go test keeps them.
func keep(t *testing.T, folder, target, name string, args ...any) {
	t.Helper()
	if os.Getenv("REDLINE_CORPUS") == "" {
		return
	}
	text := "go test fuzz v1\n"
	for _, a := range args {
		switch v := a.(type) {
		case []byte:
			text += fmt.Sprintf("[]byte(%q)\n", v)
		default:
			text += fmt.Sprintf("%T(%v)\n", v, v)
		}
	}
	path := filepath.Join("..", "..", folder, "testdata", "fuzz", target, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

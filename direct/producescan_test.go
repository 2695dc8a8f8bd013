package direct

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"redline/direct/batch"
)

// madeTopic is the topic of answers that are made up.
var madeTopic = produceTopic{"topic", [16]byte{7, 15: 9}}

// drawProduceResponse draws an answer in a version.
func drawProduceResponse(t *rapid.T) *kmsg.ProduceResponse {
	r := kmsg.NewPtrProduceResponse()
	r.Version = int16(rapid.IntRange(oldestProduce, newestProduce).Draw(t, "version"))
	r.ThrottleMillis = rapid.Int32().Draw(t, "throttle")
	topic := kmsg.NewProduceResponseTopic()
	topic.Topic, topic.TopicID = madeTopic.name, madeTopic.id
	for range rapid.IntRange(0, 5).Draw(t, "partitions") {
		p := kmsg.NewProduceResponseTopicPartition()
		p.Partition, p.ErrorCode, p.BaseOffset = rapid.Int32().Draw(t, "partition"), rapid.Int16().Draw(t, "code"), rapid.Int64().Draw(t, "offset")
		for range rapid.IntRange(0, 2).Draw(t, "records") {
			p.ErrorRecords = append(p.ErrorRecords, kmsg.ProduceResponseTopicPartitionErrorRecord{RelativeOffset: 1, ErrorMessage: kmsg.StringPtr("worse")})
		}
		if rapid.Bool().Draw(t, "message") {
			p.ErrorMessage = kmsg.StringPtr(rapid.StringN(1, 20, -1).Draw(t, "text"))
		}
		if rapid.Bool().Draw(t, "leader") {
			p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = 3, 4
		}
		topic.Partitions = append(topic.Partitions, p)
	}
	r.Topics = append(r.Topics, topic)
	if rapid.Bool().Draw(t, "brokers") {
		r.Brokers = append(r.Brokers, kmsg.ProduceResponseBroker{NodeID: 1, Host: "host", Port: 9})
	}
	return r
}

func TestAnswersAreReadAsFranzWritesThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawProduceResponse(t)
		s := newProduceScan(r.AppendTo(nil), r.Version, madeTopic)
		for i := range r.Topics[0].Partitions {
			want := &r.Topics[0].Partitions[i]
			if !s.next() {
				t.Fatalf("partition %d of the answer is missing", i)
			}
			if s.partition != want.Partition || s.code != want.ErrorCode || s.offset != want.BaseOffset {
				t.Errorf("%+v is read as %+v", want, s.produceAnswer)
			}
			message := ""
			if r.Version >= produceHasMessage && len(want.ErrorRecords) > 0 {
				message = "worse"
			}
			if r.Version >= produceHasMessage && want.ErrorMessage != nil {
				message = *want.ErrorMessage
			}
			if string(s.message) != message {
				t.Errorf("the message is %q, want %q", s.message, message)
			}
		}
		if s.next() || s.failed() || s.throttleMillis != r.ThrottleMillis {
			t.Errorf("the end is not found: failed %v, throttle %d", s.failed(), s.throttleMillis)
		}
	})
}

func TestAnAnswerThatIsCutIsNotBelieved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawProduceResponse(t)
		whole := r.AppendTo(nil)
		s := newProduceScan(whole[:rapid.IntRange(0, len(whole)-1).Draw(t, "cut")], r.Version, madeTopic)
		for s.next() {
		}
		if !s.failed() {
			t.Error("nobody noticed")
		}
	})
}

func TestAnAnswerAboutAnotherTopicIsNotBelieved(t *testing.T) {
	for version := int16(oldestProduce); version <= newestProduce; version++ {
		s := newProduceScan(madeResponse(version, 1), version, produceTopic{"other", [16]byte{1}})
		if s.next() || !s.failed() {
			t.Errorf("version %d: taken", version)
		}
	}
}

func TestAnErrorHasTheBrokersWords(t *testing.T) {
	a := produceAnswer{code: kerr.InvalidRecord.Code, message: []byte("too old")}
	if code, err := a.err(); code != kerr.InvalidRecord || err.Error() != kerr.InvalidRecord.Error()+` ("too old")` {
		t.Errorf("%v, %v", code, err)
	}
	a.message = bytes.Repeat([]byte{'x'}, 1<<20)
	if _, err := a.err(); len(err.Error()) > 1000 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
	a = produceAnswer{}
	if code, err := a.err(); code != nil || err != nil {
		t.Errorf("%v, %v", code, err)
	}
}

func FuzzProduceAnswers(f *testing.F) {
	for version := int16(oldestProduce); version <= newestProduce; version++ {
		r := kmsg.NewPtrProduceResponse()
		r.Version = version
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = madeTopic.name, madeTopic.id
		p := kmsg.NewProduceResponseTopicPartition()
		p.ErrorCode, p.ErrorMessage = 87, kmsg.StringPtr("no")
		p.ErrorRecords = append(p.ErrorRecords, kmsg.NewProduceResponseTopicPartitionErrorRecord())
		topic.Partitions = append(topic.Partitions, p, kmsg.NewProduceResponseTopicPartition())
		r.Topics = append(r.Topics, topic)
		f.Add(version, r.AppendTo(nil))
	}
	f.Add(int16(9), []byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add(int16(11), []byte("\x000000\x030\x000\x00\x00\x00")) // an empty tag that is none
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if version < oldestProduce || version > newestProduce {
			return
		}
		s := newProduceScan(body, version, madeTopic)
		n := 0
		for s.next() {
			if n++; n > len(body) {
				t.Fatal("there is no end")
			}
			_, _ = s.err()
		}
		if s.failed() {
			return
		}
		// What is believed, franz-go believes too.
		r := kmsg.NewPtrProduceResponse()
		r.Version = version
		if err := r.ReadFrom(body); err != nil {
			if version >= produceIsFlexible {
				return // it reads tags that are passed over here
			}
			t.Fatalf("franz-go reads it as: %v", err)
		}
		m := 0
		for _, topic := range r.Topics {
			m += len(topic.Partitions)
		}
		if n != m || s.throttleMillis != r.ThrottleMillis {
			t.Errorf("%d partitions and throttle %d, franz-go reads %d and %d", n, s.throttleMillis, m, r.ThrottleMillis)
		}
	})
}

func TestRequestsAreReadAsTheyWereWritten(t *testing.T) {
	for version := int16(oldestProduce); version <= newestProduce; version++ {
		e := newProduceEncoder(version, madeTopic, AcksAll, 1500)
		for range 2 { // it is used again
			e.begin()
			e.add(3, []byte("first"))
			e.add(70000, bytes.Repeat([]byte("second"), 1000))
			body := bytes.Join(e.finish(), nil)
			var r kmsg.ProduceRequest
			r.Version = version
			if err := r.ReadFrom(body); err != nil {
				t.Fatalf("version %d: %v", version, err)
			}
			again := r.AppendTo(nil)
			if !bytes.Equal(again, body) {
				t.Errorf("version %d: franz-go writes %x, here are %x", version, again, body)
			}
			if version < produceByID && r.Topics[0].Topic != madeTopic.name || version >= produceByID && r.Topics[0].TopicID != madeTopic.id {
				t.Errorf("version %d names %q, %x", version, r.Topics[0].Topic, r.Topics[0].TopicID)
			}
			if r.Acks != -1 || r.TransactionID != nil || len(r.Topics[0].Partitions) != 2 ||
				r.Topics[0].Partitions[1].Partition != 70000 || string(r.Topics[0].Partitions[0].Records) != "first" {
				t.Errorf("version %d: %+v", version, r)
			}
		}
	}
}

// number is the first 8 bytes of a value.
func numberOf(value []byte) uint64 { return binary.BigEndian.Uint64(value) }

func TestASplitBatchHasTheSameRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &Producer{cfg: ProducerConfig{Topic: "topic", Compression: batch.Codec(rapid.IntRange(0, 4).Draw(t, "codec"))}.withDefaults(2)}
		p.headSize = 61
		p.memory.limit = 64 << 20
		b := p.memory.extra(produceClass(1 << 16))
		b.of, b.first, b.deadline = &producePartition{}, 1000, 5
		b.builder.Begin(b.buf)
		b.records = rapid.IntRange(2, 50).Draw(t, "records")
		var bytesIn int
		for i := range b.records {
			value := binary.BigEndian.AppendUint64(nil, uint64(i))
			headers := []batch.Header{{Key: "h", Value: value}, {Key: "null"}}
			b.builder.Append(int64(1000-i), []byte("key"), value, headers[:i%3])
			bytesIn += len("key") + len(value)
		}
		raw, err := b.builder.Seal(p.cfg.Compression, &batch.Compressor{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		b.raw = raw
		one, two, err := splitBatch(p, b)
		if err != nil {
			t.Fatal(err)
		}
		if one.bytes+two.bytes != bytesIn || one.records+two.records != b.records || one.first != 1000 || two.first != 1000+uint64(one.records) || !one.sealed || !two.sealed || two.deadline != 5 {
			t.Fatalf("%d and %d records from %d and %d", one.records, two.records, one.first, two.first)
		}
		next := 0
		for _, half := range []*produceBatch{one, two} {
			read, rest, ok, err := batch.Cut(half.raw)
			if err != nil || !ok || len(rest) > 0 || !read.Intact() || read.Len() != half.records {
				t.Fatalf("a half cannot be read: %v", err)
			}
			var d batch.Decompressor
			records, err := d.Records(&read)
			if err != nil {
				t.Fatal(err)
			}
			w := read.Walk(records)
			for w.Next() {
				if numberOf(w.Value) != uint64(next) || w.Timestamp != int64(1000-next) || string(w.Key) != "key" || w.HeaderCount() != next%3 {
					t.Fatalf("record %d is another one", next)
				}
				next++
			}
			d.Close()
		}
		if next != b.records {
			t.Errorf("%d of %d records", next, b.records)
		}
	})
}

// madeResponse is an answer to a request with so many batches.
func madeResponse(version int16, partitions int) []byte {
	r := kmsg.NewPtrProduceResponse()
	r.Version = version
	topic := kmsg.NewProduceResponseTopic()
	topic.Topic, topic.TopicID = madeTopic.name, madeTopic.id
	for i := range partitions {
		p := kmsg.NewProduceResponseTopicPartition()
		p.Partition, p.BaseOffset = int32(i), int64(1000*i)
		topic.Partitions = append(topic.Partitions, p)
	}
	r.Topics = append(r.Topics, topic)
	return r.AppendTo(nil)
}

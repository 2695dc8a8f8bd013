package broker

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// requestSeeds are requests of each kind that carry records or are parsed by hand, and
// some of those that kmsg decodes.
func requestSeeds(topic *nullTopic) [][]byte {
	format := kmsg.NewRequestFormatter(kmsg.FormatterClientID("fuzz"))
	var seeds [][]byte
	for _, version := range []int16{3, 5, 8, 9, 12} {
		for _, acks := range []int16{0, 1, -1, 7} {
			seeds = append(seeds, format.AppendRequest(nil, produceRequest(version, acks), 1))
		}
	}
	for _, version := range []int16{4, 5, 7, 9, 11, 12, 13, 15, 17} {
		seeds = append(seeds, format.AppendRequest(nil, fetchRequest(version, topic), 1))
	}
	for key, known := range nullVersions {
		request := kmsg.RequestForKey(key)
		request.SetVersion(known.max)
		seeds = append(seeds, format.AppendRequest(nil, request, 1))
	}
	return seeds
}

// produceRequest has eight records for each of three partitions.
func produceRequest(version, acks int16) *kmsg.ProduceRequest {
	batches := prepare(shape{key: 3, value: 20}, time.Now())
	request := kmsg.NewPtrProduceRequest()
	request.Version, request.Acks = version, acks
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = "topic"
	for i := range int32(3) {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = i, append(batches.heads[3][:], batches.records[:batches.ends[3]]...)
		topic.Partitions = append(topic.Partitions, p)
	}
	request.Topics = append(request.Topics, topic)
	return request
}

// fetchRequest asks for three partitions, the second one from 500.
func fetchRequest(version int16, t *nullTopic) *kmsg.FetchRequest {
	request := kmsg.NewPtrFetchRequest()
	request.Version, request.MinBytes, request.MaxBytes = version, 1, 2<<20
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = t.name, t.id
	for i := range int32(3) {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = i, int64(i)*500, 1<<20
		topic.Partitions = append(topic.Partitions, p)
	}
	request.Topics = append(request.Topics, topic)
	return request
}

// closedListener lends a sink its address.
func closedListener(t testing.TB) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", loopback(0))
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	return listener
}

// fuzzSink is one that lets nobody wait, since it is closing, with a topic whose two
// partitions hold 3000 records each.
func fuzzSink(listener net.Listener) *nullSink {
	s := newNullSink(nullConfig{partitions: 1, autoCreate: true}, "fuzz", listener)
	topic := &nullTopic{name: "topic", id: [16]byte{1, 2, 3, 15: 16}, partitions: make([]nullPartition, 2)}
	topic.shape.Store(usualShape.pack())
	for i := range topic.partitions {
		topic.partitions[i].end.Store(3000)
	}
	s.topics.replace(func(t *nullTable) { t.byName[topic.name], t.byID[topic.id] = topic, topic })
	close(s.closing)
	return s
}

// parse feeds bytes to a connection and calls see for each answer that it would send. It
// returns how that ends.
func parse(s *nullSink, data []byte, see func(c *nullConn)) error {
	c := newNullConn(s, nil)
	c.in.in = bufio.NewReaderSize(bytes.NewReader(data), nullReadAhead)
	for {
		wanted, err := c.answer()
		if err != nil {
			return err
		}
		if wanted {
			see(c)
		}
	}
}

func FuzzNullRequests(f *testing.F) {
	listener := closedListener(f)
	for _, seed := range requestSeeds(fuzzSink(listener).topics.named([]byte("topic"))) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := parse(fuzzSink(listener), data, func(c *nullConn) {
			size, last := len(c.out), 0
			for _, cut := range c.cuts {
				if cut.at < last || cut.at > len(c.out) {
					t.Fatalf("records are to go in at %d, behind %d of %d", cut.at, last, len(c.out))
				}
				size, last = size+len(cut.records), cut.at
			}
			// The first batch may be larger than an answer, and errors are longer than questions.
			if size < 8 || size > mostFetchBytes+2*mostPreparedField+100*len(data)+1<<20 {
				t.Fatalf("an answer of %d bytes to %d", size, len(data))
			}
		})
		if err == nil {
			t.Fatal("a connection goes on behind its end")
		}
	})
}

// What is read and written by hand is held against kmsg's reading of it, in every
// version.
func TestAnswersReadAsKafkas(t *testing.T) {
	listener := closedListener(t)
	format := kmsg.NewRequestFormatter()
	for version := int16(3); version <= nullVersions[keyProduce].max; version++ {
		s := fuzzSink(listener)
		produced := &kmsg.ProduceResponse{Version: version}
		readAnswer(t, s, format.AppendRequest(nil, produceRequest(version, -1), 1), version >= 9, produced)
		got := produced.Topics[0]
		if got.Topic != "topic" || len(got.Partitions) != 3 {
			t.Fatalf("version %d: %+v", version, produced)
		}
		for i, want := range []struct {
			problem int16
			base    int64
		}{{0, 3000}, {0, 3000}, {kerr.UnknownTopicOrPartition.Code, -1}} {
			if p := got.Partitions[i]; p.Partition != int32(i) || p.ErrorCode != want.problem || p.BaseOffset != want.base {
				t.Errorf("version %d: partition %+v, want %+v", version, p, want)
			}
		}
		if end := s.topics.named([]byte("topic")).partitions[1].end.Load(); end != 3008 {
			t.Errorf("version %d: the log ends at %d, want 3008", version, end)
		}
	}
	for version := nullVersions[keyFetch].min; version <= nullVersions[keyFetch].max; version++ {
		s := fuzzSink(listener)
		fetched := &kmsg.FetchResponse{Version: version}
		readAnswer(t, s, format.AppendRequest(nil, fetchRequest(version, s.topics.named([]byte("topic"))), 1), version >= 12, fetched)
		checkFetched(t, fetched)
	}
}

// readAnswer decodes the one answer to a request.
func readAnswer(t *testing.T, s *nullSink, request []byte, flexible bool, into kmsg.Response) {
	t.Helper()
	var answers [][]byte
	err := parse(s, request, func(c *nullConn) {
		var answer []byte
		at := 0
		for _, cut := range c.cuts {
			answer = append(append(answer, c.out[at:cut.at]...), cut.records...)
			at = cut.at
		}
		answers = append(answers, append(answer, c.out[at:]...))
	})
	if len(answers) != 1 || !errors.Is(err, io.EOF) {
		t.Fatalf("%d answers and %v, want one and the end", len(answers), err)
	}
	body := answers[0][8:]
	if flexible {
		body = body[1:]
	}
	if err := into.ReadFrom(body); err != nil {
		t.Fatalf("version %d: %v", into.GetVersion(), err)
	}
	// Nothing is left over, and nothing is written otherwise than kmsg would.
	if again := into.AppendTo(nil); !bytes.Equal(again, body) {
		t.Errorf("version %d: %d bytes\n%x\nkmsg writes %d\n%x", into.GetVersion(), len(body), body[:min(len(body), 200)], len(again), again[:min(len(again), 200)])
	}
}

func checkFetched(t *testing.T, fetched *kmsg.FetchResponse) {
	t.Helper()
	for i, p := range fetched.Topics[0].Partitions {
		if i == 2 {
			if p.ErrorCode != kerr.UnknownTopicOrPartition.Code || len(p.RecordBatches) > 0 {
				t.Errorf("version %d: a partition that is not there: %d", fetched.Version, p.ErrorCode)
			}
			continue
		}
		next := int64(i) * 500
		for b := p.RecordBatches; len(b) > 0; {
			var batch kmsg.RecordBatch
			if err := batch.ReadFrom(b); err != nil {
				t.Fatal(err)
			}
			if batch.FirstOffset != next || batch.NumRecords != batch.LastOffsetDelta+1 {
				t.Fatalf("version %d: a batch of %d at %d, want it at %d", fetched.Version, batch.NumRecords, batch.FirstOffset, next)
			}
			next += int64(batch.NumRecords)
			b = b[batchLengthEnd+batch.Length:]
		}
		if next != 3000 || p.HighWatermark != 3000 || p.ErrorCode != 0 {
			t.Errorf("version %d: partition %d was read to %d of %d, error %d", fetched.Version, i, next, p.HighWatermark, p.ErrorCode)
		}
	}
}

func TestASteadyConnectionAllocatesNothing(t *testing.T) {
	s := fuzzSink(closedListener(t))
	format := kmsg.NewRequestFormatter()
	topic := s.topics.named([]byte("topic"))
	for name, request := range map[string][]byte{
		"fetch":             format.AppendRequest(nil, fetchRequest(11, topic), 1),
		"fetch by topic id": format.AppendRequest(nil, fetchRequest(17, topic), 1),
		"produce":           format.AppendRequest(nil, produceRequest(9, 1), 1),
	} {
		c := newNullConn(s, nil)
		data := bytes.NewReader(request)
		c.in.in = bufio.NewReaderSize(data, nullReadAhead)
		answer := func() {
			data.Reset(request)
			if _, err := c.answer(); err != nil {
				t.Fatal(err)
			}
		}
		answer()
		if n := testing.AllocsPerRun(100, answer); n > 0 {
			t.Errorf("%s: %v allocations a request", name, n)
		}
	}
}

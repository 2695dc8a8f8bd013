package ladder

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"redline/direct/batch"
	"redline/direct/wire"
	"redline/internal/audit"
	"redline/internal/client"
)

// canned is a connection on which every request gets the same answer, once it is known
// what is spoken.
type canned struct {
	net.Conn
	answer []byte // with its length
	left   []byte // of an answer to be read
	due    int    // bytes of the request that is being written
}

func (c *canned) Write(b []byte) (int, error) {
	n := len(b)
	if c.due == 0 {
		c.due = 4 + int(binary.BigEndian.Uint32(b))
		c.left = c.answer
		if binary.BigEndian.Uint16(b[4:]) == uint16(kmsg.ApiVersions) {
			c.left = framed(spoken())
		}
		copy(c.left[4:], b[correlationAt:correlationAt+4])
	}
	c.due -= n
	return n, nil
}

const correlationAt = 8 // in a request, its length included

// spoken are the versions that rungs speak.
func spoken() *kmsg.ApiVersionsResponse {
	answer := kmsg.NewPtrApiVersionsResponse()
	answer.Version = 3
	answer.ApiKeys = []kmsg.ApiVersionsResponseApiKey{
		{ApiKey: fetchKey, MaxVersion: fetchVersion}, {ApiKey: produceKey, MaxVersion: produceVersion},
	}
	return answer
}

func (c *canned) Read(b []byte) (int, error) {
	if len(c.left) == 0 || c.due > 0 {
		return 0, io.EOF
	}
	n := copy(b, c.left)
	c.left = c.left[n:]
	return n, nil
}

func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }
func (c *canned) Close() error                     { return nil }

// connected is a connection to a broker that gives one answer to everything.
func connected(t testing.TB, over *client.Wire, answer kmsg.Response, key, version int16) *wire.Conn {
	t.Helper()
	c := &Climb{ctx: t.Context()}
	var err error
	c.admin, err = kgo.NewClient(kgo.DisableClientMetrics(), kgo.Dialer(func(context.Context, string, string) (net.Conn, error) {
		return over.Wrap(&canned{answer: framed(answer)}), nil
	}))
	if err == nil {
		t.Cleanup(c.admin.Close)
		c.dialer, err = wire.NewDialer(c.admin)
	}
	if err != nil {
		t.Fatal(err)
	}
	conn, err := c.connect(leader{address: "broker:9092"}, key, version)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// framed is a response as it is on the wire.
func framed(r kmsg.Response) []byte {
	b := make([]byte, 8) // length, correlation
	if r.IsFlexible() && r.Key() != int16(kmsg.ApiVersions) {
		b = append(b, 0) // tags of the header
	}
	b = r.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// fetchAnswer holds the sample's batches, each partition's in one piece.
func fetchAnswer(s *Sample) (answer *kmsg.FetchResponse, starts, ends map[int32]int64) {
	answer = kmsg.NewPtrFetchResponse()
	answer.Version = fetchVersion
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic = "topic"
	starts, ends = map[int32]int64{}, map[int32]int64{}
	by := map[int32][]byte{}
	for _, p := range s.pieces {
		at := 0
		for _, c := range p.chunks {
			id := c.partition.id
			by[id] = append(by[id], p.bytes[at:at+c.size]...)
			at += c.size
			starts[id], ends[id] = 0, max(ends[id], c.next)
		}
	}
	for id, records := range by {
		part := kmsg.NewFetchResponseTopicPartition()
		part.Partition, part.RecordBatches = id, records
		topic.Partitions = append(topic.Partitions, part)
	}
	answer.Topics = append(answer.Topics, topic)
	return answer, starts, ends
}

// reader is a fetcher whose broker sends the sample again and again.
func reader(t testing.TB, s *Sample, rung string) *fetcher {
	t.Helper()
	answer, starts, ends := fetchAnswer(s)
	spec := Spec{Rung: rung, Workload: consume, Topic: "topic", Starts: starts, Ends: ends, Ledger: audit.NewLedger("topic"), Wire: new(client.Wire)}
	handled := 0
	show := func(int64, []byte, []byte) { handled++ }
	spec.Handle = func() func(client.Batch) { return func(b client.Batch) { b.Each(show) } }
	c := &Climb{spec: spec, step: stepOf(consume, rung), options: defaults(), quit: make(chan struct{}), ctx: context.Background()}
	var of share
	for id := range starts {
		of.partitions = append(of.partitions, id)
	}
	f := newFetcher(c, of, connected(t, spec.Wire, answer, fetchKey, fetchVersion), c.counter())
	if err := f.prime(); err != nil {
		t.Fatal(err)
	}
	return f
}

// writer is a producer whose broker acknowledges everything.
func writer(t testing.TB, rung string) *producer {
	t.Helper()
	const partitions = 4
	c := &Climb{spec: producingSpec(t, "", rung), step: stepOf(produce, rung), options: defaults(), quit: make(chan struct{}), ctx: context.Background()}
	c.spec.Wire = new(client.Wire)
	answer := kmsg.NewPtrProduceResponse()
	answer.Version = produceVersion
	topic := kmsg.NewProduceResponseTopic()
	topic.Topic = "topic"
	var of share
	for id := range int32(partitions) {
		part := kmsg.NewProduceResponseTopicPartition()
		part.Partition = id
		topic.Partitions, of.partitions = append(topic.Partitions, part), append(of.partitions, id)
	}
	answer.Topics = append(answer.Topics, topic)
	c.options.requestBytes = partitions*c.options.batchBytes + 1000
	c.options.codec = batch.Snappy
	p := c.newProducer(of, 0, connected(t, c.spec.Wire, answer, produceKey, produceVersion))
	p.builder.values = draw(c.spec.Payload)
	if err := p.prime(); err != nil {
		t.Fatal(err)
	}
	return p
}

// What is read of a response by hand is what kmsg put into it.
func TestAnswersAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		answer := kmsg.NewPtrFetchResponse()
		answer.Version = fetchVersion
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = "topic"
		f := offline("fetch", 0, 1<<40, nil)
		want := map[int32]int{}
		for id := range int32(rapid.IntRange(0, 20).Draw(t, "partitions")) {
			f.mine(&partition{id: id})
			part := kmsg.NewFetchResponseTopicPartition()
			part.Partition = id
			part.RecordBatches = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "records")
			if rapid.Bool().Draw(t, "nothing") {
				part.RecordBatches = nil
			}
			for range rapid.IntRange(0, 2).Draw(t, "aborted") {
				part.AbortedTransactions = append(part.AbortedTransactions, kmsg.NewFetchResponseTopicPartitionAbortedTransaction())
			}
			if rapid.Bool().Draw(t, "leader") {
				part.CurrentLeader.LeaderID = 7
			}
			if n := len(part.RecordBatches); n > 0 {
				want[id] = n
			}
			topic.Partitions = append(topic.Partitions, part)
		}
		answer.Topics = append(answer.Topics, topic)
		f.fetches = 1
		raw := answer.AppendTo(nil)
		if err := f.scan(raw); err != nil {
			t.Fatal(err)
		}
		if len(f.chunks) != len(want) {
			t.Fatalf("%d chunks of %d", len(f.chunks), len(want))
		}
		for _, c := range f.chunks {
			if len(c.bytes) != want[c.partition.id] {
				t.Fatalf("partition %d has %d bytes, not %d", c.partition.id, len(c.bytes), want[c.partition.id])
			}
		}
		f.fetches++
		cut := rapid.IntRange(0, len(raw)-1).Draw(t, "cut")
		if err := f.scan(raw[:cut]); err == nil {
			t.Fatalf("%d bytes of an answer of %d passed", cut, len(raw))
		}
	})
}

func TestAPartitionIsAnsweredOnce(t *testing.T) {
	f := reader(t, fetched(t, batch.None, 1, 5000), "fetch")
	answer, _, _ := fetchAnswer(&Sample{})
	twice := kmsg.NewFetchResponseTopicPartition()
	answer.Topics[0].Partitions = append(answer.Topics[0].Partitions, twice, twice)
	f.fetches++
	if err := f.scan(answer.AppendTo(nil)); err == nil {
		t.Error("two answers about a partition were taken")
	}
}

// A request is what kmsg reads from it.
func TestARequestIsReadBack(t *testing.T) {
	p := writer(t, "all")
	r := <-p.free
	if err := p.build(r, len(p.targets)); err != nil {
		t.Fatal(err)
	}
	request := kmsg.NewPtrProduceRequest()
	request.Version = produceVersion
	if err := request.ReadFrom(p.body); err != nil {
		t.Fatal(err)
	}
	if request.Acks != -1 || len(request.Topics) != 1 || request.Topics[0].Topic != "topic" || request.TransactionID != nil {
		t.Errorf("request: acks %d, %d topics", request.Acks, len(request.Topics))
	}
	for i, part := range request.Topics[0].Partitions {
		b, rest, whole, err := batch.Cut(part.Records)
		if err != nil || !whole || len(rest) > 0 || !b.Intact() || b.Len() != r.parts[i].records || part.Partition != r.parts[i].target.id {
			t.Errorf("partition %d: %d records, %d bytes behind them (%v)", part.Partition, b.Len(), len(rest), err)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	answer, _, _ := fetchAnswer(&Sample{})
	f.Add(answer.AppendTo(nil), true)
	produced := kmsg.NewPtrProduceResponse()
	produced.Version = produceVersion
	topic := kmsg.NewProduceResponseTopic()
	topic.Partitions = append(topic.Partitions, kmsg.NewProduceResponseTopicPartition())
	produced.Topics = append(produced.Topics, topic)
	f.Add(produced.AppendTo(nil), false)
	f.Fuzz(func(_ *testing.T, bytes []byte, fetch bool) {
		if fetch {
			r := offline("fetch", 0, 100, nil)
			r.fetches = 1
			if r.scan(bytes) == nil {
				_ = r.advance()
			}
			return
		}
		p := &producer{count: new(count), climb: &Climb{}, builder: builder{values: &values{}}}
		r := &request{parts: []part{{target: &target{}, records: 3}}}
		_ = p.settle(r, bytes)
		p.unsettled(r)
	})
}

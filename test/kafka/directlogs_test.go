package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/direct"
	"redline/direct/batch"
)

// row is a record as some client has read it.
type row struct {
	partition  int32
	offset, ms int64
	key, value []byte
	headers    []batch.Header
}

// null is what String writes for it: no test sends it as text.
const null = "NULL"

// String is the row as Kafka's console consumer prints it.
func (r row) String() string {
	text := func(b []byte) string {
		if b == nil {
			return null
		}
		return string(b)
	}
	headers := "NO_HEADERS"
	for i, h := range r.headers {
		if i == 0 {
			headers = ""
		} else {
			headers += ","
		}
		headers += h.Key + ":" + text(h.Value)
	}
	return fmt.Sprintf("CreateTime:%d\tPartition:%d\tOffset:%d\t%s\t%s\t%s", r.ms, r.partition, r.offset, headers, text(r.key), text(r.value))
}

// sorted puts rows into the order of partitions and offsets.
func sorted(rows []row) []row {
	slices.SortFunc(rows, func(a, b row) int {
		if a.partition != b.partition {
			return int(a.partition) - int(b.partition)
		}
		return int(a.offset - b.offset)
	})
	return rows
}

// readDirect reads partitions from offsets on up to their present ends.
func readDirect(t *testing.T, k apache, cfg direct.ConsumerConfig) (rows []row) {
	t.Helper()
	cfg.Kafka, cfg.Ends = k.options(), k.ends(t, cfg.Topic)
	maps.DeleteFunc(cfg.Ends, func(p int32, _ int64) bool { _, read := cfg.Assign[p]; return !read })
	c, err := direct.NewConsumer(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context()) //nolint:errcheck // nothing was committed
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	behind := map[int32]int64{}
	for b, err := range c.Batches(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		for r := range b.Records() {
			if at := behind[b.Partition()]; r.Offset < at {
				t.Fatalf("partition %d: offset %d came behind %d", b.Partition(), r.Offset, at-1)
			}
			behind[b.Partition()] = r.Offset + 1
			one := row{partition: b.Partition(), offset: r.Offset, ms: r.Timestamp, key: bytes.Clone(r.Key), value: bytes.Clone(r.Value)}
			for key, v := range r.Headers() {
				one.headers = append(one.headers, batch.Header{Key: string(key), Value: bytes.Clone(v)})
			}
			rows = append(rows, one)
		}
	}
	if ctx.Err() != nil {
		t.Fatalf("it came to %v, where the log ends at %v", c.Positions(), cfg.Ends)
	}
	return sorted(rows)
}

// readFranz reads so many records with franz-go.
func readFranz(t *testing.T, k apache, topic string, records int) (rows []row) {
	t.Helper()
	cl, err := kgo.NewClient(k.options(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(rows) < records {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d records: %v", len(rows), records, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			one := row{partition: r.Partition, offset: r.Offset, ms: r.Timestamp.UnixMilli(), key: r.Key, value: r.Value}
			for _, h := range r.Headers {
				one.headers = append(one.headers, batch.Header{Key: h.Key, Value: h.Value})
			}
			rows = append(rows, one)
		})
	}
	return sorted(rows)
}

// bank is a client that writes in transactions.
type bank struct {
	*kgo.Client
	name string
	open map[string]string // values by place, of the transaction that is open
}

func newBank(t *testing.T, k apache, name string, options ...kgo.Opt) *bank {
	t.Helper()
	cl, err := kgo.NewClient(k.options(append(options, kgo.TransactionalID(name), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &bank{Client: cl, name: name}
}

func place(partition int32, offset int64) string { return fmt.Sprintf("%d/%d", partition, offset) }

func (b *bank) begin(t *testing.T) {
	t.Helper()
	b.open = map[string]string{}
	if err := b.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
}

// pay writes a batch to each partition.
func (b *bank) pay(t *testing.T, topic string, partitions int32, records int) {
	t.Helper()
	var all []*kgo.Record
	for p := range partitions {
		for i := range records {
			all = append(all, &kgo.Record{Topic: topic, Partition: p, Value: fmt.Appendf(nil, "%s %d of %d", b.name, len(b.open)+i, p)})
		}
	}
	for _, sent := range b.ProduceSync(t.Context(), all...) {
		if sent.Err != nil {
			t.Fatal(sent.Err)
		}
		b.open[place(sent.Record.Partition, sent.Record.Offset)] = string(sent.Record.Value)
	}
}

// close ends the transaction; what it had goes into these accounts.
func (b *bank) close(t *testing.T, how kgo.TransactionEndTry, accounts ...map[string]string) {
	t.Helper()
	if err := b.EndTransaction(t.Context(), how); err != nil {
		t.Fatal(err)
	}
	for _, account := range accounts {
		maps.Copy(account, b.open)
	}
}

// Transactions of two producers that run side by side in the same partitions, committed
// and aborted in turn, with records beside them that are in none: who reads committed
// records sees exactly those, and who does not sees all.
func (k apache) transactionsAreToldApart(t *testing.T) {
	t.Parallel()
	const topic, partitions = "banks", 2
	k.create(t, topic, partitions)
	rounds := 12
	if full {
		rounds = 200
	}
	one, other := newBank(t, k, "one"), newBank(t, k, "other", kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	plain, err := kgo.NewClient(k.options(kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	cash := &bank{Client: plain, name: "cash", open: map[string]string{}}
	all, committed := map[string]string{}, map[string]string{}
	ended := func(b *bank, commit bool) {
		if commit {
			b.close(t, kgo.TryCommit, all, committed)
		} else {
			b.close(t, kgo.TryAbort, all)
		}
	}
	for i := range rounds {
		one.begin(t)
		other.begin(t)
		one.pay(t, topic, partitions, 1+i)
		other.pay(t, topic, partitions, 3)
		cash.pay(t, topic, partitions, 1)
		one.pay(t, topic, partitions, 2)
		ended(one, i%2 == 0)
		other.pay(t, topic, partitions, 2)
		ended(other, i%3 == 0)
	}
	maps.Copy(all, cash.open)
	maps.Copy(committed, cash.open)
	for _, tt := range []struct {
		committed bool
		want      map[string]string
	}{{true, committed}, {false, all}} {
		got := map[string]string{}
		rows := readDirect(t, k, direct.ConsumerConfig{Topic: topic, Assign: from(direct.Earliest, partitions), ReadCommitted: tt.committed, FetchMaxBytes: 4 << 10})
		for _, r := range rows {
			got[place(r.partition, r.offset)] = string(r.value)
		}
		if len(got) != len(rows) || !maps.Equal(got, tt.want) {
			t.Errorf("committed %v: %d records were read, where there are %d", tt.committed, len(rows), len(tt.want))
		}
	}
	if len(committed) == len(all) {
		t.Error("nothing was aborted")
	}
}

// What is behind a transaction that is open is read once it has ended, and not before.
func (k apache) openTransaction(t *testing.T) {
	t.Parallel()
	const topic = "open"
	k.create(t, topic, 1)
	b := newBank(t, k, topic)
	k.behindTransaction(t, b, kgo.TryCommit, []string{"open 0 of 0", "behind"})
	k.behindTransaction(t, b, kgo.TryAbort, []string{"behind"})
}

func (k apache) behindTransaction(t *testing.T, b *bank, how kgo.TransactionEndTry, want []string) {
	t.Helper()
	topic := b.name
	start := k.ends(t, topic)[0]
	b.begin(t)
	b.pay(t, topic, 1, 1)
	writeRows(t, direct.ProducerConfig{Kafka: k.options(), Topic: topic}, []row{{ms: time.Now().UnixMilli(), value: []byte("behind")}})
	c, err := direct.NewConsumer(t.Context(), direct.ConsumerConfig{
		Kafka: k.options(), Topic: topic, Assign: map[int32]int64{0: start}, ReadCommitted: true, FetchMaxWait: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context()) //nolint:errcheck // nothing was committed
	await(t, "it is told where to stop", func() bool { return len(c.Lag()) == 1 })
	brief, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if early, err := c.Next(brief); err == nil {
		t.Errorf("offset %d was read while a transaction before it was open", early.FirstOffset())
	}
	b.close(t, how)
	var got []string
	for len(got) < len(want) {
		read, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for r := range read.Records() {
			got = append(got, string(r.Value))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("read %q; want %q", got, want)
	}
}

// A log of which only the last record of each key is left has gaps in its batches, and
// batches without a record: it is read to its end from wherever one begins, in a gap too.
func (k apache) compactedTopic(t *testing.T) {
	t.Parallel()
	const topic, keys, each = "compacted", 20, 2000
	k.create(t, topic, 1, "cleanup.policy=compact", "segment.ms=100", "min.cleanable.dirty.ratio=0.01", "max.compaction.lag.ms=200")
	w := newWriter(t, direct.ProducerConfig{Kafka: k.options(), Topic: topic, BatchBytes: 20_000, Compression: batch.LZ4})
	last := map[string]int64{} // offsets, by key
	write := func(records int) {
		for range records {
			n := w.taken(0)
			key := fmt.Sprintf("key %d", n%keys)
			last[key] = n
			if err := w.send(t.Context(), 0, []byte(key)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	write(each)
	var rows []row
	await(t, "the log is compacted", func() bool {
		write(1) // a segment that is written to is neither closed nor compacted
		rows = readDirect(t, k, direct.ConsumerConfig{Topic: topic, Assign: from(0, 1)})
		left := map[string]int64{}
		for _, r := range rows {
			if want := numbered(0, r.offset); !bytes.Equal(r.value, want) {
				t.Fatalf("offset %d holds %q", r.offset, r.value)
			}
			left[string(r.key)] = r.offset
		}
		if !maps.Equal(left, last) {
			t.Fatalf("the last records are at %v; want %v", left, last)
		}
		return len(rows) < each/2
	})
	for i := range min(3, len(rows)-1) {
		start := (rows[i].offset + rows[i+1].offset + 1) / 2
		again := readDirect(t, k, direct.ConsumerConfig{Topic: topic, Assign: from(start, 1)})
		if len(again) == 0 || again[0].offset < start {
			t.Errorf("read from offset %d on: %d records", start, len(again))
		}
	}
	t.Logf("of %d records %d are left", w.total(), len(rows))
}

// A topic that stamps records when they come in shows those times, whatever the sender
// wrote, and so does franz-go.
func (k apache) logAppendTime(t *testing.T) {
	t.Parallel()
	const topic, each = "stamped", 50
	codecs := []batch.Codec{batch.None, batch.Gzip, batch.Zstd}
	k.create(t, topic, int32(len(codecs)), "message.timestamp.type=LogAppendTime")
	began := time.Now().Add(-time.Second)
	for p, codec := range codecs {
		w, err := direct.NewProducer(t.Context(), direct.ProducerConfig{Kafka: k.options(), Topic: topic, Compression: codec})
		if err != nil {
			t.Fatal(err)
		}
		for i := range each {
			old := time.Date(2001, 9, 9, 1, 46, 40, i*int(time.Millisecond), time.UTC)
			if err := w.Send(t.Context(), direct.Record{Partition: int32(p), Value: numbered(int32(p), int64(i)), Timestamp: old}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	rows := readDirect(t, k, direct.ConsumerConfig{Topic: topic, Assign: from(0, int32(len(codecs)))})
	if len(rows) != each*len(codecs) {
		t.Fatalf("%d records", len(rows))
	}
	for _, r := range rows {
		if at := time.UnixMilli(r.ms); at.Before(began) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("partition %d, offset %d was appended at %v", r.partition, r.offset, at)
		}
	}
	compareRows(t, "franz-go", lines(readFranz(t, k, topic, len(rows))), lines(rows))
}

func lines(rows []row) (all []string) {
	for _, r := range rows {
		all = append(all, r.String())
	}
	return all
}

// compareRows wants a client to have read the same as was written, and shows the first
// that differ.
func compareRows(t *testing.T, who string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s reads %d records; want %d", who, len(got), len(want))
	}
	wrong := 0
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] && wrong < 3 {
			wrong++
			t.Errorf("%s reads\n%s; want\n%s", who, strings.ToValidUTF8(got[i], "?"), want[i])
		}
	}
}

package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"redline/direct"
	"redline/direct/batch"
	"redline/internal/broker"
)

// modes are the ways in which a producer may be sure.
var modes = []struct {
	name string
	cfg  direct.ProducerConfig
}{
	{"idempotent", direct.ProducerConfig{}},
	{"not idempotent", direct.ProducerConfig{NoIdempotence: true}},
	{"acks=1", direct.ProducerConfig{Acks: direct.AcksLeader}},
	{"acks=0", direct.ProducerConfig{Acks: direct.AcksNone}},
}

var allCodecs = []batch.Codec{batch.None, batch.Gzip, batch.Snappy, batch.LZ4, batch.Zstd}

// What a producer writes in each codec and mode, each into a partition of its own, is read
// as it was sent by direct, franz-go, sarama and Kafka's own console consumer.
func (k apache) readByOthers(t *testing.T) {
	t.Parallel()
	const topic = "written"
	partitions := int32(len(allCodecs) * len(modes))
	k.create(t, topic, partitions, "retention.ms=-1") // for the records are old
	var want []row
	for _, codec := range allCodecs {
		for _, mode := range modes {
			partition := int32(len(want) / len(variety(0)))
			cfg := mode.cfg
			cfg.Kafka, cfg.Topic, cfg.Compression, cfg.BatchBytes = k.options(), topic, codec, 8_000
			rows := variety(partition)
			writeRows(t, cfg, rows)
			want = append(want, rows...)
		}
	}
	await(t, "what nobody acknowledges is in the log", func() bool {
		n := int64(0)
		for _, end := range k.ends(t, topic) {
			n += end
		}
		return n == int64(len(want))
	})
	wanted := lines(want)
	compareRows(t, "direct", lines(readDirect(t, k, direct.ConsumerConfig{Topic: topic, Assign: from(0, partitions)})), wanted)
	compareRows(t, "franz-go", lines(readFranz(t, k, topic, len(want))), wanted)
	compareRows(t, "sarama", lines(readSarama(t, k, topic)), wanted)
	compareRows(t, "the console consumer", readConsole(t, k, topic, len(want)), wanted)
}

// variety is what a partition is written: keys, values and headers that are there, empty
// and null, and one value that is larger than a batch, in several batches.
func variety(partition int32) (rows []row) {
	long := func(n int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), n/16) }
	keys := [][]byte{nil, []byte("key"), {}, []byte("schlüssel")}
	values := [][]byte{[]byte("value"), nil, {}, long(300), []byte("日本 😀 \\ \"quoted\"")}
	headers := [][]batch.Header{
		nil,
		{{Key: "one", Value: []byte("1")}},
		{{Key: "null"}, {Key: "empty", Value: []byte{}}, {Key: "two", Value: []byte("2")}},
		{{Key: "same", Value: []byte("a")}, {Key: "same", Value: long(160)}},
	}
	for i := range 121 {
		r := row{
			partition: partition, offset: int64(i), ms: 1_700_000_000_000 + int64(i*i) - int64(i%7)*1000,
			key: keys[i%len(keys)], value: values[i%len(values)], headers: headers[i/4%len(headers)],
		}
		if i == 60 {
			r.value = long(20_000)
		}
		rows = append(rows, r)
	}
	return rows
}

// writeRows sends rows to their partitions.
func writeRows(t *testing.T, cfg direct.ProducerConfig, rows []row) {
	t.Helper()
	p, err := direct.NewProducer(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := p.Send(t.Context(), direct.Record{Partition: r.partition, Key: r.key, Value: r.value, Headers: r.headers, Timestamp: time.UnixMilli(r.ms)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// readSarama reads a topic with sarama.
func readSarama(t *testing.T, k apache, topic string) (rows []row) {
	t.Helper()
	config := sarama.NewConfig()
	config.Version, config.Consumer.Return.Errors = sarama.MaxVersion, true
	config.Consumer.MaxWaitTime = 20 * time.Millisecond // which it takes to close a partition
	consumer, err := sarama.NewConsumer(k.Addrs(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close() //nolint:errcheck // nothing was written
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	for p, end := range k.ends(t, topic) {
		part, err := consumer.ConsumePartition(topic, p, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		for n := int64(0); n < end; {
			select {
			case m, more := <-part.Messages():
				if !more {
					t.Fatalf("sarama gave up after %d records of partition %d", n, p)
				}
				rows, n = append(rows, rowOf(m)), m.Offset+1
			case err := <-part.Errors():
				t.Fatalf("sarama, after %d records of partition %d: %v", n, p, err)
			case <-patience.C:
				t.Fatalf("sarama read %d records of partition %d, and then none", n, p)
			}
		}
		if err := part.Close(); err != nil {
			t.Error(err)
		}
	}
	return sorted(rows)
}

func rowOf(m *sarama.ConsumerMessage) row {
	r := row{partition: m.Partition, offset: m.Offset, ms: m.Timestamp.UnixMilli(), key: m.Key, value: m.Value}
	for _, h := range m.Headers {
		r.headers = append(r.headers, batch.Header{Key: string(h.Key), Value: h.Value})
	}
	return r
}

// readConsole reads so many records with Kafka's console consumer, and returns its lines.
func readConsole(t *testing.T, k apache, topic string, records int) (all []string) {
	t.Helper()
	tools, err := broker.Tools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args := []string{
		"-Xmx256m", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", tools.Classpath, "org.apache.kafka.tools.consumer.ConsoleConsumer",
		"--bootstrap-server", strings.Join(k.Addrs(), ","), "--topic", topic, "--from-beginning",
		"--max-messages", strconv.Itoa(records), "--timeout-ms", "60000",
	}
	for _, property := range []string{"print.timestamp", "print.partition", "print.offset", "print.headers", "print.key", "print.value"} {
		args = append(args, "--formatter-property", property+"=true")
	}
	args = append(args, "--formatter-property", "null.literal="+null)
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, tools.Java, args...)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, complaints.String())
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "CreateTime:") {
			all = append(all, strings.TrimSuffix(line, "\n"))
		}
	}
	slices.SortFunc(all, func(a, b string) int { return slices.Compare(whereabouts(a), whereabouts(b)) })
	return all
}

// whereabouts are the partition and the offset of a line.
func whereabouts(line string) []int64 {
	var ms, partition, offset int64
	_, _ = fmt.Sscanf(line, "CreateTime:%d\tPartition:%d\tOffset:%d\t", &ms, &partition, &offset)
	return []int64{partition, offset}
}

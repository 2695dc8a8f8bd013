package segmentio

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"redline/internal/client"
)

// property is one row of the table: how a Kafka property reaches kafka-go.
type property = client.Property[draft]

// draft gathers what the properties ask for, from kafka-go's defaults on.
type draft struct {
	side                    client.Side
	clientID                string
	readBuffer, writeBuffer int
	backoffLow, backoffHigh time.Duration
	timeout                 time.Duration
	asked                   map[string]string // by the user, by name

	minBytes, maxBytes int
	maxWait, batchWait time.Duration
	queue              int

	session, heartbeat, rebalance, rejoin time.Duration
	autoCommit                            bool
	commitEvery                           time.Duration
	balancers                             []string

	linger                    time.Duration
	batchBytes, batchMessages int
	acks                      kafka.RequiredAcks
	codec                     kafka.Compression
	attempts                  int
	maxRecords, maxMemory     int
	metadataAge, idle         time.Duration
}

func newDraft(s client.Side) *draft {
	d := &draft{
		side: s, clientID: "redline",
		backoffLow: 100 * time.Millisecond, backoffHigh: time.Second, timeout: 5 * time.Second,
		minBytes: 1, maxBytes: 1e6, maxWait: 3 * time.Second, batchWait: 10 * time.Second, queue: 100,
		session: 30 * time.Second, heartbeat: 3 * time.Second, rebalance: 30 * time.Second, rejoin: 5 * time.Second,
		autoCommit: true, commitEvery: 5 * time.Second, balancers: []string{"range", "roundrobin"},
		linger: time.Second, batchBytes: 1 << 20, batchMessages: 100, acks: kafka.RequireAll, attempts: 10,
		maxRecords: 100_000, metadataAge: 6 * time.Second, idle: 30 * time.Second,
	}
	if s&client.Producing != 0 {
		d.timeout = 10 * time.Second
	}
	return d
}

// properties is the one table of what kafka-go honours.
var properties = client.Table[draft]{Library: name, Rows: []property{
	{Name: "client.id", Side: client.Both, Want: "a name of at most 256 bytes",
		Set: func(d *draft, v string) bool { d.clientID = v; return v != "" && len(v) <= 256 }, Show: func(d *draft) (string, bool) { return d.clientID, true }},
	client.Number("socket.receive.buffer.bytes", client.Both, 0, 1<<30, wantBuffer, func(d *draft) *int { return &d.readBuffer }, "receive.buffer.bytes"),
	client.Number("socket.send.buffer.bytes", client.Both, 0, 1<<30, wantBuffer, func(d *draft) *int { return &d.writeBuffer }, "send.buffer.bytes"),
	client.Span("retry.backoff.ms", client.Both, 1, 60_000, func(d *draft) *time.Duration { return &d.backoffLow }),
	client.Span("retry.backoff.max.ms", client.Both, 1, 600_000, func(d *draft) *time.Duration { return &d.backoffHigh }),
	// For a producer it bounds a request, for a member what it asks the coordinator.
	client.Span("request.timeout.ms", client.Producing|client.Grouping, 100, 900_000, func(d *draft) *time.Duration { return &d.timeout }, "request.timeout"),

	// Fetching. A fetch is of one partition, so two of Kafka's words mean the same.
	client.Number("fetch.max.bytes", client.Consuming, 1, 1<<30, wantBytes, func(d *draft) *int { return &d.maxBytes }, "max.partition.fetch.bytes", "fetch.message.max.bytes"),
	client.Number("fetch.min.bytes", client.Consuming, 1, 1<<30, wantBytes, func(d *draft) *int { return &d.minBytes }),
	// It is also how long the answer to a fetch may take to begin: kafka-go lets the
	// broker hold it for a second less, and ends the connection after it.
	client.Span("fetch.max.wait.ms", client.Consuming, 1000, 300_000, func(d *draft) *time.Duration { return &d.maxWait }, "fetch.wait.max.ms"),
	{Name: "isolation.level", Side: client.Consuming, Want: "read_uncommitted",
		Set: func(_ *draft, v string) bool { return v == "read_uncommitted" || v == "read_committed" }, Show: client.Fixed[draft]("read_uncommitted")},
	{Name: "check.crcs", Side: client.Consuming, Want: "false, since kafka-go does not check them",
		Set: func(_ *draft, v string) bool { return v == "false" }, Show: client.Fixed[draft]("false")},

	// The group.
	client.Span("session.timeout.ms", client.Grouping, 100, math.MaxInt32, func(d *draft) *time.Duration { return &d.session }),
	client.Span("heartbeat.interval.ms", client.Grouping, 1, math.MaxInt32, func(d *draft) *time.Duration { return &d.heartbeat }),
	// Java sends it to the group as the rebalance timeout; kafka-go has that alone.
	client.Span("max.poll.interval.ms", client.Grouping, 100, math.MaxInt32, func(d *draft) *time.Duration { return &d.rebalance }, "rebalance.timeout.ms"),
	client.Flag("enable.auto.commit", client.Grouping, func(d *draft) *bool { return &d.autoCommit }),
	{Name: "partition.assignment.strategy", Side: client.Grouping, Want: "range or roundrobin, both with a comma", Set: setBalancers, Show: func(d *draft) (string, bool) { return strings.Join(d.balancers, ","), true }},

	// Producing.
	client.Span("linger.ms", client.Producing, 0, 60_000, func(d *draft) *time.Duration { return &d.linger }, "queue.buffering.max.ms"),
	client.Number("batch.size", client.Producing, 512, 1<<30, "a whole number of bytes from 512 to 1073741824", func(d *draft) *int { return &d.batchBytes }),
	client.Number("batch.num.messages", client.Producing, 1, 1_000_000, "a whole number from 1 to 1000000", func(d *draft) *int { return &d.batchMessages }, "batch.messages"),
	{Name: "acks", Aliases: []string{"request.required.acks"}, Side: client.Producing, Want: "0, 1 or all",
		Set: setAcks, Show: func(d *draft) (string, bool) { return acks[d.acks], true }},
	{Name: "enable.idempotence", Side: client.Producing, Want: "false",
		Set: func(_ *draft, v string) bool { return v == "false" || v == "true" }, Show: client.Fixed[draft]("false")},
	{Name: "compression.type", Aliases: []string{"compression.codec"}, Side: client.Producing, Want: "none, gzip, snappy, lz4 or zstd",
		Set: setCompression, Show: func(d *draft) (string, bool) { return codecs[d.codec], true }},
	{Name: "retries", Aliases: []string{"message.send.max.retries"}, Side: client.Producing, Want: "a whole number from 0 to 1000000",
		Set: client.Whole(0, 1_000_000, func(d *draft, n int) { d.attempts = n + 1 }), Show: func(d *draft) (string, bool) { return strconv.Itoa(d.attempts - 1), true }},
	client.Number("buffer.memory", client.Producing, 0, math.MaxInt, "a whole number of bytes from 1 up, or 0 for no bound but that of the records", func(d *draft) *int { return &d.maxMemory }),
	client.Number("max.buffered.records", client.Producing, 1, 10_000_000, "a whole number from 1 to 10000000", func(d *draft) *int { return &d.maxRecords }, "queue.buffering.max.messages"),
	client.Span("metadata.max.age.ms", client.Producing, 250, 3_600_000, func(d *draft) *time.Duration { return &d.metadataAge }, "topic.metadata.refresh.interval.ms"),
	client.Span("connections.max.idle.ms", client.Producing, 100, 900_000, func(d *draft) *time.Duration { return &d.idle }),

	// Kafka-go's own, which Kafka's clients have no word for.
	client.Number("queue.capacity", client.Consuming, 1, 10_000_000, "a whole number of records for each partition, from 1 to 10000000", func(d *draft) *int { return &d.queue }, "queued.min.messages"),
	client.Span("read.batch.timeout.ms", client.Consuming, 10, 900_000, func(d *draft) *time.Duration { return &d.batchWait }),
	client.Span("join.group.backoff.ms", client.Grouping, 1, 600_000, func(d *draft) *time.Duration { return &d.rejoin }),
}}

const (
	wantBytes  = "a whole number of bytes from 1 to 1073741824"
	wantBuffer = "a whole number of bytes from 1 to 1073741824, or 0 for the system's own"
)

// apply reads the profile, then the user's properties over it, into d.
func (d *draft) apply(preset []client.Preset, user map[string]string) (err error) {
	d.asked, err = properties.Apply(d, d.side, preset, user)
	return err
}

// settings are what is in force.
func (d *draft) settings() map[string]string { return properties.Settings(d, d.side) }

// agree refuses what Kafka has and kafka-go has not, and what kafka-go would panic at.
func (d *draft) agree() error {
	if d.asked["isolation.level"] == "read_committed" {
		return cannotReadCommitted()
	}
	if d.asked["enable.idempotence"] == "true" {
		return client.Cannot(name, "produce with idempotence (enable.idempotence=true): kafka-go has none", "leave that property out, or take the client franz")
	}
	if d.minBytes > d.maxBytes {
		return client.BadProperty(name, "fetch.min.bytes", strconv.Itoa(d.minBytes), fmt.Sprintf("at most fetch.max.bytes, %d", d.maxBytes))
	}
	if d.backoffHigh < d.backoffLow {
		if _, given := d.asked["retry.backoff.max.ms"]; !given {
			d.backoffHigh = d.backoffLow
			return nil
		}
		return client.BadProperty(name, "retry.backoff.max.ms", d.asked["retry.backoff.max.ms"], "at least retry.backoff.ms")
	}
	return nil
}

// cannotReadCommitted: kafka-go's own IsolationLevel makes the broker end a fetch
// before open transactions, and then hands out what was aborted all the same.
func cannotReadCommitted() error {
	return client.Cannot(name, "leave out records of aborted transactions (isolation.level=read_committed): kafka-go hands them out", "leave that out, or take the client franz")
}

// balancers are the strategies by librdkafka's name.
var balancers = map[string]kafka.GroupBalancer{
	"range":      kafka.RangeGroupBalancer{},
	"roundrobin": kafka.RoundRobinGroupBalancer{},
}

// classes are Java's of the same.
var classes = strings.NewReplacer(
	"org.apache.kafka.clients.consumer.RangeAssignor", "range",
	"org.apache.kafka.clients.consumer.RoundRobinAssignor", "roundrobin",
)

func setBalancers(d *draft, value string) bool {
	d.balancers = nil
	for each := range strings.SplitSeq(classes.Replace(value), ",") {
		each = strings.TrimSpace(each)
		if balancers[each] == nil {
			return false
		}
		d.balancers = append(d.balancers, each)
	}
	return true
}

var acks = map[kafka.RequiredAcks]string{kafka.RequireAll: "all", kafka.RequireOne: "1", kafka.RequireNone: "0"}

func setAcks(d *draft, value string) bool {
	if value == "-1" {
		value = "all"
	}
	for asked, text := range acks {
		if text == value {
			d.acks = asked
			return true
		}
	}
	return false
}

// codecs are kafka-go's numbers of them, which are those on the wire.
var codecs = map[kafka.Compression]string{0: "none", kafka.Gzip: "gzip", kafka.Snappy: "snappy", kafka.Lz4: "lz4", kafka.Zstd: "zstd"}

func setCompression(d *draft, value string) bool {
	for codec, text := range codecs {
		if text == value {
			d.codec = codec
			return true
		}
	}
	return false
}

// reader is the configuration of every partition's Reader.
func (d *draft) reader(brokers []string, topic string) kafka.ReaderConfig {
	return kafka.ReaderConfig{
		Brokers: brokers, Topic: topic,
		MinBytes: d.minBytes, MaxBytes: d.maxBytes, MaxWait: d.maxWait, ReadBatchTimeout: d.batchWait, QueueCapacity: d.queue,
		ReadBackoffMin: d.backoffLow, ReadBackoffMax: d.backoffHigh, ReadLagInterval: -1,
	}
}

// group is the configuration of a member.
func (d *draft) group(brokers []string, topic, group string) kafka.ConsumerGroupConfig {
	config := kafka.ConsumerGroupConfig{
		ID: group, Brokers: brokers, Topics: []string{topic}, Timeout: d.timeout,
		SessionTimeout: d.session, HeartbeatInterval: d.heartbeat, RebalanceTimeout: d.rebalance, JoinGroupBackoff: d.rejoin,
	}
	for _, each := range d.balancers {
		config.GroupBalancers = append(config.GroupBalancers, balancers[each])
	}
	return config
}

// writer is the configuration of a producer; a linger of 0 would be kafka-go's
// default of a second.
func (d *draft) writer(brokers []string, topic string) *kafka.Writer {
	return &kafka.Writer{
		Addr: kafka.TCP(brokers...), Topic: topic, Async: true, RequiredAcks: d.acks, Compression: d.codec,
		BatchTimeout: max(d.linger, 1), BatchBytes: int64(d.batchBytes), BatchSize: d.batchMessages, MaxAttempts: d.attempts,
		WriteBackoffMin: d.backoffLow, WriteBackoffMax: d.backoffHigh, ReadTimeout: d.timeout, WriteTimeout: d.timeout,
	}
}

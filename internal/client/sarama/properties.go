package sarama

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"redline/internal/client"
)

// property is one row of the table: how a Kafka property reaches sarama.
type property = client.Property[draft]

// draft is what sarama will be given, and what the producer keeps itself.
type draft struct {
	side        client.Side
	config      *sarama.Config
	maxRecords  int
	maxBytes    int // 0: no limit
	readBuffer  int
	writeBuffer int
	asked       map[string]string // by the user, by name
}

// most is what sarama puts into a request and takes from an answer at most, less
// what it may need for the rest of it.
const most = 90 << 20

func newDraft(s client.Side) *draft {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Metadata.Full = false
	config.Metadata.AllowAutoTopicCreation = false
	config.Consumer.Return.Errors = true
	config.Consumer.Retry.Backoff = retryBackoff
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	return &draft{side: s, config: config, maxRecords: 50_000}
}

// properties is the one table of what sarama honours.
var properties = client.Table[draft]{Library: "sarama", Rows: []property{
	{Name: "client.id", Side: client.Both, Want: "a name of at most 256 bytes",
		Set: func(d *draft, v string) bool { d.config.ClientID = v; return v != "" && len(v) <= 256 }, Show: text(func(c *sarama.Config) string { return c.ClientID })},
	{Name: "client.rack", Side: client.Consuming, Want: "a name of at most 512 bytes",
		Set: func(d *draft, v string) bool { d.config.RackID = v; return len(v) <= 512 }, Show: text(func(c *sarama.Config) string { return c.RackID })},

	// Fetching.
	row("fetch.max.bytes", client.Consuming, "bytes", 1, most, func(d *draft) *int32 { return &d.config.Consumer.Fetch.MaxBytes }),
	// What is asked of each partition; a batch that is larger is asked for again.
	row("max.partition.fetch.bytes", client.Consuming, "bytes", 1, most, func(d *draft) *int32 { return &d.config.Consumer.Fetch.Default }, "fetch.message.max.bytes"),
	row("fetch.min.bytes", client.Consuming, "bytes", 1, most, func(d *draft) *int32 { return &d.config.Consumer.Fetch.Min }),
	client.Span("fetch.max.wait.ms", client.Consuming, 1, 300_000, func(d *draft) *time.Duration { return &d.config.Consumer.MaxWaitTime }, "fetch.wait.max.ms"),
	{Name: "check.crcs", Side: client.Consuming, Want: "true: sarama always checks them",
		Set: func(_ *draft, v string) bool { return v == "true" }, Show: client.Fixed[draft]("true")},
	{Name: "isolation.level", Side: client.Consuming, Want: "read_committed or read_uncommitted", Set: setIsolation, Show: showIsolation},
	row("socket.receive.buffer.bytes", client.Both, "bytes, where 0 is the system's own,", 0, 1<<30, func(d *draft) *int { return &d.readBuffer }, "receive.buffer.bytes").Unless("0"),
	row("socket.send.buffer.bytes", client.Both, "bytes, where 0 is the system's own,", 0, 1<<30, func(d *draft) *int { return &d.writeBuffer }, "send.buffer.bytes").Unless("0"),

	// The group.
	client.Span("session.timeout.ms", client.Grouping, 100, math.MaxInt32, func(d *draft) *time.Duration { return &d.config.Consumer.Group.Session.Timeout }),
	client.Span("heartbeat.interval.ms", client.Grouping, 1, math.MaxInt32, func(d *draft) *time.Duration { return &d.config.Consumer.Group.Heartbeat.Interval }),
	// Java sends it to the group as the rebalance timeout; sarama has that alone.
	client.Span("max.poll.interval.ms", client.Grouping, 100, math.MaxInt32, func(d *draft) *time.Duration { return &d.config.Consumer.Group.Rebalance.Timeout }, "rebalance.timeout.ms"),
	client.Flag("enable.auto.commit", client.Grouping, func(d *draft) *bool { return &d.config.Consumer.Offsets.AutoCommit.Enable }),
	client.Span("auto.commit.interval.ms", client.Grouping, 10, math.MaxInt32, func(d *draft) *time.Duration { return &d.config.Consumer.Offsets.AutoCommit.Interval }),
	{Name: "group.instance.id", Side: client.Grouping, Want: "a name of at most 249 letters, digits, dots, _ and -",
		Set: func(d *draft, v string) bool { d.config.Consumer.Group.InstanceId = v; return v != "" }, Show: text(func(c *sarama.Config) string { return c.Consumer.Group.InstanceId })},
	{Name: "partition.assignment.strategy", Side: client.Grouping, Want: "range, roundrobin, sticky or cooperative-sticky, several with commas", Set: setStrategies, Show: showStrategies},

	// Producing.
	client.Span("linger.ms", client.Producing, 0, 60_000, func(d *draft) *time.Duration { return &d.config.Producer.Flush.Frequency }, "queue.buffering.max.ms"),
	// Of one partition, as in Java; sarama refuses records that are larger.
	row("batch.size", client.Producing, "bytes", 512, most, func(d *draft) *int { return &d.config.Producer.MaxMessageBytes }, "message.max.bytes"),
	{Name: "acks", Aliases: []string{"request.required.acks"}, Side: client.Producing, Want: "0, 1 or all", Set: setAcks,
		Show: func(d *draft) (string, bool) { return showAcks(d.config.Producer.RequiredAcks), true }},
	client.Flag("enable.idempotence", client.Producing, func(d *draft) *bool { return &d.config.Producer.Idempotent }),
	row("max.in.flight.requests.per.connection", client.Producing, "requests, which is always 1 with idempotence,", 1, 1000, func(d *draft) *int { return &d.config.Net.MaxOpenRequests }, "max.in.flight"),
	{Name: "compression.type", Aliases: []string{"compression.codec"}, Side: client.Producing, Want: "none, gzip, snappy, lz4 or zstd",
		Set:  func(d *draft, v string) bool { return d.config.Producer.Compression.UnmarshalText([]byte(v)) == nil },
		Show: func(d *draft) (string, bool) { return d.config.Producer.Compression.String(), true }},
	row("compression.level", client.Producing, "the codec's levels", -1, 22, func(d *draft) *int { return &d.config.Producer.CompressionLevel }).Unless(strconv.Itoa(sarama.CompressionLevelDefault)),
	row("buffer.memory", client.Producing, "bytes", 1, math.MaxInt, func(d *draft) *int { return &d.maxBytes }).Unless("0"),
	row("retries", client.Producing, "attempts", 0, 10_000, func(d *draft) *int { return &d.config.Producer.Retry.Max }, "message.send.max.retries"),
	// How long the broker may wait for its replicas.
	client.Span("request.timeout.ms", client.Producing, 1, 900_000, func(d *draft) *time.Duration { return &d.config.Producer.Timeout }, "request.timeout"),

	// Connections.
	client.Span("retry.backoff.ms", client.Both, 1, 60_000, backoff),
	client.Span("metadata.max.age.ms", client.Both, 250, 3_600_000, func(d *draft) *time.Duration { return &d.config.Metadata.RefreshFrequency }, "topic.metadata.refresh.interval.ms"),
	client.Span("socket.connection.setup.timeout.ms", client.Both, 100, 900_000, func(d *draft) *time.Duration { return &d.config.Net.DialTimeout }),
	client.Span("socket.timeout.ms", client.Both, 100, 900_000, func(d *draft) *time.Duration { return &d.config.Net.ReadTimeout }),

	// Sarama's own, which Kafka's clients have no word for, and the producer's.
	row("channel.buffer.size", client.Both, "records", 0, 1_000_000, func(d *draft) *int { return &d.config.ChannelBufferSize }),
	client.Span("max.processing.time.ms", client.Consuming, 1, 3_600_000, func(d *draft) *time.Duration { return &d.config.Consumer.MaxProcessingTime }),
	// Of all partitions of a broker together; either needs linger.ms beside it.
	row("flush.bytes", client.Producing, "bytes", 0, most, func(d *draft) *int { return &d.config.Producer.Flush.Bytes }).Unless("0"),
	row("flush.messages", client.Producing, "records", 0, math.MaxInt32, func(d *draft) *int { return &d.config.Producer.Flush.Messages }).Unless("0"),
	row("flush.max.messages", client.Producing, "records", 0, math.MaxInt32, func(d *draft) *int { return &d.config.Producer.Flush.MaxMessages }).Unless("0"),
	row("max.buffered.records", client.Producing, "records", 1, 10_000_000, func(d *draft) *int { return &d.maxRecords }, "queue.buffering.max.messages"),
}}

// row is a property that is a whole number from low to high.
func row[T int | int32](name string, s client.Side, of string, low, high int, field func(*draft) *T, aliases ...string) property {
	return client.Number(name, s, low, high, fmt.Sprintf("a whole number of %s from %d to %d", of, low, high), field, aliases...)
}

// text shows a name, where there is one.
func text(of func(*sarama.Config) string) func(*draft) (string, bool) {
	return func(d *draft) (string, bool) { return of(d.config), of(d.config) != "" }
}

// backoff is before a batch or a partition that failed is tried again.
func backoff(d *draft) *time.Duration {
	if d.side&client.Producing != 0 {
		return &d.config.Producer.Retry.Backoff
	}
	return &d.config.Consumer.Retry.Backoff
}

func setIsolation(d *draft, value string) bool {
	d.config.Consumer.IsolationLevel = sarama.ReadUncommitted
	if value == "read_committed" {
		d.config.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	return value == "read_committed" || value == "read_uncommitted"
}

func showIsolation(d *draft) (string, bool) {
	if d.config.Consumer.IsolationLevel == sarama.ReadCommitted {
		return "read_committed", true
	}
	return "read_uncommitted", true
}

// strategies are by librdkafka's name and by Java's class.
var strategies = map[string]func() sarama.BalanceStrategy{
	"range":              sarama.NewBalanceStrategyRange,
	"roundrobin":         sarama.NewBalanceStrategyRoundRobin,
	"sticky":             sarama.NewBalanceStrategySticky,
	"cooperative-sticky": sarama.NewBalanceStrategyCooperativeSticky,

	"org.apache.kafka.clients.consumer.RangeAssignor":             sarama.NewBalanceStrategyRange,
	"org.apache.kafka.clients.consumer.RoundRobinAssignor":        sarama.NewBalanceStrategyRoundRobin,
	"org.apache.kafka.clients.consumer.StickyAssignor":            sarama.NewBalanceStrategySticky,
	"org.apache.kafka.clients.consumer.CooperativeStickyAssignor": sarama.NewBalanceStrategyCooperativeSticky,
}

func setStrategies(d *draft, value string) bool {
	var chosen []sarama.BalanceStrategy
	for name := range strings.SplitSeq(value, ",") {
		strategy, ok := strategies[strings.TrimSpace(name)]
		if !ok {
			return false
		}
		chosen = append(chosen, strategy())
	}
	d.config.Consumer.Group.Rebalance.GroupStrategies = chosen
	return true
}

func showStrategies(d *draft) (string, bool) {
	var names []string
	for _, strategy := range d.config.Consumer.Group.Rebalance.GroupStrategies {
		names = append(names, strategy.Name())
	}
	return strings.Join(names, ","), true
}

func setAcks(d *draft, value string) bool {
	acks, ok := map[string]sarama.RequiredAcks{"0": sarama.NoResponse, "1": sarama.WaitForLocal, "all": sarama.WaitForAll, "-1": sarama.WaitForAll}[value]
	d.config.Producer.RequiredAcks = acks
	return ok
}

func showAcks(acks sarama.RequiredAcks) string {
	if acks == sarama.WaitForAll {
		return "all"
	}
	return strconv.Itoa(int(acks))
}

// apply reads the profile, then the user's properties over it, into d.
func (d *draft) apply(preset []client.Preset, user map[string]string) (err error) {
	d.asked, err = properties.Apply(d, d.side, preset, user)
	return err
}

// settings reads back what is in force.
func (d *draft) settings() map[string]string { return properties.Settings(d, d.side) }

// valid says what sarama has against the properties together.
func (d *draft) valid() error {
	if err := d.config.Validate(); err != nil {
		return client.Unsupported("sarama", "take these properties together ("+err.Error()+")", "change or leave out the one it names")
	}
	return nil
}

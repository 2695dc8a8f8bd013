package direct

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/direct"
	"redline/direct/batch"
	"redline/internal/client"
)

// property is one row of the table: how a Kafka property reaches direct.
type property = client.Property[draft]

// draft gathers what the properties ask for.
type draft struct {
	side                    client.Side
	opts                    []kgo.Opt // of the franz-go client below
	kgo                     *kgo.Client
	consumer                direct.ConsumerConfig
	noCommit                bool
	producer                direct.ProducerConfig
	maxRecords              int
	readBuffer, writeBuffer int
	asked                   map[string]string // by the user, by name
}

// defaultMaxRecords bounds what is kept of records under way; those of 64 bytes and more
// are bounded by buffer.memory sooner.
const defaultMaxRecords = 1_000_000

func newDraft(s client.Side) *draft { return &draft{side: s, maxRecords: defaultMaxRecords} }

// properties is the one table of what direct honours.
var properties = client.Table[draft]{Library: name, Rows: []property{
	{Name: "client.id", Side: client.Both, Want: "a name of at most 256 bytes",
		Set: func(d *draft, v string) bool { return v != "" && len(v) <= 256 && d.opt(kgo.ClientID(v)) }, Show: option(kgo.ClientID)},

	// Fetching. 0 is direct's own choice for the machine.
	row("connections.per.broker", client.Consuming, "connections to each broker, or 0 for direct's choice,", 0, 64, func(d *draft) *int { return &d.consumer.Connections }),
	row("fetch.max.bytes", client.Consuming, "bytes", 1, 1<<30, func(d *draft) *int { return &d.consumer.FetchMaxBytes }),
	row("max.partition.fetch.bytes", client.Consuming, "bytes", 1, 1<<30, func(d *draft) *int { return &d.consumer.PartitionMaxBytes }, "fetch.message.max.bytes"),
	row("fetch.min.bytes", client.Consuming, "bytes", 1, 1<<30, func(d *draft) *int { return &d.consumer.FetchMinBytes }),
	span("fetch.max.wait.ms", client.Consuming, 1, 60_000, func(d *draft) *time.Duration { return &d.consumer.FetchMaxWait }, "fetch.wait.max.ms"),
	{Name: "check.crcs", Side: client.Consuming, Want: client.WantFlag,
		Set:  client.Boolean(func(d *draft, on bool) { d.consumer.SkipCRC = !on }),
		Show: func(d *draft) (string, bool) { return fmt.Sprint(!d.consumer.SkipCRC), true }},
	{Name: "isolation.level", Side: client.Consuming, Want: "read_committed or read_uncommitted", Set: setIsolation, Show: showIsolation},
	row("max.decompressed.bytes", client.Consuming, "bytes", 1, math.MaxInt32, func(d *draft) *int { return &d.consumer.MaxDecompressed }),
	row("socket.receive.buffer.bytes", client.Both, "bytes, where 0 is the system's own,", 0, 1<<30, func(d *draft) *int { return &d.readBuffer }, "receive.buffer.bytes"),
	row("socket.send.buffer.bytes", client.Both, "bytes, where 0 is the system's own,", 0, 1<<30, func(d *draft) *int { return &d.writeBuffer }, "send.buffer.bytes"),

	// The group, which is franz-go's.
	millis("session.timeout.ms", 100, kgo.SessionTimeout),
	millis("heartbeat.interval.ms", 1, kgo.HeartbeatInterval),
	millis("max.poll.interval.ms", 100, kgo.RebalanceTimeout, "rebalance.timeout.ms"),
	{Name: "enable.auto.commit", Side: client.Grouping, Want: client.WantFlag,
		Set:  client.Boolean(func(d *draft, on bool) { d.noCommit = !on }),
		Show: func(d *draft) (string, bool) { return fmt.Sprint(!d.noCommit), true }},
	span("auto.commit.interval.ms", client.Grouping, 10, math.MaxInt32, func(d *draft) *time.Duration { return &d.consumer.CommitEvery }),
	{Name: "group.instance.id", Side: client.Grouping, Want: "a name",
		Set: func(d *draft, v string) bool { return v != "" && d.opt(kgo.InstanceID(v)) }, Show: asked("group.instance.id")},
	{Name: "partition.assignment.strategy", Side: client.Grouping, Want: client.WantBalancers, Set: setBalancers, Show: showBalancers},

	// Producing.
	row("produce.connections", client.Producing, "connections to each broker, or 0 for direct's choice,", 0, 64, func(d *draft) *int { return &d.producer.Connections }),
	{Name: "linger.ms", Aliases: []string{"queue.buffering.max.ms"}, Side: client.Producing, Want: client.WantMillis(0, 60_000), Set: setLinger, Show: showLinger},
	row("batch.size", client.Producing, "bytes", 1<<10, 1<<30, func(d *draft) *int { return &d.producer.BatchBytes }),
	{Name: "acks", Aliases: []string{"request.required.acks"}, Side: client.Producing, Want: "0, 1 or all", Set: setAcks,
		Show: func(d *draft) (string, bool) { return d.producer.Acks.String(), true }},
	{Name: "enable.idempotence", Side: client.Producing, Want: client.WantFlag,
		Set:  client.Boolean(func(d *draft, on bool) { d.producer.NoIdempotence = !on }),
		Show: func(d *draft) (string, bool) { return fmt.Sprint(d.idempotent()), true }},
	row("max.in.flight.requests.per.connection", client.Producing, "requests", 1, 1000, func(d *draft) *int { return &d.producer.InFlight }, "max.in.flight"),
	row("max.request.size", client.Producing, "bytes", 1, 1<<30, func(d *draft) *int { return &d.producer.RequestBytes }),
	{Name: "compression.type", Aliases: []string{"compression.codec"}, Side: client.Producing, Want: "none, gzip, snappy, lz4 or zstd", Set: setCompression,
		Show: func(d *draft) (string, bool) { return d.producer.Compression.String(), true }},
	row("compression.level", client.Producing, "the codec's levels, or 0 for its default,", 0, 22, func(d *draft) *int { return &d.producer.CompressionLevel }),
	row("buffer.memory", client.Producing, "bytes", 1<<20, math.MaxInt, func(d *draft) *int { return &d.producer.MaxBuffered }),
	row("max.buffered.records", client.Producing, "records", 1, 10_000_000, func(d *draft) *int { return &d.maxRecords }, "queue.buffering.max.messages"),
	span("delivery.timeout.ms", client.Producing, 1, 86_400_000, func(d *draft) *time.Duration { return &d.producer.DeliveryTimeout }, "message.timeout.ms"),
	span("request.timeout.ms", client.Producing, 1, 900_000, func(d *draft) *time.Duration { return &d.producer.RequestTimeout }, "request.timeout"),
}}

func (d *draft) idempotent() bool {
	return d.producer.Acks == direct.AcksAll && !d.producer.NoIdempotence
}

func setAcks(d *draft, value string) bool {
	acks, known := map[string]direct.Acks{"0": direct.AcksNone, "1": direct.AcksLeader, "all": direct.AcksAll, "-1": direct.AcksAll}[value]
	d.producer.Acks = acks
	return known
}

func setCompression(d *draft, value string) bool {
	codec, err := batch.ParseCodec(value)
	d.producer.Compression = codec
	return err == nil
}

// setLinger: 0 is direct's default, and less is none.
func setLinger(d *draft, value string) bool {
	return client.Millis(0, 60_000, func(d *draft, t time.Duration) {
		if d.producer.Linger = t; t == 0 {
			d.producer.Linger = -1
		}
	})(d, value)
}

func showLinger(d *draft) (string, bool) {
	return client.InMillis(max(d.producer.Linger, 0)), d.producer.Linger != 0
}

// row is a property that is a whole number from low to high, shown unless that is 0.
func row(name string, s client.Side, of string, low, high int, field func(*draft) *int, aliases ...string) property {
	return client.Number(name, s, low, high, fmt.Sprintf("a whole number of %s from %d to %d", of, low, high), field, aliases...).Unless("0")
}

// span is a property that is a time, shown unless there is none.
func span(name string, s client.Side, low, high float64, field func(*draft) *time.Duration, aliases ...string) property {
	p := client.Span(name, s, low, high, field, aliases...)
	p.Show = func(d *draft) (string, bool) { return client.InMillis(*field(d)), *field(d) > 0 }
	return p
}

// millis is a time of a member of a group that is one of kgo's options.
func millis[O kgo.Opt](name string, low float64, opt func(time.Duration) O, aliases ...string) property {
	return property{
		Name: name, Aliases: aliases, Side: client.Grouping, Want: client.WantMillis(low, math.MaxInt32),
		Set: client.Millis(low, math.MaxInt32, func(d *draft, t time.Duration) { d.opt(opt(t)) }), Show: option(opt),
	}
}

// opt adds an option; it returns true so that a setter can end with it.
func (d *draft) opt(o kgo.Opt) bool {
	d.opts = append(d.opts, o)
	return true
}

// asked shows what the user said.
func asked(name string) func(*draft) (string, bool) {
	return func(d *draft) (string, bool) {
		value, is := d.asked[name]
		return value, is
	}
}

// option shows what franz-go says of one of its options; times in milliseconds.
func option(opt any) func(*draft) (string, bool) {
	return func(d *draft) (string, bool) { return client.FranzOption(d.kgo, opt) }
}

func setIsolation(d *draft, value string) bool {
	d.consumer.ReadCommitted = value == "read_committed"
	return value == "read_committed" || value == "read_uncommitted"
}

func showIsolation(d *draft) (string, bool) {
	if d.consumer.ReadCommitted {
		return "read_committed", true
	}
	return "read_uncommitted", true
}

func setBalancers(d *draft, value string) bool {
	opt, ok := client.FranzBalancers(value)
	return ok && d.opt(opt)
}

func showBalancers(d *draft) (string, bool) { return client.FranzBalancersOf(d.kgo) }

// apply reads the user's properties into d.
func (d *draft) apply(o client.Options) (err error) {
	d.opt(kgo.ClientID(cmp.Or(o.ClientID, "redline")))
	if d.asked, err = properties.Apply(d, d.side, nil, o.Properties); err != nil {
		return err
	}
	// A client that connects to nobody says what it would take, and refuses what it cannot.
	if d.kgo, err = kgo.NewClient(append([]kgo.Opt{kgo.DisableClientMetrics()}, d.opts...)...); err != nil {
		return fmt.Errorf("franz-go, on which direct is built, refuses these properties: %w; change or leave out the one it names", err)
	}
	d.kgo.Close()
	return nil
}

// settings reads back what is in force.
func (d *draft) settings() map[string]string { return properties.Settings(d, d.side) }

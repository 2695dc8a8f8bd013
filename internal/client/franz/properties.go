package franz

import (
	"math"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
)

// property is one row of the table: how a Kafka property reaches franz-go.
type property = client.Property[draft]

// draft gathers what the properties ask for, before the options are made:
// some of them decide together.
type draft struct {
	side        client.Side
	opts        []kgo.Opt
	acks        int // -1 is all
	idempotent  bool
	inFlight    int
	maxRecords  int
	maxBytes    int
	fetchBytes  int
	partBytes   int
	readBytes   int // 0: follows from the fetch sizes
	pollRecords int
	recycle     bool
	readBuffer  int
	writeBuffer int
	asked       map[string]string // by the user, by name
	kgo         *kgo.Client       // made of it; what is in force is read from it
}

// defaultInFlight is what an idempotent franz-go producer has by itself; one
// without idempotence would send a single request at a time.
const defaultInFlight = 5

func newDraft(s client.Side) *draft {
	return &draft{
		side: s, acks: -1, idempotent: true, inFlight: defaultInFlight,
		maxRecords: 50_000, fetchBytes: 50 << 20, partBytes: 1 << 20,
	}
}

// properties is the one table of what franz-go honours.
var properties = client.Table[draft]{Library: "franz", Rows: []property{
	{Name: "client.id", Side: client.Both, Want: "a name of at most 256 bytes",
		Set: func(d *draft, v string) bool { return v != "" && len(v) <= 256 && d.opt(kgo.ClientID(v)) }, Show: option(kgo.ClientID)},
	{Name: "client.rack", Side: client.Consuming, Want: "a name of at most 512 bytes",
		Set: func(d *draft, v string) bool { return len(v) <= 512 && d.opt(kgo.Rack(v)) }, Show: asked("client.rack")},

	// Fetching.
	{Name: "fetch.max.bytes", Side: client.Consuming, Want: wantBytes,
		Set: client.Whole(1, 1<<30, func(d *draft, n int) { d.fetchBytes = n; d.opt(kgo.FetchMaxBytes(int32(n))) }), Show: option(kgo.FetchMaxBytes)},
	{Name: "max.partition.fetch.bytes", Aliases: []string{"fetch.message.max.bytes"}, Side: client.Consuming, Want: wantBytes,
		Set: client.Whole(1, 1<<30, func(d *draft, n int) { d.partBytes = n; d.opt(kgo.FetchMaxPartitionBytes(int32(n))) }), Show: option(kgo.FetchMaxPartitionBytes)},
	number("fetch.min.bytes", client.Consuming, 1, 1<<30, wantBytes, kgo.FetchMinBytes),
	millis("fetch.max.wait.ms", client.Consuming, 10, 300_000, kgo.FetchMaxWait, "fetch.wait.max.ms"),
	client.Number("max.poll.records", client.Consuming, 1, math.MaxInt32, "a whole number from 1 up", func(d *draft) *int { return &d.pollRecords }).Unless("0"),
	switchedOff("check.crcs", client.Consuming, kgo.DisableFetchCRCValidation),
	{Name: "isolation.level", Side: client.Consuming, Want: "read_committed or read_uncommitted", Set: setIsolation, Show: showIsolation},
	client.Number("socket.receive.buffer.bytes", client.Both, 0, 1<<30, wantBuffer, func(d *draft) *int { return &d.readBuffer }, "receive.buffer.bytes").Unless("0"),
	client.Number("socket.send.buffer.bytes", client.Both, 0, 1<<30, wantBuffer, func(d *draft) *int { return &d.writeBuffer }, "send.buffer.bytes").Unless("0"),

	// The group.
	millis("session.timeout.ms", client.Grouping, 100, math.MaxInt32, kgo.SessionTimeout),
	{Name: "heartbeat.interval.ms", Side: client.Grouping, Want: "milliseconds from 1 to the session timeout",
		Set: client.Millis(1, math.MaxInt32, func(d *draft, t time.Duration) { d.opt(kgo.HeartbeatInterval(t)) }), Show: option(kgo.HeartbeatInterval)},
	// Java sends it to the group as the rebalance timeout; franz-go has that alone.
	millis("max.poll.interval.ms", client.Grouping, 100, math.MaxInt32, kgo.RebalanceTimeout, "rebalance.timeout.ms"),
	switchedOff("enable.auto.commit", client.Grouping, kgo.DisableAutoCommit),
	millis("auto.commit.interval.ms", client.Grouping, 100, math.MaxInt32, kgo.AutoCommitInterval),
	{Name: "group.instance.id", Side: client.Grouping, Want: "a name",
		Set: func(d *draft, v string) bool { return v != "" && d.opt(kgo.InstanceID(v)) }, Show: asked("group.instance.id")},
	{Name: "partition.assignment.strategy", Side: client.Grouping, Want: client.WantBalancers, Set: setBalancers, Show: showBalancers},

	// Producing.
	millis("linger.ms", client.Producing, 0, 60_000, kgo.ProducerLinger, "queue.buffering.max.ms"),
	number("batch.size", client.Producing, 512, 1<<30, "a whole number of bytes from 512 to 1073741824", kgo.ProducerBatchMaxBytes),
	{Name: "acks", Aliases: []string{"request.required.acks"}, Side: client.Producing, Want: "0, 1 or all", Set: setAcks,
		Show: func(d *draft) (string, bool) { return showAcks(d.acks), true }},
	{Name: "enable.idempotence", Side: client.Producing, Want: client.WantFlag,
		Set: client.Boolean(func(d *draft, on bool) { d.idempotent = on }), Show: optionOff(kgo.DisableIdempotentWrite)},
	client.Number("max.in.flight.requests.per.connection", client.Producing, 1, 1000, "a whole number from 1 to 1000, which is always 5 with idempotence", func(d *draft) *int { return &d.inFlight }, "max.in.flight"),
	{Name: "compression.type", Aliases: []string{"compression.codec"}, Side: client.Producing, Want: "none, gzip, snappy, lz4 or zstd", Set: setCompression, Show: showCompression},
	client.Number("buffer.memory", client.Producing, 1, math.MaxInt, "a whole number of bytes from 1 up", func(d *draft) *int { return &d.maxBytes }).Unless("0"),
	{Name: "retries", Aliases: []string{"message.send.max.retries"}, Side: client.Producing, Want: "a whole number from 0 up",
		Set: client.Whole(0, math.MaxInt, func(d *draft, n int) { d.opt(kgo.RecordRetries(n)) }), Show: asked("retries")},
	{Name: "delivery.timeout.ms", Aliases: []string{"message.timeout.ms"}, Side: client.Producing, Want: "milliseconds from 1000 up, or 0 for no end",
		Set: setDeliveryTimeout, Show: option(kgo.RecordDeliveryTimeout)},
	{Name: "request.timeout.ms", Aliases: []string{"request.timeout"}, Side: client.Both, Want: client.WantMillis(100, 900_000), Set: setRequestTimeout, Show: showRequestTimeout},

	// Connections.
	millis("metadata.max.age.ms", client.Both, 250, 3_600_000, kgo.MetadataMaxAge, "topic.metadata.refresh.interval.ms"),
	millis("connections.max.idle.ms", client.Both, 100, 900_000, kgo.ConnIdleTimeout),

	// Franz-go's own, which Kafka's clients have no word for.
	client.Flag("records.recycle", client.Consuming, func(d *draft) *bool { return &d.recycle }),
	number("max.concurrent.fetches", client.Consuming, -1, math.MaxInt32, "a whole number from 1 up, or -1 for one per broker", kgo.MaxConcurrentFetches),
	{Name: "broker.max.read.bytes", Aliases: []string{"receive.message.max.bytes"}, Side: client.Consuming, Want: "a whole number of bytes from 1024 to 1073741824, and at least fetch.max.bytes",
		Set: client.Whole(1024, 1<<30, func(d *draft, n int) { d.readBytes = n }), Show: option(kgo.BrokerMaxReadBytes)},
	client.Number("max.buffered.records", client.Producing, 1, 10_000_000, "a whole number from 1 to 10000000", func(d *draft) *int { return &d.maxRecords }, "queue.buffering.max.messages"),
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

// settings reads back what is in force.
func (d *draft) settings() map[string]string { return properties.Settings(d, d.side) }

// opt adds an option; it returns true so that a setter can end with it.
func (d *draft) opt(o kgo.Opt) bool {
	d.opts = append(d.opts, o)
	return true
}

// number is the property that is one of kgo's options, a whole number.
func number[T int | int32, O kgo.Opt](name string, s client.Side, low, high int, want string, opt func(T) O, aliases ...string) property {
	return property{
		Name: name, Aliases: aliases, Side: s, Want: want,
		Set: client.Whole(low, high, func(d *draft, n int) { d.opt(opt(T(n))) }), Show: option(opt),
	}
}

// millis is the property that is one of kgo's options, a time in milliseconds.
func millis[O kgo.Opt](name string, s client.Side, low, high float64, opt func(time.Duration) O, aliases ...string) property {
	return property{
		Name: name, Aliases: aliases, Side: s, Want: client.WantMillis(low, high),
		Set: client.Millis(low, high, func(d *draft, t time.Duration) { d.opt(opt(t)) }), Show: option(opt),
	}
}

// switchedOff is the property that is on unless one of kgo's options switches it off.
func switchedOff[O kgo.Opt](name string, s client.Side, off func() O) property {
	return property{Name: name, Side: s, Want: client.WantFlag, Show: optionOff(off), Set: client.Boolean(func(d *draft, on bool) {
		if !on {
			d.opt(off())
		}
	})}
}

// asked shows what kgo does not tell, where the user has asked for it.
func asked(name string) func(*draft) (string, bool) {
	return func(d *draft) (string, bool) {
		value, ok := d.asked[name]
		return value, ok
	}
}

// option shows what the client says about one of its options; times in
// milliseconds.
func option(opt any) func(*draft) (string, bool) {
	return func(d *draft) (string, bool) { return client.FranzOption(d.kgo, opt) }
}

// optionOff shows a property whose option switches it off.
func optionOff(opt any) func(*draft) (string, bool) {
	return func(d *draft) (string, bool) {
		disabled, ok := d.kgo.OptValue(opt).(bool)
		return strconv.FormatBool(!disabled), ok
	}
}

func setIsolation(d *draft, value string) bool {
	switch value {
	case "read_committed":
		return d.opt(kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	case "read_uncommitted":
		return d.opt(kgo.FetchIsolationLevel(kgo.ReadUncommitted()))
	}
	return false
}

func showIsolation(d *draft) (string, bool) {
	if d.kgo.OptValue(kgo.FetchIsolationLevel) == kgo.ReadCommitted() {
		return "read_committed", true
	}
	return "read_uncommitted", true
}

func setBalancers(d *draft, value string) bool {
	opt, ok := client.FranzBalancers(value)
	return ok && d.opt(opt)
}

func showBalancers(d *draft) (string, bool) { return client.FranzBalancersOf(d.kgo) }

func setAcks(d *draft, value string) bool {
	acks, ok := map[string]int{"0": 0, "1": 1, "all": -1, "-1": -1}[value]
	d.acks = acks
	return ok
}

func showAcks(acks int) string {
	if acks == -1 {
		return "all"
	}
	return strconv.Itoa(acks)
}

// codecs are in the order of their numbers on the wire.
var codecs = []struct {
	name string
	make func() kgo.CompressionCodec
}{
	{"none", kgo.NoCompression}, {"gzip", kgo.GzipCompression}, {"snappy", kgo.SnappyCompression},
	{"lz4", kgo.Lz4Compression}, {"zstd", kgo.ZstdCompression},
}

func setCompression(d *draft, value string) bool {
	for _, codec := range codecs {
		if codec.name == value {
			return d.opt(kgo.ProducerBatchCompression(codec.make()))
		}
	}
	return false
}

func showCompression(d *draft) (string, bool) {
	chosen, ok := d.kgo.OptValue(kgo.ProducerBatchCompression).([]kgo.CompressionCodec)
	if !ok || len(chosen) == 0 {
		return "none", true
	}
	for _, codec := range codecs {
		if codec.make() == chosen[0] {
			return codec.name, true
		}
	}
	return "", false
}

func setDeliveryTimeout(d *draft, value string) bool {
	if value == "0" {
		return d.opt(kgo.RecordDeliveryTimeout(0))
	}
	return client.Millis(1000, math.MaxInt32, func(d *draft, t time.Duration) { d.opt(kgo.RecordDeliveryTimeout(t)) })(d, value)
}

// setRequestTimeout: for a producer it is how long the broker may wait for its
// replicas, for a consumer how long beyond a request's own wait an answer may take.
func setRequestTimeout(d *draft, value string) bool {
	return client.Millis(100, 900_000, func(d *draft, t time.Duration) {
		if d.side&client.Producing != 0 {
			d.opt(kgo.ProduceRequestTimeout(t))
		} else {
			d.opt(kgo.RequestTimeoutOverhead(t))
		}
	})(d, value)
}

func showRequestTimeout(d *draft) (string, bool) {
	if d.side&client.Producing != 0 {
		return option(kgo.ProduceRequestTimeout)(d)
	}
	return option(kgo.RequestTimeoutOverhead)(d)
}

package franz

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
)

// side says which kind of client a property belongs to.
type side int

const (
	consuming side = 1 << iota
	producing
	grouping // consumers that are members of a group
	both     = consuming | producing
)

// String names those who have a property of this side.
func (s side) String() string {
	switch s {
	case consuming:
		return "consumers"
	case producing:
		return "producers"
	case grouping:
		return "members of a consumer group"
	}
	return "every client"
}

// property is one row of the table: how a Kafka property reaches franz-go.
type property struct {
	// name is Java's spelling where Java has the property; the settings in
	// force are printed under it, so that they can be typed again.
	name string
	// aliases are librdkafka's spellings.
	aliases []string
	side    side
	// want describes good values, for the error about a bad one.
	want string
	// set reads the value into the draft; false means it is not as wanted.
	set func(d *draft, value string) bool
	// show gives the value in force; ok is false where it means nothing.
	show func(s shown) (value string, ok bool)
}

// draft gathers what the properties ask for, before the options are made:
// some of them decide together.
type draft struct {
	side        side
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
	explicit    map[string]string // by name, as given by profile or user
}

// shown is what a property's value in force is read from.
type shown struct {
	*draft
	kgo *kgo.Client
}

// defaultInFlight is what an idempotent franz-go producer has by itself; one
// without idempotence would send a single request at a time.
const defaultInFlight = 5

func newDraft(s side) *draft {
	return &draft{
		side: s, acks: -1, idempotent: true, inFlight: defaultInFlight,
		maxRecords: 50_000, fetchBytes: 50 << 20, partBytes: 1 << 20,
		explicit: make(map[string]string),
	}
}

// properties is the one table of what franz-go honours.
var properties = []property{
	{name: "client.id", side: both, want: "a name of at most 256 bytes",
		set: func(d *draft, v string) bool { return v != "" && len(v) <= 256 && d.opt(kgo.ClientID(v)) }, show: option(kgo.ClientID)},
	{name: "client.rack", side: consuming, want: "a name of at most 512 bytes",
		set: func(d *draft, v string) bool { return len(v) <= 512 && d.opt(kgo.Rack(v)) }},

	// Fetching.
	{name: "fetch.max.bytes", side: consuming, want: wantBytes,
		set: number(1, 1<<30, func(d *draft, n int) { d.fetchBytes = n; d.opt(kgo.FetchMaxBytes(int32(n))) }), show: option(kgo.FetchMaxBytes)},
	{name: "max.partition.fetch.bytes", aliases: []string{"fetch.message.max.bytes"}, side: consuming, want: wantBytes,
		set: number(1, 1<<30, func(d *draft, n int) { d.partBytes = n; d.opt(kgo.FetchMaxPartitionBytes(int32(n))) }), show: option(kgo.FetchMaxPartitionBytes)},
	{name: "fetch.min.bytes", side: consuming, want: wantBytes,
		set: number(1, 1<<30, func(d *draft, n int) { d.opt(kgo.FetchMinBytes(int32(n))) }), show: option(kgo.FetchMinBytes)},
	{name: "fetch.max.wait.ms", aliases: []string{"fetch.wait.max.ms"}, side: consuming, want: "milliseconds from 10 to 300000",
		set: millis(10, 300_000, func(d *draft, t time.Duration) { d.opt(kgo.FetchMaxWait(t)) }), show: option(kgo.FetchMaxWait)},
	{name: "max.poll.records", side: consuming, want: "a whole number from 1 up",
		set: number(1, math.MaxInt32, func(d *draft, n int) { d.pollRecords = n }), show: func(s shown) (string, bool) { return strconv.Itoa(s.pollRecords), s.pollRecords > 0 }},
	{name: "check.crcs", side: consuming, want: wantBool,
		set: boolean(func(d *draft, on bool) {
			if !on {
				d.opt(kgo.DisableFetchCRCValidation())
			}
		}), show: optionOff(kgo.DisableFetchCRCValidation)},
	{name: "isolation.level", side: consuming, want: "read_committed or read_uncommitted", set: setIsolation, show: showIsolation},
	{name: "socket.receive.buffer.bytes", aliases: []string{"receive.buffer.bytes"}, side: both, want: "a whole number of bytes from 1 to 1073741824, or 0 for the system's own",
		set: number(0, 1<<30, func(d *draft, n int) { d.readBuffer = n }), show: func(s shown) (string, bool) { return strconv.Itoa(s.readBuffer), s.readBuffer > 0 }},
	{name: "socket.send.buffer.bytes", aliases: []string{"send.buffer.bytes"}, side: both, want: "a whole number of bytes from 1 to 1073741824, or 0 for the system's own",
		set: number(0, 1<<30, func(d *draft, n int) { d.writeBuffer = n }), show: func(s shown) (string, bool) { return strconv.Itoa(s.writeBuffer), s.writeBuffer > 0 }},

	// The group.
	{name: "session.timeout.ms", side: grouping, want: "milliseconds from 100 up",
		set: millis(100, math.MaxInt32, func(d *draft, t time.Duration) { d.opt(kgo.SessionTimeout(t)) }), show: option(kgo.SessionTimeout)},
	{name: "heartbeat.interval.ms", side: grouping, want: "milliseconds from 1 to the session timeout",
		set: millis(1, math.MaxInt32, func(d *draft, t time.Duration) { d.opt(kgo.HeartbeatInterval(t)) }), show: option(kgo.HeartbeatInterval)},
	// Java sends it to the group as the rebalance timeout; franz-go has that alone.
	{name: "max.poll.interval.ms", aliases: []string{"rebalance.timeout.ms"}, side: grouping, want: "milliseconds from 100 up",
		set: millis(100, math.MaxInt32, func(d *draft, t time.Duration) { d.opt(kgo.RebalanceTimeout(t)) }), show: option(kgo.RebalanceTimeout)},
	{name: "enable.auto.commit", side: grouping, want: wantBool,
		set: boolean(func(d *draft, on bool) {
			if !on {
				d.opt(kgo.DisableAutoCommit())
			}
		}), show: optionOff(kgo.DisableAutoCommit)},
	{name: "auto.commit.interval.ms", side: grouping, want: "milliseconds from 100 up",
		set: millis(100, math.MaxInt32, func(d *draft, t time.Duration) { d.opt(kgo.AutoCommitInterval(t)) }), show: option(kgo.AutoCommitInterval)},
	{name: "group.instance.id", side: grouping, want: "a name",
		set: func(d *draft, v string) bool { return v != "" && d.opt(kgo.InstanceID(v)) }},
	{name: "partition.assignment.strategy", side: grouping, want: "range, roundrobin, sticky or cooperative-sticky, several with commas", set: setBalancers, show: showBalancers},

	// Producing.
	{name: "linger.ms", aliases: []string{"queue.buffering.max.ms"}, side: producing, want: "milliseconds from 0 to 60000",
		set: millis(0, 60_000, func(d *draft, t time.Duration) { d.opt(kgo.ProducerLinger(t)) }), show: option(kgo.ProducerLinger)},
	{name: "batch.size", side: producing, want: "a whole number of bytes from 512 to 1073741824",
		set: number(512, 1<<30, func(d *draft, n int) { d.opt(kgo.ProducerBatchMaxBytes(int32(n))) }), show: option(kgo.ProducerBatchMaxBytes)},
	{name: "acks", aliases: []string{"request.required.acks"}, side: producing, want: "0, 1 or all", set: setAcks,
		show: func(s shown) (string, bool) { return showAcks(s.acks), true }},
	{name: "enable.idempotence", side: producing, want: wantBool,
		set: boolean(func(d *draft, on bool) { d.idempotent = on }), show: optionOff(kgo.DisableIdempotentWrite)},
	{name: "max.in.flight.requests.per.connection", aliases: []string{"max.in.flight"}, side: producing, want: "a whole number from 1 to 1000, which is always 5 with idempotence",
		set: number(1, 1000, func(d *draft, n int) { d.inFlight = n }), show: func(s shown) (string, bool) { return strconv.Itoa(s.inFlight), true }},
	{name: "compression.type", aliases: []string{"compression.codec"}, side: producing, want: "none, gzip, snappy, lz4 or zstd", set: setCompression, show: showCompression},
	{name: "buffer.memory", side: producing, want: "a whole number of bytes from 1 up",
		set: number(1, math.MaxInt, func(d *draft, n int) { d.maxBytes = n }), show: func(s shown) (string, bool) { return strconv.Itoa(s.maxBytes), s.maxBytes > 0 }},
	{name: "retries", aliases: []string{"message.send.max.retries"}, side: producing, want: "a whole number from 0 up",
		set: number(0, math.MaxInt, func(d *draft, n int) { d.opt(kgo.RecordRetries(n)) })},
	{name: "delivery.timeout.ms", aliases: []string{"message.timeout.ms"}, side: producing, want: "milliseconds from 1000 up, or 0 for no end",
		set: setDeliveryTimeout, show: option(kgo.RecordDeliveryTimeout)},
	{name: "request.timeout.ms", aliases: []string{"request.timeout"}, side: both, want: "milliseconds from 100 to 900000", set: setRequestTimeout, show: showRequestTimeout},

	// Connections.
	{name: "metadata.max.age.ms", aliases: []string{"topic.metadata.refresh.interval.ms"}, side: both, want: "milliseconds from 250 to 3600000",
		set: millis(250, 3_600_000, func(d *draft, t time.Duration) { d.opt(kgo.MetadataMaxAge(t)) }), show: option(kgo.MetadataMaxAge)},
	{name: "connections.max.idle.ms", side: both, want: "milliseconds from 100 to 900000",
		set: millis(100, 900_000, func(d *draft, t time.Duration) { d.opt(kgo.ConnIdleTimeout(t)) }), show: option(kgo.ConnIdleTimeout)},

	// Franz-go's own, which Kafka's clients have no word for.
	{name: "records.recycle", side: consuming, want: wantBool,
		set: boolean(func(d *draft, on bool) { d.recycle = on }), show: func(s shown) (string, bool) { return strconv.FormatBool(s.recycle), true }},
	{name: "max.concurrent.fetches", side: consuming, want: "a whole number from 1 up, or -1 for one per broker",
		set: number(-1, math.MaxInt32, func(d *draft, n int) { d.opt(kgo.MaxConcurrentFetches(n)) }), show: option(kgo.MaxConcurrentFetches)},
	{name: "broker.max.read.bytes", aliases: []string{"receive.message.max.bytes"}, side: consuming, want: "a whole number of bytes from 1024 to 1073741824, and at least fetch.max.bytes",
		set: number(1024, 1<<30, func(d *draft, n int) { d.readBytes = n }), show: option(kgo.BrokerMaxReadBytes)},
	{name: "max.buffered.records", aliases: []string{"queue.buffering.max.messages"}, side: producing, want: "a whole number from 1 to 10000000",
		set: number(1, 10_000_000, func(d *draft, n int) { d.maxRecords = n }), show: func(s shown) (string, bool) { return strconv.Itoa(s.maxRecords), true }},
}

const (
	wantBytes = "a whole number of bytes from 1 to 1073741824"
	wantBool  = "true or false"
)

// apply reads the profile, then the user's properties over it, into d.
func (d *draft) apply(preset []client.Preset, user map[string]string) error {
	chosen := make(map[string]string)
	for _, p := range preset {
		chosen[p.Key] = p.Value
	}
	given := make(map[string]string)
	for _, key := range sortedKeys(user) {
		row, err := find(key, d.side)
		if err != nil {
			return err
		}
		if other, twice := given[row.name]; twice {
			return fmt.Errorf("%s and %s are two spellings of one property; give one of them", other, key)
		}
		given[row.name] = key
		chosen[row.name] = user[key]
	}
	for _, name := range sortedKeys(chosen) {
		row, err := find(name, d.side)
		if err != nil {
			return err
		}
		if !row.set(d, chosen[name]) {
			typed := name
			if key, ok := given[name]; ok {
				typed = key
			}
			return client.BadProperty("franz", typed, chosen[name], row.want)
		}
		d.explicit[name] = chosen[name]
	}
	return nil
}

// find looks a key up in either spelling.
func find(key string, s side) (property, error) {
	if err := client.CheckReserved(key); err != nil {
		return property{}, err
	}
	for _, row := range properties {
		if !row.spelled(key) {
			continue
		}
		if row.side&s == 0 {
			return property{}, client.InapplicableProperty("franz", key, row.side.String())
		}
		return row, nil
	}
	return property{}, client.UnknownProperty("franz", key, spellings(s))
}

func (p property) spelled(key string) bool {
	if p.name == key {
		return true
	}
	for _, alias := range p.aliases {
		if alias == key {
			return true
		}
	}
	return false
}

// spellings are all keys of one side.
func spellings(s side) []string {
	var all []string
	for _, row := range properties {
		if row.side&s != 0 {
			all = append(all, row.name)
			all = append(all, row.aliases...)
		}
	}
	sort.Strings(all)
	return all
}

// settings reads back what is in force.
func (d *draft) settings(cl *kgo.Client) map[string]string {
	inForce := make(map[string]string)
	for _, row := range properties {
		if row.side&d.side == 0 {
			continue
		}
		if row.show != nil {
			if value, ok := row.show(shown{d, cl}); ok {
				inForce[row.name] = value
			}
		} else if value, ok := d.explicit[row.name]; ok {
			inForce[row.name] = value
		}
	}
	return inForce
}

// opt adds an option; it returns true so that a setter can end with it.
func (d *draft) opt(o kgo.Opt) bool {
	d.opts = append(d.opts, o)
	return true
}

func number(low, high int, set func(*draft, int)) func(*draft, string) bool {
	return func(d *draft, value string) bool {
		n, err := strconv.Atoi(value)
		if err != nil || n < low || n > high {
			return false
		}
		set(d, n)
		return true
	}
}

// millis takes fractions too, since librdkafka does for linger.
func millis(low, high float64, set func(*draft, time.Duration)) func(*draft, string) bool {
	return func(d *draft, value string) bool {
		ms, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(ms) || ms < low || ms > high {
			return false
		}
		set(d, time.Duration(ms*float64(time.Millisecond)))
		return true
	}
}

func boolean(set func(*draft, bool)) func(*draft, string) bool {
	return func(d *draft, value string) bool {
		if value != "true" && value != "false" {
			return false
		}
		set(d, value == "true")
		return true
	}
}

// option shows what the client says about one of its options; times in
// milliseconds.
func option(opt any) func(shown) (string, bool) {
	return func(s shown) (string, bool) {
		switch v := s.kgo.OptValue(opt).(type) {
		case nil:
			return "", false
		case time.Duration:
			return strconv.FormatFloat(float64(v)/float64(time.Millisecond), 'f', -1, 64), true
		default:
			return fmt.Sprint(v), true
		}
	}
}

// optionOff shows a property whose option switches it off.
func optionOff(opt any) func(shown) (string, bool) {
	return func(s shown) (string, bool) {
		disabled, ok := s.kgo.OptValue(opt).(bool)
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

func showIsolation(s shown) (string, bool) {
	if s.kgo.OptValue(kgo.FetchIsolationLevel) == kgo.ReadCommitted() {
		return "read_committed", true
	}
	return "read_uncommitted", true
}

// balancers are the strategies by librdkafka's name and by Java's class.
var balancers = map[string]func() kgo.GroupBalancer{
	"range":              kgo.RangeBalancer,
	"roundrobin":         kgo.RoundRobinBalancer,
	"sticky":             kgo.StickyBalancer,
	"cooperative-sticky": kgo.CooperativeStickyBalancer,

	"org.apache.kafka.clients.consumer.RangeAssignor":             kgo.RangeBalancer,
	"org.apache.kafka.clients.consumer.RoundRobinAssignor":        kgo.RoundRobinBalancer,
	"org.apache.kafka.clients.consumer.StickyAssignor":            kgo.StickyBalancer,
	"org.apache.kafka.clients.consumer.CooperativeStickyAssignor": kgo.CooperativeStickyBalancer,
}

func setBalancers(d *draft, value string) bool {
	var chosen []kgo.GroupBalancer
	for name := range strings.SplitSeq(value, ",") {
		balancer, ok := balancers[strings.TrimSpace(name)]
		if !ok {
			return false
		}
		chosen = append(chosen, balancer())
	}
	return d.opt(kgo.Balancers(chosen...))
}

func showBalancers(s shown) (string, bool) {
	chosen, ok := s.kgo.OptValue(kgo.Balancers).([]kgo.GroupBalancer)
	names := make([]string, len(chosen))
	for i, balancer := range chosen {
		names[i] = balancer.ProtocolName()
	}
	return strings.Join(names, ","), ok
}

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

func showCompression(s shown) (string, bool) {
	chosen, ok := s.kgo.OptValue(kgo.ProducerBatchCompression).([]kgo.CompressionCodec)
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
	return millis(1000, math.MaxInt32, func(d *draft, t time.Duration) { d.opt(kgo.RecordDeliveryTimeout(t)) })(d, value)
}

// setRequestTimeout: for a producer it is how long the broker may wait for its
// replicas, for a consumer how long beyond a request's own wait an answer may take.
func setRequestTimeout(d *draft, value string) bool {
	return millis(100, 900_000, func(d *draft, t time.Duration) {
		if d.side&producing != 0 {
			d.opt(kgo.ProduceRequestTimeout(t))
		} else {
			d.opt(kgo.RequestTimeoutOverhead(t))
		}
	})(d, value)
}

func showRequestTimeout(s shown) (string, bool) {
	if s.side&producing != 0 {
		return option(kgo.ProduceRequestTimeout)(s)
	}
	return option(kgo.RequestTimeoutOverhead)(s)
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

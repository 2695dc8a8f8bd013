package sarama

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

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

// property is one row of the table: how a Kafka property reaches sarama.
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
	show func(d *draft) (value string, ok bool)
}

// draft is what sarama will be given, and what the producer keeps itself.
type draft struct {
	side        side
	config      *sarama.Config
	maxRecords  int
	maxBytes    int // 0: no limit
	readBuffer  int
	writeBuffer int
	user        map[string]string // by name, as typed
}

// most is what sarama puts into a request and takes from an answer at most, less
// what it may need for the rest of it.
const most = 90 << 20

func newDraft(s side) *draft {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Metadata.Full = false
	config.Metadata.AllowAutoTopicCreation = false
	config.Consumer.Return.Errors = true
	config.Consumer.Retry.Backoff = retryBackoff
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	return &draft{side: s, config: config, maxRecords: 50_000, user: make(map[string]string)}
}

// properties is the one table of what sarama honours.
var properties = []property{
	{name: "client.id", side: both, want: "a name of at most 256 bytes",
		set: func(d *draft, v string) bool { d.config.ClientID = v; return v != "" && len(v) <= 256 }, show: text(func(c *sarama.Config) string { return c.ClientID })},
	{name: "client.rack", side: consuming, want: "a name of at most 512 bytes",
		set: func(d *draft, v string) bool { d.config.RackID = v; return len(v) <= 512 }, show: text(func(c *sarama.Config) string { return c.RackID })},

	// Fetching.
	row("fetch.max.bytes", nil, consuming, "bytes", 1, most, func(d *draft) *int32 { return &d.config.Consumer.Fetch.MaxBytes }),
	// What is asked of each partition; a batch that is larger is asked for again.
	row("max.partition.fetch.bytes", aliases("fetch.message.max.bytes"), consuming, "bytes", 1, most, func(d *draft) *int32 { return &d.config.Consumer.Fetch.Default }),
	row("fetch.min.bytes", nil, consuming, "bytes", 1, most, func(d *draft) *int32 { return &d.config.Consumer.Fetch.Min }),
	span("fetch.max.wait.ms", aliases("fetch.wait.max.ms"), consuming, 1, 300_000, func(d *draft) *time.Duration { return &d.config.Consumer.MaxWaitTime }),
	{name: "check.crcs", side: consuming, want: "true: sarama always checks them",
		set: func(_ *draft, v string) bool { return v == "true" }, show: func(*draft) (string, bool) { return "true", true }},
	{name: "isolation.level", side: consuming, want: "read_committed or read_uncommitted", set: setIsolation, show: showIsolation},
	row("socket.receive.buffer.bytes", aliases("receive.buffer.bytes"), both, "bytes, where 0 is the system's own,", 0, 1<<30, func(d *draft) *int { return &d.readBuffer }).unlessZero(),
	row("socket.send.buffer.bytes", aliases("send.buffer.bytes"), both, "bytes, where 0 is the system's own,", 0, 1<<30, func(d *draft) *int { return &d.writeBuffer }).unlessZero(),

	// The group.
	span("session.timeout.ms", nil, grouping, 100, math.MaxInt32, func(d *draft) *time.Duration { return &d.config.Consumer.Group.Session.Timeout }),
	span("heartbeat.interval.ms", nil, grouping, 1, math.MaxInt32, func(d *draft) *time.Duration { return &d.config.Consumer.Group.Heartbeat.Interval }),
	// Java sends it to the group as the rebalance timeout; sarama has that alone.
	span("max.poll.interval.ms", aliases("rebalance.timeout.ms"), grouping, 100, math.MaxInt32, func(d *draft) *time.Duration { return &d.config.Consumer.Group.Rebalance.Timeout }),
	flag("enable.auto.commit", grouping, func(d *draft) *bool { return &d.config.Consumer.Offsets.AutoCommit.Enable }),
	span("auto.commit.interval.ms", nil, grouping, 10, math.MaxInt32, func(d *draft) *time.Duration { return &d.config.Consumer.Offsets.AutoCommit.Interval }),
	{name: "group.instance.id", side: grouping, want: "a name of at most 249 letters, digits, dots, _ and -",
		set: func(d *draft, v string) bool { d.config.Consumer.Group.InstanceId = v; return v != "" }, show: text(func(c *sarama.Config) string { return c.Consumer.Group.InstanceId })},
	{name: "partition.assignment.strategy", side: grouping, want: "range, roundrobin, sticky or cooperative-sticky, several with commas", set: setStrategies, show: showStrategies},

	// Producing.
	span("linger.ms", aliases("queue.buffering.max.ms"), producing, 0, 60_000, func(d *draft) *time.Duration { return &d.config.Producer.Flush.Frequency }),
	// Of one partition, as in Java; sarama refuses records that are larger.
	row("batch.size", aliases("message.max.bytes"), producing, "bytes", 512, most, func(d *draft) *int { return &d.config.Producer.MaxMessageBytes }),
	{name: "acks", aliases: aliases("request.required.acks"), side: producing, want: "0, 1 or all", set: setAcks,
		show: func(d *draft) (string, bool) { return showAcks(d.config.Producer.RequiredAcks), true }},
	flag("enable.idempotence", producing, func(d *draft) *bool { return &d.config.Producer.Idempotent }),
	row("max.in.flight.requests.per.connection", aliases("max.in.flight"), producing, "requests, which is always 1 with idempotence,", 1, 1000, func(d *draft) *int { return &d.config.Net.MaxOpenRequests }),
	{name: "compression.type", aliases: aliases("compression.codec"), side: producing, want: "none, gzip, snappy, lz4 or zstd",
		set:  func(d *draft, v string) bool { return d.config.Producer.Compression.UnmarshalText([]byte(v)) == nil },
		show: func(d *draft) (string, bool) { return d.config.Producer.Compression.String(), true }},
	row("compression.level", nil, producing, "the codec's levels", -1, 22, func(d *draft) *int { return &d.config.Producer.CompressionLevel }).unless(sarama.CompressionLevelDefault),
	row("buffer.memory", nil, producing, "bytes", 1, math.MaxInt, func(d *draft) *int { return &d.maxBytes }).unlessZero(),
	row("retries", aliases("message.send.max.retries"), producing, "attempts", 0, 10_000, func(d *draft) *int { return &d.config.Producer.Retry.Max }),
	// How long the broker may wait for its replicas.
	span("request.timeout.ms", aliases("request.timeout"), producing, 1, 900_000, func(d *draft) *time.Duration { return &d.config.Producer.Timeout }),

	// Connections.
	{name: "retry.backoff.ms", side: both, want: wantMillis(1, 60_000), set: millis(1, 60_000, backoff), show: showMillis(backoff)},
	span("metadata.max.age.ms", aliases("topic.metadata.refresh.interval.ms"), both, 250, 3_600_000, func(d *draft) *time.Duration { return &d.config.Metadata.RefreshFrequency }),
	span("socket.connection.setup.timeout.ms", nil, both, 100, 900_000, func(d *draft) *time.Duration { return &d.config.Net.DialTimeout }),
	span("socket.timeout.ms", nil, both, 100, 900_000, func(d *draft) *time.Duration { return &d.config.Net.ReadTimeout }),

	// Sarama's own, which Kafka's clients have no word for, and the producer's.
	row("channel.buffer.size", nil, both, "records", 0, 1_000_000, func(d *draft) *int { return &d.config.ChannelBufferSize }),
	span("max.processing.time.ms", nil, consuming, 1, 3_600_000, func(d *draft) *time.Duration { return &d.config.Consumer.MaxProcessingTime }),
	// Of all partitions of a broker together; either needs linger.ms beside it.
	row("flush.bytes", nil, producing, "bytes", 0, most, func(d *draft) *int { return &d.config.Producer.Flush.Bytes }).unlessZero(),
	row("flush.messages", nil, producing, "records", 0, math.MaxInt32, func(d *draft) *int { return &d.config.Producer.Flush.Messages }).unlessZero(),
	row("flush.max.messages", nil, producing, "records", 0, math.MaxInt32, func(d *draft) *int { return &d.config.Producer.Flush.MaxMessages }).unlessZero(),
	row("max.buffered.records", aliases("queue.buffering.max.messages"), producing, "records", 1, 10_000_000, func(d *draft) *int { return &d.maxRecords }),
}

func aliases(names ...string) []string { return names }

// row is a property that is a whole number from low to high.
func row[T int | int32](name string, aliases []string, s side, of string, low, high int, at func(*draft) *T) property {
	return property{
		name: name, aliases: aliases, side: s, want: fmt.Sprintf("a whole number of %s from %d to %d", of, low, high),
		set: func(d *draft, value string) bool {
			n, err := strconv.Atoi(value)
			*at(d) = T(n)
			return err == nil && n >= low && n <= high
		},
		show: func(d *draft) (string, bool) { return strconv.Itoa(int(*at(d))), true },
	}
}

// unless shows a number only where it is not the one that means nothing.
func (p property) unless(nothing int) property {
	show := p.show
	p.show = func(d *draft) (string, bool) {
		value, ok := show(d)
		return value, ok && value != strconv.Itoa(nothing)
	}
	return p
}

func (p property) unlessZero() property { return p.unless(0) }

// span is a property that is a time in milliseconds.
func span(name string, aliases []string, s side, low, high float64, at func(*draft) *time.Duration) property {
	return property{name: name, aliases: aliases, side: s, want: wantMillis(low, high), set: millis(low, high, at), show: showMillis(at)}
}

func wantMillis(low, high float64) string {
	return fmt.Sprintf("milliseconds from %.0f to %.0f", low, high)
}

// millis takes fractions too, since librdkafka does for linger.
func millis(low, high float64, at func(*draft) *time.Duration) func(*draft, string) bool {
	return func(d *draft, value string) bool {
		ms, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(ms) || ms < low || ms > high {
			return false
		}
		*at(d) = time.Duration(ms * float64(time.Millisecond))
		return true
	}
}

func showMillis(at func(*draft) *time.Duration) func(*draft) (string, bool) {
	return func(d *draft) (string, bool) {
		return strconv.FormatFloat(float64(*at(d))/float64(time.Millisecond), 'f', -1, 64), true
	}
}

func flag(name string, s side, at func(*draft) *bool) property {
	return property{
		name: name, side: s, want: "true or false",
		set: func(d *draft, value string) bool {
			*at(d) = value == "true"
			return value == "true" || value == "false"
		},
		show: func(d *draft) (string, bool) { return strconv.FormatBool(*at(d)), true },
	}
}

// text shows a name, where there is one.
func text(of func(*sarama.Config) string) func(*draft) (string, bool) {
	return func(d *draft) (string, bool) { return of(d.config), of(d.config) != "" }
}

// backoff is before a batch or a partition that failed is tried again.
func backoff(d *draft) *time.Duration {
	if d.side&producing != 0 {
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
func (d *draft) apply(preset []client.Preset, user map[string]string) error {
	chosen := make(map[string]string)
	for _, p := range preset {
		if row, err := find(p.Key, d.side); err == nil { // a reader without a group has less
			chosen[row.name] = p.Value
		}
	}
	typed := make(map[string]string)
	for _, key := range sortedKeys(user) {
		row, err := find(key, d.side)
		if err != nil {
			return err
		}
		if other, twice := typed[row.name]; twice {
			return fmt.Errorf("%s and %s are two spellings of one property; give one of them", other, key)
		}
		typed[row.name] = key
		chosen[row.name] = user[key]
		d.user[row.name] = user[key]
	}
	for _, row := range properties {
		value, ok := chosen[row.name]
		if !ok || row.set(d, value) {
			continue
		}
		name := row.name
		if key, ok := typed[row.name]; ok {
			name = key
		}
		return client.BadProperty("sarama", name, value, row.want)
	}
	return nil
}

// valid says what sarama has against the properties together.
func (d *draft) valid() error {
	if err := d.config.Validate(); err != nil {
		return client.Unsupported("sarama", "take these properties together ("+err.Error()+")", "change or leave out the one it names")
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
			return property{}, client.InapplicableProperty("sarama", key, row.side.String())
		}
		return row, nil
	}
	return property{}, client.UnknownProperty("sarama", key, spellings(s))
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
func (d *draft) settings() map[string]string {
	inForce := make(map[string]string)
	for _, row := range properties {
		if row.side&d.side == 0 {
			continue
		}
		if value, ok := row.show(d); ok {
			inForce[row.name] = value
		}
	}
	return inForce
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

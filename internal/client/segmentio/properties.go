package segmentio

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

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

// property is one row of the table: how a Kafka property reaches kafka-go.
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
	// show gives the value in force.
	show func(d *draft) string
	// cannot, if not nil, is the error for a value that Kafka has and kafka-go has
	// not; nil for every other.
	cannot func(value string) error
}

// draft gathers what the properties ask for, from kafka-go's defaults on.
type draft struct {
	side                    side
	clientID                string
	readBuffer, writeBuffer int
	backoffLow, backoffHigh time.Duration
	timeout                 time.Duration
	explicit                map[string]string // by name, as given by profile or user

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

func newDraft(s side) *draft {
	d := &draft{
		side: s, clientID: "redline", explicit: make(map[string]string),
		backoffLow: 100 * time.Millisecond, backoffHigh: time.Second, timeout: 5 * time.Second,
		minBytes: 1, maxBytes: 1e6, maxWait: 3 * time.Second, batchWait: 10 * time.Second, queue: 100,
		session: 30 * time.Second, heartbeat: 3 * time.Second, rebalance: 30 * time.Second, rejoin: 5 * time.Second,
		autoCommit: true, commitEvery: 5 * time.Second, balancers: []string{"range", "roundrobin"},
		linger: time.Second, batchBytes: 1 << 20, batchMessages: 100, acks: kafka.RequireAll, attempts: 10,
		maxRecords: 100_000, metadataAge: 6 * time.Second, idle: 30 * time.Second,
	}
	if s&producing != 0 {
		d.timeout = 10 * time.Second
	}
	return d
}

// properties is the one table of what kafka-go honours.
var properties = []property{
	{name: "client.id", side: both, want: "a name of at most 256 bytes",
		set: func(d *draft, v string) bool { d.clientID = v; return v != "" && len(v) <= 256 }, show: func(d *draft) string { return d.clientID }},
	number("socket.receive.buffer.bytes", both, 0, 1<<30, "a whole number of bytes from 1 to 1073741824, or 0 for the system's own", func(d *draft) *int { return &d.readBuffer }, "receive.buffer.bytes"),
	number("socket.send.buffer.bytes", both, 0, 1<<30, "a whole number of bytes from 1 to 1073741824, or 0 for the system's own", func(d *draft) *int { return &d.writeBuffer }, "send.buffer.bytes"),
	millis("retry.backoff.ms", both, 1, 60_000, func(d *draft) *time.Duration { return &d.backoffLow }),
	millis("retry.backoff.max.ms", both, 1, 600_000, func(d *draft) *time.Duration { return &d.backoffHigh }),
	// For a producer it bounds a request, for a member what it asks the coordinator.
	millis("request.timeout.ms", producing|grouping, 100, 900_000, func(d *draft) *time.Duration { return &d.timeout }, "request.timeout"),

	// Fetching. A fetch is of one partition, so two of Kafka's words mean the same.
	number("fetch.max.bytes", consuming, 1, 1<<30, wantBytes, func(d *draft) *int { return &d.maxBytes }, "max.partition.fetch.bytes", "fetch.message.max.bytes"),
	number("fetch.min.bytes", consuming, 1, 1<<30, wantBytes, func(d *draft) *int { return &d.minBytes }),
	// It is also how long the answer to a fetch may take to begin: kafka-go lets the
	// broker hold it for a second less, and ends the connection after it.
	millis("fetch.max.wait.ms", consuming, 1000, 300_000, func(d *draft) *time.Duration { return &d.maxWait }, "fetch.wait.max.ms"),
	{name: "isolation.level", side: consuming, want: "read_uncommitted",
		set: func(_ *draft, v string) bool { return v == "read_uncommitted" }, show: always("read_uncommitted"),
		cannot: onlyFor("read_committed", cannotReadCommitted)},
	{name: "check.crcs", side: consuming, want: "false, since kafka-go does not check them",
		set: func(_ *draft, v string) bool { return v == "false" }, show: always("false")},

	// The group.
	millis("session.timeout.ms", grouping, 100, math.MaxInt32, func(d *draft) *time.Duration { return &d.session }),
	millis("heartbeat.interval.ms", grouping, 1, math.MaxInt32, func(d *draft) *time.Duration { return &d.heartbeat }),
	// Java sends it to the group as the rebalance timeout; kafka-go has that alone.
	millis("max.poll.interval.ms", grouping, 100, math.MaxInt32, func(d *draft) *time.Duration { return &d.rebalance }, "rebalance.timeout.ms"),
	{name: "enable.auto.commit", side: grouping, want: "true or false",
		set: func(d *draft, v string) bool { d.autoCommit = v == "true"; return v == "true" || v == "false" }, show: func(d *draft) string { return strconv.FormatBool(d.autoCommit) }},
	millis("auto.commit.interval.ms", grouping, 10, math.MaxInt32, func(d *draft) *time.Duration { return &d.commitEvery }),
	{name: "partition.assignment.strategy", side: grouping, want: "range or roundrobin, both with a comma", set: setBalancers, show: func(d *draft) string { return strings.Join(d.balancers, ",") }},

	// Producing.
	millis("linger.ms", producing, 0, 60_000, func(d *draft) *time.Duration { return &d.linger }, "queue.buffering.max.ms"),
	number("batch.size", producing, 512, 1<<30, "a whole number of bytes from 512 to 1073741824", func(d *draft) *int { return &d.batchBytes }),
	number("batch.num.messages", producing, 1, 1_000_000, "a whole number from 1 to 1000000", func(d *draft) *int { return &d.batchMessages }, "batch.messages"),
	{name: "acks", aliases: []string{"request.required.acks"}, side: producing, want: "0, 1 or all",
		set: setAcks, show: func(d *draft) string { return acks[d.acks] }},
	{name: "enable.idempotence", side: producing, want: "false", set: func(_ *draft, v string) bool { return v == "false" }, show: always("false"),
		cannot: onlyFor("true", func() error {
			return client.Cannot(name, "produce with idempotence (enable.idempotence=true): kafka-go has none", "leave that property out, or take the client franz")
		})},
	{name: "compression.type", aliases: []string{"compression.codec"}, side: producing, want: "none, gzip, snappy, lz4 or zstd",
		set: setCompression, show: func(d *draft) string { return codecs[d.codec] }},
	{name: "retries", aliases: []string{"message.send.max.retries"}, side: producing, want: "a whole number from 0 to 1000000",
		set: whole(0, 1_000_000, func(d *draft, n int) { d.attempts = n + 1 }), show: func(d *draft) string { return strconv.Itoa(d.attempts - 1) }},
	number("buffer.memory", producing, 0, math.MaxInt, "a whole number of bytes from 1 up, or 0 for no bound but that of the records", func(d *draft) *int { return &d.maxMemory }),
	number("max.buffered.records", producing, 1, 10_000_000, "a whole number from 1 to 10000000", func(d *draft) *int { return &d.maxRecords }, "queue.buffering.max.messages"),
	millis("metadata.max.age.ms", producing, 250, 3_600_000, func(d *draft) *time.Duration { return &d.metadataAge }, "topic.metadata.refresh.interval.ms"),
	millis("connections.max.idle.ms", producing, 100, 900_000, func(d *draft) *time.Duration { return &d.idle }),

	// Kafka-go's own, which Kafka's clients have no word for.
	number("queue.capacity", consuming, 1, 10_000_000, "a whole number of records for each partition, from 1 to 10000000", func(d *draft) *int { return &d.queue }, "queued.min.messages"),
	millis("read.batch.timeout.ms", consuming, 10, 900_000, func(d *draft) *time.Duration { return &d.batchWait }),
	millis("join.group.backoff.ms", grouping, 1, 600_000, func(d *draft) *time.Duration { return &d.rejoin }),
}

const wantBytes = "a whole number of bytes from 1 to 1073741824"

func always(value string) func(*draft) string { return func(*draft) string { return value } }

func onlyFor(value string, cannot func() error) func(string) error {
	return func(v string) error {
		if v == value {
			return cannot()
		}
		return nil
	}
}

// cannotReadCommitted: kafka-go's own IsolationLevel makes the broker end a fetch
// before open transactions, and then hands out what was aborted all the same.
func cannotReadCommitted() error {
	return client.Cannot(name, "leave out records of aborted transactions (isolation.level=read_committed): kafka-go hands them out", "leave that out, or take the client franz")
}

// number is the row of a whole number.
func number(name string, s side, low, high int, want string, field func(*draft) *int, aliases ...string) property {
	return property{
		name: name, aliases: aliases, side: s, want: want,
		set:  whole(low, high, func(d *draft, n int) { *field(d) = n }),
		show: func(d *draft) string { return strconv.Itoa(*field(d)) },
	}
}

func whole(low, high int, set func(*draft, int)) func(*draft, string) bool {
	return func(d *draft, value string) bool {
		n, err := strconv.Atoi(value)
		if err != nil || n < low || n > high {
			return false
		}
		set(d, n)
		return true
	}
}

// millis is the row of a time in milliseconds, which may be fractions, since
// librdkafka takes them for linger.
func millis(name string, s side, low, high float64, field func(*draft) *time.Duration, aliases ...string) property {
	want := fmt.Sprintf("milliseconds from %v to %v", low, int64(high))
	if high == math.MaxInt32 {
		want = fmt.Sprintf("milliseconds from %v up", low)
	}
	return property{
		name: name, aliases: aliases, side: s, want: want,
		set: func(d *draft, value string) bool {
			ms, err := strconv.ParseFloat(value, 64)
			if err != nil || !(ms >= low && ms <= high) {
				return false
			}
			*field(d) = time.Duration(ms * float64(time.Millisecond))
			return true
		},
		show: func(d *draft) string {
			return strconv.FormatFloat(float64(*field(d))/float64(time.Millisecond), 'f', -1, 64)
		},
	}
}

// apply reads the profile, then the user's properties over it, into d. A property
// of the profile that this kind of client has not is left out.
func (d *draft) apply(preset []client.Preset, user map[string]string) error {
	chosen := make(map[string]string)
	for _, p := range preset {
		if row, err := find(p.Key, d.side); err == nil {
			chosen[row.name] = p.Value
		}
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
	for _, row := range properties {
		value, ok := chosen[row.name]
		if !ok {
			continue
		}
		typed := row.name
		if key, ok := given[row.name]; ok {
			typed = key
		}
		if err := row.take(d, typed, value); err != nil {
			return err
		}
	}
	return nil
}

// take reads a value that was typed under one of its spellings.
func (p property) take(d *draft, typed, value string) error {
	if p.cannot != nil {
		if err := p.cannot(value); err != nil {
			return err
		}
	}
	if !p.set(d, value) {
		return client.BadProperty(name, typed, value, p.want)
	}
	d.explicit[p.name] = value
	return nil
}

// agree refuses what kafka-go would panic at.
func (d *draft) agree() error {
	if d.minBytes > d.maxBytes {
		return client.BadProperty(name, "fetch.min.bytes", strconv.Itoa(d.minBytes), fmt.Sprintf("at most fetch.max.bytes, %d", d.maxBytes))
	}
	if d.backoffHigh < d.backoffLow {
		if _, given := d.explicit["retry.backoff.max.ms"]; !given {
			d.backoffHigh = d.backoffLow
			return nil
		}
		return client.BadProperty(name, "retry.backoff.max.ms", d.explicit["retry.backoff.max.ms"], "at least retry.backoff.ms")
	}
	return nil
}

// find looks a key up in either spelling.
func find(key string, s side) (property, error) {
	if err := client.CheckReserved(key); err != nil {
		return property{}, err
	}
	for _, row := range properties {
		if row.name != key && !slices.Contains(row.aliases, key) {
			continue
		}
		if row.side&s == 0 {
			return property{}, client.InapplicableProperty(name, key, row.side.String())
		}
		return row, nil
	}
	return property{}, client.UnknownProperty(name, key, spellings(s))
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

// settings are what is in force.
func (d *draft) settings() map[string]string {
	inForce := make(map[string]string)
	for _, row := range properties {
		if row.side&d.side != 0 {
			inForce[row.name] = row.show(d)
		}
	}
	return inForce
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

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

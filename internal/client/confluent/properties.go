//go:build cgo

package confluent

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"redline/internal/client"
	"redline/internal/secret"
)

// side says which kind of client a property belongs to.
type side int

const (
	consuming side = 1 << iota
	producing
	both = consuming | producing
)

func (s side) String() string {
	if s == consuming {
		return "consumers"
	}
	return "producers"
}

// property is one row of the table of what librdkafka has.
type property struct {
	// name is librdkafka's own; where it has two, the one that Java has too.
	name string
	side side
	// fallback is what librdkafka 2.11 uses when nobody sets it, from its
	// CONFIGURATION.md: it cannot be asked for what is in force.
	fallback string
	// aliases are librdkafka's other name, and Java's where it differs.
	aliases []string
}

// properties is librdkafka's table, without what the workload itself decides
// and what only its C interface can use. Keys that begin with ssl. or sasl. are
// passed through and never shown; those of the connection itself are set by
// secure, not here.
var properties = []property{
	{name: "acks", side: producing, fallback: "all", aliases: []string{"request.required.acks"}},
	{name: "auto.commit.interval.ms", side: consuming, fallback: "5000"},
	{name: "batch.num.messages", side: producing, fallback: "10000"},
	{name: "batch.size", side: producing, fallback: "1000000"},
	{name: "broker.address.family", side: both, fallback: "any"},
	{name: "broker.address.ttl", side: both, fallback: "1000"},
	{name: "check.crcs", side: consuming, fallback: "false"},
	{name: "client.dns.lookup", side: both, fallback: "use_all_dns_ips"},
	{name: "client.id", side: both, fallback: "rdkafka"},
	{name: "client.rack", side: both, fallback: ""},
	{name: "compression.level", side: producing, fallback: "-1"},
	{name: "compression.type", side: producing, fallback: "none", aliases: []string{"compression.codec"}},
	{name: "connections.max.idle.ms", side: both, fallback: "0"},
	{name: "coordinator.query.interval.ms", side: consuming, fallback: "600000"},
	{name: "debug", side: both, fallback: ""},
	{name: "delivery.timeout.ms", side: producing, fallback: "300000", aliases: []string{"message.timeout.ms"}},
	{name: "enable.auto.commit", side: consuming, fallback: "true"},
	{name: "enable.auto.offset.store", side: consuming, fallback: "true"},
	{name: "enable.idempotence", side: producing, fallback: "false"},
	{name: "enable.metrics.push", side: both, fallback: "true"},
	{name: "fetch.error.backoff.ms", side: consuming, fallback: "500"},
	{name: "fetch.max.bytes", side: consuming, fallback: "52428800"},
	{name: "fetch.min.bytes", side: consuming, fallback: "1"},
	{name: "fetch.queue.backoff.ms", side: consuming, fallback: "1000"},
	{name: "fetch.wait.max.ms", side: consuming, fallback: "500", aliases: []string{"fetch.max.wait.ms"}},
	{name: "go.delivery.report.fields", side: producing, fallback: "key,value"},
	{name: "group.instance.id", side: consuming, fallback: ""},
	{name: "group.protocol", side: consuming, fallback: "classic"},
	{name: "group.remote.assignor", side: consuming, fallback: ""},
	{name: "heartbeat.interval.ms", side: consuming, fallback: "3000"},
	{name: "isolation.level", side: consuming, fallback: "read_committed"},
	{name: "linger.ms", side: producing, fallback: "5", aliases: []string{"queue.buffering.max.ms"}},
	{name: "log.connection.close", side: both, fallback: "true"},
	{name: "log_level", side: both, fallback: "6"},
	{name: "max.in.flight.requests.per.connection", side: both, fallback: "1000000", aliases: []string{"max.in.flight"}},
	{name: "max.partition.fetch.bytes", side: consuming, fallback: "1048576", aliases: []string{"fetch.message.max.bytes"}},
	{name: "max.poll.interval.ms", side: consuming, fallback: "300000"},
	{name: "message.copy.max.bytes", side: both, fallback: "65535"},
	{name: "message.max.bytes", side: both, fallback: "1000000"},
	{name: "metadata.max.age.ms", side: both, fallback: "900000"},
	{name: "metadata.recovery.rebootstrap.trigger.ms", side: both, fallback: "300000"},
	{name: "metadata.recovery.strategy", side: both, fallback: "rebootstrap"},
	{name: "partition.assignment.strategy", side: consuming, fallback: "range,roundrobin"},
	{name: "queue.buffering.backpressure.threshold", side: producing, fallback: "1"},
	{name: "queue.buffering.max.kbytes", side: producing, fallback: "1048576"},
	{name: "queue.buffering.max.messages", side: producing, fallback: "100000"},
	{name: "queued.max.messages.kbytes", side: consuming, fallback: "65536"},
	{name: "queued.min.messages", side: consuming, fallback: "100000"},
	{name: "queuing.strategy", side: producing, fallback: "fifo"},
	{name: "receive.message.max.bytes", side: both, fallback: "100000000"},
	{name: "reconnect.backoff.max.ms", side: both, fallback: "10000"},
	{name: "reconnect.backoff.ms", side: both, fallback: "100"},
	{name: "request.timeout.ms", side: producing, fallback: "30000"},
	{name: "retries", side: producing, fallback: "2147483647", aliases: []string{"message.send.max.retries"}},
	{name: "retry.backoff.max.ms", side: both, fallback: "1000"},
	{name: "retry.backoff.ms", side: both, fallback: "100"},
	{name: "session.timeout.ms", side: consuming, fallback: "45000"},
	{name: "socket.connection.setup.timeout.ms", side: both, fallback: "30000"},
	{name: "socket.keepalive.enable", side: both, fallback: "false"},
	{name: "socket.max.fails", side: both, fallback: "1"},
	{name: "socket.nagle.disable", side: both, fallback: "true"},
	{name: "socket.receive.buffer.bytes", side: both, fallback: "0", aliases: []string{"receive.buffer.bytes"}},
	{name: "socket.send.buffer.bytes", side: both, fallback: "0", aliases: []string{"send.buffer.bytes"}},
	{name: "socket.timeout.ms", side: both, fallback: "60000"},
	{name: "statistics.interval.ms", side: both, fallback: "0"},
	{name: "topic.metadata.propagation.max.ms", side: both, fallback: "30000"},
	{name: "topic.metadata.refresh.fast.interval.ms", side: both, fallback: "100"},
	{name: "topic.metadata.refresh.interval.ms", side: both, fallback: "300000"},
	{name: "topic.metadata.refresh.sparse", side: both, fallback: "true"},
}

// translations are Java's properties whose value differs too.
var translations = map[string]func(value string) (key, translated string, ok bool){
	"buffer.memory": func(value string) (string, string, bool) {
		n, err := strconv.ParseInt(value, 10, 64)
		return "queue.buffering.max.kbytes", strconv.FormatInt(max(1, n>>10), 10), err == nil && n > 0
	},
}

// strategies are Java's classes by librdkafka's name.
var strategies = strings.NewReplacer(
	"org.apache.kafka.clients.consumer.RangeAssignor", "range",
	"org.apache.kafka.clients.consumer.RoundRobinAssignor", "roundrobin",
	"org.apache.kafka.clients.consumer.CooperativeStickyAssignor", "cooperative-sticky",
)

// draft is what is set, by librdkafka's name. secure is apart, so that nothing
// that shows what is set shows a secret.
type draft struct {
	side   side
	set    map[string]string
	secure map[string]secret.Text
}

// newDraft puts the user's properties over the profile's, over what the
// workload needs.
func newDraft(s side, needed map[string]string, preset []client.Preset, user map[string]string) (*draft, error) {
	d := &draft{side: s, set: needed}
	for _, p := range preset {
		d.set[p.Key] = p.Value
	}
	given := make(map[string]string)
	for _, key := range sortedKeys(user) {
		name, value, err := translate(key, user[key], s)
		if err != nil {
			return nil, err
		}
		if other, twice := given[name]; twice {
			return nil, fmt.Errorf("%s and %s are two spellings of one property; give one of them", other, key)
		}
		given[name] = key
		d.set[name] = value
	}
	// Fewer acknowledgements than all cannot be idempotent; asking for them
	// takes the profile's idempotence back, but not the user's.
	if _, asked := given["enable.idempotence"]; !asked && d.set["acks"] != "" && d.set["acks"] != "all" && d.set["acks"] != "-1" {
		delete(d.set, "enable.idempotence")
	}
	return d, nil
}

// translate gives librdkafka's name and value of a property in any spelling.
func translate(key, value string, s side) (string, string, error) {
	if err := client.CheckReserved(key); err != nil {
		return "", "", err
	}
	if into, ok := translations[key]; ok && s == producing {
		name, translated, ok := into(value)
		if !ok {
			return "", "", client.BadProperty("confluent", key, value, "a whole number of bytes from 1 up")
		}
		return name, translated, nil
	}
	if strings.HasPrefix(key, "ssl.") || strings.HasPrefix(key, "sasl.") {
		return key, value, nil
	}
	row, ok := find(key)
	if !ok {
		return "", "", client.UnknownProperty("confluent", key, spellings(s))
	}
	if row.side&s == 0 {
		return "", "", client.InapplicableProperty("confluent", key, row.side.String())
	}
	if row.name == "partition.assignment.strategy" {
		value = strategies.Replace(value)
	}
	return row.name, value, nil
}

func find(key string) (property, bool) {
	for _, row := range properties {
		if row.name == key {
			return row, true
		}
		for _, alias := range row.aliases {
			if alias == key {
				return row, true
			}
		}
	}
	return property{}, false
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
	if s == producing {
		all = append(all, sortedKeys(translations)...)
	}
	sort.Strings(all)
	return all
}

// config is what librdkafka is given.
func (d *draft) config() *kafka.ConfigMap {
	config := make(kafka.ConfigMap)
	for key, value := range d.set {
		config[key] = value
	}
	for key, value := range d.secure {
		config[key] = value.Reveal()
	}
	return &config
}

// settings are what is set and, under it, what librdkafka then takes.
func (d *draft) settings() map[string]string {
	inForce := make(map[string]string)
	for _, row := range properties {
		if row.side&d.side != 0 && row.fallback != "" {
			inForce[row.name] = row.fallback
		}
	}
	for key, value := range d.set {
		if _, known := find(key); known {
			inForce[key] = value
		}
	}
	if inForce["enable.idempotence"] == "true" && d.set["max.in.flight.requests.per.connection"] == "" {
		inForce["max.in.flight.requests.per.connection"] = "5" // librdkafka lowers it by itself
	}
	return inForce
}

// refusal explains an error of librdkafka about its properties, which names a
// key at most.
func (d *draft) refusal(err error) error {
	for _, key := range sortedKeys(d.set) {
		if strings.HasPrefix(key, "ssl.") || strings.HasPrefix(key, "sasl.") {
			continue // it may be a secret
		}
		if strings.Contains(err.Error(), `"`+key+`"`) || strings.Contains(err.Error(), "`"+key+"`") {
			return fmt.Errorf("confluent cannot take %s=%q: %w", key, d.set[key], err)
		}
	}
	return fmt.Errorf("confluent cannot take these properties: %w; change or leave out the one that it speaks of", err)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

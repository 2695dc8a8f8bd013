//go:build cgo

package confluent

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"redline/internal/client"
	"redline/internal/secret"
)

// property is one row of the table of what librdkafka has.
type property = client.Property[draft]

// row is a property under librdkafka's own name; where it has two, under the one that
// Java has too. aliases are the other one, and Java's where it differs. fallback is what
// librdkafka 2.11 uses when nobody sets it, from its CONFIGURATION.md: it cannot be
// asked for what is in force. What a value has to be it says itself.
func row(name string, s client.Side, fallback string, aliases ...string) property {
	return property{
		Name: name, Aliases: aliases, Side: s,
		Set: func(d *draft, value string) bool { d.set[name] = value; return true },
		Show: func(d *draft) (string, bool) {
			if value, set := d.set[name]; set {
				return value, true
			}
			return fallback, fallback != ""
		},
	}
}

// numbered is a property of the Go library, which wants a whole number as such.
func numbered(name string, s client.Side, fallback int) property {
	p := row(name, s, strconv.Itoa(fallback))
	p.Want = "a whole number from 1 to 10000000"
	p.Set = client.Whole(1, 10_000_000, func(d *draft, n int) { d.set[name], d.whole[name] = strconv.Itoa(n), n })
	return p
}

// properties is librdkafka's table, without what the workload itself decides
// and what only its C interface can use. Keys that begin with ssl. or sasl. are
// passed through and never shown; those of the connection itself are set by
// secure, not here.
var properties = client.Table[draft]{Library: "confluent", Rows: []property{
	row("acks", client.Producing, "all", "request.required.acks"),
	row("auto.commit.interval.ms", client.Consuming, "5000"),
	row("batch.num.messages", client.Producing, "10000"),
	row("batch.size", client.Producing, "1000000"),
	row("broker.address.family", client.Both, "any"),
	row("broker.address.ttl", client.Both, "1000"),
	row("check.crcs", client.Consuming, "false"),
	row("client.dns.lookup", client.Both, "use_all_dns_ips"),
	row("client.id", client.Both, "rdkafka"),
	row("client.rack", client.Both, ""),
	row("compression.level", client.Producing, "-1"),
	row("compression.type", client.Producing, "none", "compression.codec"),
	row("connections.max.idle.ms", client.Both, "0"),
	row("coordinator.query.interval.ms", client.Consuming, "600000"),
	row("debug", client.Both, ""),
	row("delivery.timeout.ms", client.Producing, "300000", "message.timeout.ms"),
	row("enable.auto.commit", client.Consuming, "true"),
	row("enable.auto.offset.store", client.Consuming, "true"),
	row("enable.idempotence", client.Producing, "false"),
	row("enable.metrics.push", client.Both, "true"),
	row("fetch.error.backoff.ms", client.Consuming, "500"),
	row("fetch.max.bytes", client.Consuming, "52428800"),
	row("fetch.min.bytes", client.Consuming, "1"),
	row("fetch.queue.backoff.ms", client.Consuming, "1000"),
	row("fetch.wait.max.ms", client.Consuming, "500", "fetch.max.wait.ms"),
	row("go.delivery.report.fields", client.Producing, "key,value"),
	numbered("go.events.channel.size", client.Producing, 1_000_000),
	numbered("go.produce.channel.size", client.Producing, 1_000_000),
	row("group.instance.id", client.Consuming, ""),
	row("group.protocol", client.Consuming, "classic"),
	row("group.remote.assignor", client.Consuming, ""),
	row("heartbeat.interval.ms", client.Consuming, "3000"),
	row("isolation.level", client.Consuming, "read_committed"),
	row("linger.ms", client.Producing, "5", "queue.buffering.max.ms"),
	row("log.connection.close", client.Both, "true"),
	row("log_level", client.Both, "6"),
	row("max.in.flight.requests.per.connection", client.Both, "1000000", "max.in.flight"),
	row("max.partition.fetch.bytes", client.Consuming, "1048576", "fetch.message.max.bytes"),
	row("max.poll.interval.ms", client.Consuming, "300000"),
	row("message.copy.max.bytes", client.Both, "65535"),
	row("message.max.bytes", client.Both, "1000000"),
	row("metadata.max.age.ms", client.Both, "900000"),
	row("metadata.recovery.rebootstrap.trigger.ms", client.Both, "300000"),
	row("metadata.recovery.strategy", client.Both, "rebootstrap"),
	row("partition.assignment.strategy", client.Consuming, "range,roundrobin"),
	row("queue.buffering.backpressure.threshold", client.Producing, "1"),
	row("queue.buffering.max.kbytes", client.Producing, "1048576", "buffer.memory"), // whose value is in bytes: see translated
	row("queue.buffering.max.messages", client.Producing, "100000"),
	row("queued.max.messages.kbytes", client.Consuming, "65536"),
	row("queued.min.messages", client.Consuming, "100000"),
	row("queuing.strategy", client.Producing, "fifo"),
	row("receive.message.max.bytes", client.Both, "100000000"),
	row("reconnect.backoff.max.ms", client.Both, "10000"),
	row("reconnect.backoff.ms", client.Both, "100"),
	row("request.timeout.ms", client.Producing, "30000"),
	row("retries", client.Producing, "2147483647", "message.send.max.retries"),
	row("retry.backoff.max.ms", client.Both, "1000"),
	row("retry.backoff.ms", client.Both, "100"),
	row("session.timeout.ms", client.Consuming, "45000"),
	row("socket.connection.setup.timeout.ms", client.Both, "30000"),
	row("socket.keepalive.enable", client.Both, "false"),
	row("socket.max.fails", client.Both, "1"),
	row("socket.nagle.disable", client.Both, "true"),
	row("socket.receive.buffer.bytes", client.Both, "0", "receive.buffer.bytes"),
	row("socket.send.buffer.bytes", client.Both, "0", "send.buffer.bytes"),
	row("socket.timeout.ms", client.Both, "60000"),
	row("statistics.interval.ms", client.Both, "0"),
	row("topic.metadata.propagation.max.ms", client.Both, "30000"),
	row("topic.metadata.refresh.fast.interval.ms", client.Both, "100"),
	row("topic.metadata.refresh.interval.ms", client.Both, "300000"),
	row("topic.metadata.refresh.sparse", client.Both, "true"),
}}

// strategies are Java's classes by librdkafka's name.
var strategies = strings.NewReplacer(
	"org.apache.kafka.clients.consumer.RangeAssignor", "range",
	"org.apache.kafka.clients.consumer.RoundRobinAssignor", "roundrobin",
	"org.apache.kafka.clients.consumer.CooperativeStickyAssignor", "cooperative-sticky",
)

// draft is what is set, by librdkafka's name. secure is apart, so that nothing
// that shows what is set shows a secret.
type draft struct {
	side   client.Side
	set    map[string]string
	whole  map[string]int // of set, those that are given as numbers
	secure map[string]secret.Text
}

// newDraft puts the user's properties over the profile's, over what the
// workload needs.
func newDraft(s client.Side, needed map[string]string, preset []client.Preset, user map[string]string) (*draft, error) {
	d := &draft{side: s, set: needed, whole: make(map[string]int)}
	plain, err := d.translated(user)
	if err != nil {
		return nil, err
	}
	asked, err := properties.Apply(d, s, preset, plain)
	if err != nil {
		return nil, err
	}
	// Fewer acknowledgements than all cannot be idempotent; asking for them
	// takes the profile's idempotence back, but not the user's.
	if _, given := asked["enable.idempotence"]; !given && d.set["acks"] != "" && d.set["acks"] != "all" && d.set["acks"] != "-1" {
		delete(d.set, "enable.idempotence")
	}
	return d, nil
}

// translated are the properties of the table, with Java's values as librdkafka has them.
// Those that it passes through are set at once.
func (d *draft) translated(user map[string]string) (map[string]string, error) {
	plain := make(map[string]string)
	for key, value := range user {
		switch {
		case secretive(key):
			d.set[key] = value
			continue
		case key == "buffer.memory":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n <= 0 {
				return nil, client.BadProperty("confluent", key, value, "a whole number of bytes from 1 up")
			}
			value = strconv.FormatInt(max(1, n>>10), 10)
		case key == "partition.assignment.strategy":
			value = strategies.Replace(value)
		}
		plain[key] = value
	}
	return plain, nil
}

// secretive says that a property may hold a secret, or lead to one.
func secretive(key string) bool {
	return strings.HasPrefix(key, "ssl.") || strings.HasPrefix(key, "sasl.")
}

// config is what librdkafka is given.
func (d *draft) config() *kafka.ConfigMap {
	config := make(kafka.ConfigMap)
	for key, value := range d.set {
		config[key] = value
	}
	for key, value := range d.whole {
		config[key] = value
	}
	for key, value := range d.secure {
		config[key] = value.Reveal()
	}
	return &config
}

// settings are what is set and, under it, what librdkafka then takes.
func (d *draft) settings() map[string]string {
	inForce := properties.Settings(d, d.side)
	if inForce["enable.idempotence"] == "true" && d.set["max.in.flight.requests.per.connection"] == "" {
		inForce["max.in.flight.requests.per.connection"] = "5" // librdkafka lowers it by itself
	}
	return inForce
}

// refusal explains an error of librdkafka about its properties, which names a
// key at most.
func (d *draft) refusal(err error) error {
	for _, key := range slices.Sorted(maps.Keys(d.set)) {
		if secretive(key) {
			continue
		}
		if strings.Contains(err.Error(), `"`+key+`"`) || strings.Contains(err.Error(), "`"+key+"`") {
			return fmt.Errorf("confluent cannot take %s=%q: %w", key, d.set[key], err)
		}
	}
	return fmt.Errorf("confluent cannot take these properties: %w; change or leave out the one that it speaks of", err)
}

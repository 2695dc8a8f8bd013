package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"redline/internal/client"
	"redline/internal/nearest"
	"redline/internal/payload"
	"redline/result"
)

// setting is a key of base and axes: something that an arm is set to.
type setting struct {
	name string
	// aliases are further names, in base and axes.
	aliases []string
	// property is Kafka's name when the setting is a client property, spellings
	// are those under which it may stand in properties, too.
	property  string
	spellings []string
	does      string
	// only is the workload that it concerns; empty: both.
	only string
	// fallback is what it is without being set; empty: it depends, or is unset.
	fallback string
	want     string
	schema   schema
	read     func(text string) (value, bool)
}

// value is one that a setting takes.
type value struct {
	at place
	// text is as it was written, canon the same for all ways to write it.
	text, canon string
	apply       func(*result.Arm)
}

// as gives a row of the table its form and what a value of it does to an arm.
func as[T any](row setting, f form[T], set func(*result.Arm, T)) setting {
	row.want, row.schema = f.want, f.schema
	row.read = func(text string) (value, bool) {
		v, ok := f.read(text)
		return value{text: text, canon: fmt.Sprint(v), apply: func(a *result.Arm) { set(a, v) }}, ok
	}
	return row
}

// asProperty is a row whose values go to the client under Kafka's name.
func asProperty[T any](row setting, f form[T]) setting {
	row.spellings = append(row.spellings, row.property)
	return as(row, f, func(a *result.Arm, v T) { put(&a.Setting.Properties, row.property, fmt.Sprint(v)) })
}

func put(properties *map[string]string, key, value string) {
	if *properties == nil {
		*properties = map[string]string{}
	}
	(*properties)[key] = value
}

// maxFetch and maxBatch are what clients take at most.
const (
	maxFetch = 1 << 30
	maxBatch = 1 << 30
	maxNodes = 9
	// maxPartitions is what one broker that we start holds with ease.
	maxPartitions = 2000
)

// settings is the table of what an arm is set to. Any other key with a dot is a
// property: of the topic, of the broker, or of the client.
var settings = []setting{
	as(setting{name: "client", fallback: "franz", does: "client library, or a rung of the ladder such as rung:crc"}, clientNames(),
		func(a *result.Arm, v string) { a.Client = v }),
	as(setting{name: "profile", fallback: "tuned", does: "settings that the client starts from: tuned, or the library's own defaults"},
		oneOf(string(client.Tuned), string(client.Defaults)),
		func(a *result.Arm, v string) { a.Profile = v }),
	as(setting{name: "consumers", aliases: []string{"producers", "instances"}, fallback: "1", does: "number of consumers, or of producers, each with connections of its own"},
		whole(1, 256), func(a *result.Arm, v int) { a.Setting.Instances = v }),
	as(setting{name: "partitions", fallback: "8", does: "partitions of the topic"}, whole(1, maxPartitions),
		func(a *result.Arm, v int) { a.Setting.Partitions = v }),
	as(setting{name: "record-size", fallback: "100", does: "bytes of each value; from 32 on each carries a stamp that proves it arrived"}, size(0, 1_000_000),
		func(a *result.Arm, v int64) { a.Setting.RecordBytes = int(v) }),
	as(setting{name: "payload", fallback: "random", does: "what values are made of"},
		oneOf(string(payload.Random), string(payload.Text), string(payload.JSON), string(payload.Zeros)),
		func(a *result.Arm, v string) { a.Setting.Payload = v }),
	as(setting{name: "keys", fallback: "none", does: "which keys records carry"},
		oneOf(string(payload.NoKeys), string(payload.Sequential), string(payload.Uniform), string(payload.Zipf)),
		func(a *result.Arm, v string) { a.Setting.Keys = v }),
	as(setting{name: "compression", fallback: "none", spellings: []string{"compression.type", "compression.codec"}, does: "compression of the batches that are written, and of those in the topic that is read"},
		oneOf("none", "gzip", "snappy", "lz4", "zstd"),
		func(a *result.Arm, v string) { a.Setting.Compression = v }),
	as(setting{name: "acks", fallback: "all", only: result.Produce, spellings: []string{"acks", "request.required.acks"}, does: "acknowledgements that a producer waits for"},
		oneOf("0", "1", "all"),
		func(a *result.Arm, v string) { a.Setting.Acks = v }),
	asProperty(setting{name: "batch", property: "batch.size", only: result.Produce, does: "most bytes in a batch (batch.size)"}, size(1, maxBatch)),
	asProperty(setting{name: "linger", property: "linger.ms", only: result.Produce, does: "how long a batch waits for more records (linger.ms)"}, millis(time.Minute)),
	asProperty(setting{name: "fetch", property: "fetch.max.bytes", only: result.Consume, does: "most bytes in the answer to a fetch (fetch.max.bytes)"}, size(1, maxFetch)),
	asProperty(setting{name: "fetch-partition", property: "max.partition.fetch.bytes", only: result.Consume, does: "most bytes of one partition in the answer to a fetch (max.partition.fetch.bytes)"}, size(1, maxFetch)),
	as(setting{name: "connections", only: result.Consume, property: "connections.per.broker", spellings: []string{"connections.per.broker"}, does: "connections to each broker, of a client that can be told (direct); own is the client's choice"}, ownOr(1, 64),
		func(a *result.Arm, v string) {
			if v != own {
				put(&a.Setting.Properties, "connections.per.broker", v)
			}
		}),
	as(setting{name: "rate", only: result.Produce, does: "records a second that all producers together offer; left out, they go as fast as they can"}, number(),
		func(a *result.Arm, v float64) { a.Setting.Rate = v }),
	as(setting{name: "handler", fallback: "none", only: result.Consume, does: "what is done with each record that was consumed"}, handlers(),
		func(a *result.Arm, v string) { a.Setting.Handler = v }),
	as(setting{name: "nodes", does: "number of brokers that are started, for kafka: local"}, whole(1, maxNodes),
		func(a *result.Arm, v int) { a.Setting.Nodes = v }),
}

// Beginnings of the keys of topic and broker properties.
const (
	topicKey  = "topic."
	brokerKey = "broker."
)

// concerns says whether the setting changes anything for a workload.
func (s *setting) concerns(workload string) bool { return s.only == "" || s.only == workload }

// startsBrokers says whether only brokers that redline starts can be set so.
func (s *setting) startsBrokers() bool {
	return s.name == "nodes" || strings.HasPrefix(s.name, brokerKey)
}

// topicProperties are those of a topic in Apache Kafka 3 and 4.
var topicProperties = []string{
	"cleanup.policy", "compression.gzip.level", "compression.lz4.level", "compression.type", "compression.zstd.level",
	"delete.retention.ms", "file.delete.delay.ms", "flush.messages", "flush.ms",
	"follower.replication.throttled.replicas", "index.interval.bytes", "leader.replication.throttled.replicas",
	"local.retention.bytes", "local.retention.ms", "max.compaction.lag.ms", "max.message.bytes",
	"message.downconversion.enable", "message.format.version", "message.timestamp.after.max.ms",
	"message.timestamp.before.max.ms", "message.timestamp.difference.max.ms", "message.timestamp.type",
	"min.cleanable.dirty.ratio", "min.compaction.lag.ms", "min.insync.replicas", "preallocate",
	"remote.log.copy.disable", "remote.log.delete.on.disable", "remote.storage.enable",
	"retention.bytes", "retention.ms", "segment.bytes", "segment.index.bytes", "segment.jitter.ms", "segment.ms",
	"unclean.leader.election.enable",
}

// find looks up a key of base or axes; the error is a sentence that names the
// nearest one.
func find(key string) (*setting, error) {
	for i, row := range settings {
		if key == row.name || slices.Contains(row.aliases, key) || slices.Contains(row.spellings, key) {
			return &settings[i], nil
		}
	}
	if name, found := strings.CutPrefix(key, topicKey); found {
		return topicSetting(name)
	}
	if name, found := strings.CutPrefix(key, brokerKey); found {
		return brokerSetting(name)
	}
	if strings.Contains(key, ".") {
		return propertySetting(key)
	}
	return nil, fmt.Errorf("there is no setting %s%s; a client property has a dot in its name, or stands under properties", quote(key), hint(key, names()))
}

// names are the keys of base and axes that have one.
func names() []string {
	var all []string
	for _, row := range settings {
		all = append(append(all, row.name), row.aliases...)
	}
	return all
}

// hint is "; the nearest is …", or nothing.
func hint(key string, known []string) string {
	if len(key) > 100 {
		return ""
	}
	if name := nearest.Name(key, known); name != "" {
		return fmt.Sprintf("; the nearest is %q", name)
	}
	return ""
}

func topicSetting(name string) (*setting, error) {
	vendor := strings.HasPrefix(name, "redpanda.") || strings.HasPrefix(name, "confluent.")
	if !slices.Contains(topicProperties, name) && !vendor {
		return nil, fmt.Errorf("a topic has no property %s%s", quote(name), hint(name, topicProperties))
	}
	row := as(setting{name: topicKey + name}, anyText(), func(a *result.Arm, v string) { put(&a.Setting.Topic, name, v) })
	return &row, nil
}

func brokerSetting(name string) (*setting, error) {
	if !isProperty(name) {
		return nil, fmt.Errorf("%s is no name of a broker's property: it has letters, digits, dots and dashes", quote(name))
	}
	row := as(setting{name: brokerKey + name}, anyText(), func(a *result.Arm, v string) { put(&a.Setting.Broker, name, v) })
	return &row, nil
}

// propertySetting is for a property of the client, in any spelling.
func propertySetting(name string) (*setting, error) {
	for i, row := range settings {
		if slices.Contains(row.spellings, name) {
			return &settings[i], nil
		}
	}
	if err := client.CheckReserved(name); err != nil {
		return nil, err
	}
	for _, secret := range []string{"sasl.", "ssl.", "security."} {
		if strings.HasPrefix(name, secret) {
			return nil, fmt.Errorf("%s says how to connect, not what is asked: a question is stored and shared, leave it out", quote(name))
		}
	}
	if !isProperty(name) {
		return nil, fmt.Errorf("%s is no name of a property: it has letters, digits, dots and dashes", quote(name))
	}
	row := asProperty(setting{name: name, property: name}, anyText())
	return &row, nil
}

var propertyForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`)

func isProperty(name string) bool { return propertyForm.MatchString(name) }

// newArm is an arm with every setting at its fallback.
func newArm(workload string) result.Arm {
	a := result.Arm{Workload: workload, Against: -1}
	for _, row := range settings {
		if row.fallback != "" {
			v, _ := row.read(row.fallback)
			v.apply(&a)
		}
	}
	return a
}

// take reads a value of a setting; key is the name it was given.
func (f *findings) take(s *setting, key, text string, at place) (value, bool) {
	v, ok := s.read(text)
	if !ok {
		f.add(at, "%s cannot be %s: it wants %s", key, quote(text), s.want)
	}
	v.at = at
	return v, ok
}

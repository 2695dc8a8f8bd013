package ladder

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"redline/direct/batch"
	"redline/internal/client"
)

// options are the properties in force.
type options struct {
	fetchBytes     int // fetch.max.bytes
	partitionBytes int // max.partition.fetch.bytes

	batchBytes   int // batch.size, before compression
	requestBytes int // max.request.size: a request with this much in it takes no further batch
	inFlight     int // max.in.flight.requests.per.connection
	codec        batch.Codec
}

func defaults() options {
	return options{
		fetchBytes: 4 << 20, partitionBytes: 1 << 20,
		batchBytes: 1_000_000, requestBytes: 4_000_000, inFlight: 3,
	}
}

const (
	maxFetch = 1 << 30
	maxBatch = 64 << 20
)

// property is one that a ladder has: how it is taken, and what it is in force.
type property struct {
	take func(o *options, value string) bool
	want string
	show func(o *options) string
}

func whole(high int, field func(*options) *int) property {
	return property{
		take: func(o *options, value string) bool {
			n, err := strconv.Atoi(value)
			*field(o) = n
			return err == nil && n >= 1 && n <= high
		},
		want: fmt.Sprintf("a whole number from 1 to %d", high),
		show: func(o *options) string { return strconv.Itoa(*field(o)) },
	}
}

var consumeProperties = map[string]property{
	"fetch.max.bytes":           whole(maxFetch, func(o *options) *int { return &o.fetchBytes }),
	"max.partition.fetch.bytes": whole(maxFetch, func(o *options) *int { return &o.partitionBytes }),
}

var produceProperties = map[string]property{
	"batch.size":                            whole(maxBatch, func(o *options) *int { return &o.batchBytes }),
	"max.request.size":                      whole(maxBatch, func(o *options) *int { return &o.requestBytes }),
	"max.in.flight.requests.per.connection": whole(5, func(o *options) *int { return &o.inFlight }),
	"compression.type": {
		take: func(o *options, value string) bool {
			var err error
			o.codec, err = batch.ParseCodec(value)
			return err == nil
		},
		want: "none, gzip, snappy, lz4 or zstd",
		show: func(o *options) string { return o.codec.String() },
	},
}

// fixed are the properties that a rung of producing stands for: they may be given
// where they say the same.
func fixed(s step) map[string][]string {
	one := map[bool][]string{false: {"1"}, true: {"all", "-1"}}
	yes := map[bool][]string{false: {"false"}, true: {"true"}}
	return map[string][]string{"acks": one[s >= replicating], "enable.idempotence": yes[s >= sequencing]}
}

// parse reads the properties of a rung that exists.
func parse(workload, rung string, properties map[string]string) (options, error) {
	o, table := defaults(), consumeProperties
	said := map[string][]string{}
	if workload == produce {
		table, said = produceProperties, fixed(stepOf(workload, rung))
	}
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		if err := client.CheckReserved(key); err != nil {
			return o, err
		}
		value := properties[key]
		if is, ok := said[key]; ok {
			if !slices.Contains(is, value) {
				return o, client.BadProperty(name, key, value, fmt.Sprintf("%s on rung %s, or another rung", is[0], rung))
			}
			continue
		}
		p, ok := table[key]
		if !ok {
			return o, client.UnknownProperty(name, key, slices.Concat(slices.Sorted(maps.Keys(table)), slices.Sorted(maps.Keys(said))))
		}
		if !p.take(&o, value) {
			return o, client.BadProperty(name, key, value, p.want)
		}
	}
	return o, nil
}

// settings are the properties in force.
func (o *options) settings(workload, rung string) map[string]string {
	table, shown := consumeProperties, map[string]string{}
	if workload == produce {
		table = produceProperties
		for key, is := range fixed(stepOf(workload, rung)) {
			shown[key] = is[0]
		}
	}
	for key, p := range table {
		shown[key] = p.show(o)
	}
	return shown
}

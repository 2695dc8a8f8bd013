//go:build cgo

package confluent

import (
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"redline/internal/client"
)

// Library makes clients of confluent-kafka-go.
//
// What is set in every profile, because the workload needs it: client.id; the
// group and where to start, or for assigned partitions a group that is never
// joined, since librdkafka wants one, no commits, and fetch.wait.max.ms of 100
// (500 by default), since a rewind waits for it; isolation.level, whose
// default differs from every other client's; topic.metadata.propagation.max.ms
// of 2000 (30000 by default), so that an unknown topic is said within 10 s; no
// log lines on the terminal; and statistics.interval.ms of 100 when what goes over
// the wire is to be counted, which is then up to that old: a tenth of a second of
// which the statistics take 0.15 ms of CPU time.
var Library client.Library = library{}

type library struct{}

func (library) Name() string { return "confluent" }

func (library) Version() string {
	_, librdkafka := kafka.LibraryVersion()
	return "confluent-kafka-go " + client.BuiltVersion("github.com/confluentinc/confluent-kafka-go/v2") + " (librdkafka " + librdkafka + ")"
}

const (
	// reachWithin is how long a client may have heard nothing of a broker
	// before one is asked directly, which may take askWithin.
	reachWithin = 7500 * time.Millisecond
	askWithin   = time.Second
	// unknownTopicFor is how long a topic may be missing: a new one takes a
	// moment to be known to every broker.
	unknownTopicFor = 5 * time.Second
)

// needed are the properties of every client.
func needed(o client.Options) map[string]string {
	id := o.ClientID
	if id == "" {
		id = "redline"
	}
	set := map[string]string{
		"bootstrap.servers":                 strings.Join(o.Brokers, ","),
		"client.id":                         id,
		"log_level":                         "0",
		"topic.metadata.propagation.max.ms": "2000",
	}
	if o.Wire != nil {
		set["statistics.interval.ms"] = "100"
	}
	return set
}

// Outcome of a send that ended with err. A record purged from the queue is
// left open: it may be there for a second try.
func (library) Outcome(err error) client.Outcome {
	if code(err) == kafka.ErrQueueFull {
		return client.Failed
	}
	return client.OutcomeOf(asGo(err))
}

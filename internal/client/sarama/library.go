// Package sarama puts IBM/sarama behind the client interface.
//
// Options with properties in Java's or librdkafka's spelling enter; a consumer or
// producer leaves. properties.go is the table that maps the properties onto
// sarama.Config, profiles.go the presets with their reasons. connections.go dials,
// so that certificates are checked, bytes counted and failures told as with every
// other client.
//
// What is set in every profile, because the workload needs it: Version is the
// highest that sarama knows, which it lowers to what the broker offers; metadata is
// asked for the topic alone and never creates it, so that nothing is waited for when
// a client is made and an unknown topic is said; errors are returned and not logged;
// a partition that failed is tried again after 250 ms (2 s by default), so that a
// moved leader or a deleted topic is known within seconds; a broker may hold a
// fetch of assigned partitions for 20 ms (500 by default), since a rewind waits for
// it; the partition of a record is the one that the workload chose; and the
// metrics of go-metrics, which nobody reads, are switched off for the process.
//
// sarama cannot move a partition to another offset: a rewind closes it and opens it
// anew, and sarama waits 100 ms for more partitions before it fetches from it.
package sarama

import (
	"time"

	"github.com/rcrowley/go-metrics"

	"redline/internal/client"
)

// Library makes sarama clients.
var Library client.Library = library{}

type library struct{}

func (library) Name() string { return "sarama" }

func (library) Version() string { return "sarama " + client.BuiltVersion("github.com/IBM/sarama") }

// A switch of the whole process is the only one there is; nothing else here uses
// go-metrics. With it each client would also leave a goroutine behind.
func init() { metrics.UseNilMetrics = true }

const (
	// retryBackoff is the wait before a partition that failed is tried again.
	retryBackoff = 250 * time.Millisecond
	// assignedFetchWait is how long a broker may hold a fetch of assigned partitions
	// until there is something.
	assignedFetchWait = 20 * time.Millisecond
)

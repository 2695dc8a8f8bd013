// Package monitor shows what runs while it runs: the numbers of a Source enter,
// Prometheus metrics and Go profiles leave on an HTTP address. Numbers are asked
// for when somebody scrapes, and not kept here, so that nothing of this is on
// the path of a record.
package monitor

import (
	"time"

	"redline/internal/latency"
)

// Roles of what runs. A snapshot of one of these has no metrics of the other;
// with any other role ("limit") it has both.
const (
	Produce = "produce"
	Consume = "consume"
)

// Source is what runs.
type Source interface {
	// Snapshot is called at each scrape, possibly by several at once. Counts must
	// never fall while Role, Topic, Group and Client stay.
	Snapshot() Snapshot
}

// Snapshot is the state of what runs, all counts since its beginning.
type Snapshot struct {
	// Role, Topic, Group and Client become labels; empty where there is none.
	Role, Topic, Group, Client string
	// ClusterID, Acks, Compression and Profile are settings, in redline_run_info.
	ClusterID, Acks, Compression, Profile string

	// Produced are the acknowledged, Consumed the decoded records, each once.
	// Bytes are of key, value and headers.
	ProducedRecords, ProducedBytes int64
	ConsumedRecords, ConsumedBytes int64
	// ProduceErrors and ConsumeErrors count by kind of error, of which there
	// should be few: each becomes a label's value.
	ProduceErrors, ConsumeErrors map[string]int64

	Rebalances int64
	// Lag is end offset minus consumed, in records over all partitions; -1 means
	// not known.
	Lag                         int64
	Lost, Duplicated, Reordered int64

	// Requests counts requests by API ("Fetch").
	Requests map[string]int64
	// WireRead and WireWritten are bytes on broker connections; -1 when the client
	// does not tell.
	WireRead, WireWritten int64
	// Throttled is how long brokers told us to wait.
	Throttled time.Duration

	// ProduceLatency is from the intended send to the acknowledgement, EndToEnd from
	// the intended send to decoded; nil when not measured.
	ProduceLatency, EndToEnd *latency.Histogram
}

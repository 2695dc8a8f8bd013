// Package result holds the words of redline as types: what a workload, an
// observation or an experiment found, in a form that a report can print and a
// later reader can check. Values enter from measuring packages and leave to
// reports; nothing here measures, computes or prints.
//
// It imports nothing of the project, so that other programs can read redline's
// results with this package alone.
package result

import "time"

// Estimate is a figure that knows how sure it is: the median of N trials and an
// interval around it.
type Estimate struct {
	// Low and High bound the interval at Confidence. Both equal Median when N
	// is too small for an interval (Confidence is 0 then).
	Low    float64 `json:"low"`
	Median float64 `json:"median"`
	High   float64 `json:"high"`
	// Confidence is the true cover of the interval, 0…1; with order statistics
	// it is at least what was asked for. 0 means: no interval, see Warnings.
	Confidence float64 `json:"confidence"`
	// N is the number of trials behind the figure.
	N int `json:"n"`
	// Warnings say what the reader has to know before using the figure, such as
	// "need >= 6 trials for an interval".
	Warnings []string `json:"warnings,omitempty"`
}

// Account is what became of every record: the books of a run. A count is of
// records, each counted once under exactly one name of its side.
type Account struct {
	// Produce side. Acked records were acknowledged by the broker; Failed were
	// provably never appended (refused by the client, too large, not
	// authorized); Indeterminate may or may not be in the log (timeout,
	// disconnect, cancelled in flight).
	Acked         int64 `json:"acked"`
	Failed        int64 `json:"failed"`
	Indeterminate int64 `json:"indeterminate"`

	// Consume side. Once is the number of distinct (partition, offset) seen;
	// it alone is throughput.
	Once int64 `json:"once"`
	// Redelivered counts further sights of an offset already seen in this pass.
	Redelivered int64 `json:"redelivered"`
	// Duplicated counts records with a stamp that was already seen at another
	// offset: the producer wrote them twice.
	Duplicated int64 `json:"duplicated"`
	// Lost counts sequence numbers (stamped records) or acknowledged records
	// that lie below the highest one seen and never came.
	Lost int64 `json:"lost"`
	// PermittedLoss is the part of Lost that acks=0 or acks=1 with a leader
	// change allows. It is printed, and does not break the account.
	PermittedLoss int64 `json:"permitted_loss"`
	// Reordered counts records whose sequence number came after a higher one of
	// the same producer and partition.
	Reordered int64 `json:"reordered"`
	// Corrupt counts stamped records whose check value or CRC does not hold.
	Corrupt int64 `json:"corrupt"`
	// Foreign counts records without a stamp of redline's. They are accounted
	// by offset only.
	Foreign int64 `json:"foreign"`
	// Expired counts offsets that retention removed before we could read them.
	Expired int64 `json:"expired"`
	// Elsewhere counts offsets that the group's commit passed over while we had
	// not the partition: another member of the group had it, in another process.
	Elsewhere int64 `json:"elsewhere"`
	// Skipped counts offsets inside the range read that hold no record for a
	// reader: transaction markers, aborted or compacted records.
	Skipped int64 `json:"skipped"`
	// Unread counts offsets between where reading ended and the end offset that
	// was to be reached; 0 when no end was asked for.
	Unread int64 `json:"unread"`

	// Books compares our count with the broker's own: the second entry.
	Books *Books `json:"books,omitempty"`

	// Spilled counts intervals dropped because the account's memory is bounded;
	// not 0 means Lost and Duplicated are lower bounds.
	Spilled int64 `json:"spilled,omitempty"`
}

// Books is the double entry of an account: how far the broker's offsets moved
// against how many records we can explain.
type Books struct {
	// Offsets is the sum over partitions of (end offset after − before) for
	// producing, or (last offset read + 1 − first offset read) for consuming.
	Offsets int64 `json:"offsets"`
	// Records is what our own count explains of it.
	Records int64 `json:"records"`
	// Balanced says that the two agree within what the account leaves open
	// (indeterminate records, skipped offsets).
	Balanced bool `json:"balanced"`
	// Note says in words why they do not, or what was taken into account.
	Note string `json:"note,omitempty"`
}

// Usage is what a span of time cost: CPU, memory, bytes, and who used them.
type Usage struct {
	Wall time.Duration `json:"wall_ns"`
	// CPUs is the number of processors the host shows us.
	CPUs int `json:"cpus"`
	// ClientCPU, BrokerCPU are CPU seconds (user + system) of this process and of
	// the broker processes we started; HostCPU is all busy time of the host,
	// StealCPU what the hypervisor took from it. In CPU seconds; divide by Wall
	// for "CPUs busy". -1 means not known on this system.
	ClientCPU float64 `json:"client_cpu_seconds"`
	BrokerCPU float64 `json:"broker_cpu_seconds"`
	HostCPU   float64 `json:"host_cpu_seconds"`
	StealCPU  float64 `json:"steal_cpu_seconds"`
	// ClientPeakRSS and BrokerPeakRSS are the highest resident sizes in bytes since
	// the processes started; 0 means not known.
	ClientPeakRSS int64 `json:"client_peak_rss_bytes"`
	BrokerPeakRSS int64 `json:"broker_peak_rss_bytes"`
	// GCShare is the share of this process's CPU that the Go garbage collector
	// used, 0…1, without idle marking; -1 when unknown.
	GCShare float64 `json:"gc_share"`
	// WireRead and WireWritten are bytes that the client library read from and
	// wrote to broker connections; -1 when the client does not tell.
	WireRead    int64 `json:"wire_read_bytes"`
	WireWritten int64 `json:"wire_written_bytes"`
	// Missing names what this system or client does not let us see.
	Missing []string `json:"missing,omitempty"`
}

// Environment is where a figure was measured; two figures with different
// environments are not comparable without saying so.
type Environment struct {
	Redline string `json:"redline"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	CPUs    int    `json:"cpus"`
	CPU     string `json:"cpu,omitempty"`
	Kernel  string `json:"kernel,omitempty"`
	Memory  int64  `json:"memory_bytes,omitempty"`
	// Kafka says what was measured: "embedded broker (kfake, not Apache Kafka)",
	// "Apache Kafka 4.3.1" …
	Kafka string `json:"kafka"`
	Nodes int    `json:"nodes"`
	// Storage says where a broker that we started keeps its log: "memory",
	// "tmpfs", "disk (ext4)"; empty for a cluster that is not ours.
	Storage string `json:"storage,omitempty"`
	// ClusterID is what the cluster calls itself.
	ClusterID string `json:"cluster_id,omitempty"`
	// Clients are the versions of the client libraries that were measured.
	Clients map[string]string `json:"clients,omitempty"`
}

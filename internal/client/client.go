// Package client puts every Kafka client library behind one interface, so that
// a workload can ask the same work of each and compare them fairly.
//
// A name ("franz", "confluent", "none"), a profile ("tuned" or "defaults") and
// properties enter; a Consumer or a Producer over batches leaves, together with
// the settings that are truly in force. A folder per library below this one
// holds its adapter and its profiles as data.
//
// What adapters share stands here too: table.go is how properties are read and shown,
// reach.go how long a first broker is waited for, errors.go what the protocol's errors
// mean, slots.go what a producer keeps of its records, wire.go what is counted on
// connections, child.go the process of a program of somebody else's.
package client

import (
	"context"
	"time"

	"redline/internal/security"
)

// Profile says which settings a client starts from.
type Profile string

const (
	// Tuned is the best set of properties known for the library, each with its
	// reason beside it in the library's folder.
	Tuned Profile = "tuned"
	// Defaults sets nothing but what the workload itself needs.
	Defaults Profile = "defaults"
)

// Options is what every client needs to know.
type Options struct {
	// Brokers are the addresses to start from, HOST:PORT.
	Brokers []string
	// ClientID is what the broker sees; default "redline".
	ClientID string
	Profile  Profile
	// Security says how the connections are encrypted and as whom they are made.
	// franz can all of it. confluent cannot check the server's certificate for
	// another name than the one dialled, nor authenticate with AWS_MSK_IAM, nor
	// choose TLS versions or ciphers; sarama cannot authenticate with AWS_MSK_IAM. Their
	// checks then give an error that wraps ErrProperty and says so. none connects to
	// nothing and ignores it.
	Security security.Security
	// Properties are the user's own, in Java or librdkafka spelling
	// ("fetch.max.bytes", "linger.ms", "fetch.queue.backoff.ms"); they win over
	// the profile. A key that the library cannot honour is an error that names
	// the library and the nearest known key.
	Properties map[string]string
	// Wire, if not nil, receives what goes over the broker connections.
	Wire *Wire
}

// ConsumeOptions is what a Consumer is made for. Exactly one of Group and
// Assign is set.
type ConsumeOptions struct {
	Options
	Topic string
	// Group makes the consumer a member of this consumer group; its offsets are
	// committed as the library does by itself, and at Close.
	Group string
	// Assign names the partitions to read without a group, with the offset to
	// start each at. Nothing is committed.
	Assign map[int32]int64
	// Reset says where to start when the group has no commit: "earliest" or
	// "latest".
	Reset string
	// ReadCommitted leaves out records of open and aborted transactions.
	ReadCommitted bool
	// Events, if not nil, is told of what happens beside the records. Its calls
	// may come from any goroutine of the library.
	Events Events
}

// Events is what a Consumer tells beside its records.
type Events interface {
	// Assigned and Revoked say how the membership moved.
	Assigned(partitions []int32)
	Revoked(partitions []int32)
	// Error is a problem that the library meets and goes on from.
	Error(err error)
}

// Batch is some records of one partition, in offset order, as the library
// handed them out. It is valid only during the call that received it.
type Batch interface {
	Partition() int32
	// LeaderEpoch of the leader that appended the first record, or -1.
	LeaderEpoch() int32
	// Len is the number of records.
	Len() int
	// Each calls f for every record, with views that f must not keep. f gets
	// what an application gets: every record has been decoded by the library.
	Each(f func(offset int64, key, value []byte))
}

// Consumer reads one topic. Poll, Rewind and Close are called from one
// goroutine.
type Consumer interface {
	// Poll waits until records are there or ctx ends, and calls handle for each
	// batch. It returns nil after at least one batch, after an internal wait
	// bound (at most 1 s) without records, and when ctx has ended. An error is
	// one that cannot be recovered from; recoverable ones go to Events.Error.
	Poll(ctx context.Context, handle func(Batch)) error
	// Rewind moves assigned partitions (Assign only) to new offsets; what the
	// library had buffered is dropped.
	Rewind(offsets map[int32]int64) error
	// Settings are the properties truly in force, in the library's own spelling.
	Settings() map[string]string
	// Close commits what was handed out (group members), leaves the group and
	// ends every goroutine and connection; ctx bounds it.
	Close(ctx context.Context) error
}

// Record is one record to produce. It comes from Producer.Record and goes back
// to the producer with Send.
type Record struct {
	Partition int32
	// Key is nil or a slice that stays valid until the acknowledgement.
	Key []byte
	// Value has the length asked for in ProduceOptions.RecordSize; the caller
	// fills it, or replaces it by a slice that stays valid until the
	// acknowledgement.
	Value []byte
	// Time is the record's timestamp: the intended send time.
	Time time.Time
	// Tag and Bytes are the caller's, who finds them again in Acked: a mark of its own,
	// and what it counts of the record.
	Tag   uint64
	Bytes int
	// Offset is set before Acked is called with a nil error; -1 when the
	// acknowledgement level gives none.
	Offset int64
	// Slot is the producer's own mark, by which Send knows what belongs to the
	// record; nobody else reads or changes it.
	Slot any
}

// ProduceOptions is what a Producer is made for.
type ProduceOptions struct {
	Options
	Topic string
	// RecordSize is the length of Value in records that Producer.Record hands
	// out, in bytes.
	RecordSize int
	// Acked is called once for every record that was sent, from the library's
	// goroutines, one call at a time per producer, in the order of each
	// partition where the library keeps it. Its Partition, Time, Tag, Bytes and Offset
	// are told; Key and Value may be in use for another one by then. The record is the
	// producer's again when Acked returns.
	Acked func(r *Record, err error)
}

// Producer writes to one topic, choosing no partition itself: the workload does
// that, so that every library does the same work. Record, Send, Flush and Close
// are called from one goroutine.
type Producer interface {
	// Record hands out a record to fill.
	Record() *Record
	// Send queues it; it waits when the library's buffer is full, until ctx
	// ends. After a nil error Acked is called for the record, sooner or later;
	// after an error it is not, and the record was never sent.
	Send(ctx context.Context, r *Record) error
	// Flush waits until every record sent so far has been acknowledged or has
	// failed.
	Flush(ctx context.Context) error
	Settings() map[string]string
	// Close gives up what is still in flight (each reported to Acked with an
	// error) and ends every goroutine and connection; ctx bounds it.
	Close(ctx context.Context) error
}

// Library makes consumers and producers of one client library.
type Library interface {
	Name() string
	// Version of the library as built in, such as "franz-go v1.22.3".
	Version() string
	Consumer(ConsumeOptions) (Consumer, error)
	Producer(ProduceOptions) (Producer, error)
	// CheckConsumer and CheckProducer say whether the profile and the properties can
	// be honoured, as far as that is known before anything is made or connected.
	CheckConsumer(Options) error
	CheckProducer(Options) error
	// Outcome says what is known of a record whose send ended with err.
	Outcome(err error) Outcome
}

// Lighter is a Library that does less for a record than others do. What it says
// stands in the rows of reports.
type Lighter interface {
	// Lighter says so in words, one sentence each: "does not check the CRC of batches".
	// It is empty when all is done.
	Lighter(workload string) []string
}

// Outcome says what is known of a record whose send ended with err.
type Outcome int

const (
	// Acked says that the broker has it (err is nil).
	Acked Outcome = iota
	// Failed says that it was provably never appended.
	Failed
	// Indeterminate says that it may be in the log or not.
	Indeterminate
)

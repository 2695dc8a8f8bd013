package direct

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/direct/batch"
)

// Acks says who must have a batch before it is acknowledged.
type Acks int8

const (
	// AcksAll waits for every replica that is in sync. It is the only one that survives
	// the loss of a leader, and the only one that can be idempotent.
	AcksAll Acks = iota
	// AcksLeader waits for the leader alone: what it had not handed on is lost with it.
	AcksLeader
	// AcksNone waits for nobody: a batch counts as acknowledged once it is written to the
	// connection, and nothing is known of it afterwards.
	AcksNone
)

// wire is what Kafka writes for it.
func (a Acks) wire() int16 { return [...]int16{-1, 1, 0}[a] }

// String is Kafka's word for it.
func (a Acks) String() string {
	if a < AcksAll || a > AcksNone {
		return fmt.Sprintf("acks %d", int8(a))
	}
	return [...]string{"all", "1", "0"}[a]
}

// AnyPartition is the Partition of a record for which the Partitioner chooses.
const AnyPartition int32 = -1

// Record is what is sent.
type Record struct {
	// Partition is the one to write to. AnyPartition (-1) leaves the choice to the
	// Partitioner; mind that 0, which is there unless it is set, is the first partition.
	Partition int32
	// Key and Value are copied before Send returns; nil is null. Headers are copied too.
	Key, Value []byte
	Headers    []batch.Header
	// Timestamp counts in milliseconds. Zero: now, which costs a look at the clock.
	Timestamp time.Time
}

// Landing says whether the records of a batch are in the log.
type Landing int8

const (
	// InDoubt may be in the log or not: the answer was lost, or says neither.
	InDoubt Landing = iota
	// InLog is in the log of the leader, and with AcksAll in that of all replicas in sync.
	InLog
	// NotInLog is provably not in the log, and will not be.
	NotInLog
)

// String is a word for it.
func (l Landing) String() string {
	switch l {
	case InDoubt:
		return "in doubt"
	case InLog:
		return "in the log"
	case NotInLog:
		return "not in the log"
	}
	return fmt.Sprintf("landing %d", int8(l))
}

// Ack says what became of a batch.
type Ack struct {
	Partition int32
	// First is how many records Send had taken for this partition before the first one of
	// the batch: so a caller knows which records these are.
	First   uint64
	Records int
	Bytes   int // of keys and values
	// Offset is that of the first record, the others follow it without a gap. It is -1
	// where it is not known: with AcksNone, for a batch that failed, and for one that the
	// broker has without being able to say where.
	Offset int64
	// Err is nil where the batch was acknowledged. It wraps what the broker answered
	// (kerr), the connection's error, context.DeadlineExceeded after DeliveryTimeout, or
	// ErrClosed.
	Err error
	// Landed says whether the records are in the log; with AcksNone that is never known.
	Landed Landing
}

// ProducerConfig is where a Producer writes, and how. Kafka and Topic are needed,
// everything else has a default.
type ProducerConfig struct {
	// Kafka says how the cluster is reached: kgo.SeedBrokers, and where needed
	// kgo.DialTLSConfig, kgo.SASL, kgo.Dialer, kgo.ClientID. Options about producing mean
	// nothing here: what is said about it is below.
	Kafka []kgo.Opt
	Topic string

	// Acks says who must have a batch before it is acknowledged. Default AcksAll.
	Acks Acks
	// NoIdempotence leaves the numbers out by which brokers tell a batch that came before
	// (enable.idempotence=false). Batches that are sent again can then be in the log
	// twice, or behind later ones. AcksLeader and AcksNone are never idempotent.
	NoIdempotence bool
	// AtMostOnce keeps a producer that is not idempotent from sending a batch again that
	// may be in the log: it fails, and its Ack says InDoubt. Otherwise it is sent again,
	// and can be in the log twice: at least once. It means nothing where the producer is
	// idempotent.
	AtMostOnce bool

	// Compression of batches, default none (compression.type). It is done by as many
	// goroutines as there are CPUs.
	Compression batch.Codec
	// CompressionLevel is the codec's, 0 for its default.
	CompressionLevel int

	// BatchBytes is the most that a batch has before compression, in bytes (batch.size). A
	// record that is larger goes alone. Default 1,000,000, which brokers take unless
	// message.max.bytes was lowered: a batch that one finds too large is sent in halves, and
	// a record that is too large alone fails with kerr.MessageTooLarge. Batches begin small,
	// and grow to this as long as they are filled before Linger is over.
	BatchBytes int
	// Linger is how long a batch waits for more records (linger.ms). Default 5 ms;
	// negative: not at all.
	Linger time.Duration
	// InFlight is how many requests may be unanswered on a connection, default 5
	// (max.in.flight.requests.per.connection), which is the most that an idempotent
	// producer can have.
	InFlight int
	// RequestBytes is how many bytes of batches a request has at most (max.request.size),
	// of which there is one of each partition at most. Send refuses a larger record, with
	// kerr.MessageTooLarge. Default 8 MiB, or what kgo.BrokerMaxWriteBytes allows.
	RequestBytes int
	// Connections is how many connections each broker is written to over. A partition
	// stays with one of them, so that its batches keep their order. 0 takes 1, and 2 where
	// more than two CPUs are allowed.
	Connections int

	// MaxBuffered is how many bytes of batches there may be that are open, waiting or in
	// flight (buffer.memory). Send waits where there would be more. Default 64 MiB.
	MaxBuffered int
	// DeliveryTimeout is how long a batch may take from its first record to its
	// acknowledgement (delivery.timeout.ms), default 2 min. After it the batch fails, as
	// soon as it is not in flight.
	DeliveryTimeout time.Duration
	// RequestTimeout is how long a broker may take to acknowledge a request
	// (request.timeout.ms), default 30 s. A connection that is silent for half as long
	// again is given up.
	RequestTimeout time.Duration

	// Partitioner chooses for records with AnyPartition. Default ByKey, as Java's producer.
	Partitioner Partitioner

	// OnAck is told of every batch once: one call at a time, and of each partition in the
	// order in which Send took the records. It is called where answers are read, which
	// wait for it; it must not call the producer. nil: nobody is told, and Flush and Close
	// return the first error.
	OnAck func(Ack)
	// OnError is told of what the producer met and goes on from: a broker that is gone, a
	// leader that moved, a broker that has lost what it had acknowledged. Calls come one
	// at a time, and lost leaders are not looked for meanwhile. nil: nobody is told.
	OnError func(error)
}

const (
	defaultBatchBytes      = 1_000_000
	defaultLinger          = 5 * time.Millisecond
	defaultInFlight        = 5
	defaultRequestBytes    = 8 << 20
	defaultMaxBuffered     = 64 << 20
	defaultDeliveryTimeout = 2 * time.Minute
	defaultRequestTimeout  = 30 * time.Second

	// idempotentInFlight is how many batches of a producer and partition a broker
	// remembers: one that is sent again is known if it is among them.
	idempotentInFlight = 5
	mostInFlight       = 1000
	leastBatchBytes    = 1 << 10
	mostBatchBytes     = 1 << 30
	mostProduceTime    = 24 * time.Hour
	leastProduceTime   = time.Millisecond
)

// Complete is the config that a producer on this machine works by: with the default of
// everything that was left open. It connects to nobody; an error says what cannot be.
func (c ProducerConfig) Complete() (ProducerConfig, error) {
	c = c.withDefaults(cpus())
	err := c.check()
	if err == nil {
		err = tryCodec(c.Compression, c.CompressionLevel)
	}
	if err != nil {
		return c, fmt.Errorf("cannot produce: %w", err)
	}
	return c, nil
}

// idempotent says whether batches are numbered.
func (c *ProducerConfig) idempotent() bool { return c.Acks == AcksAll && !c.NoIdempotence }

// linger is how long a batch waits for more records; nothing where it is not to.
func (c *ProducerConfig) linger() time.Duration { return max(c.Linger, 0) }

// check finds what cannot be in a config that has its defaults, one sentence each.
func (c *ProducerConfig) check() error {
	for _, limit := range []struct {
		wrong bool
		why   string
	}{
		{c.Topic == "", "no topic was named"},
		{c.Acks < AcksAll || c.Acks > AcksNone, fmt.Sprintf("there is no %v", c.Acks)},
		{strings.HasPrefix(c.Compression.String(), "codec"), fmt.Sprintf("there is no compression %d", c.Compression)},
		{c.BatchBytes < leastBatchBytes || c.BatchBytes > mostBatchBytes, fmt.Sprintf("batches of %d bytes; take %d to %d", c.BatchBytes, leastBatchBytes, mostBatchBytes)},
		{c.Linger > mostProduceTime, fmt.Sprintf("a linger of %v; take up to %v", c.Linger, mostProduceTime)},
		{c.InFlight < 1 || c.InFlight > mostInFlight, fmt.Sprintf("%d requests in flight; take 1 to %d", c.InFlight, mostInFlight)},
		{c.idempotent() && c.InFlight > idempotentInFlight, fmt.Sprintf("%d requests in flight, where brokers remember the last %d batches of an idempotent producer; take at most those, or NoIdempotence", c.InFlight, idempotentInFlight)},
		{c.RequestBytes < c.BatchBytes || c.RequestBytes > mostBatchBytes, fmt.Sprintf("requests of %d bytes; take at least BatchBytes, %d, and up to %d", c.RequestBytes, c.BatchBytes, mostBatchBytes)},
		{c.Connections < 1 || c.Connections > mostConnections, fmt.Sprintf("%d connections to a broker; take 1 to %d, or 0 for the producer's choice", c.Connections, mostConnections)},
		{c.MaxBuffered < produceClass(c.BatchBytes), fmt.Sprintf("%d bytes in all, which have no room for a batch of %d; take at least %d", c.MaxBuffered, c.BatchBytes, produceClass(c.BatchBytes))},
		{c.DeliveryTimeout < leastProduceTime || c.DeliveryTimeout > mostProduceTime, fmt.Sprintf("a delivery timeout of %v; take %v to %v", c.DeliveryTimeout, leastProduceTime, mostProduceTime)},
		{c.RequestTimeout < leastProduceTime || c.RequestTimeout > mostProduceTime, fmt.Sprintf("a request timeout of %v; take %v to %v", c.RequestTimeout, leastProduceTime, mostProduceTime)},
	} {
		if limit.wrong {
			return errors.New(limit.why)
		}
	}
	return nil
}

// withDefaults fills in what was left open, for a machine of so many CPUs.
func (c ProducerConfig) withDefaults(cpus float64) ProducerConfig {
	first := func(v *int, otherwise int) {
		if *v == 0 {
			*v = otherwise
		}
	}
	span := func(v *time.Duration, otherwise time.Duration) {
		if *v == 0 {
			*v = otherwise
		}
	}
	connections := 1
	if cpus > 2 {
		connections = 2
	}
	first(&c.BatchBytes, defaultBatchBytes)
	first(&c.InFlight, defaultInFlight)
	first(&c.RequestBytes, max(defaultRequestBytes, c.BatchBytes))
	first(&c.Connections, connections)
	first(&c.MaxBuffered, defaultMaxBuffered)
	span(&c.Linger, defaultLinger)
	span(&c.DeliveryTimeout, defaultDeliveryTimeout)
	span(&c.RequestTimeout, defaultRequestTimeout)
	if c.OnAck == nil {
		c.OnAck = func(Ack) {}
	}
	if c.OnError == nil {
		c.OnError = func(error) {}
	}
	return c
}

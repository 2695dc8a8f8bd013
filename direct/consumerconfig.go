package direct

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Offsets to start at that are found out when the consumer starts.
const (
	Earliest int64 = -2 // the first record that is there
	Latest   int64 = -1 // behind the last record
)

// Reset says where to read when the offset to read at is not known, or not in the log.
type Reset int8

const (
	// ResetEarliest goes to the first record that is there.
	ResetEarliest Reset = iota
	// ResetLatest goes behind the last record.
	ResetLatest
	// ResetNone ends the consumer with an error.
	ResetNone
)

func (r Reset) offset() int64 {
	if r == ResetLatest {
		return Latest
	}
	return Earliest
}

// ConsumerConfig is what a Consumer reads, and how. Kafka, Topic and one of Assign and
// Group are needed, everything else has a default.
type ConsumerConfig struct {
	// Kafka says how the cluster is reached: kgo.SeedBrokers, and where needed
	// kgo.DialTLSConfig, kgo.SASL, kgo.Dialer, kgo.ClientID. Of a member of a group it may
	// also hold what concerns the membership: kgo.Balancers, kgo.InstanceID,
	// kgo.SessionTimeout, kgo.HeartbeatInterval, kgo.RebalanceTimeout. Options about
	// fetches mean nothing here: what is fetched is said below.
	Kafka []kgo.Opt
	Topic string

	// Assign names the partitions to read, with the offset to begin each at: a number from
	// 0, Earliest or Latest.
	Assign map[int32]int64
	// Group makes the consumer a member of this group, which gives it its partitions.
	Group string
	// Ends names offsets to stop before, by partition. With them the consumer ends when
	// every partition of Assign has reached its own; those without one are read for ever.
	Ends map[int32]int64
	// Reset says where to begin a partition that the group has no commit of, and where to
	// go on when the log has lost the offset to read at. Default ResetEarliest.
	Reset Reset
	// ReadCommitted leaves out records of transactions that are open or were aborted.
	ReadCommitted bool

	// CommitEvery is how often a member of a group commits what was handed out, default
	// 5 s (auto.commit.interval.ms). A batch counts as handed out when the next one is
	// asked for: at least once. It commits also before partitions are given up, and at
	// Close. Negative: never by itself, see Commit.
	CommitEvery time.Duration

	// Connections is how many connections each broker is fetched from over; none has
	// less than a partition. 0 takes 2, and 1 where less than two CPUs are allowed: a
	// second connection lets the broker answer while the first one's answer is read.
	Connections int
	// FetchMaxBytes is how much a response may hold, in bytes (fetch.max.bytes); one
	// batch is always sent whole. 0 takes 4 MiB, and 2 MiB where less than one CPU is
	// allowed. Each connection has two buffers of this size.
	FetchMaxBytes int
	// PartitionMaxBytes is how much of it may be of one partition
	// (max.partition.fetch.bytes). As many whole batches are asked for as go into it: the
	// broker cuts off what does not fit, which is sent again. 0 takes FetchMaxBytes, so
	// that a response with a backlog has one partition; of several workers (Each) each
	// has its part of a response.
	PartitionMaxBytes int
	// FetchMinBytes and FetchMaxWait: a broker that has less than so many bytes waits for
	// so long before it answers (fetch.min.bytes, fetch.max.wait.ms). Default 1 and 500 ms.
	FetchMinBytes int
	FetchMaxWait  time.Duration

	// MaxDecompressed is how many bytes the records of one batch may decompress to,
	// default 128 MiB. More is taken for a bomb.
	MaxDecompressed int
	// SkipCRC leaves out the check of each batch's CRC-32C, which is a tenth of the cost
	// of a record of 100 bytes. A byte that flipped on a disk is then found by nobody.
	SkipCRC bool
	// Raw hands out batches as they came, neither checked nor decompressed: for those that
	// pass them on, or do both themselves with package batch. Control batches are among
	// them, and records from before the offset asked for.
	Raw bool

	// OnError is told of what the consumer met and goes on from: a broker that is gone, a
	// leader that moved, a *DataLoss. Calls come one at a time. nil: nobody is told.
	OnError func(error)
	// OnAssigned and OnRevoked tell a member of a group which partitions came and went.
	// OnRevoked is called after the last batch of them was handed out and committed.
	OnAssigned, OnRevoked func(partitions []int32)
}

const (
	defaultCommitEvery     = 5 * time.Second
	defaultFetchMaxWait    = 500 * time.Millisecond
	defaultMaxDecompressed = 128 << 20

	mostConnections = 64
	mostFetchBytes  = 1 << 30
)

// Complete is the config that a consumer on this machine works by: with the default of
// everything that was left open. It connects to nobody; an error says what cannot be.
func (c ConsumerConfig) Complete() (ConsumerConfig, error) {
	if err := c.check(); err != nil {
		return c, fmt.Errorf("cannot consume: %w", err)
	}
	return c.withDefaults(cpus()), nil
}

// check finds what cannot be in a config, one sentence each.
func (c *ConsumerConfig) check() error {
	for _, limit := range []struct {
		wrong bool
		why   string
	}{
		{c.Topic == "", "no topic was named"},
		{(c.Group == "") == (len(c.Assign) == 0), "take either partitions to read (Assign) or a group (Group)"},
		{c.Group != "" && c.Ends != nil, "a member of a group does not know its partitions, so it cannot stop at Ends"},
		{c.Reset < ResetEarliest || c.Reset > ResetNone, fmt.Sprintf("there is no reset policy %d", c.Reset)},
		{c.Connections < 0 || c.Connections > mostConnections, fmt.Sprintf("%d connections to a broker; take 1 to %d, or 0 for the consumer's choice", c.Connections, mostConnections)},
		{c.FetchMaxBytes < 0 || c.FetchMaxBytes > mostFetchBytes, fmt.Sprintf("fetches of %d bytes; take up to %d", c.FetchMaxBytes, mostFetchBytes)},
		{c.PartitionMaxBytes < 0 || c.PartitionMaxBytes > mostFetchBytes, fmt.Sprintf("fetches of %d bytes a partition; take up to %d", c.PartitionMaxBytes, mostFetchBytes)},
		{c.FetchMinBytes < 0 || c.FetchMinBytes > mostFetchBytes, fmt.Sprintf("fetches of at least %d bytes; take up to %d", c.FetchMinBytes, mostFetchBytes)},
		{c.FetchMaxWait < 0 || c.FetchMaxWait > time.Minute, fmt.Sprintf("a wait of %v; take up to a minute", c.FetchMaxWait)},
		{c.MaxDecompressed < 0 || c.MaxDecompressed > math.MaxInt32, fmt.Sprintf("batches that decompress to %d bytes; take up to 2 GiB", c.MaxDecompressed)},
	} {
		if limit.wrong {
			return errors.New(limit.why)
		}
	}
	return c.checkOffsets()
}

func (c *ConsumerConfig) checkOffsets() error {
	for _, p := range slices.Sorted(maps.Keys(c.Assign)) {
		if p < 0 || c.Assign[p] < Earliest {
			return fmt.Errorf("partition %d cannot be read from offset %d", p, c.Assign[p])
		}
	}
	for _, p := range slices.Sorted(maps.Keys(c.Ends)) {
		if _, read := c.Assign[p]; !read {
			return fmt.Errorf("partition %d has an end and is not among those to read", p)
		}
	}
	return nil
}

// withDefaults fills in what was left open, for a machine of so many CPUs.
func (c ConsumerConfig) withDefaults(cpus float64) ConsumerConfig {
	first := func(v *int, otherwise int) {
		if *v == 0 {
			*v = otherwise
		}
	}
	connections, bytes := 2, 4<<20
	if cpus < 2 {
		connections = 1
	}
	if cpus < 1 {
		bytes = 2 << 20
	}
	first(&c.Connections, connections)
	first(&c.FetchMaxBytes, bytes)
	first(&c.PartitionMaxBytes, c.FetchMaxBytes)
	first(&c.FetchMinBytes, 1)
	first(&c.MaxDecompressed, defaultMaxDecompressed)
	if c.FetchMaxWait == 0 {
		c.FetchMaxWait = defaultFetchMaxWait
	}
	if c.CommitEvery == 0 {
		c.CommitEvery = defaultCommitEvery
	}
	if c.OnError == nil {
		c.OnError = func(error) {}
	}
	return c
}

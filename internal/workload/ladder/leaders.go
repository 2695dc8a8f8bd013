package ladder

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/direct/wire"
	"redline/internal/client"
)

const (
	clientID = "redline"
	// ledWithin is how long partitions may be without a leader at the start: those of
	// a new topic are for a moment.
	ledWithin = 5 * time.Second

	// answerWithin bounds the wait for an answer, and for a broker to take a request: one
	// that is silent for longer has stopped, and the rung with it.
	answerWithin = 30 * time.Second

	// What is read and written by hand, in these versions.
	fetchKey       = 1
	fetchVersion   = 12 // the last that names topics, and flexible
	produceKey     = 0
	produceVersion = 8 // the last whose lengths have a fixed size, to be filled in later
)

// administer makes the client for all that is not the work itself.
func (s *Spec) administer(more ...kgo.Opt) (*kgo.Client, error) {
	options := slices.Concat([]kgo.Opt{kgo.SeedBrokers(s.Brokers...), kgo.ClientID(clientID), kgo.DisableClientMetrics()},
		s.Security.FranzOptions(0),
		[]kgo.Opt{kgo.Dialer(func(ctx context.Context, _, address string) (net.Conn, error) { return s.dial(ctx, address) })},
		more)
	return kgo.NewClient(options...)
}

// dial opens a connection whose bytes are counted.
func (s *Spec) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := s.Security.Dial(ctx, address, 0)
	if err != nil {
		return nil, err
	}
	return s.Wire.Wrap(conn), nil
}

// leader is a broker and the partitions of the topic that it leads.
type leader struct {
	id         int32
	address    string
	partitions []int32
}

// leaders finds out who leads the partitions.
func leaders(ctx context.Context, cl *kgo.Client, topic string, partitions []int32) ([]leader, error) {
	ctx, cancel := context.WithTimeout(ctx, ledWithin)
	defer cancel()
	for {
		led, err := askLeaders(ctx, cl, topic, partitions)
		if err == nil {
			err = lead(ctx, cl, topic)
		}
		if err == nil || !kerr.IsRetriable(err) {
			return led, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// lead asks the leaders themselves: one of a new topic may not know of it yet, and would
// refuse the first batch.
func lead(ctx context.Context, cl *kgo.Client, topic string) error {
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("the leaders of topic %q do not answer for it: %w", topic, err)
	}
	return nil
}

func askLeaders(ctx context.Context, cl *kgo.Client, topic string, partitions []int32) ([]leader, error) {
	request := kmsg.NewPtrMetadataRequest()
	named := kmsg.NewMetadataRequestTopic()
	named.Topic = &topic
	request.Topics = append(request.Topics, named)
	answer, err := request.RequestWith(ctx, cl)
	if err != nil {
		return nil, fmt.Errorf("cannot find out who leads topic %q: %w", topic, err)
	}
	if len(answer.Topics) != 1 {
		return nil, fmt.Errorf("the broker told of %d topics, asked for %q alone", len(answer.Topics), topic)
	}
	if err := kerr.ErrorForCode(answer.Topics[0].ErrorCode); err != nil {
		return nil, fmt.Errorf("cannot find out who leads topic %q: %w", topic, err)
	}
	leads := map[int32]int32{}
	for _, p := range answer.Topics[0].Partitions {
		if kerr.ErrorForCode(p.ErrorCode) == nil && p.Leader >= 0 {
			leads[p.Partition] = p.Leader
		}
	}
	return group(answer.Brokers, topic, leads, partitions)
}

// group puts the partitions together by who leads them.
func group(brokers []kmsg.MetadataResponseBroker, topic string, leads map[int32]int32, partitions []int32) ([]leader, error) {
	by := map[int32]*leader{}
	for _, b := range brokers {
		by[b.NodeID] = &leader{id: b.NodeID, address: net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))}
	}
	for _, p := range partitions {
		id, ok := leads[p]
		if !ok || by[id] == nil {
			return nil, fmt.Errorf("topic %q has no partition %d with a leader that can be reached: %w", topic, p, kerr.LeaderNotAvailable)
		}
		by[id].partitions = append(by[id].partitions, p)
	}
	var led []leader
	for _, id := range slices.Sorted(maps.Keys(by)) {
		if len(by[id].partitions) > 0 {
			led = append(led, *by[id])
		}
	}
	return led, nil
}

// connect opens a connection to a leader, which has to know the version of a request that
// is written by hand.
func (c *Climb) connect(to leader, key, version int16) (*wire.Conn, error) {
	conn, err := c.dialer.Dial(c.ctx, to.address)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to broker %d: %w", to.id, err)
	}
	if highest, err := conn.Version(key, version); err != nil || highest < version {
		_ = conn.Close() // what is wrong is said below
		return nil, client.Cannot(name, fmt.Sprintf("speak to broker %d at %s, which does not know version %d of %s requests", to.id, to.address, version, kmsg.NameForKey(key)), "take another client")
	}
	conn.SetReceiveTimeout(answerWithin)
	conn.SetSendTimeout(answerWithin)
	return conn, nil
}

// share is what one connection does: some of the partitions of one leader.
type share struct {
	leader     leader
	partitions []int32
}

// deal gives every leader a connection, and those that are left to whoever has most
// partitions for each of its connections. None is without a partition.
func deal(led []leader, connections int) []share {
	each := make([]int, len(led))
	for i := range led {
		each[i] = 1
	}
	for left := connections - len(led); left > 0; left-- {
		most := 0
		for i, l := range led {
			if len(l.partitions)*each[most] > len(led[most].partitions)*each[i] {
				most = i
			}
		}
		if each[most] >= len(led[most].partitions) {
			break
		}
		each[most]++
	}
	var shares []share
	for i, l := range led {
		for n := range each[i] {
			s := share{leader: l}
			for at := n; at < len(l.partitions); at += each[i] {
				s.partitions = append(s.partitions, l.partitions[at])
			}
			shares = append(shares, s)
		}
	}
	return shares
}

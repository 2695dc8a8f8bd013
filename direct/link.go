package direct

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/direct/wire"
)

const (
	// startWithin bounds what NewConsumer and NewProducer wait for where their context does
	// not.
	startWithin = 15 * time.Second
	// newTopicWithin is how long a new topic may be unknown, or without a leader.
	newTopicWithin = 2 * time.Second
)

// link is how a consumer or a producer reaches its cluster: a client of franz-go for all
// that is not data, a dialer for connections of our own, who leads what, and how long
// errors are put up with.
type link struct {
	client   *kgo.Client
	dialer   *wire.Dialer
	topology *topology
	patience patience
}

// open reads the options. Nobody is connected to yet.
func (l *link) open(topic string, options []kgo.Opt) (err error) {
	options = append([]kgo.Opt{kgo.DisableClientMetrics()}, options...)
	if l.client, err = kgo.NewClient(options...); err != nil {
		return err
	}
	if l.dialer, err = wire.NewDialer(l.client); err != nil {
		return err
	}
	l.topology = newTopology(l.client, topic)
	return nil
}

// connect finds the cluster and the topic. What is wrong with brokers or credentials is
// said at once, and a topic that was just made is waited for.
func (l *link) connect(ctx context.Context) (*view, error) {
	if err := l.knock(ctx); err != nil {
		return nil, err
	}
	return l.firstView(ctx)
}

// knock finds out whether a seed broker lets us in. franz-go would find out too, and try
// again until there is no time left, and not say then why.
func (l *link) knock(ctx context.Context) error {
	seeds, _ := l.client.OptValue(kgo.SeedBrokers).([]string)
	var all []error
	for _, address := range seeds {
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(strings.Trim(address, "[]"), "9092")
		}
		conn, err := l.dialer.Dial(ctx, address)
		if err == nil {
			_ = conn.Close() // it has served
			return nil
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// firstView is who leads what. A topic that was just made may take a moment until the
// broker asked knows it and its leaders.
func (l *link) firstView(ctx context.Context) (v *view, err error) {
	for began := time.Now(); ; {
		v, err = l.topology.refresh(ctx, v)
		led := err == nil && slices.ContainsFunc(v.partitions, func(l leadership) bool { return l.broker >= 0 })
		wait := err == nil || errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.LeaderNotAvailable)
		if led || !wait || ctx.Err() != nil || time.Since(began) > newTopicWithin {
			return v, err
		}
	}
}

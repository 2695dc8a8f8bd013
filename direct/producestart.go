package direct

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/direct/batch"
	"redline/direct/wire"
)

// newTopicWithin is how long a new topic may be unknown, or without a leader.
const newTopicWithin = 2 * time.Second

// start connects, and sets everything going.
func (p *Producer) start(ctx context.Context) (err error) {
	options := append([]kgo.Opt{kgo.DisableClientMetrics()}, p.cfg.Kafka...)
	if p.client, err = kgo.NewClient(options...); err != nil {
		return err
	}
	if p.dialer, err = wire.NewDialer(p.client); err != nil {
		return err
	}
	if err = p.fitRequests(); err != nil {
		return err
	}
	if err = p.knock(ctx); err != nil {
		return err
	}
	p.topology = newTopology(p.client, p.cfg.Topic)
	v, err := p.firstView(ctx)
	if err != nil {
		return err
	}
	if p.cfg.idempotent() {
		who, err := p.askIdentity(ctx)
		if err != nil {
			return err
		}
		p.identity.Store(&who)
	}
	at, conn, err := p.reach(ctx, v)
	if err != nil {
		return err
	}
	p.grow(len(v.partitions))
	if p.cfg.Partitioner == nil {
		chooser := &byKey{}
		chooser.rest.usable = p.usable
		p.cfg.Partitioner = chooser
	}
	p.context, p.cancel = context.WithCancel(context.Background())
	first := newProducerLane(p, at)
	p.lanes[at] = first
	p.running.Go(func() { first.run(p.context, conn) })
	p.running.Go(func() { p.keep(p.context) })
	p.running.Go(func() { p.watch(p.context) })
	if p.cfg.Compression != batch.None {
		for range max(1, int(cpus())) {
			p.running.Go(p.sealer.run)
		}
	}
	return nil
}

// firstView is who leads what. A topic that was just made may take a moment until the
// broker asked knows it and its leaders.
func (p *Producer) firstView(ctx context.Context) (v *view, err error) {
	for began := time.Now(); ; {
		v, err = p.topology.refresh(ctx, v)
		led := err == nil && slices.ContainsFunc(v.partitions, func(l leadership) bool { return l.broker >= 0 })
		wait := err == nil || errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.LeaderNotAvailable)
		if led || !wait || ctx.Err() != nil || time.Since(began) > newTopicWithin {
			return v, err
		}
	}
}

// fitRequests keeps requests within what the client may send.
func (p *Producer) fitRequests() error {
	const around = 64 << 10 // what is in a request beside its batches
	most, ok := p.client.OptValue("BrokerMaxWriteBytes").(int32)
	if !ok {
		return nil
	}
	if p.cfg.BatchBytes+around > int(most) {
		return fmt.Errorf("batches of %d bytes do not go into requests of %d (BrokerMaxWriteBytes): lower BatchBytes, or raise that", p.cfg.BatchBytes, most)
	}
	p.cfg.RequestBytes = min(p.cfg.RequestBytes, int(most)-around)
	return nil
}

// knock finds out whether a seed broker lets us in. franz-go would find out too, and try
// again until there is no time left, and not say then why.
func (p *Producer) knock(ctx context.Context) error {
	seeds, _ := p.client.OptValue("SeedBrokers").([]string)
	var all []error
	for _, address := range seeds {
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(strings.Trim(address, "[]"), "9092")
		}
		conn, err := p.dialer.Dial(ctx, address)
		if err == nil {
			return conn.Close()
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// reach connects to the first leader that answers.
func (p *Producer) reach(ctx context.Context, v *view) (laneAddress, *wire.Conn, error) {
	tried := map[int32]bool{-1: true}
	var all []error
	for _, leader := range v.partitions {
		if tried[leader.broker] {
			continue
		}
		tried[leader.broker] = true
		at := laneAddress{leader.broker, 0, v.brokers[leader.broker]}
		conn, err := p.dialer.Dial(ctx, at.address)
		if err == nil {
			if _, err = produceVersion(conn, p.cfg.Compression); err == nil {
				return at, conn, nil
			}
			err = errors.Join(err, conn.Close())
		}
		all = append(all, err)
	}
	if len(all) == 0 {
		all = append(all, fmt.Errorf("none of its partitions has a leader: %w", v.partitions[0].err))
	}
	return laneAddress{}, nil, errors.Join(all...)
}

package direct

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/direct/batch"
	"redline/direct/wire"
)

// start connects, and sets everything going.
func (p *Producer) start(ctx context.Context) error {
	if err := p.open(p.cfg.Topic, p.cfg.Kafka); err != nil {
		return err
	}
	if err := p.fitRequests(); err != nil {
		return err
	}
	age, _ := p.client.OptValue(kgo.MetadataMaxAge).(time.Duration)
	p.viewAge = max(age, refreshEvery)
	v, err := p.connect(ctx)
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

// fitRequests keeps requests within what the client may send.
func (p *Producer) fitRequests() error {
	const around = 64 << 10 // what is in a request beside its batches
	most, ok := p.client.OptValue(kgo.BrokerMaxWriteBytes).(int32)
	if !ok {
		return nil
	}
	if p.cfg.BatchBytes+around > int(most) {
		return fmt.Errorf("batches of %d bytes do not go into requests of %d (BrokerMaxWriteBytes): lower BatchBytes, or raise that", p.cfg.BatchBytes, most)
	}
	p.cfg.RequestBytes = min(p.cfg.RequestBytes, int(most)-around)
	return nil
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
			if _, err = produceVersion(conn, produceTopic{p.cfg.Topic, v.topicID}, p.cfg.Compression); err == nil {
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

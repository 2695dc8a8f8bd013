package direct

import (
	"testing"
	"time"
)

// unconnected is a producer without a cluster: its batches go where acknowledge takes them.
func unconnected(t testing.TB, cfg ProducerConfig) *Producer {
	t.Helper()
	cfg.Topic = "topic"
	cfg = cfg.withDefaults(1)
	if err := cfg.check(); err != nil {
		t.Fatal(err)
	}
	p := &Producer{cfg: cfg, began: time.Now(), attention: newMark(), reports: reports{keeper: newMark()}, closed: make(chan struct{}), lanes: map[laneAddress]*producerLane{}, headSize: 61}
	p.memory.limit, p.memory.urge = cfg.MaxBuffered, func() {}
	p.acks.tell, p.acks.give = cfg.OnAck, p.memory.give
	p.identity.Store(&produceIdentity{1, 0})
	p.grow(1)
	t0 := p.all()[0]
	l := newProducerLane(p, laneAddress{})
	l.encoder = newProduceEncoder(newestProduce, madeTopic, AcksAll, time.Second)
	t0.lane = l
	return p
}

// acknowledge sends and acknowledges what the partition has, as a lane would.
func acknowledge(t testing.TB, p *Producer) {
	t.Helper()
	t0 := p.all()[0]
	l := t0.lane
	for range 10 {
		r := <-l.free
		l.count++
		r.reset(l.count)
		l.encoder.begin()
		l.compose(r, p.now())
		sent := len(r.partitions) > 0
		if sent {
			_ = l.encoder.finish()
			answer := produceAnswer{}
			t0.mu.Lock()
			if !t0.answered(&answer, r.id, p.now()) {
				t.Fatal("nothing was in flight")
			}
			t0.mu.Unlock()
			p.acks.deliver()
		}
		l.free <- r
		if !sent {
			return
		}
	}
}

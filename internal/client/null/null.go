// Package null is the client without Kafka: a producer that takes records and
// acknowledges them at once, so that the cost of making them can be seen alone.
//
// Options enter; a producer that reaches no broker leaves. It refuses to
// consume, since there is nothing to read.
package null

import (
	"context"
	"errors"

	"redline/internal/client"
)

// Library makes producers that discard.
var Library client.Library = library{}

type library struct{}

func (library) Name() string    { return "none" }
func (library) Version() string { return "none, records are discarded" }

// Consumer always refuses.
func (l library) Consumer(o client.ConsumeOptions) (client.Consumer, error) {
	return nil, l.CheckConsumer(o.Options)
}

func (library) CheckConsumer(client.Options) error {
	return client.Cannot("none", "consume: it reaches no broker", "take franz")
}

// CheckProducer refuses properties, since it can honour none.
func (library) CheckProducer(o client.Options) error {
	for key := range o.Properties {
		return client.UnknownProperty("none", key, nil)
	}
	return nil
}

func (l library) Producer(o client.ProduceOptions) (client.Producer, error) {
	if err := l.CheckProducer(o.Options); err != nil {
		return nil, err
	}
	if o.RecordSize < 0 {
		return nil, errors.New("a record cannot have a negative number of bytes")
	}
	return &producer{size: o.RecordSize, acked: o.Acked}, nil
}

func (library) Outcome(err error) client.Outcome {
	if err == nil {
		return client.Acked
	}
	return client.Failed
}

type producer struct {
	size   int
	acked  func(*client.Record, error)
	spares []*slot // sent before, to be handed out again
}

type slot struct {
	record client.Record
	own    []byte
}

func (p *producer) Record() *client.Record {
	var s *slot
	if last := len(p.spares) - 1; last >= 0 {
		s, p.spares = p.spares[last], p.spares[:last]
	} else {
		s = &slot{own: make([]byte, p.size)}
	}
	s.record = client.Record{Value: s.own, Slot: s}
	return &s.record
}

func (p *producer) Send(_ context.Context, r *client.Record) error {
	s, ok := r.Slot.(*slot)
	if !ok || &s.record != r {
		return errors.New("a record must come from the producer that sends it")
	}
	r.Offset = -1
	p.acked(r, nil)
	p.spares = append(p.spares, s)
	return nil
}

func (p *producer) Flush(context.Context) error { return nil }

// Settings are none.
func (p *producer) Settings() map[string]string { return map[string]string{} }

func (p *producer) Close(context.Context) error { return nil }

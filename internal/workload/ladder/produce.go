package ladder

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/direct/wire"
	"redline/internal/audit"
)

const (
	// produceTimeout is what a broker may take for acks=all, in milliseconds.
	produceTimeout = 30_000
	// acksSize bounds an answer to a produce request: 16 MiB are 50,000 partitions
	// with a message each.
	acksSize = 16 << 20
)

// request is one that is in flight.
type request struct{ parts []part }

// sealed is a request that is sent again and again.
type sealed struct {
	body  []byte
	parts []part
}

// producer is one connection that produces: one goroutine builds and writes, another
// one takes the acknowledgements.
type producer struct {
	climb *Climb
	where string
	conn  *wire.Conn
	acks  []byte // the last answer
	count *count

	targets    []*target
	turn       int
	builder    builder
	head, body []byte    // of a request: its start, and all of it
	whole      [1][]byte // the body as it is sent
	again      []sealed

	free, sent chan *request
}

// openProducers connects, and asks for a producer id where the rung has one.
func (c *Climb) openProducers(shares []share) error {
	var who identity
	var err error
	if c.step >= sequencing {
		if who, err = c.identify(); err != nil {
			return err
		}
	}
	values := draw(c.spec.Payload)
	for i, s := range shares {
		if c.step >= stamping {
			c.spec.Payload.Producer(uint16(i), c.spec.Ledger) // tells the ledger what is promised
		}
		conn, err := c.connect(s.leader, produceKey, produceVersion)
		if err != nil {
			return err
		}
		p := c.newProducer(s, uint16(i), conn)
		c.lanes = append(c.lanes, p)
		p.builder.values, p.builder.identity = values, who
		p.builder.value = i * len(values.ends) / len(shares)
	}
	return nil
}

// identify asks for a producer id.
func (c *Climb) identify() (identity, error) {
	request := kmsg.NewPtrInitProducerIDRequest()
	answer, err := request.RequestWith(c.ctx, c.admin)
	if err == nil {
		err = kerr.ErrorForCode(answer.ErrorCode)
	}
	if err != nil {
		return identity{}, fmt.Errorf("cannot get a producer id: %w", err)
	}
	return identity{answer.ProducerID, answer.ProducerEpoch}, nil
}

func (c *Climb) newProducer(s share, number uint16, conn *wire.Conn) *producer {
	p := &producer{
		climb: c, conn: conn, count: c.counter(), where: fmt.Sprintf("broker %d", s.leader.id),
		free:    make(chan *request, c.options.inFlight),
		sent:    make(chan *request, c.options.inFlight),
		builder: builder{room: c.options.batchBytes, idempotent: c.step >= sequencing},
	}
	if c.step >= deflating {
		p.builder.codec = c.options.codec
	}
	for range c.options.inFlight {
		p.free <- &request{}
	}
	for _, id := range s.partitions {
		t := &target{id: id}
		if c.step >= stamping {
			t.writer = c.spec.Ledger.Writer(number, id)
		}
		p.targets = append(p.targets, t)
	}
	p.head = requestHead(c.spec.Topic, c.step >= replicating)
	return p
}

// requestHead is the body of a produce request up to the number of its partitions.
func requestHead(topic string, all bool) []byte {
	be := binary.BigEndian
	acks := uint16(1)
	if all {
		acks = 1<<16 - 1
	}
	b := be.AppendUint16(nil, 1<<16-1) // no transaction
	b = be.AppendUint16(b, acks)
	b = be.AppendUint32(b, produceTimeout)
	b = be.AppendUint32(b, 1) // topics
	b = append(be.AppendUint16(b, uint16(len(topic))), topic...)
	return be.AppendUint32(b, 0) // partitions
}

// prime sends one request and waits for its answer. On the lowest rung that is the
// one that all others repeat.
func (p *producer) prime() error {
	if p.climb.step == resending {
		if err := p.sealAll(); err != nil {
			return p.named(err)
		}
	}
	r := <-p.free
	err := p.post(r)
	if err == nil {
		r = <-p.sent
		if err = p.take(r); err != nil {
			p.unsettled(r)
		}
	}
	p.free <- r
	return p.named(err)
}

func (p *producer) named(err error) error {
	if err != nil {
		err = fmt.Errorf("producing to topic %q at %s: %w", p.climb.spec.Topic, p.where, err)
	}
	return err
}

// sealAll makes one request after the other until each partition is in one.
func (p *producer) sealAll() error {
	for done := 0; done < len(p.targets); {
		var r request
		if err := p.build(&r, len(p.targets)-done); err != nil {
			return err
		}
		p.again = append(p.again, sealed{append([]byte(nil), p.body...), r.parts})
		done += len(r.parts)
	}
	return nil
}

// halt lets what is in flight be answered: the sender looks at the climb itself.
func (p *producer) halt()  {}
func (p *producer) close() { _ = p.conn.Close() } // nothing is left to be written

// run sends and takes acknowledgements until the climb ends and all are there.
func (p *producer) run() error {
	defer p.builder.compressor.Close()
	ctx, cancel := context.WithCancel(p.climb.ctx)
	defer cancel()
	var sending sync.WaitGroup
	var failed error
	sending.Go(func() {
		defer close(p.sent)
		failed = p.send(ctx)
	})
	err := p.receive()
	cancel()
	if err != nil {
		p.close() // the sender may be in the middle of a write
	}
	sending.Wait()
	for r := range p.sent {
		p.unsettled(r)
	}
	if err == nil {
		err = failed
	}
	return p.named(err)
}

// send builds and writes requests, as many as may be in flight.
func (p *producer) send(ctx context.Context) error {
	for {
		select {
		case r := <-p.free:
			if p.climb.ended() {
				return nil
			}
			if err := p.post(r); err != nil {
				return err
			}
		case <-p.climb.quit:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// post builds a request and writes it. It is in flight before it is written: part of
// it may arrive.
func (p *producer) post(r *request) error {
	if p.climb.step == resending {
		s := &p.again[p.turn%len(p.again)]
		p.turn++
		p.body, r.parts = s.body, append(r.parts[:0], s.parts...)
	} else if err := p.build(r, len(p.targets)); err != nil {
		return err
	}
	p.sent <- r
	p.whole[0] = p.body
	_, err := p.conn.SendParts(produceKey, produceVersion, false, p.whole[:])
	return err
}

// build makes a request of the partitions whose turn it is, at most so many, as long as
// there is room for another batch.
func (p *producer) build(r *request, most int) error {
	be, now := binary.BigEndian, time.Now().UnixNano()
	r.parts = r.parts[:0]
	body := append(p.body[:0], p.head...)
	for len(r.parts) < most && (len(r.parts) == 0 || len(body)+p.builder.room <= p.climb.options.requestBytes) {
		t := p.targets[p.turn]
		p.turn = (p.turn + 1) % len(p.targets)
		body = be.AppendUint32(body, uint32(t.id))
		body = be.AppendUint32(body, 0) // the length of the batch
		at := len(body)
		var made part
		var err error
		if body, made, err = p.builder.append(body, t, now); err != nil {
			return err
		}
		be.PutUint32(body[at-4:], uint32(len(body)-at))
		r.parts = append(r.parts, made)
	}
	be.PutUint32(body[len(p.head)-4:], uint32(len(r.parts)))
	p.body = body
	return nil
}

// receive takes the answers to requests, in their order, until no more is sent.
func (p *producer) receive() error {
	for r := range p.sent {
		if err := p.take(r); err != nil {
			p.unsettled(r)
			return err
		}
		p.free <- r
	}
	return nil
}

// take waits for the answer to a request and accounts it.
func (p *producer) take(r *request) error {
	var answer []byte
	var err error
	if answer, p.acks, _, err = p.conn.Receive(p.acks, acksSize, produceKey, false); err != nil {
		return err
	}
	if err := p.settle(r, answer); err != nil {
		return err
	}
	for i := range r.parts {
		if !r.parts[i].settled {
			return fmt.Errorf("the broker did not answer about partition %d", r.parts[i].target.id)
		}
	}
	return nil
}

// settle reads the answer to a produce request, version 8.
func (p *producer) settle(r *request, answer []byte) error {
	c := wire.NewCursor(answer)
	for range c.Items(int64(c.Int32()), 6) {
		_ = c.String() // topic
		for range c.Items(int64(c.Int32()), 36) {
			if err := p.settlePartition(r, &c); err != nil {
				return err
			}
		}
	}
	p.climb.throttled(c.Int32())
	if c.Bad() || c.Left() > 0 {
		return errAnswer
	}
	return nil
}

func (p *producer) settlePartition(r *request, c *wire.Cursor) error {
	id, code, base := c.Int32(), c.Int16(), c.Int64()
	c.Take(2 * 8) // append time, log start
	for range c.Items(int64(c.Int32()), 6) {
		c.Int32() // a record, and what is wrong with it
		_ = c.String()
	}
	message := c.String()
	if c.Bad() {
		return errAnswer
	}
	if err := kerr.ErrorForCode(code); err != nil {
		return fmt.Errorf("partition %d: %w%s; rungs do not try again", id, err, said(message))
	}
	for i := range r.parts {
		if made := &r.parts[i]; made.target.id == id && !made.settled {
			p.acknowledged(made, base)
			return nil
		}
	}
	return fmt.Errorf("the broker answered about partition %d, which was not in the request", id)
}

// said is what a broker added to an error, as far as one wants to read it.
func said(message []byte) string {
	const enough = 200
	if len(message) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%q)", message[:min(len(message), enough)])
}

// acknowledged accounts a batch that the broker has, from offset base on.
func (p *producer) acknowledged(made *part, base int64) {
	made.settled = true
	p.account(made, func(w *audit.Writer, i int, sequence uint64) {
		offset := int64(-1)
		if base >= 0 {
			offset = base + int64(i)
		}
		w.Acked(sequence, offset)
	})
	p.count.add(int64(made.records), int64(made.bytes))
}

// unsettled accounts what of a request will not be answered any more.
func (p *producer) unsettled(r *request) {
	for i := range r.parts {
		if made := &r.parts[i]; !made.settled {
			made.settled = true
			p.account(made, func(w *audit.Writer, _ int, sequence uint64) { w.Indeterminate(sequence) })
		}
	}
}

// account tells the ledger of each record of a batch, on rungs that keep one.
func (p *producer) account(made *part, tell func(w *audit.Writer, i int, sequence uint64)) {
	w := made.target.writer
	if w == nil {
		return
	}
	for i := range made.records {
		sequence := audit.NoSequence
		if p.builder.values.stamped {
			sequence = made.first + uint64(i)
		}
		tell(w, i, sequence)
	}
}

package ladder

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/internal/audit"
)

const (
	// produceTimeout is what a broker may take for acks=all, in milliseconds.
	produceTimeout = 30_000
	// acksSize bounds an answer to a produce request: 16 MiB are 50,000 partitions
	// with a message each.
	acksSize = 16 << 20

	correlationAt = 8 // in a request, its length included
)

// request is one that is in flight.
type request struct {
	correlation int32
	parts       []part
}

// sealed is a request that is sent again and again.
type sealed struct {
	frame []byte
	parts []part
}

// producer is one connection that produces: one goroutine builds and writes, another
// one takes the acknowledgements.
type producer struct {
	climb *Climb
	where string
	conn  net.Conn
	in    inbox
	count *count

	targets     []*target
	turn        int
	builder     builder
	head, frame []byte // of a request: its start, and all of it
	countAt     int    // where in head the number of partitions stands
	again       []sealed
	correlation int32

	free, sent chan *request
}

// openProducers connects, and asks for a producer id where the rung has one.
func (c *Climb) openProducers(shares []share) error {
	who := nobody
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
		conn, err := c.spec.dial(c.ctx, s.leader.address)
		if err != nil {
			return fmt.Errorf("cannot connect to broker %d: %w", s.leader.id, err)
		}
		p := c.newProducer(s, uint16(i), conn)
		c.lanes = append(c.lanes, p)
		p.builder.values, p.builder.identity = values, who
		p.builder.value = i * len(values.ends) / len(shares)
		if p.builder.deflater, err = newDeflater(p.builder.codec); err != nil {
			return fmt.Errorf("cannot compress: %w", err)
		}
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
		return nobody, fmt.Errorf("cannot get a producer id: %w", err)
	}
	return identity{answer.ProducerID, answer.ProducerEpoch}, nil
}

func (c *Climb) newProducer(s share, number uint16, conn net.Conn) *producer {
	p := &producer{
		climb: c, conn: conn, count: c.counter(), where: fmt.Sprintf("broker %d at %s", s.leader.id, s.leader.address),
		in:      newInbox(conn, 64<<10, acksSize),
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
	p.head, p.countAt = requestHead(c.spec.Topic, c.step >= replicating)
	return p
}

// requestHead is a produce request, version 8, up to its partitions.
func requestHead(topic string, all bool) (head []byte, countAt int) {
	be := binary.BigEndian
	text := func(b []byte, s string) []byte { return append(be.AppendUint16(b, uint16(len(s))), s...) }
	acks := uint16(1)
	if all {
		acks = 1<<16 - 1
	}
	b := make([]byte, 4, 256) // length
	b = be.AppendUint16(b, 0) // produce
	b = be.AppendUint16(b, produceVersion)
	b = be.AppendUint32(b, 0) // correlation
	b = text(b, clientID)
	b = be.AppendUint16(b, 1<<16-1) // no transaction
	b = be.AppendUint16(b, acks)
	b = be.AppendUint32(b, produceTimeout)
	b = be.AppendUint32(b, 1) // topics
	b = text(b, topic)
	return be.AppendUint32(b, 0), len(b) // partitions
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
		p.again = append(p.again, sealed{append([]byte(nil), p.frame...), r.parts})
		done += len(r.parts)
	}
	return nil
}

// halt lets what is in flight be answered: the sender looks at the climb itself.
func (p *producer) halt()  {}
func (p *producer) close() { p.conn.Close() }

// run sends and takes acknowledgements until the climb ends and all are there.
func (p *producer) run() error {
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
		p.conn.Close() // the sender may be in the middle of a write
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
		p.frame, r.parts = s.frame, append(r.parts[:0], s.parts...)
	} else if err := p.build(r, len(p.targets)); err != nil {
		return err
	}
	p.correlation++
	r.correlation = p.correlation
	binary.BigEndian.PutUint32(p.frame[correlationAt:], uint32(p.correlation))
	p.sent <- r
	_, err := p.conn.Write(p.frame)
	return err
}

// build makes a request of the partitions whose turn it is, at most so many, as long as
// there is room for another batch.
func (p *producer) build(r *request, most int) error {
	now := time.Now().UnixNano()
	r.parts = r.parts[:0]
	p.frame = append(p.frame[:0], p.head...)
	for len(r.parts) < most && (len(r.parts) == 0 || len(p.frame)+p.builder.room <= p.climb.options.requestBytes) {
		t := p.targets[p.turn]
		p.turn = (p.turn + 1) % len(p.targets)
		p.frame = binary.BigEndian.AppendUint32(p.frame, uint32(t.id))
		var made part
		var err error
		if p.frame, made, err = p.builder.append(p.frame, t, now); err != nil {
			return fmt.Errorf("cannot build a batch: %w", err)
		}
		r.parts = append(r.parts, made)
	}
	binary.BigEndian.PutUint32(p.frame, uint32(len(p.frame)-4))
	binary.BigEndian.PutUint32(p.frame[p.countAt:], uint32(len(r.parts)))
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
	answer, err := p.in.next()
	if err != nil {
		return err
	}
	if err := p.settle(r, &cursor{b: answer}); err != nil {
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
func (p *producer) settle(r *request, c *cursor) error {
	if correlation := c.int32(); correlation != r.correlation {
		return fmt.Errorf("the answer to request %d came, where that to %d was due", correlation, r.correlation)
	}
	for range c.items(int64(c.int32()), 6) {
		c.text() // topic
		for range c.items(int64(c.int32()), 36) {
			if err := p.settlePartition(r, c); err != nil {
				return err
			}
		}
	}
	p.climb.throttled(c.int32())
	if c.bad || len(c.b) > 0 {
		return errAnswer
	}
	return nil
}

func (p *producer) settlePartition(r *request, c *cursor) error {
	id, code, base := c.int32(), c.int16(), c.int64()
	c.take(2 * 8) // append time, log start
	for range c.items(int64(c.int32()), 6) {
		c.int32() // a record, and what is wrong with it
		c.text()
	}
	message := c.text()
	if c.bad {
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

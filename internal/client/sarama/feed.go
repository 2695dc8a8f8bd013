package sarama

import (
	"context"
	"fmt"
	"sync"

	"github.com/IBM/sarama"

	"redline/internal/client"
)

// slot holds one record from Record to its acknowledgement.
type slot struct {
	record     client.Record
	message    *sarama.ProducerMessage
	first      sarama.ProducerMessage // message, until a record fails
	key, value view
	own        []byte // RecordSize bytes
	queued     bool   // an acknowledgement is owed; producer.mu guards it
}

func (s *slot) begin(own []byte) { s.message, s.own = &s.first, own }

// view is a slice that sarama takes without its being copied or boxed.
type view struct{ bytes []byte }

func (v *view) Encode() ([]byte, error) { return v.bytes, nil }
func (v *view) Length() int             { return len(v.bytes) }

// fill makes sarama's message of the record.
func (s *slot) fill(topic string) {
	s.key.bytes, s.value.bytes = s.record.Key, s.record.Value
	*s.message = sarama.ProducerMessage{Topic: topic, Value: &s.value, Partition: s.record.Partition, Timestamp: s.record.Time, Metadata: s, Offset: -1}
	if s.record.Key != nil {
		s.message.Key = &s.key
	}
	s.queued = true
}

// queue is what was sent and not yet given to sarama, which takes one record at a
// time and none while it looks for a broker.
type queue struct {
	mu     sync.Mutex
	more   sync.Cond
	slots  []*slot
	waits  bool // somebody wants more
	closed bool
}

func (q *queue) put(s *slot) {
	q.mu.Lock()
	q.slots = append(q.slots, s)
	waits := q.waits
	q.waits = false
	q.mu.Unlock()
	if waits {
		q.more.Signal()
	}
}

// take waits for slots and gives all there are, in exchange for an empty slice. It
// gives none when the queue is closed and empty.
func (q *queue) take(empty []*slot) []*slot {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.slots) == 0 && !q.closed {
		q.waits = true
		q.more.Wait()
	}
	taken := q.slots
	q.slots = empty
	return taken
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.more.Signal()
}

// feed makes sarama's producer, which may wait for a broker, and gives it what is
// sent.
func (p *producer) feed() {
	defer close(p.fed)
	if p.begin() {
		p.told.Go(func() {
			for m := range p.async.Successes() {
				p.settle(m.Metadata.(*slot), m.Offset, nil)
			}
		})
		p.told.Go(func() {
			for failed := range p.async.Errors() {
				p.settle(failed.Msg.Metadata.(*slot), -1, failed.Err)
			}
		})
	}
	var slots []*slot
	for {
		clear(slots)
		slots = p.queue.take(slots[:0])
		if len(slots) == 0 {
			return
		}
		for _, s := range slots {
			if p.over.Load() {
				p.settle(s, -1, client.NeverAppended(fmt.Errorf("closed before it was sent: %w", context.Canceled)))
				continue
			}
			p.async.Input() <- s.message
		}
	}
}

// begin makes sarama's producer; it is false when that is not wanted any more.
func (p *producer) begin() bool {
	for !p.over.Load() {
		err := p.open()
		if err == nil {
			return true
		}
		err = asGo(err)
		p.watch.failed("", err)
		if client.NotAllowed(err) {
			p.die(p.watch.Classify(err))
		}
		client.Pause(p.conns.life, retryBackoff)
	}
	return false
}

// open asks for the topic first, because sarama gets the id of an idempotent
// producer from the first broker that it was told of alone. Whether the topic is
// there is said for each record.
func (p *producer) open() error {
	err := p.sarama.RefreshMetadata(p.topic)
	if err != nil && !client.UnknownTopic(asGo(err)) {
		return err
	}
	p.async, err = sarama.NewAsyncProducerFromClient(p.sarama)
	return err
}

package direct

import (
	"errors"
	"fmt"
	"sync"

	"redline/direct/batch"
)

// produceSealer compresses batches, on several goroutines: batches do not depend on one
// another, and their order is settled before.
type produceSealer struct {
	codec  batch.Codec
	level  int
	memory *produceMemory
	// done is told of a batch that is sealed, or cannot be.
	done func(b *produceBatch, raw []byte, err error)

	mu      sync.Mutex
	arrived sync.Cond
	queue   []*produceBatch
	closed  bool
}

// put hands over a batch whose builder is complete.
func (s *produceSealer) put(b *produceBatch) {
	s.mu.Lock()
	s.queue = append(s.queue, b)
	s.mu.Unlock()
	s.arrived.Signal()
}

// take waits for a batch; nil once all is done and close was called.
func (s *produceSealer) take() *produceBatch {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 {
		if s.closed {
			return nil
		}
		s.arrived.Wait()
	}
	b := s.queue[0]
	n := copy(s.queue, s.queue[1:])
	s.queue[n] = nil
	s.queue = s.queue[:n]
	return b
}

func (s *produceSealer) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.arrived.Broadcast()
}

// run seals batches until all is done and close was called.
func (s *produceSealer) run() {
	c := batch.Compressor{Level: s.level}
	defer c.Close()
	var scratch []byte
	for b := s.take(); b != nil; b = s.take() {
		raw, err := b.builder.Seal(s.codec, &c, scratch)
		if err == nil {
			scratch = raw
			s.memory.shrink(b, raw)
			raw = b.raw
		}
		s.done(b, raw, err)
	}
}

// tryCodec finds out whether a codec has such a level.
func tryCodec(codec batch.Codec, level int) error {
	if codec == batch.None {
		return nil
	}
	c := batch.Compressor{Level: level}
	defer c.Close()
	var b batch.Builder
	b.Begin(nil)
	b.Append(0, nil, []byte("x"), nil)
	_, err := b.Seal(codec, &c, nil)
	return err
}

var errSplitBytes = errors.New("what was to be sent cannot be read again")

// splitBatch makes two of a sealed batch. Both count as sealed; their memory is lent beyond
// the limit, as it takes the place of the first one's.
func splitBatch(p *Producer, b *produceBatch) (one, two *produceBatch, err error) {
	read, _, ok, err := batch.Cut(b.raw)
	if err != nil || !ok {
		return nil, nil, errors.Join(errSplitBytes, err)
	}
	d := batch.Decompressor{MaxBytes: 2 * p.cfg.BatchBytes}
	defer d.Close()
	records, err := d.Records(&read)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errSplitBytes, err)
	}
	c := batch.Compressor{Level: p.cfg.CompressionLevel}
	defer c.Close()
	w := read.Walk(records)
	size := produceClass(p.headSize + len(records))
	one, two = p.memory.extra(size), p.memory.extra(size)
	half := b.records / 2
	if err = refill(p, &c, one, &w, half); err == nil {
		err = refill(p, &c, two, &w, b.records-half)
	}
	if err != nil {
		p.memory.give(one)
		p.memory.give(two)
		return nil, nil, err
	}
	for _, part := range []*produceBatch{one, two} {
		part.of, part.deadline = b.of, b.deadline
	}
	one.first, two.first = b.first, b.first+uint64(half)
	return one, two, nil
}

// refill makes a batch of the next n records of another one.
func refill(p *Producer, c *batch.Compressor, b *produceBatch, w *batch.Walk, n int) error {
	b.builder.Begin(b.buf)
	var headers []batch.Header
	for range n {
		if !w.Next() {
			return errors.Join(errSplitBytes, w.Err())
		}
		headers = headers[:0]
		for key, value := range w.Headers() {
			headers = append(headers, batch.Header{Key: string(key), Value: value})
		}
		b.builder.Append(w.Timestamp, w.Key, w.Value, headers)
		b.bytes += len(w.Key) + len(w.Value)
	}
	b.records = n
	raw, err := b.builder.Seal(p.cfg.Compression, c, nil)
	if err != nil {
		return err
	}
	p.memory.shrink(b, raw)
	b.sealed = true
	return nil
}

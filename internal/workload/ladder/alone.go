package ladder

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"redline/direct/batch"
	"redline/internal/audit"
)

// started is what times are counted from where they have no other beginning.
var started = time.Now()

// Sample is some raw batches of a topic in memory, cut as fetch responses cut them.
type Sample struct {
	// Records are those in Bytes bytes of batches.
	Records, Bytes int64

	options options
	topic   string
	pieces  []piece
}

// piece is what one fetch response brought.
type piece struct {
	bytes  []byte
	chunks []chunk // of bytes
}

// Take reads at least size bytes of batches, or all of the topic, with the fetch sizes of
// the spec, which is one of consuming; its rung, ledger, group and handler mean nothing.
func Take(ctx context.Context, s Spec, size int64) (*Sample, error) {
	s.Rung = consumeRungs[fetching].Name
	o, err := s.check()
	if err != nil {
		return nil, err
	}
	c := &Climb{spec: s, options: o, quit: make(chan struct{}), done: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(ctx)
	close(c.done)
	sample := &Sample{options: o, topic: s.Topic}
	if err := c.sample(sample, size); err != nil {
		c.fail(err)
	}
	return sample, c.Stop(ctx)
}

func (c *Climb) sample(into *Sample, size int64) error {
	shares, err := c.shares()
	if err != nil {
		return err
	}
	for _, s := range shares {
		if err := c.passes(s, size/int64(len(shares)), into.add); err != nil {
			return err
		}
	}
	if into.Records == 0 {
		return fmt.Errorf("topic %q has no records to time a step on; fill it before", c.spec.Topic)
	}
	return nil
}

// add puts a batch into the sample, which opens a new piece where the last one is as
// large as a response.
func (s *Sample) add(of *chunk, b *batch.Batch) error {
	if n := len(s.pieces); n == 0 || len(s.pieces[n-1].bytes)+len(b.Raw()) > max(s.options.fetchBytes, len(b.Raw())) {
		s.pieces = append(s.pieces, piece{})
	}
	p := &s.pieces[len(s.pieces)-1]
	p.bytes = append(p.bytes, b.Raw()...)
	n := len(p.chunks)
	if n == 0 || p.chunks[n-1].partition != of.partition {
		p.chunks = append(p.chunks, chunk{partition: of.partition, from: max(b.FirstOffset(), of.partition.start)})
		n++
	}
	at := &p.chunks[n-1]
	at.next = b.LastOffset() + 1
	at.size += len(b.Raw())
	s.Records += int64(within(b, at.from, of.partition.end))
	s.Bytes += int64(len(b.Raw()))
	return nil
}

// Alone times one step of consuming on the sample: "crc", "decompress", "decode" or
// "account". What it returns is nanoseconds a record beyond the steps below, which is
// what its rung should take beyond the rung below it, in CPU time on Linux. Each piece is copied into one
// buffer first, as a kernel does it, and walked by the code of the rungs, with the step
// and without it in turn, for about as long as given; the median counts.
func (s *Sample) Alone(step string, length time.Duration) (nsPerRecord float64, err error) {
	at := stepOf(consume, step)
	if at <= fetching || at >= grouping {
		return 0, fmt.Errorf("there is no step %q that can be timed in memory: take crc, decompress, decode or account", step)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	with, without := s.walker(at), s.walker(at-1)
	defer with.decompressor.Close()
	defer without.decompressor.Close()
	var took []float64
	const fewest = 5
	for began := time.Now(); len(took) < fewest || time.Since(began) < length; {
		a, err := s.pass(with)
		if err != nil {
			return 0, err
		}
		b, err := s.pass(without)
		if err != nil {
			return 0, err
		}
		took = append(took, float64(a-b)/float64(s.Records))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// walker is a fetcher without a connection.
func (s *Sample) walker(to step) *fetcher {
	c := &Climb{step: to, spec: Spec{Topic: s.topic, Ledger: audit.NewLedger(s.topic)}, quit: make(chan struct{}), ctx: context.Background()}
	return &fetcher{climb: c, count: new(count), byID: map[int32]*partition{}}
}

// pass walks every piece once, and returns how long the walking took.
func (s *Sample) pass(f *fetcher) (took time.Duration, err error) {
	for i := range s.pieces {
		p := &s.pieces[i]
		if len(p.bytes) > len(f.buf) {
			f.buf = make([]byte, len(p.bytes))
		}
		bringIn(f.buf, p.bytes)
		f.chunks = f.chunks[:0]
		at := 0
		for _, c := range p.chunks {
			c.bytes, c.partition = f.buf[at:at+c.size], f.mine(c.partition)
			at += c.size
			f.chunks = append(f.chunks, c)
		}
		began := threadTime()
		if err := f.walk(); err != nil {
			return 0, err
		}
		took += threadTime() - began
	}
	for id, p := range f.byID {
		if p.reader != nil {
			f.climb.spec.Ledger.Rewind(id, p.start)
		}
	}
	return took, nil
}

// bringIn copies as reads from a socket do, a little at a time: Go copies a megabyte and
// more past the caches, where a step would then find it cold.
func bringIn(to, from []byte) {
	const read = 64 << 10
	for len(from) > 0 {
		n := copy(to, from[:min(read, len(from))])
		to, from = to[n:], from[n:]
	}
}

// mine is the fetcher's own partition for one of the sample.
func (f *fetcher) mine(of *partition) *partition {
	p := f.byID[of.id]
	if p == nil {
		p = &partition{id: of.id, start: of.start, end: of.end}
		if f.climb.step >= accounting {
			p.reader = f.climb.spec.Ledger.Reader(of.id)
			f.climb.spec.Ledger.Start(of.id, of.start, of.start)
		}
		f.byID[of.id] = p
	}
	return p
}

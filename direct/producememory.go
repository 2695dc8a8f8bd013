package direct

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// leastProduceClass is the smallest buffer, as a power of two. Others are 2, 4, 8 …
	// times as large.
	leastProduceClass = 12
	// keptBetweenLooks is how many buffers come back between two looks for those that nobody
	// needed meanwhile.
	keptBetweenLooks = 1 << 14
	// produceSlack is capacity beyond a buffer's size, which a batch.Builder keeps free.
	produceSlack = 64
)

// produceClass is the size of the smallest buffer with room for n bytes.
func produceClass(n int) int { return 1 << max(leastProduceClass, bits.Len(uint(max(n-1, 0)))) }

// produceMemory lends out batches with buffers, and bounds how many bytes are out. Those
// that came back are lent again, the last one first; what a stall made necessary and
// nothing since is given up little by little.
type produceMemory struct {
	limit int
	urge  func() // somebody waits: what lingers should go

	waiting atomic.Int32
	mu      sync.Mutex
	out     int // bytes
	queue   []*produceWaiter
	closed  error
	idle    int                     // bytes of
	free    [bits.UintSize][][]byte // buffers by the power of two of their size
	unused  [bits.UintSize]int      // the fewest of them since the last look
	kept    int                     // since the last look
	spare   []*produceBatch
}

// produceWaiter waits for a batch with a buffer.
type produceWaiter struct {
	size  int
	given chan *produceBatch
}

// take lends a batch with a buffer of a size that produceClass gave. It waits while too
// much is out, in turn.
func (m *produceMemory) take(ctx context.Context, size int) (*produceBatch, error) {
	m.mu.Lock()
	if m.closed != nil {
		defer m.mu.Unlock()
		return nil, m.closed
	}
	if len(m.queue) == 0 && m.fits(size) {
		b := m.lend(size)
		m.mu.Unlock()
		return b, nil
	}
	w := &produceWaiter{size, make(chan *produceBatch, 1)}
	m.queue = append(m.queue, w)
	m.waiting.Add(1)
	m.mu.Unlock()
	defer m.waiting.Add(-1)
	m.urge()
	select {
	case b := <-w.given:
		if b == nil {
			return nil, m.closed
		}
		return b, nil
	case <-ctx.Done():
		m.forget(w)
		return nil, fmt.Errorf("no room came up among the %d bytes that may be buffered (MaxBuffered): %w", m.limit, context.Cause(ctx))
	}
}

// fits says whether as much can be lent; m.mu is held. One batch always can.
func (m *produceMemory) fits(size int) bool { return m.out == 0 || m.out+size <= m.limit }

// forget gives up waiting.
func (m *produceMemory) forget(w *produceWaiter) {
	m.mu.Lock()
	i := slices.Index(m.queue, w)
	if i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
		m.serve()
	}
	m.mu.Unlock()
	if i >= 0 {
		return
	}
	if b := <-w.given; b != nil { // it came at the same time
		m.give(b)
	}
}

// extra lends without regard to the limit, for what lasts a moment or frees more.
func (m *produceMemory) extra(size int) *produceBatch {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lend(size)
}

// give takes a batch back.
func (m *produceMemory) give(b *produceBatch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.out -= b.charged
	m.keep(b.buf)
	*b = produceBatch{}
	m.spare = append(m.spare, b)
	m.serve()
}

// shrink moves the sealed batch to a buffer of its size.
func (m *produceMemory) shrink(b *produceBatch, raw []byte) {
	size := produceClass(len(raw))
	m.mu.Lock()
	defer m.mu.Unlock()
	old := b.buf
	m.out += size - b.charged
	b.buf, b.charged = m.buffer(size), size
	b.raw = append(b.buf[:0], raw...)
	m.keep(old)
	m.serve()
}

// lend hands out a batch; m.mu is held.
func (m *produceMemory) lend(size int) *produceBatch {
	m.out += size
	var b *produceBatch
	if n := len(m.spare); n > 0 {
		b = m.spare[n-1]
		m.spare = m.spare[:n-1]
	} else {
		b = new(produceBatch)
	}
	b.buf, b.charged = m.buffer(size), size
	b.reset()
	return b
}

// serve lends to those who wait, in turn; m.mu is held.
func (m *produceMemory) serve() {
	for len(m.queue) > 0 && m.fits(m.queue[0].size) {
		m.queue[0].given <- m.lend(m.queue[0].size)
		m.queue = slices.Delete(m.queue, 0, 1)
	}
}

// close makes everybody go without from now on.
func (m *produceMemory) close(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed == nil {
		m.closed = err
	}
	for _, w := range m.queue {
		close(w.given)
	}
	m.queue = nil
}

// buffer is one of a size; m.mu is held.
func (m *produceMemory) buffer(size int) []byte {
	class := bits.TrailingZeros(uint(size))
	if free := m.free[class]; len(free) > 0 {
		b := free[len(free)-1]
		free[len(free)-1] = nil
		m.free[class] = free[:len(free)-1]
		m.unused[class] = min(m.unused[class], len(free)-1)
		m.idle -= size
		return b
	}
	m.unused[class] = 0
	m.trim()
	return make([]byte, 0, size+produceSlack)
}

// keep keeps a buffer for later; m.mu is held.
func (m *produceMemory) keep(b []byte) {
	size := cap(b) - produceSlack
	if size <= 0 || m.out+m.idle+size > m.limit {
		return
	}
	class := bits.TrailingZeros(uint(size))
	m.free[class] = append(m.free[class], b)
	m.idle += size
	if m.kept++; m.kept == keptBetweenLooks {
		m.kept = 0
		m.release()
	}
}

// release drops half of the buffers that nobody needed since it was last called, which are
// the first of each size; m.mu is held.
func (m *produceMemory) release() {
	for class, free := range m.free {
		n := (min(m.unused[class], len(free)) + 1) / 2
		m.free[class] = slices.Delete(free, 0, n)
		m.idle -= n << class
		m.unused[class] = len(m.free[class])
	}
}

// trim drops idle buffers, the largest first, until no more memory is held than lent at
// most; m.mu is held.
func (m *produceMemory) trim() {
	for class := len(m.free) - 1; class >= 0 && m.out+m.idle > m.limit; class-- {
		for n := len(m.free[class]); n > 0 && m.out+m.idle > m.limit; n-- {
			m.free[class][n-1] = nil
			m.free[class] = m.free[class][:n-1]
			m.idle -= 1 << class
		}
	}
}

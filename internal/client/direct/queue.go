package direct

import "sync"

// queue is the records of a partition that are not acknowledged, in the order in which
// they were sent.
type queue struct {
	mu    sync.Mutex
	slots []*slot
	from  int // the oldest
}

func (q *queue) push(s *slot) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.slots) == cap(q.slots) && q.from > len(q.slots)/2 {
		n := copy(q.slots, q.slots[q.from:])
		clear(q.slots[n:])
		q.slots, q.from = q.slots[:n], 0
	}
	q.slots = append(q.slots, s)
}

// back takes the youngest out again, which was not sent.
func (q *queue) back() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.slots = q.slots[:len(q.slots)-1]
}

// pop takes the n oldest out. They are valid until into is used again.
func (q *queue) pop(n int, into []*slot) []*slot {
	q.mu.Lock()
	defer q.mu.Unlock()
	into = append(into[:0], q.slots[q.from:q.from+n]...)
	if q.from += n; q.from == len(q.slots) {
		q.slots, q.from = q.slots[:0], 0
	}
	return into
}

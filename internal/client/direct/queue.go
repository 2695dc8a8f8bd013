package direct

import "sync"

// entry is what is kept of a record until it is acknowledged; its value is in a batch.
type entry struct {
	time  int64 // Unix nanoseconds
	tag   uint64
	bytes int
}

// entriesAtOnce stand together, so that going through them takes no waiting for memory.
const entriesAtOnce = 512

type entries struct {
	all  [entriesAtOnce]entry
	next *entries
}

// queue is the records of a partition that are not acknowledged, in the order in which
// they were sent. push and back are the sender's, pop is for whoever acknowledges. There
// is no lock between them, as a record is pushed before direct has it and popped after
// direct has given it back, which is in order by direct's own locks.
type queue struct {
	spare *spare
	last  *entries
	end   int // of last
	first *entries
	from  int // in first
}

func newQueue(s *spare) queue {
	first := s.take()
	return queue{spare: s, first: first, last: first}
}

func (q *queue) push(e entry) {
	if q.end == entriesAtOnce {
		q.last.next = q.spare.take()
		q.last, q.end = q.last.next, 0
	}
	q.last.all[q.end] = e
	q.end++
}

// back takes the youngest out again, which was not sent.
func (q *queue) back() { q.end-- }

// pop takes the oldest out.
func (q *queue) pop() entry {
	if q.from == entriesAtOnce {
		emptied := q.first
		q.first, q.from = emptied.next, 0
		q.spare.give(emptied)
	}
	q.from++
	return q.first.all[q.from-1]
}

// spare are emptied entries, to be filled again.
type spare struct {
	mu  sync.Mutex
	all []*entries
}

func (s *spare) take() *entries {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.all)
	if n == 0 {
		return &entries{}
	}
	e := s.all[n-1]
	s.all = s.all[:n-1]
	return e
}

func (s *spare) give(e *entries) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.next = nil
	s.all = append(s.all, e)
}

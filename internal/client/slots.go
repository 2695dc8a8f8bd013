package client

import (
	"iter"
	"sync"
)

const (
	// slotsAtOnce are made together, so that few objects are made, and returnedAtOnce go
	// back to the sender together.
	slotsAtOnce, returnedAtOnce = 256, 64
	// bytesAtOnce bounds how many of values these are.
	bytesAtOnce = 1 << 20
)

// Slots are what a producer keeps of its records, S for each, from Record to its
// acknowledgement and then for the next one. Take and Back are the sender's; Give is
// called by whoever acknowledges, one call at a time.
type Slots[S any] struct {
	size  int
	begin func(s *S, own []byte)
	most  int // made at once
	made  [][]S
	free  []*S
	done  []*S // of Give

	mu       sync.Mutex
	returned []*S
}

// NewSlots makes slots with own bytes for a value of size; begin is told them once of
// each slot.
func NewSlots[S any](size int, begin func(s *S, own []byte)) *Slots[S] {
	return &Slots[S]{size: size, begin: begin, most: max(1, min(slotsAtOnce, bytesAtOnce/max(1, size)))}
}

// Take gives a free slot, or makes some.
func (p *Slots[S]) Take() *S {
	if len(p.free) == 0 {
		p.mu.Lock()
		p.free, p.returned = p.returned, p.free
		p.mu.Unlock()
	}
	if len(p.free) == 0 {
		p.grow()
	}
	last := len(p.free) - 1
	s := p.free[last]
	p.free = p.free[:last]
	return s
}

func (p *Slots[S]) grow() {
	fresh := make([]S, p.most)
	values := make([]byte, len(fresh)*p.size)
	for i := range fresh {
		p.begin(&fresh[i], values[i*p.size:(i+1)*p.size:(i+1)*p.size])
		p.free = append(p.free, &fresh[i])
	}
	p.made = append(p.made, fresh)
}

// Back takes a slot back that was never sent.
func (p *Slots[S]) Back(s *S) { p.free = append(p.free, s) }

// Give puts a slot back, many at a time.
func (p *Slots[S]) Give(s *S) {
	p.done = append(p.done, s)
	if len(p.done) < min(returnedAtOnce, p.most) {
		return
	}
	p.mu.Lock()
	p.returned = append(p.returned, p.done...)
	p.mu.Unlock()
	p.done = p.done[:0]
}

// All are those that were made, wherever they are, for when the sender has ended.
func (p *Slots[S]) All() iter.Seq[*S] {
	return func(yield func(*S) bool) {
		for _, made := range p.made {
			for i := range made {
				if !yield(&made[i]) {
					return
				}
			}
		}
	}
}

// Room bounds what a producer may have under way.
type Room struct {
	// Records are at most as many; Bytes, of keys and values, at most as many, or 0 for
	// no bound.
	Records, Bytes int64
}

// Fits says whether a record of size bytes may be queued beside so many records and
// bytes when eighths of the bounds are to stay free: a sender that waits is not woken for
// a single place, which would make batches of one record. Anything fits an empty queue.
func (r Room) Fits(records, bytes, size, eighths int64) bool {
	if records == 0 {
		return true
	}
	if records >= r.Records-r.Records*eighths/8 {
		return false
	}
	return r.Bytes == 0 || bytes+size <= r.Bytes-r.Bytes/8*eighths
}

package sarama

import (
	"context"

	"github.com/IBM/sarama"

	"redline/internal/client"
)

const (
	// slabRecords is the most that one batch has. sarama hands out single records;
	// those that are there already are gathered.
	slabRecords = 1024
	// slabsEach is how many a partition has: one in the hands of the workload, one
	// that fills up meanwhile.
	slabsEach = 2
)

// slab is successive records of one partition.
type slab struct {
	reading  *reading
	messages []*sarama.ConsumerMessage
}

var _ client.Batch = (*slab)(nil)

func (s *slab) Partition() int32 { return s.reading.partition }

// LeaderEpoch is what sarama does not tell.
func (s *slab) LeaderEpoch() int32 { return -1 }

func (s *slab) Len() int { return len(s.messages) }

func (s *slab) Each(f func(offset int64, key, value []byte)) {
	for _, m := range s.messages {
		f(m.Offset, m.Key, m.Value)
	}
}

// drain takes the records that are there, as far as they fit. It is false when no
// more will come.
func (s *slab) drain(in <-chan *sarama.ConsumerMessage) bool {
	for len(s.messages) < cap(s.messages) {
		select {
		case m, open := <-in:
			if !open {
				return false
			}
			s.messages = append(s.messages, m)
		default:
			return true
		}
	}
	return true
}

// reading is one partition that is read, from one offset on, until it is stopped.
type reading struct {
	partition int32
	stopped   context.Context
	// mark is told the offset due next when records were handed out; nil: nobody
	// wants to know.
	mark func(next int64)
	// over says that what is still collected must not be handed out; consumer.handing
	// guards it.
	over  bool
	empty chan *slab
}

func newReading(stopped context.Context, partition int32, mark func(int64)) *reading {
	r := &reading{partition: partition, stopped: stopped, mark: mark, empty: make(chan *slab, slabsEach)}
	for range slabsEach {
		r.empty <- &slab{reading: r, messages: make([]*sarama.ConsumerMessage, 0, slabRecords)}
	}
	return r
}

// collect gathers records into slabs and offers them to full, until in is closed
// and all of it was taken, or the reading is stopped. While nobody takes a slab,
// records are added to it.
func (r *reading) collect(in <-chan *sarama.ConsumerMessage, full chan<- *slab) {
	s := <-r.empty
	for {
		open := s.drain(in)
		more, out := in, full
		if len(s.messages) == cap(s.messages) || !open {
			more = nil
		}
		if len(s.messages) == 0 {
			if !open {
				return
			}
			out = nil
		}
		select {
		case m, ok := <-more:
			if ok {
				s.messages = append(s.messages, m)
			}
		case out <- s:
			if s = r.next(); s == nil {
				return
			}
		case <-r.stopped.Done():
			return
		}
	}
}

// next is an empty slab; nil when the reading was stopped before there was one.
func (r *reading) next() *slab {
	select {
	case s := <-r.empty:
		return s
	case <-r.stopped.Done():
		return nil
	}
}

// recycle takes a slab back, and lets go of its records.
func (s *slab) recycle() {
	clear(s.messages)
	s.messages = s.messages[:0]
	s.reading.empty <- s
}

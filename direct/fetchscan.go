package direct

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"redline/direct/batch"
	"redline/direct/wire"
)

// The versions of Fetch that are read by hand: from the first with message format 2 to
// the first that names topics by id.
const (
	fetchKey        = 1
	oldestFetch     = 4
	newestFetch     = 13
	fetchHasCode    = 7  // an error of its own, and a session
	fetchHasReplica = 11 // to read from
	fetchIsFlexible = 12
	fetchByID       = 13
)

var (
	errAnswer   = errors.New("the broker's answer ends too early, or has bytes too many")
	errProgress = errors.New("the broker sent bytes without a whole batch")
)

// response is what a fetch brought, in a buffer that is used again.
type response struct {
	lane    *lane
	readers atomic.Int32 // that are not done with it
	buf     []byte
	chunks  []chunk
	aborted []abortedTransaction
	troubles
}

// chunk is what a response has of one partition.
type chunk struct {
	of         *assignment
	slot       *slot // of the lane that fetched it
	generation uint32
	from, next int64 // what was asked for; what to ask for then
	lastEpoch  int32
	bytes      []byte
	largest    int // bytes of the largest batch
	// aborted[a:b] of the response are the aborted transactions among its records.
	abortedFrom, abortedTo int
}

// abortedTransaction is one whose records begin at an offset.
type abortedTransaction struct{ producer, first int64 }

// troubles are the partitions of an answer that have an error.
type troubles []trouble

type trouble struct {
	of         *assignment
	generation uint32
	err        error
}

// scanner reads fetch responses.
type scanner struct {
	version int16
	topic   string
	topicID [16]byte
	// committed: how far records can be read ends with the last stable offset.
	committed bool
}

// head is what an answer says of itself.
type head struct {
	throttleMillis int32
	session        int32
	err            error
}

// scan reads the answer to a fetch of the plan. high is told how far each partition can
// be read.
func (s *scanner) scan(body []byte, f *flight, p *fetchPlan, r *response, high func(*slot, int64)) (head, error) {
	r.chunks, r.aborted, r.troubles = r.chunks[:0], r.aborted[:0], r.troubles[:0]
	c := wire.NewCursor(body)
	h := head{throttleMillis: c.Int32()}
	if s.version >= fetchHasCode {
		h.err = kerr.ErrorForCode(c.Int16())
		h.session = c.Int32()
	}
	for range s.items(&c, 2) {
		if err := s.scanTopic(&c, f, p, r, high); err != nil {
			return h, err
		}
	}
	s.tags(&c)
	if c.Bad() || c.Left() > 0 {
		return h, errAnswer
	}
	return h, nil
}

func (s *scanner) scanTopic(c *wire.Cursor, f *flight, p *fetchPlan, r *response, high func(*slot, int64)) error {
	switch {
	case s.version >= fetchByID:
		if id := c.UUID(); !c.Bad() && id != s.topicID {
			return fmt.Errorf("the broker answered about topic id %x, where that of %q is %x", id, s.topic, s.topicID)
		}
	default:
		if name := s.text(c); !c.Bad() && string(name) != s.topic {
			return fmt.Errorf("the broker answered about topic %q, where %q was asked for", name, s.topic)
		}
	}
	for range s.items(c, 30) {
		if err := s.scanPartition(c, f, p, r, high); err != nil {
			return err
		}
	}
	s.tags(c)
	return nil
}

func (s *scanner) scanPartition(c *wire.Cursor, f *flight, p *fetchPlan, r *response, high func(*slot, int64)) error {
	id, code, end, stable := c.Int32(), c.Int16(), c.Int64(), c.Int64()
	if s.version >= 5 {
		c.Int64() // start of the log
	}
	abortedFrom := len(r.aborted)
	for range s.items(c, 16) {
		r.aborted = append(r.aborted, abortedTransaction{producer: c.Int64(), first: c.Int64()})
		s.tags(c)
	}
	if s.version >= fetchHasReplica {
		c.Int32()
	}
	bytes := s.bytes(c)
	s.tags(c)
	if c.Bad() {
		return errAnswer
	}
	at := p.byID[id]
	if at == nil || !f.expects(at) {
		return fmt.Errorf("the broker answered about partition %d, which was not asked for or answered about already", id)
	}
	at.answered = f.correlation
	if code != 0 {
		r.troubles = append(r.troubles, trouble{at.a, at.generation, kerr.ErrorForCode(code)})
		return nil
	}
	if s.committed {
		end = stable
	}
	high(at, end)
	if len(bytes) == 0 {
		return nil
	}
	made := chunk{of: at.a, slot: at, generation: at.generation, from: at.from, bytes: bytes, abortedFrom: abortedFrom, abortedTo: len(r.aborted)}
	if err := made.skim(); err != nil {
		return fmt.Errorf("partition %d, offset %d: %w", id, at.from, err)
	}
	r.chunks = append(r.chunks, made)
	return nil
}

// skim reads the headers of a chunk's batches: what to fetch next is known before a
// record is looked at.
func (c *chunk) skim() error {
	c.next = c.from
	rest := c.bytes
	for {
		b, after, whole, err := batch.Cut(rest)
		if err != nil {
			return err
		}
		if !whole {
			break
		}
		c.largest = max(c.largest, len(rest)-len(after))
		rest = after
		if b.LastOffset() < c.from {
			continue // of before what was asked for
		}
		if b.FirstOffset() < c.next && c.next != c.from {
			return fmt.Errorf("a batch from offset %d follows one that ends with %d", b.FirstOffset(), c.next-1)
		}
		c.next, c.lastEpoch = b.LastOffset()+1, b.LeaderEpoch()
	}
	if c.next == c.from {
		return errProgress
	}
	c.bytes = c.bytes[:len(c.bytes)-len(rest)] // without the one that is cut off
	return nil
}

// items is the length of an array whose elements take at least size bytes each.
func (s *scanner) items(c *wire.Cursor, size int) int {
	if s.version >= fetchIsFlexible {
		return c.Items(c.Uvarint()-1, size)
	}
	return c.Items(int64(c.Int32()), size)
}

func (s *scanner) bytes(c *wire.Cursor) []byte {
	if s.version >= fetchIsFlexible {
		return c.Compact()
	}
	return c.Bytes()
}

func (s *scanner) text(c *wire.Cursor) []byte {
	if s.version >= fetchIsFlexible {
		return c.Compact()
	}
	return c.String()
}

func (s *scanner) tags(c *wire.Cursor) {
	if s.version >= fetchIsFlexible {
		c.Tags()
	}
}

package franz

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// maxIdleRecords bounds the records that a pool keeps for later, 160 bytes
// each; two responses of 4 MiB with records of 10 bytes fit.
const maxIdleRecords = 1 << 18

// slabs is where kgo takes its slices of records from, and puts them back when
// each of their records has been recycled. A sync.Pool would be emptied by
// every second garbage collection.
type slabs struct {
	mu   sync.Mutex
	idle [][]kgo.Record
	held int
}

var _ kgo.PoolRecords = (*slabs)(nil)

// GetRecords gives a slice with room for n records.
func (s *slabs) GetRecords(n int) []kgo.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.idle) - 1; i >= 0; i-- {
		slab := s.idle[i]
		if cap(slab) < n {
			continue
		}
		last := len(s.idle) - 1
		s.idle[i] = s.idle[last]
		s.idle[last] = nil
		s.idle = s.idle[:last]
		s.held -= cap(slab)
		return slab
	}
	return make([]kgo.Record, n)
}

// PutRecords takes a slice back.
func (s *slabs) PutRecords(slab []kgo.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held+cap(slab) > maxIdleRecords {
		return
	}
	s.held += cap(slab)
	s.idle = append(s.idle, slab)
}

// inflated is where kgo decompresses into. Recycling zeroes the whole buffer,
// so a buffer must not be much larger than its batch: it starts at the size of
// the compressed batch and grows by use to what batches of this topic need.
type inflated struct{ idle sync.Pool }

var _ kgo.PoolDecompressBytes = (*inflated)(nil)

// GetDecompressBytes gives a buffer that kgo may grow.
func (p *inflated) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	if buffer, ok := p.idle.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, 0, 2*len(compressed))
}

// PutDecompressBytes takes a buffer back.
func (p *inflated) PutDecompressBytes(buffer []byte) { p.idle.Put(&buffer) }

package direct

import (
	"encoding/binary"
	"time"
)

// produceRequest is a request with batches, from its composition until it is answered.
type produceRequest struct {
	id         uint64
	partitions []*producePartition
	bytes      int // of batches
	sent       time.Time
}

func (r *produceRequest) reset(id uint64) {
	clear(r.partitions)
	r.id, r.partitions, r.bytes = id, r.partitions[:0], 0
}

// produceTopic is a topic as requests and answers name it: by name, and by id from
// produceByID on.
type produceTopic struct {
	name string
	id   [16]byte
}

// produceEncoder writes the body of a request: what is between the batches goes into one
// buffer, and the batches stay where they are.
type produceEncoder struct {
	flexible bool
	start    []byte // transaction, acks, timeout, one topic and what it is called

	between []byte
	ends    []int // of the piece before each batch
	batches [][]byte
	pieces  [][]byte
}

func newProduceEncoder(version int16, topic produceTopic, acks Acks, timeout time.Duration) produceEncoder {
	be := binary.BigEndian
	e := produceEncoder{flexible: version >= produceIsFlexible}
	if e.flexible {
		e.start = append(e.start, 0) // no transaction
	} else {
		e.start = be.AppendUint16(e.start, 1<<16-1)
	}
	e.start = be.AppendUint16(e.start, uint16(acks.wire()))
	e.start = be.AppendUint32(e.start, uint32(timeout.Milliseconds()))
	e.start = e.count(e.start, 1)
	switch {
	case version >= produceByID:
		e.start = append(e.start, topic.id[:]...)
		return e
	case e.flexible:
		e.start = binary.AppendUvarint(e.start, uint64(len(topic.name)+1))
	default:
		e.start = be.AppendUint16(e.start, uint16(len(topic.name)))
	}
	e.start = append(e.start, topic.name...)
	return e
}

// count appends the length of an array, or of bytes.
func (e *produceEncoder) count(to []byte, n int) []byte {
	if e.flexible {
		return binary.AppendUvarint(to, uint64(n+1))
	}
	return binary.BigEndian.AppendUint32(to, uint32(n))
}

func (e *produceEncoder) begin() {
	e.between, e.ends = e.between[:0], e.ends[:0]
	clear(e.batches)
	clear(e.pieces)
	e.batches, e.pieces = e.batches[:0], e.pieces[:0]
}

// add appends a batch of a partition.
func (e *produceEncoder) add(partition int32, batch []byte) {
	if e.flexible && len(e.batches) > 0 {
		e.between = append(e.between, 0) // no tags of the partition before
	}
	e.between = binary.BigEndian.AppendUint32(e.between, uint32(partition))
	e.between = e.count(e.between, len(batch))
	e.ends = append(e.ends, len(e.between))
	e.batches = append(e.batches, batch)
}

// finish returns the body, in pieces that are valid until begin.
func (e *produceEncoder) finish() [][]byte {
	number := len(e.between)
	e.between = e.count(e.between, len(e.batches))
	e.pieces = append(e.pieces, e.start, e.between[number:])
	from := 0
	for i, end := range e.ends {
		e.pieces = append(e.pieces, e.between[from:end], e.batches[i])
		from = end
	}
	if e.flexible {
		e.pieces = append(e.pieces, produceNoTags)
	}
	return e.pieces
}

// produceNoTags are those of the last partition, the topic and the request.
var produceNoTags = []byte{0, 0, 0}

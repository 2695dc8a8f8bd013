package broker

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"time"
)

const (
	// mostPreparedBytes and mostPreparedRecords bound a prepared batch, but for the one
	// record that it holds at least. Batches of this size are what a tuned producer makes.
	mostPreparedBytes   = 128 << 10
	mostPreparedRecords = 1024
	// mostPreparedField bounds keys and values that are given back.
	mostPreparedField = 1 << 20
	// shapeRest is how long a topic's records keep their size at least: a producer of
	// records of all sizes must not have batches built all the time.
	shapeRest = time.Second
)

// batchHead is the length of a record batch before its records, batchLengthEnd of what
// its own field for the length leaves out, and batchCRCEnd of what its CRC does.
const (
	batchHead      = 61
	batchLengthEnd = 12
	batchCRCEnd    = 21
)

// shape is the size of a record's key and value in bytes; -1 stands for null.
type shape struct{ key, value int32 }

// usualShape is what a topic's records have until one was written.
var usualShape = shape{key: -1, value: 100}

// shapes are kept in a word, so that they are read and written without a lock.
func (s shape) pack() uint64        { return uint64(uint32(s.key))<<32 | uint64(uint32(s.value)) }
func unpackShape(word uint64) shape { return shape{int32(word >> 32), int32(word)} }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// prepared are batches of 1, 2, 4 … records of one shape. They share the bytes of their
// records; where a batch stands in a log is in front of its CRC, so that only the base
// offset is written anew each time it is sent.
type prepared struct {
	shape   shape
	made    time.Time
	records []byte
	// heads[i] and ends[i] are the head of the batch of 1<<i records and how far its
	// records go.
	heads [][batchHead]byte
	ends  []int
}

// prepare builds them, with the records' time.
func prepare(s shape, at time.Time) *prepared {
	p := &prepared{shape: s, made: time.Now()}
	key, value := filled('k', s.key), filled('v', s.value)
	for n := 1; n <= mostPreparedRecords; n *= 2 {
		for i := n / 2; i < n; i++ {
			p.records = appendRecord(p.records, i, key, value)
		}
		if n > 1 && batchHead+len(p.records) > mostPreparedBytes {
			p.records = p.records[:p.ends[len(p.ends)-1]]
			break
		}
		p.heads = append(p.heads, newBatchHead(n, p.records, at))
		p.ends = append(p.ends, len(p.records))
	}
	return p
}

// filled is nil for null.
func filled(letter byte, n int32) []byte {
	if n < 0 {
		return nil
	}
	text := make([]byte, min(n, mostPreparedField))
	for i := range text {
		text[i] = letter
	}
	return text
}

// appendRecord writes a record without headers, at the batch's first time.
func appendRecord(out []byte, offsetDelta int, key, value []byte) []byte {
	var head, middle [16]byte
	h := binary.AppendVarint(append(head[:0], 0, 0), int64(offsetDelta)) // behind attributes and difference in time
	h = binary.AppendVarint(h, fieldLength(key))
	m := binary.AppendVarint(middle[:0], fieldLength(value))
	out = binary.AppendVarint(out, int64(len(h)+len(key)+len(m)+len(value)+1))
	out = append(append(append(append(out, h...), key...), m...), value...)
	return append(out, 0)
}

func fieldLength(field []byte) int64 {
	if field == nil {
		return -1
	}
	return int64(len(field))
}

// newBatchHead is the head of a batch of n records at offset 0, nobody's.
func newBatchHead(n int, records []byte, at time.Time) [batchHead]byte {
	b := binary.BigEndian
	var h [batchHead]byte
	b.PutUint32(h[8:], uint32(batchHead-batchLengthEnd+len(records)))
	h[16] = 2
	b.PutUint32(h[23:], uint32(n-1))
	b.PutUint64(h[27:], uint64(at.UnixMilli()))
	b.PutUint64(h[35:], uint64(at.UnixMilli()))
	for i := 43; i < 57; i++ {
		h[i] = 0xff // no producer id, no epoch, no sequence
	}
	b.PutUint32(h[57:], uint32(n))
	crc := crc32.Update(crc32.Checksum(h[batchCRCEnd:], castagnoli), castagnoli, records)
	b.PutUint32(h[17:], crc)
	return h
}

// most is the largest batch of at most so many records; there must be one.
func (p *prepared) most(records int64) int {
	return min(bits.Len64(uint64(records))-1, len(p.ends)-1)
}

func (p *prepared) size(batch int) int { return batchHead + p.ends[batch] }

// appendHead writes the head of a batch that begins at the offset.
func (p *prepared) appendHead(out []byte, batch int, offset int64) []byte {
	at := len(out)
	out = append(out, p.heads[batch][:]...)
	binary.BigEndian.PutUint64(out[at:], uint64(offset))
	return out
}

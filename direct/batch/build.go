package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"
)

// Header is a header of a record; a nil Value is null.
type Header struct {
	Key   string
	Value []byte
}

// Builder makes one batch after the other, in place: Begin, then Append or Reserve for
// each record, then Seal. It is not safe for concurrent use.
type Builder struct {
	buf        []byte // header and records
	count      int
	first, max int64 // timestamps
}

const (
	// tooLong is the first number of more than three bytes.
	tooLong = 1 << 21
	// recordOverhead is the most that a record without headers has beside key and value:
	// its length, attributes, timestamp, offset, and the lengths of key, value and headers.
	recordOverhead = 5 + 1 + 10 + 5 + 5 + 5 + 5
	// headerOverhead is the most that a header has beside key and value.
	headerOverhead = 5 + 5
	// recordSlack is capacity behind a record with which its numbers can be written eight
	// bytes at once.
	recordSlack = 16
)

// mostSealed is the most bytes that a batch is sealed with: its length has 31 bits, and what
// cannot be compressed takes a sixth more.
const mostSealed = 3 << 29

var errNoRecords = errors.New("a batch without a record cannot be sealed")

// Begin begins an empty batch that uses buf's storage, from its beginning; it grows where
// its capacity is less than Size. Of what an earlier batch was built in nothing is kept.
func (b *Builder) Begin(buf []byte) {
	b.buf = grow(buf[:0], headerSize)
	b.count = 0
}

// Append appends a record: its timestamp in milliseconds since 1970, key and value (nil
// for null) and headers.
func (b *Builder) Append(ms int64, key, value []byte, headers []Header) {
	n := len(value)
	if value == nil {
		n = -1
	}
	copy(b.Reserve(ms, key, n, headers), value)
}

// Reserve appends a record and returns the bytes of its value, which hold anything and are
// to be filled before the next call. A valueLen of -1 is null.
func (b *Builder) Reserve(ms int64, key []byte, valueLen int, headers []Header) (value []byte) {
	if b.count == 0 {
		b.first, b.max = ms, ms
	}
	b.max = max(b.max, ms)
	due := zigzag(ms - b.first)
	if key != nil || len(headers) > 0 || uint(valueLen) >= tooLong>>2 || due >= tooLong || b.count >= tooLong>>1 {
		return b.reserve(due, key, valueLen, headers)
	}
	// A record without key and headers, whose numbers have up to three bytes.
	dueBytes, dueSize := spread(due)
	numberBytes, numberSize := spread(uint64(b.count) << 1)
	sizeBytes, sizeSize := spread(uint64(valueLen) << 1)
	inside := 3 + int(dueSize+numberSize+sizeSize)/8 + valueLen // attributes, no key, no headers
	insideBytes, insideSize := spread(uint64(inside) << 1)
	at := len(b.buf)
	end := at + int(insideSize)/8 + inside
	if end+recordSlack > cap(b.buf) {
		return b.reserve(due, key, valueLen, headers)
	}
	b.buf = b.buf[:end]
	to := b.buf[at : end+recordSlack]
	binary.LittleEndian.PutUint64(to, insideBytes|dueBytes<<(insideSize+8))
	at = int(insideSize+8+dueSize) / 8
	binary.LittleEndian.PutUint64(to[at:], numberBytes|nullSize<<numberSize|sizeBytes<<(numberSize+8))
	at += int(numberSize+8+sizeSize) / 8
	value = to[at : at+valueLen : at+valueLen]
	to[at+valueLen] = 0
	b.count++
	return value
}

// spread is how a number below tooLong is written, in the lowest bytes (little endian), and
// their size in bits.
func spread(n uint64) (x uint64, size uint) {
	switch {
	case n < 1<<7:
		return n, 8
	case n < 1<<14:
		return n&0x7f | n<<1&0x7f00 | 0x80, 16
	}
	return n&0x7f | n<<1&0x7f00 | n<<2&0x7f0000 | 0x8080, 24
}

// reserve is Reserve for every record.
func (b *Builder) reserve(due uint64, key []byte, valueLen int, headers []Header) []byte {
	number := uint64(b.count) << 1
	inside := 1 + uvarintSize(due) + uvarintSize(number) + bytesSize(len(key)) + bytesSize(max(valueLen, 0)) + headersSize(headers)
	to := grow(b.buf, uvarintSize(uint64(inside)<<1)+inside)[:len(b.buf)]
	to = binary.AppendVarint(to, int64(inside))
	to = append(to, 0) // attributes, which have no meaning
	to = binary.AppendUvarint(to, due)
	to = binary.AppendUvarint(to, number)
	to = appendBytes(to, key)
	to = binary.AppendVarint(to, int64(max(valueLen, -1)))
	from := len(to)
	var value []byte
	if valueLen >= 0 {
		to = to[:from+valueLen]
		value = to[from : from+valueLen : from+valueLen]
	}
	to = binary.AppendVarint(to, int64(len(headers)))
	for i := range headers {
		h := &headers[i]
		to = binary.AppendVarint(to, int64(len(h.Key)))
		to = append(to, h.Key...)
		to = appendBytes(to, h.Value)
	}
	b.buf = to
	b.count++
	return value
}

// appendBytes appends a slice with its length before it, -1 for nil.
func appendBytes(to, b []byte) []byte {
	if b == nil {
		return append(to, nullSize)
	}
	return append(binary.AppendVarint(to, int64(len(b))), b...)
}

// headersSize is the size of headers with their number.
func headersSize(headers []Header) int {
	n := uvarintSize(uint64(len(headers)) << 1)
	for i := range headers {
		n += bytesSize(len(headers[i].Key)) + bytesSize(len(headers[i].Value))
	}
	return n
}

// bytesSize is the size of n bytes with their length before them, or of null for 0.
func bytesSize(n int) int { return uvarintSize(uint64(n)<<1) + n }

// uvarintSize is the size of an unsigned number.
func uvarintSize(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }

func zigzag(n int64) uint64 { return uint64(n)<<1 ^ uint64(n>>63) }

// grow is buf with n more bytes, which hold anything. It doubles where it has to make room.
func grow(buf []byte, n int) []byte {
	need := len(buf) + n
	if need > cap(buf) {
		buf = append(make([]byte, 0, max(need, 2*cap(buf))), buf...)
	}
	return buf[:need]
}

// Len is the number of records so far.
func (b *Builder) Len() int { return b.count }

// Size is the size of the batch if it were sealed now without compression, in bytes.
func (b *Builder) Size() int { return len(b.buf) }

// SizeWith is what Size is at most after one more record with such a key, value and
// headers.
func (b *Builder) SizeWith(key []byte, valueLen int, headers []Header) int {
	n := len(b.buf) + recordOverhead + len(key) + max(valueLen, 0)
	if len(headers) > 0 {
		n += sizeOf(headers)
	}
	return n
}

// sizeOf is the most that headers add.
func sizeOf(headers []Header) (n int) {
	for i := range headers {
		n += headerOverhead + len(headers[i].Key) + len(headers[i].Value)
	}
	return n
}

// Seal writes the header and returns the whole batch: of no producer that is known to the
// broker (Identify changes that), from offset 0, with the timestamps of the records. With
// a codec the records are compressed into dst's storage, from its beginning, and the batch
// lies there; without one it lies where it was built, and c and dst are not looked at.
//
// After Seal the builder waits for Begin. A batch without records, a codec that does not
// exist or a level that it does not have is an error.
func (b *Builder) Seal(codec Codec, c *Compressor, dst []byte) ([]byte, error) {
	raw := b.buf
	switch {
	case b.count == 0:
		return nil, errNoRecords
	case len(raw) > mostSealed:
		return nil, fmt.Errorf("a batch of %d records has %d bytes, and no batch can have more than %d", b.count, len(raw), mostSealed)
	case codec != None:
		var err error
		if raw, err = c.append(codec, grow(dst[:0], headerSize), raw[headerSize:]); err != nil {
			return nil, fmt.Errorf("cannot compress a batch of %d records: %w", b.count, err)
		}
	}
	be := binary.BigEndian
	be.PutUint64(raw, 0)
	be.PutUint32(raw[lengthAt:], uint32(len(raw)-afterLength))
	be.PutUint32(raw[epochAt:], math.MaxUint32) // -1
	raw[magicAt] = magic2
	be.PutUint16(raw[attributesAt:], uint16(codec))
	be.PutUint32(raw[lastDeltaAt:], uint32(b.count-1))
	be.PutUint64(raw[firstTimeAt:], uint64(b.first))
	be.PutUint64(raw[maxTimeAt:], uint64(b.max))
	putIdentity(raw, -1, -1, -1)
	be.PutUint32(raw[countAt:], uint32(b.count))
	be.PutUint32(raw[crcAt:], crc32.Checksum(raw[attributesAt:], castagnoli))
	return raw, nil
}

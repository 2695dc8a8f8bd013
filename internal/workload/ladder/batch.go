package ladder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A record batch of message format 2, as it is on the wire and in the log:
//
//	 0 base offset       8 bytes    27 first timestamp  8
//	 8 length of the rest 4         35 max timestamp    8
//	12 leader epoch      4          43 producer id      8
//	16 magic             1          51 producer epoch   2
//	17 CRC-32C           4          53 base sequence    4
//	21 attributes        2          57 records          4
//	23 last offset delta 4          61 the records
const (
	lengthAt     = 8
	afterLength  = 12
	epochAt      = 12
	magicAt      = 16
	crcAt        = 17
	attributesAt = 21 // and all that the CRC is over
	lastDeltaAt  = 23
	firstTimeAt  = 27
	maxTimeAt    = 35
	producerAt   = 43
	sequenceAt   = 53
	countAt      = 57
	headerSize   = 61

	codecMask     = 0x07
	logAppendTime = 0x08
	controlBatch  = 0x20

	// smallestRecord is a record of nothing: seven fields of a byte.
	smallestRecord = 7
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is one record batch: what its header says, and the bytes.
type batch struct {
	raw        []byte // header and records
	base, last int64  // offsets
	count      int    // of records
	attributes int16
}

func (b *batch) epoch() int32     { return int32(binary.BigEndian.Uint32(b.raw[epochAt:])) }
func (b *batch) firstTime() int64 { return int64(binary.BigEndian.Uint64(b.raw[firstTimeAt:])) }
func (b *batch) maxTime() int64   { return int64(binary.BigEndian.Uint64(b.raw[maxTimeAt:])) }
func (b *batch) records() []byte  { return b.raw[headerSize:] }
func (b *batch) codec() codec     { return codec(b.attributes & codecMask) }

// control says that it holds marks of transactions, which are no reader's records.
func (b *batch) control() bool { return b.attributes&controlBatch != 0 }

// cut takes the first batch off bytes from a broker. The batch has no raw bytes where
// none is whole: a broker ends a response wherever its limit is.
func cut(bytes []byte) (b batch, rest []byte, err error) {
	if len(bytes) <= magicAt {
		return batch{}, nil, nil
	}
	if magic := bytes[magicAt]; magic != 2 {
		return batch{}, nil, fmt.Errorf("message format %d, where rungs read format 2 alone", magic)
	}
	length := int64(int32(binary.BigEndian.Uint32(bytes[lengthAt:])))
	if length < headerSize-afterLength {
		return batch{}, nil, fmt.Errorf("a batch that claims %d bytes", length)
	}
	if length > int64(len(bytes)-afterLength) {
		return batch{}, nil, nil
	}
	b.raw = bytes[: afterLength+length : afterLength+length]
	return b, bytes[afterLength+length:], b.read()
}

// read fills in what the header says, which has to be possible.
func (b *batch) read() error {
	lastDelta := int32(binary.BigEndian.Uint32(b.raw[lastDeltaAt:]))
	count := int32(binary.BigEndian.Uint32(b.raw[countAt:]))
	b.base = int64(binary.BigEndian.Uint64(b.raw))
	b.last = b.base + int64(lastDelta)
	b.count = int(count)
	b.attributes = int16(binary.BigEndian.Uint16(b.raw[attributesAt:]))
	switch {
	case b.base < 0 || lastDelta < 0 || b.last < b.base || b.last+1 < 0:
		return fmt.Errorf("a batch from offset %d, the last %d after it", b.base, lastDelta)
	case count < 0 || count > lastDelta+1 && lastDelta < 1<<31-1:
		return fmt.Errorf("a batch of %d records, whose offsets end %d after the first", count, lastDelta)
	case b.codec() == uncompressed && b.count > len(b.records())/smallestRecord:
		return fmt.Errorf("a batch of %d records in %d bytes", count, len(b.records()))
	}
	return nil
}

// intact says whether the CRC holds.
func (b *batch) intact() bool {
	return crc32.Checksum(b.raw[attributesAt:], castagnoli) == binary.BigEndian.Uint32(b.raw[crcAt:])
}

// within is how many records have offsets from from up to, not including, end, by the
// header alone: a batch that lies across one of the two is taken to have no holes.
func (b *batch) within(from, end int64) int {
	if b.control() {
		return 0
	}
	return int(max(0, int64(b.count)-max(0, from-b.base)-max(0, b.last+1-end)))
}

var (
	errNotARecord = errors.New("bytes that are no record")
	errLeftBytes  = errors.New("bytes after its last record")
	errOffset     = errors.New("records out of order")
)

// walk goes through the records of a batch in place, from one to the next.
type walk struct {
	// The record in hand, as slices of the bytes that it stands in.
	offset     int64
	time       int64 // milliseconds since 1970
	key, value []byte
	// headers are as they were sent, each a key and a value with their lengths; nil for
	// none.
	headers []byte

	b    []byte
	at   int
	left int // records to come
	err  error

	base, last int64 // offsets of the batch
	// The timestamp is time0 plus timeScale times the record's own delta: all have the
	// batch's where the broker stamped them.
	time0, timeScale int64
}

// walk begins before the first record; records are those of the batch, decompressed.
func (b *batch) walk(records []byte) walk {
	w := walk{b: records, left: b.count, base: b.base, last: b.last, offset: b.base - 1, time0: b.firstTime(), timeScale: 1}
	if b.attributes&logAppendTime != 0 {
		w.time0, w.timeScale = b.maxTime(), 0
	}
	return w
}

// next takes the next record in hand. It returns false behind the last one, and where
// there is something that cannot be, with err set.
func (w *walk) next() bool {
	if w.left == 0 {
		if w.at != len(w.b) {
			w.err = errLeftBytes
		}
		return false
	}
	w.left--
	timeDelta, delta, end := w.parse()
	offset := w.base + delta
	if end < 0 || offset <= w.offset || offset > w.last {
		return w.fail(end)
	}
	w.at, w.offset, w.time = end, offset, w.time0+w.timeScale*timeDelta
	return true
}

func (w *walk) fail(end int) bool {
	w.err, w.left = errOffset, 0
	if end < 0 {
		w.err = errNotARecord
	}
	w.at = len(w.b)
	return false
}

// parse reads the record at w.at, and returns where the next one begins, or -1. The
// usual record has no key, no headers, and numbers of up to three bytes; it is read
// without a call.
func (w *walk) parse() (timeDelta, delta int64, end int) {
	if len(w.b)-w.at < shortSize {
		return w.parseAny()
	}
	p := (*[shortSize]byte)(w.b[w.at:])
	length, i := short(p, 0)
	due, j := short(p, i+1) // after the attributes, which have no meaning
	number, j := short(p, j)
	key, j := short(p, j)
	value, j := short(p, j)
	from := w.at + j
	to := from + int(value>>1)
	end = w.at + i + int(length>>1)
	const noKey = 1 // -1, zigzag
	if (length|due|number|value) >= tooLong || key != noKey || (length|value)&1 != 0 || to+1 != end || end > len(w.b) || w.b[to] != 0 {
		return w.parseAny()
	}
	w.key, w.value, w.headers = nil, w.b[from:to:to], nil
	return unzigzag(due), unzigzag(number), end
}

const (
	shortSize = 32      // of what short looks at; five numbers and a byte need 16
	tooLong   = 1 << 21 // and more is no number of three bytes
)

// short reads a number of up to three bytes, not yet unzigzagged; a longer one comes
// out as tooLong or more.
func short(p *[shortSize]byte, i int) (uint64, int) {
	n := uint64(p[i&(shortSize-1)])
	i++
	if n >= 1<<7 {
		n = n&(1<<7-1) | uint64(p[i&(shortSize-1)])<<7
		i++
		if n >= 1<<14 {
			n = n&(1<<14-1) | uint64(p[i&(shortSize-1)])<<14
			i++
		}
	}
	return n, i
}

// parseAny is parse for every record.
func (w *walk) parseAny() (timeDelta, delta int64, end int) {
	length, at := varint(w.b, w.at)
	if at < 0 || length < 0 || length > int64(len(w.b)-at) {
		return 0, 0, -1
	}
	end = at + int(length)
	b := w.b[:end]
	timeDelta, at = varint(b, at+1)
	delta, at = varint(b, at)
	w.key, at = field(b, at)
	w.value, at = field(b, at)
	count, at := varint(b, at)
	if at < 0 || count < 0 || count > int64(end-at)/2 {
		return 0, 0, -1
	}
	w.headers = b[at:end:end]
	if at = passHeaders(b, at, count); at != end {
		return 0, 0, -1
	}
	return timeDelta, delta, end
}

// passHeaders returns where so many headers end, or -1.
func passHeaders(b []byte, at int, count int64) int {
	for range count {
		var key []byte
		if key, at = field(b, at); key == nil {
			return -1
		}
		_, at = field(b, at)
	}
	return at
}

// field is a slice with its length before it, nil for length -1.
func field(b []byte, at int) ([]byte, int) {
	n, at := varint(b, at)
	switch {
	case at < 0 || n < -1 || n > int64(len(b)-at):
		return nil, -1
	case n < 0:
		return nil, at
	}
	return b[at : at+int(n) : at+int(n)], at + int(n)
}

// varint reads a number at b[at] and returns where it ends. It returns -1 there where
// none is, and for a negative at, so that one look after several calls is enough.
func varint(b []byte, at int) (int64, int) {
	if uint(at) < uint(len(b)) && b[at] < 0x80 {
		return int64(b[at]>>1) ^ -int64(b[at]&1), at + 1
	}
	return longVarint(b, at)
}

func longVarint(b []byte, at int) (int64, int) {
	if at < 0 || at >= len(b) {
		return 0, -1
	}
	n, size := binary.Uvarint(b[at:])
	if size <= 0 {
		return 0, -1
	}
	return unzigzag(n), at + size
}

func unzigzag(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }

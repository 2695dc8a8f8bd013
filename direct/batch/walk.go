package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

var (
	errNotARecord = errors.New("bytes that are no record")
	errLeftBytes  = errors.New("bytes behind its last record")
	errOffset     = errors.New("records whose offsets do not rise within the batch's")
)

// Walk goes through the records of a batch in place, from one to the next:
//
//	w := b.Walk(records)
//	for w.Next() {
//		use(w.Offset, w.Key, w.Value)
//	}
//	if err := w.Err(); err != nil {
//		…
//	}
//
// It is declared before its loop, not in the loop's header: Go gives each turn of a loop
// its own copy of what is declared there, which costs more than Next does.
type Walk struct {
	// The record in hand. Key and Value are views into the batch, nil for null.
	Offset     int64
	Timestamp  int64 // milliseconds since 1970
	Key, Value []byte

	records []byte
	at      int // where the next record begins
	quickTo int // up to here quickSize bytes can be looked at
	left    int // records to come
	count   int // of headers of the record in hand, which are records[headers:at]
	headers int

	base, last int64 // offsets of the batch
	end        int64 // the last that is shown
	// The timestamp is time0 plus the record's own delta under timeMask: all have the
	// batch's where the broker stamped them.
	time0, timeMask int64

	err error
}

// Walk begins before the first record of the batch; records are the batch's records,
// decompressed: what Decompressor.Records returns.
func (b *Batch) Walk(records []byte) Walk {
	w := Walk{
		Offset: b.base - 1, records: records, quickTo: len(records) - quickSize, left: b.count,
		base: b.base, last: b.last, end: b.last, time0: b.FirstTimestamp(), timeMask: -1,
	}
	if b.LogAppendTime() {
		w.time0, w.timeMask = b.MaxTimestamp(), 0
	}
	return w
}

// Between leaves out records with offsets below from, and from end on. It is called before
// the first Next. What is left out behind end is not looked at.
func (w *Walk) Between(from, end int64) {
	w.end = min(w.last, end-1)
	for {
		before := *w
		if !w.Next() {
			return
		}
		if w.Offset >= from {
			*w = before
			return
		}
	}
}

// Err says why Next returned false before the last record: what the batch holds cannot be.
// It is nil behind the last record.
func (w *Walk) Err() error { return w.err }

// HeaderCount is the number of headers of the record in hand.
func (w *Walk) HeaderCount() int { return w.count }

// Headers gives the key and the value of each header of the record in hand, as views into
// the batch; a value is nil for null.
func (w *Walk) Headers() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		at := w.headers
		for range w.count {
			var key, value []byte
			key, at = field(w.records, at)
			value, at = field(w.records, at)
			if at < 0 || !yield(key, value) {
				return
			}
		}
	}
}

const (
	// quickSize is what quick looks at from a record's beginning: two loads, the second
	// behind at most six bytes.
	quickSize = 16
	nullSize  = 1 // -1, zigzag
)

// Next takes the next record in hand. It returns false behind the last one, and where
// there is something that cannot be, which Err tells apart.
//
// The usual record is read here: one with a key of less than 64 bytes or none, a value of
// less than 8 KiB, fewer than 64 headers, and a timestamp and an offset of up to three
// bytes. Every other one, and where anything is odd, is left to next.
//
// Numbers are read out of eight bytes at once: 0x80 in a byte says that another one
// follows, and the lowest bit that the number is negative.
func (w *Walk) Next() bool {
	at, b := w.at, w.records
	if w.left <= 0 || at > w.quickTo {
		return w.next()
	}
	x := load(b, at)
	from, end := at+4, at+2 // where the offset is, if the timestamp has one byte; and the record ends
	switch {
	case x&0x8081 == 0x80:
		end += two(x)
	case x&0x81 == 0:
		from, end, x = from-1, end-1+one(x), x<<8
	default:
		return w.next()
	}
	// Attributes, a byte, have no meaning.
	due := x >> 24 & 0x7f
	if x&(0x80<<24) != 0 {
		due |= x >> 25 & 0x3f80
		from++
		if x&(0x80<<32) != 0 {
			due |= x >> 26 & 0x1fc000
			from++
			if x&(0x80<<40) != 0 {
				return w.next()
			}
		}
	}
	x = load(b, from)
	delta := x & 0x7f
	switch {
	case x&0x80 == 0:
		from, x = from+1, x>>8
	case x&0x8000 == 0:
		delta |= x >> 1 & 0x3f80
		from, x = from+2, x>>16
	case x&0x800000 == 0:
		delta |= x>>1&0x3f80 | x>>2&0x1fc000
		from, x = from+3, x>>24
	default:
		return w.next()
	}
	from++
	key, keyEnd := 0, 0
	if x&0xff == nullSize {
		x >>= 8
	} else {
		key, keyEnd = from, from+one(x)
		if x&0x81 != 0 || keyEnd > w.quickTo {
			return w.next()
		}
		from, x = keyEnd, load(b, keyEnd)
	}
	var to int
	switch {
	case x&0x8081 == 0x80:
		from += 2
		to = from + two(x)
	case x&0x81 == 0:
		from++
		to = from + one(x)
	default:
		return w.next()
	}
	offset := w.base + int64(delta>>1)
	if delta&1 != 0 || to+1 != end || to >= len(b) || b[to] != 0 || offset <= w.Offset || offset > w.end {
		// Headers alone make no record unusual.
		if delta&1 != 0 || offset <= w.Offset || offset > w.end || !w.someHeaders(to, end) {
			return w.next()
		}
	} else {
		w.count = 0
	}
	w.left--
	w.at, w.Offset, w.Timestamp = end, offset, w.time0+unzigzag(due)&w.timeMask
	w.Value = b[from:to:to]
	if keyEnd > 0 {
		w.Key = b[key:keyEnd:keyEnd]
	} else if w.Key != nil {
		w.Key = nil
	}
	return true
}

// someHeaders takes headers, fewer than 64, that lie between at and end.
func (w *Walk) someHeaders(at, end int) bool {
	if at >= end || end > len(w.records) || w.records[at]&0x81 != 0 {
		return false
	}
	w.count, w.headers = one(uint64(w.records[at])), at+1
	return passHeaders(w.records[:end], w.headers, int64(w.count)) == end
}

// load is the eight bytes at b[at].
func load(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at : at+8 : at+8]) }

// one is the number in the lowest byte of x, not negative, and two that in its lowest two.
func one(x uint64) int { return int(x >> 1 & 0x3f) }
func two(x uint64) int { return int(x>>1&0x3f | x>>2&0x1fc0) }

// next is Next for every record.
func (w *Walk) next() bool {
	if w.left <= 0 {
		if w.left == 0 && w.at != len(w.records) && w.err == nil {
			return w.stop(errLeftBytes)
		}
		return false
	}
	due, delta, end := w.parse()
	if end < 0 {
		return w.stop(errNotARecord)
	}
	offset := w.base + delta
	switch {
	case offset <= w.Offset || offset > w.last:
		return w.stop(errOffset)
	case offset > w.end:
		return w.stop(nil)
	}
	w.left--
	w.at, w.Offset, w.Timestamp = end, offset, w.time0+due&w.timeMask
	return true
}

// stop ends the walk before the last record.
func (w *Walk) stop(why error) bool {
	if why != nil {
		w.err = fmt.Errorf("the batch of offsets %d to %d has, behind offset %d, %w", w.base, w.last, w.Offset, why)
	}
	w.Key, w.Value, w.count, w.left = nil, nil, 0, -1
	return false
}

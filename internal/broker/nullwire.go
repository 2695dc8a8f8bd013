package broker

import (
	"bufio"
	"encoding/binary"
	"errors"
)

// errMalformed ends a connection: what came is no request of Kafka's protocol, or none
// that the null sink takes.
var errMalformed = errors.New("malformed request")

// nullReadAhead is how much of a request is read at once. It is small, since most of a
// produce request is thrown away unread.
const nullReadAhead = 16 << 10

// requestReader reads one request after the other from a connection, field by field,
// and holds nothing of it. Its first error stays, and makes every later field 0.
type requestReader struct {
	in *bufio.Reader
	// drop throws n bytes away that in does not hold; nil reads them through in.
	drop func(n int) error
	// left is how much of the request is to come.
	left int
	// flexible says that lengths are varints and tags follow.
	flexible bool
	err      error
}

func (r *requestReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// peek shows the next n bytes, valid until the next call; nil after an error.
func (r *requestReader) peek(n int) []byte {
	if n > r.left || n < 0 {
		r.fail(errMalformed)
	}
	if r.err != nil {
		return nil
	}
	b, err := r.in.Peek(n)
	if err != nil {
		r.fail(err)
		return nil
	}
	return b
}

// take shows the next n bytes and goes on behind them.
func (r *requestReader) take(n int) []byte {
	b := r.peek(n)
	if b != nil {
		_, _ = r.in.Discard(n) // they are there
		r.left -= n
	}
	return b
}

// skip goes on n bytes further.
func (r *requestReader) skip(n int) {
	if n > r.left || n < 0 {
		r.fail(errMalformed)
	}
	if r.err != nil {
		return
	}
	r.left -= n
	if there := min(n, r.in.Buffered()); r.drop != nil && n-there > nullReadAhead {
		_, _ = r.in.Discard(there)
		if err := r.drop(n - there); err != nil {
			r.fail(err)
		}
		return
	}
	if _, err := r.in.Discard(n); err != nil {
		r.fail(err)
	}
}

func (r *requestReader) int8() int8 {
	if b := r.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (r *requestReader) int16() int16 {
	if b := r.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *requestReader) int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *requestReader) int64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *requestReader) uvarint() uint32 {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		b := r.take(1)
		if b == nil {
			return 0
		}
		v |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			if v > 1<<32-1 {
				break
			}
			return uint32(v)
		}
	}
	r.fail(errMalformed)
	return 0
}

// count is the length of an array or of bytes; -1 for null.
func (r *requestReader) count() int {
	n := int64(-1)
	if r.flexible {
		n += int64(r.uvarint())
	} else {
		n = int64(r.int32())
	}
	if r.err != nil {
		return 0
	}
	if n < -1 || n > int64(r.left) {
		r.fail(errMalformed)
		return 0
	}
	return int(n)
}

// textLength is the length of a string; -1 for null.
func (r *requestReader) textLength() int {
	if r.flexible {
		return r.count()
	}
	n := int(r.int16())
	if n < -1 {
		r.fail(errMalformed)
	}
	return n
}

func (r *requestReader) skipText() { r.skip(max(0, r.textLength())) }

// topicName is valid until the next call.
func (r *requestReader) topicName() []byte {
	n := r.textLength()
	if n > nullReadAhead || n < 0 {
		r.fail(errMalformed)
	}
	return r.take(n)
}

// tags goes past what a version may add to a structure.
func (r *requestReader) tags() {
	if !r.flexible {
		return
	}
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		r.uvarint()
		r.skip(int(r.uvarint()))
	}
}

// appendCount writes the length of an array or of bytes.
func appendCount(out []byte, n int, flexible bool) []byte {
	if flexible {
		return binary.AppendUvarint(out, uint64(n+1))
	}
	return binary.BigEndian.AppendUint32(out, uint32(int32(n)))
}

func appendText(out, text []byte, flexible bool) []byte {
	if flexible {
		out = binary.AppendUvarint(out, uint64(len(text)+1))
	} else {
		out = binary.BigEndian.AppendUint16(out, uint16(len(text)))
	}
	return append(out, text...)
}

// appendNoTags ends a structure.
func appendNoTags(out []byte, flexible bool) []byte {
	if flexible {
		return append(out, 0)
	}
	return out
}

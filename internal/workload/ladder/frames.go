package ladder

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"
)

// answerWithin bounds the wait for an answer: a broker that is silent for longer has
// stopped, and the rung with it.
const answerWithin = 30 * time.Second

// inbox reads the answers of one connection into one buffer that is used again and
// again.
type inbox struct {
	conn  net.Conn
	buf   []byte
	limit int // of an answer, in bytes
	// buf[:end] is the last answer, buf[end:have] came after it.
	end, have int
}

func newInbox(conn net.Conn, size, limit int) inbox {
	return inbox{conn: conn, buf: make([]byte, size), limit: limit}
}

// next waits for an answer, which is valid until the next call, without its length.
func (i *inbox) next() ([]byte, error) {
	if err := i.conn.SetReadDeadline(time.Now().Add(answerWithin)); err != nil {
		return nil, err
	}
	i.have = copy(i.buf, i.buf[i.end:i.have])
	i.end = 0
	if err := i.read(4); err != nil {
		return nil, err
	}
	size := int64(binary.BigEndian.Uint32(i.buf))
	if size < 4 || size > int64(i.limit) {
		return nil, fmt.Errorf("the broker announced an answer of %d bytes, where at most %d were asked for", size, i.limit)
	}
	whole := 4 + int(size)
	if whole > len(i.buf) {
		i.buf = append(make([]byte, 0, whole+whole/8), i.buf[:i.have]...)
		i.buf = i.buf[:cap(i.buf)]
	}
	if err := i.read(whole); err != nil {
		return nil, err
	}
	i.end = whole
	return i.buf[4:whole], nil
}

// read waits until there are at least n bytes.
func (i *inbox) read(n int) error {
	for i.have < n {
		m, err := i.conn.Read(i.buf[i.have:])
		i.have += m
		if err != nil && i.have < n {
			return err
		}
	}
	return nil
}

// cursor reads fields off an answer. Once it has met what cannot be it is bad, and
// everything it gives is nothing.
type cursor struct {
	b   []byte
	bad bool
}

// take is the next n bytes.
func (c *cursor) take(n int64) []byte {
	if n < 0 || n > int64(len(c.b)) {
		c.b, c.bad = nil, true
		return nil
	}
	taken := c.b[:n:n]
	c.b = c.b[n:]
	return taken
}

func (c *cursor) int16() int16 {
	if b := c.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (c *cursor) int32() int32 {
	if b := c.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (c *cursor) int64() int64 {
	if b := c.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (c *cursor) uvarint() int64 {
	n, size := binary.Uvarint(c.b)
	if size <= 0 || n > 1<<31 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[size:]
	return int64(n)
}

// compact is a slice with its length plus one before it; nil for 0.
func (c *cursor) compact() []byte {
	n := c.uvarint()
	if n == 0 {
		return nil
	}
	return c.take(n - 1)
}

// text is a string with a length of 2 bytes before it; nil for -1.
func (c *cursor) text() []byte {
	n := c.int16()
	if n == -1 {
		return nil
	}
	return c.take(int64(n))
}

// items is the length of an array whose elements take at least size bytes each; 0 for
// a null array.
func (c *cursor) items(n, size int64) int {
	if n > int64(len(c.b))/size {
		c.b, c.bad = nil, true
	}
	if n < 0 || c.bad {
		return 0
	}
	return int(n)
}

// tags passes over tagged fields.
func (c *cursor) tags() {
	for n := c.items(c.uvarint(), 2); n > 0; n-- {
		c.uvarint()
		c.take(c.uvarint())
	}
}

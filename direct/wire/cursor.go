package wire

import (
	"encoding/binary"
	"math"
)

// Cursor reads the fields of a response one after the other. Nothing is copied: what it
// returns are views of the bytes it was given. It is bad once it has met what cannot be
// (a field that ends behind the last byte, a length that is negative): everything that it
// returns then is zero, and nothing is left. So a run of fields can be read and looked at
// once, at the end.
type Cursor struct {
	b   []byte
	bad bool
}

// NewCursor reads b from its beginning.
func NewCursor(b []byte) Cursor { return Cursor{b: b} }

// Bad says whether something was read that cannot be.
func (c *Cursor) Bad() bool { return c.bad }

// Left is how many bytes are left to read.
func (c *Cursor) Left() int { return len(c.b) }

func (c *Cursor) fail() { c.b, c.bad = nil, true }

// Take is the next n bytes. nil, and bad, where there are fewer.
func (c *Cursor) Take(n int64) []byte {
	if n < 0 || n > int64(len(c.b)) {
		c.fail()
		return nil
	}
	taken := c.b[:n:n]
	c.b = c.b[n:]
	return taken
}

// Int8 is a number of 1 byte; a boolean is one that is not 0.
func (c *Cursor) Int8() int8 {
	if len(c.b) < 1 {
		c.fail()
		return 0
	}
	n := int8(c.b[0])
	c.b = c.b[1:]
	return n
}

// Int16 is a number of 2 bytes.
func (c *Cursor) Int16() int16 {
	if len(c.b) < 2 {
		c.fail()
		return 0
	}
	n := int16(binary.BigEndian.Uint16(c.b))
	c.b = c.b[2:]
	return n
}

// Int32 is a number of 4 bytes.
func (c *Cursor) Int32() int32 {
	if len(c.b) < 4 {
		c.fail()
		return 0
	}
	n := int32(binary.BigEndian.Uint32(c.b))
	c.b = c.b[4:]
	return n
}

// Int64 is a number of 8 bytes.
func (c *Cursor) Int64() int64 {
	if len(c.b) < 8 {
		c.fail()
		return 0
	}
	n := int64(binary.BigEndian.Uint64(c.b))
	c.b = c.b[8:]
	return n
}

// UUID is one of 16 bytes.
func (c *Cursor) UUID() (id [16]byte) {
	copy(id[:], c.Take(16))
	return id
}

// Uvarint is a number of up to 32 bits, 7 in a byte.
func (c *Cursor) Uvarint() int64 {
	if len(c.b) > 0 && c.b[0] < 0x80 {
		n := int64(c.b[0])
		c.b = c.b[1:]
		return n
	}
	return c.longUvarint()
}

func (c *Cursor) longUvarint() int64 {
	n, size := binary.Uvarint(c.b)
	if size <= 0 || size > 5 || n > math.MaxUint32 {
		c.fail()
		return 0
	}
	c.b = c.b[size:]
	return int64(n)
}

// Bytes is a run of bytes with a length of 4 bytes before it; nil for null.
func (c *Cursor) Bytes() []byte {
	n := c.Int32()
	if n == -1 {
		return nil
	}
	return c.Take(int64(n))
}

// String is a text with a length of 2 bytes before it; nil for null.
func (c *Cursor) String() []byte {
	n := c.Int16()
	if n == -1 {
		return nil
	}
	return c.Take(int64(n))
}

// Compact is bytes or a text of a version with tagged fields, with the length and one as
// Uvarint before it; nil for null.
func (c *Cursor) Compact() []byte {
	n := c.Uvarint()
	if n == 0 {
		return nil
	}
	return c.Take(n - 1)
}

// Items is how many elements an array has whose length was read as n (Int32, or Uvarint
// less one), each of which takes at least size bytes; 0 for a null array. It is bad where
// the bytes left cannot hold as many: so a loop over it ends.
func (c *Cursor) Items(n int64, size int) int {
	if n > int64(len(c.b)/max(size, 1)) {
		c.fail()
		return 0
	}
	return int(max(n, 0))
}

// Tags passes over the tagged fields of a version that has them.
func (c *Cursor) Tags() {
	for n := c.Items(c.Uvarint(), 2); n > 0 && !c.bad; n-- {
		c.Uvarint()
		c.Take(c.Uvarint())
	}
}

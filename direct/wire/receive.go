package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// apiVersionsKey is that of the one request whose responses never have tags in their head: who
	// asks does not know yet what the broker speaks.
	apiVersionsKey = 18
	// leastBuffer is the smallest that a response is read into, in bytes.
	leastBuffer = 4 << 10
	// firstRead bounds, in bytes, what is read before a response's length is known while
	// more than one is waited for: what belongs to the next has to be moved.
	firstRead = 64 << 10
	// emptyReads is how many reads in a row may bring nothing.
	emptyReads = 100
)

// inbox is what belongs to who receives.
type inbox struct {
	receiveTimeout time.Duration
	armed          bool // the deadline of this response is set
	eager          eagerness
	early          []byte // what came behind the last response, in stash
	stash          []byte
}

// SetReceiveTimeout bounds how long Receive may wait until a response is there as a whole.
// It should be longer than what the request allows the broker to wait. 0 is without a
// bound. The default is the client's RequestTimeoutOverhead.
func (c *Conn) SetReceiveTimeout(d time.Duration) { c.receiveTimeout = d }

// Receive waits for the next response, in the order in which requests were sent, and reads
// it into buf, whose capacity is used; nil will do. key and flexible are those of the
// request. limit is the most bytes that the response may have; where it has more than buf,
// buf is replaced as bytes come in, so that a broker's word alone takes no memory.
//
// body is the response behind its head, a slice of grown, valid until grown is used
// again; grown is buf or what has replaced it, also with an error. Where buf is as large
// as responses are, a response takes no allocation, and as few reads as the kernel has
// it in pieces.
//
// An error is one of the connection, which has ended then: the broker closed it, was
// silent for too long, or sent what cannot be.
func (c *Conn) Receive(buf []byte, limit int, key int16, flexible bool) (body, grown []byte, correlation int32, err error) {
	if err := c.failed(); err != nil {
		return nil, buf, 0, err
	}
	c.armed = false
	frame, buf, err := c.frame(buf, limit)
	if err != nil {
		return nil, buf, 0, c.fail(err)
	}
	body, correlation, err = c.open(frame, key, flexible)
	if err != nil {
		return nil, buf, 0, c.fail(err)
	}
	return body, buf, correlation, nil
}

// open checks that a response is the one waited for, and takes its head off.
func (c *Conn) open(frame []byte, key int16, flexible bool) (body []byte, correlation int32, err error) {
	cursor := NewCursor(frame)
	correlation = cursor.Int32()
	if c.received.Load() == c.sent.Load() {
		return nil, 0, fmt.Errorf("the broker at %s sent a response that nobody asked for, to request %d", c.address, correlation)
	}
	if awaited := id(c.received.Load()); correlation != awaited {
		return nil, 0, fmt.Errorf("the broker at %s answered request %d, where a response to request %d is due (%s)", c.address, correlation, awaited, kmsg.NameForKey(key))
	}
	if flexible && key != apiVersionsKey {
		cursor.Tags()
	}
	if cursor.Bad() {
		return nil, 0, fmt.Errorf("the broker at %s sent a response to %s whose head cannot be read", c.address, kmsg.NameForKey(key))
	}
	c.received.Add(1)
	return frame[len(frame)-cursor.Left():], correlation, nil
}

// frame reads a response, without its length.
func (c *Conn) frame(buf []byte, limit int) (frame, grown []byte, err error) {
	buf = buf[:cap(buf)]
	if len(buf) < leastBuffer {
		buf = make([]byte, leastBuffer)
	}
	room := buf
	if c.sent.Load()-c.received.Load() > 1 {
		room = buf[:min(len(buf), firstRead)]
	}
	have, err := c.fill(room, 0, 4)
	if err != nil {
		return nil, buf, err
	}
	size := int64(int32(binary.BigEndian.Uint32(buf)))
	if size < 4 || size > int64(limit) {
		return nil, buf, c.oversized(buf[:4], size, limit)
	}
	whole := 4 + int(size)
	for have < whole {
		if have == len(buf) {
			buf = append(make([]byte, 0, min(whole+whole/8, 2*len(buf))), buf...)
			buf = buf[:cap(buf)]
		}
		part := min(whole, len(buf))
		if have, err = c.fill(buf[:part], have, part); err != nil {
			return nil, buf, err
		}
	}
	if have > whole {
		c.stash = append(c.stash[:0], buf[whole:have]...)
		c.early = c.stash
	}
	return buf[4:whole], buf, nil
}

// fill reads until there are need bytes in buf, of which there are some already. It takes
// what came early before it reads from the stream, and only as much as is needed: so
// nothing is early any more when more than that is there.
func (c *Conn) fill(buf []byte, have, need int) (int, error) {
	n := copy(buf[have:need], c.early)
	c.early = c.early[n:]
	have += n
	for empty := 0; have < need; empty++ {
		if !c.armed {
			if err := c.stream.SetReadDeadline(deadline(c.receiveTimeout)); err != nil {
				return have, c.broken("receiving from", c.receiveTimeout, err)
			}
			c.armed = true
		}
		if have > 0 {
			c.eager.await()
		}
		n, err := c.stream.Read(buf[have:])
		have += n
		if n > 0 {
			empty = 0
		}
		if have >= need {
			break // an error will come again
		}
		if err == nil && empty == emptyReads {
			err = io.ErrNoProgress
		}
		if errors.Is(err, io.EOF) && have > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return have, c.broken("receiving from", c.receiveTimeout, err)
		}
	}
	return have, nil
}

// oversized explains a length that cannot be.
func (c *Conn) oversized(first []byte, size int64, limit int) error {
	switch {
	case string(first) == "HTTP":
		return fmt.Errorf("what listens at %s speaks HTTP and is no Kafka broker: is the port right?", c.address)
	case first[0] == 21 && first[1] == 3:
		return fmt.Errorf("what listens at %s answered with an alert of TLS: configure TLS", c.address)
	}
	return fmt.Errorf("the broker at %s announced a response of %d bytes, where 4 to %d are expected", c.address, size, limit)
}

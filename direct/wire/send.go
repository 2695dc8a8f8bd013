package wire

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// copiedBelow is the size, in bytes, below which parts are put together before they
	// are written where the stream does not take several at once (TLS, wrapped
	// connections). It is that of a TLS record.
	copiedBelow = 16 << 10
	// copiedAtMost bounds how much is put together for one write.
	copiedAtMost = 64 << 10
)

// outbox is what belongs to who sends.
type outbox struct {
	sendTimeout time.Duration
	out         []byte // the request, or the head of one that is sent in parts
	vectored    bool   // the stream takes several parts in one system call
	parts       [][]byte
	rest        net.Buffers // of parts, while they are written
}

// SetSendTimeout bounds how long it may take to hand a request over, which is long when
// the broker does not read. 0 is without a bound. The default is the client's
// RequestTimeoutOverhead.
func (c *Conn) SetSendTimeout(d time.Duration) { c.sendTimeout = d }

// Send writes a request in the version that is set in it, and returns its correlation id.
// Its response is that of the first Receive behind those of earlier requests. The request
// may be used again as soon as Send has returned. An error is one of the connection, which
// has ended then, or says that the request is larger than BrokerMaxWriteBytes.
func (c *Conn) Send(r kmsg.Request) (correlation int32, err error) {
	if err := c.failed(); err != nil {
		return 0, err
	}
	c.head(r.Key(), r.GetVersion(), r.IsFlexible())
	c.out = r.AppendTo(c.out)
	return c.post(r.Key(), nil)
}

// SendParts is Send for a request whose body is encoded already and lies in several
// places, such as batches between which names and lengths stand. The parts are written
// one behind the other without being copied, over a plain TCP connection in one system
// call where they fit; through TLS, or over a connection of the client's own Dialer, small ones
// are put together first. flexible says whether the version has tagged fields.
//
// A request without a response (Produce with acks=0) must not be followed by one that has
// a response: Receive, and Reauthenticate, would wait for the first.
func (c *Conn) SendParts(key, version int16, flexible bool, parts [][]byte) (correlation int32, err error) {
	if err := c.failed(); err != nil {
		return 0, err
	}
	c.head(key, version, flexible)
	return c.post(key, parts)
}

// head begins a request: 4 bytes for its length, then what every request begins with.
func (c *Conn) head(key, version int16, flexible bool) {
	b := append(c.out[:0], 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, uint32(id(c.sent.Load())))
	b = append(b, c.dialer.clientID...)
	if flexible {
		b = append(b, 0) // no tagged fields
	}
	c.out = b
}

// post writes what is in out, and the parts behind it.
func (c *Conn) post(key int16, parts [][]byte) (correlation int32, err error) {
	size := len(c.out) - 4
	for _, p := range parts {
		size += len(p)
	}
	if size > c.dialer.maxRequest {
		return 0, fmt.Errorf("a request %s of %d bytes is more than may be sent to the broker at %s, %d: send less at once, or raise BrokerMaxWriteBytes and the broker's socket.request.max.bytes", kmsg.NameForKey(key), size, c.address, c.dialer.maxRequest)
	}
	binary.BigEndian.PutUint32(c.out, uint32(size))
	// The response may be here before the write has returned: count first.
	number := c.sent.Add(1) - 1
	if err = c.stream.SetWriteDeadline(deadline(c.sendTimeout)); err == nil {
		err = c.write(parts)
	}
	if err != nil {
		return 0, c.fail(c.broken("sending to", c.sendTimeout, err))
	}
	return id(number), nil
}

func (c *Conn) write(parts [][]byte) (err error) {
	switch {
	case len(parts) == 0:
		_, err = c.stream.Write(c.out)
	case c.vectored:
		c.parts = append(append(c.parts[:0], c.out), parts...)
		c.rest = c.parts
		_, err = c.rest.WriteTo(c.stream)
		clear(c.parts) // the caller's
	default:
		err = c.writeCopied(parts)
	}
	return err
}

// writeCopied puts small parts together.
func (c *Conn) writeCopied(parts [][]byte) error {
	for _, p := range parts {
		if len(p) < copiedBelow && len(c.out)+len(p) <= copiedAtMost {
			c.out = append(c.out, p...)
			continue
		}
		if err := c.flush(); err != nil {
			return err
		}
		if len(p) < copiedBelow {
			c.out = append(c.out, p...)
			continue
		}
		if _, err := c.stream.Write(p); err != nil {
			return err
		}
	}
	return c.flush()
}

func (c *Conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.stream.Write(c.out)
	c.out = c.out[:0]
	return err
}

// deadline is the time after which something has taken too long; zero without a bound.
func deadline(timeout time.Duration) time.Time {
	if timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

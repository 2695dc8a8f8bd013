package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
)

const (
	// introductionLimit bounds, in bytes, what a broker may answer while the connection
	// is made. Apache Kafka's own SASL messages have at most 512 KiB.
	introductionLimit = 1 << 20
	// messageLimit is how much of a text that a broker wrote goes into an error.
	messageLimit = 300
)

// Conn is a connection to one broker. One goroutine at a time may send (Send, SendParts,
// SetSendTimeout) and one may receive (Receive, SetReceiveTimeout), the two at the same
// time; Reauthenticate is both. Everything else may be called by anybody at any time.
//
// The first error of sending or receiving ends the connection, as it is not known what of
// a request or response went over: both sides return that error from then on. Close it
// and dial anew. Only a request that is too large to be sent leaves it as it was.
type Conn struct {
	dialer   *Dialer
	stream   net.Conn
	address  string
	versions map[int16]versions // by request key
	failure  atomic.Pointer[error]
	told     bool // hooks know of it

	// Requests are counted, and the count is their correlation id; so are responses, which
	// come in the same order.
	sent, received atomic.Uint32
	outbox
	inbox

	mechanism sasl.Mechanism // nil: none
	expires   atomic.Pointer[time.Time]
}

func newConn(d *Dialer, stream net.Conn, address string) *Conn {
	c := &Conn{dialer: d, stream: stream, address: address}
	c.sendTimeout, c.receiveTimeout = d.timeout, d.timeout
	switch stream.(type) {
	case *net.TCPConn, *net.UnixConn:
		c.vectored = true
	}
	return c
}

// introduce asks what the broker speaks, and authenticates.
func (c *Conn) introduce(ctx context.Context) error {
	if err := c.learnVersions(); err != nil {
		return err
	}
	if len(c.dialer.mechanisms) == 0 {
		return nil
	}
	return c.login(ctx, c.dialer.mechanisms)
}

// Address is the broker's, as it was dialled.
func (c *Conn) Address() string { return c.address }

// Close ends the connection, and Send and Receive with it, which then return an error that
// is net.ErrClosed. It may be called more than once.
func (c *Conn) Close() error {
	closed := fmt.Errorf("the connection to the broker at %s was closed here: %w", c.address, net.ErrClosed)
	if !c.failure.CompareAndSwap(nil, &closed) {
		return nil // closed when it failed
	}
	c.disconnected()
	return c.stream.Close()
}

// fail ends the connection and returns why it ended: the first reason given.
func (c *Conn) fail(err error) error {
	if c.failure.CompareAndSwap(nil, &err) {
		c.disconnected()
		c.stream.Close()
	}
	return *c.failure.Load()
}

// failed is why the connection has ended; nil while it has not.
func (c *Conn) failed() error {
	if err := c.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// within does something that ends with ctx, and the connection with it.
func (c *Conn) within(ctx context.Context, do func(context.Context) error) error {
	ended := func() error {
		return c.fail(fmt.Errorf("connecting to the broker at %s was ended: %w", c.address, context.Cause(ctx)))
	}
	stop := context.AfterFunc(ctx, func() { _ = ended() }) // failing is all it is for
	err := do(ctx)
	if !stop() {
		return ended()
	}
	return err
}

// ask sends a request and reads the response to it, while nothing else is under way.
func (c *Conn) ask(r kmsg.Request) ([]byte, error) {
	if _, err := c.Send(r); err != nil {
		return nil, err
	}
	// A buffer for each: SASL mechanisms may keep what they are given.
	body, _, _, err := c.Receive(nil, introductionLimit, r.Key(), r.IsFlexible())
	return body, err
}

// garbled ends the connection because of a response that cannot be.
func (c *Conn) garbled(r kmsg.Request, err error) error {
	return c.fail(fmt.Errorf("the broker at %s sent a response to %s version %d that cannot be read: %w", c.address, kmsg.NameForKey(r.Key()), r.GetVersion(), err))
}

// broken explains an error of the stream.
func (c *Conn) broken(doing string, timeout time.Duration, err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%s the broker at %s was not through after %v: %w", doing, c.address, timeout, err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the broker at %s closed the connection%s: %w", c.address, c.likely(), err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the broker at %s closed the connection in the middle of a response: %w", c.address, err)
	case errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("the broker at %s reset the connection%s: %w", c.address, c.likely(), err)
	}
	return fmt.Errorf("%s the broker at %s failed: %w", doing, c.address, err)
}

// likely is why a broker hangs up without a word at a certain point.
func (c *Conn) likely() string {
	switch {
	case c.versions == nil:
		return " before it answered anything (does it want TLS?)"
	case c.received.Load() == 1 && len(c.dialer.mechanisms) == 0:
		return " at the first request (does it want SASL?)"
	case c.mechanism == nil && len(c.dialer.mechanisms) > 0:
		return " while it was authenticated to (are the credentials right?)"
	}
	return ""
}

// clip keeps a broker's text from filling the screen.
func clip(text string) string {
	if len(text) > messageLimit {
		return text[:messageLimit] + "…"
	}
	return text
}

// id is the correlation id of the request with a number; they stay positive.
func id(number uint32) int32 { return int32(number & math.MaxInt32) }

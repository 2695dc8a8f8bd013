package segmentio

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"redline/internal/client"
	"redline/internal/security"
)

const (
	dialTimeout = 5 * time.Second // that of kafka-go's Transport
	// answerWithin bounds the first answer on a connection: most of kafka-go's calls
	// wait for ever.
	answerWithin = 5 * time.Second
)

// errEnded is what comes of a connection that we ended. kafka-go is silent about
// context.Canceled and tries nothing again.
var errEnded = fmt.Errorf("the connection was ended from this side: %w", context.Canceled)

// dialer is how a client connects.
type dialer struct {
	security    security.Security
	wire        *client.Wire
	readBuffer  int
	writeBuffer int
	watch       *watch
}

func newDialer(o client.Options, d *draft, w *watch) *dialer {
	return &dialer{security: o.Security, wire: o.Wire, readBuffer: d.readBuffer, writeBuffer: d.writeBuffer, watch: w}
}

// connections are those of one reader, group or producer. end ends them all, since
// most of kafka-go's calls do not end with a context.
type connections struct {
	*dialer
	base context.Context
	stop context.CancelFunc
	mu   sync.Mutex
	open map[*conn]struct{}
}

func (d *dialer) connections() *connections {
	c := &connections{dialer: d, open: make(map[*conn]struct{})}
	c.base, c.stop = context.WithCancel(context.Background())
	return c
}

// dial is a DialFunc.
func (c *connections) dial(ctx context.Context, _, address string) (net.Conn, error) {
	if c.base.Err() != nil {
		return nil, errEnded
	}
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.base, cancel)()
	raw, err := client.Dial(within, c.security, address, dialTimeout, c.readBuffer, c.writeBuffer)
	if err != nil {
		c.watch.failed(address, err)
		return nil, err
	}
	return c.keep(&conn{Conn: c.wire.Wrap(raw), all: c, address: address})
}

func (c *connections) keep(one *conn) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.base.Err() != nil {
		one.Conn.Close()
		return nil, errEnded
	}
	one.silence = time.AfterFunc(answerWithin, one.giveUp)
	c.open[one] = struct{}{}
	return one, nil
}

// end ends every connection, and lets none be made any more.
func (c *connections) end() {
	c.stop()
	c.mu.Lock()
	open := make([]*conn, 0, len(c.open))
	for one := range c.open {
		open = append(open, one)
	}
	c.mu.Unlock()
	for _, one := range open {
		one.ended.Store(true)
		_ = one.Close() // nothing that was written waits for it
	}
}

// conn is a connection that knows whether a Kafka has answered on it.
type conn struct {
	net.Conn
	all     *connections
	address string
	heard   bool // of the reader alone
	silence *time.Timer
	silent  atomic.Bool
	ended   atomic.Bool
}

// giveUp ends a connection on which nothing was heard.
func (c *conn) giveUp() {
	c.silent.Store(true)
	_ = c.Close() // it is given up
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.heard && err == nil {
		return n, nil
	}
	return n, c.listen(p[:n], err)
}

// listen looks at the first answer, and at what ends the connection. The first
// answers of Kafka are far shorter than 16 MiB, so the first byte of their length
// is 0; that of a web server or of TLS is not.
func (c *conn) listen(p []byte, err error) error {
	if !c.heard && len(p) > 0 {
		c.heard = true
		c.silence.Stop()
		if p[0] == 0 {
			c.all.watch.heard(c.address)
		} else {
			c.all.watch.failed(c.address, fmt.Errorf("%s answers, but not as a Kafka does", c.address))
		}
	}
	switch {
	case err == nil:
		return nil
	case c.ended.Load():
		return errEnded
	case c.silent.Load():
		err = fmt.Errorf("%s took the connection and said nothing for %v: %w", c.address, answerWithin, os.ErrDeadlineExceeded)
	}
	if !c.heard {
		c.all.watch.failed(c.address, err)
	}
	return err
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil && c.ended.Load() {
		err = errEnded
	}
	return n, err
}

func (c *conn) Close() error {
	c.all.mu.Lock()
	c.silence.Stop()
	delete(c.all.open, c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

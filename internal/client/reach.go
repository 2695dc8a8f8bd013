package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"redline/internal/cluster"
)

// ReachWithin is how long a client may go without any answer of a broker before it is
// given up. Shorter than 10 s, so that the command ends within them; long enough for a
// machine that starts hundreds of clients.
const ReachWithin = 8 * time.Second

// Reach learns whether a broker has ever answered a client, and whether one refuses it
// for good. Libraries try again for ever; a cluster that was there once may come back,
// and one that never was is most likely a mistyped address. Its methods may be called
// from several goroutines.
type Reach struct {
	brokers  []string
	attempt  cluster.Attempt
	since    time.Time
	refusals Refusals
	heard    atomic.Bool

	mu   sync.Mutex
	last error
}

// NewReach begins to wait for the brokers of o. dialTimeout is that of the library;
// needs are the ACLs that the client needs.
func NewReach(o Options, dialTimeout time.Duration, needs []cluster.ACL) *Reach {
	r := &Reach{
		brokers: o.Brokers, since: time.Now(),
		attempt: cluster.Attempt{Security: o.Security, Needs: needs, DialTimeout: dialTimeout},
	}
	if len(o.Brokers) == 1 {
		r.attempt.Address = o.Brokers[0]
	}
	return r
}

// Hear says that a broker has answered something.
func (r *Reach) Hear() { r.heard.Store(true) }

// Heard says whether one ever has.
func (r *Reach) Heard() bool { return r.heard.Load() }

// Accepted says that a broker takes us; one that is not known is "".
func (r *Reach) Accepted(broker string) { r.refusals.Accepted(broker) }

// Failed notes why a connection came to nothing.
func (r *Reach) Failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = err
}

// Refused says that err came of a broker, and returns whether it is a refusal that
// lasts. address is for its sentence, where the library tells which broker it was.
func (r *Reach) Refused(broker, address string, err error) bool {
	if !r.attempt.Lasting(err) {
		return false
	}
	if address == "" {
		address = r.attempt.Address
	}
	return r.refusals.Refused(broker, &refusalBy{address, err})
}

// refusalBy is an error with the broker that refused; "" if nobody knows which.
type refusalBy struct {
	address string
	error
}

func (r *refusalBy) Unwrap() error { return r.error }

// Refusal is not nil when a broker refuses us for good.
func (r *Reach) Refusal() error {
	var by *refusalBy
	if !errors.As(r.refusals.Lasting(), &by) {
		return nil
	}
	attempt := r.attempt
	attempt.Address = by.address
	return attempt.Classify(by.error)
}

// Unreachable is not nil when no broker has answered for ReachWithin.
func (r *Reach) Unreachable() error {
	if r.Heard() || time.Since(r.since) < ReachWithin {
		return nil
	}
	r.mu.Lock()
	last := r.last
	r.mu.Unlock()
	if last == nil {
		last = errors.New("the connection was taken, but nothing that Kafka says came back")
	}
	return Unreachable(r.brokers, ReachWithin, last)
}

// Unreachable is the error for brokers of which none has answered within a time; last is
// what went wrong last.
func Unreachable(brokers []string, within time.Duration, last error) error {
	return fmt.Errorf("%w: no broker at %s answered within %v: %w; start one there, or name another with -b",
		cluster.ErrUnreachable, strings.Join(brokers, ","), within, last)
}

// Classify makes the sentence of an error that a broker gave.
func (r *Reach) Classify(err error) error { return r.attempt.Classify(err) }

// Pause waits for d, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

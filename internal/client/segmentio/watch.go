package segmentio

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"redline/internal/client"
	"redline/internal/cluster"
)

// reachWithin is how long a client may go without ever having heard a broker
// before it is given up. Shorter than 10 s, so that the command ends within them;
// long enough for a machine that starts hundreds of clients.
const reachWithin = 8 * time.Second

// watch learns from the connections whether a broker has ever answered, and
// whether one refuses us for good. kafka-go itself tries for ever; a cluster that
// was there once may come back, and one that never was is most likely a mistyped
// address.
type watch struct {
	brokers   []string
	attempt   cluster.Attempt
	sasl      bool
	refusals  client.Refusals
	answered  atomic.Bool
	since     time.Time
	mu        sync.Mutex
	lastError error
}

// newWatch is for a client that needs these ACLs.
func newWatch(o client.Options, needs []cluster.ACL) *watch {
	w := &watch{
		brokers: o.Brokers, sasl: o.Security.SASL != nil, since: time.Now(),
		attempt: cluster.Attempt{Security: o.Security, Needs: needs, DialTimeout: dialTimeout},
	}
	if len(o.Brokers) == 1 {
		w.attempt.Address = o.Brokers[0]
	}
	return w
}

// heard is told of the first answer on a connection.
func (w *watch) heard(address string) {
	w.answered.Store(true)
	if !w.sasl {
		w.refusals.Accepted(address)
	}
}

// accepted is told when a broker took our credentials.
func (w *watch) accepted(address string) {
	w.refusals.Accepted(address)
	w.refusals.Accepted("") // what lasting was told does not say which broker refused
}

// failed is told of a connection that came to nothing.
func (w *watch) failed(address string, err error) {
	w.mu.Lock()
	w.lastError = err
	w.mu.Unlock()
	if w.attempt.Lasting(err) {
		w.refusals.Refused(address, &refusal{address, err})
	}
}

// lasting says whether an error that kafka-go returned is a refusal that lasts.
func (w *watch) lasting(err error) bool {
	return w.attempt.Lasting(err) && w.refusals.Refused("", &refusal{w.attempt.Address, err})
}

// refusal is an error with the broker that refused.
type refusal struct {
	address string
	error
}

func (r *refusal) Unwrap() error { return r.error }

// refused is not nil when a broker refuses us for good.
func (w *watch) refused() error {
	var by *refusal
	if !errors.As(w.refusals.Lasting(), &by) {
		return nil
	}
	attempt := w.attempt
	attempt.Address = by.address
	return attempt.Classify(by.error)
}

// unreachable is not nil when no broker has answered for reachWithin.
func (w *watch) unreachable() error {
	if w.answered.Load() || time.Since(w.since) < reachWithin {
		return nil
	}
	w.mu.Lock()
	last := w.lastError
	w.mu.Unlock()
	if last == nil {
		last = errors.New("the connection was taken, but nothing that Kafka says came back")
	}
	return fmt.Errorf("%w: no broker at %s answered within %v: %w; start one there, or name another with -b",
		cluster.ErrUnreachable, strings.Join(w.brokers, ","), reachWithin, last)
}

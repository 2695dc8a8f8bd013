package sarama

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

// reachWithin is how long a client may go without any answer of a broker before it
// is given up. Shorter than 10 s, so that the command ends within them; long enough
// for a machine that starts hundreds of clients.
const reachWithin = 8 * time.Second

// watch learns whether a broker has ever answered, and whether one refuses us for
// good. sarama itself tries again for ever; a cluster that was there once may come
// back, and one that never was is most likely a mistyped address.
type watch struct {
	brokers  []string
	attempt  cluster.Attempt
	refusals client.Refusals
	since    time.Time
	// given is told when the refusals last; nil: nobody listens.
	given func()

	answered atomic.Bool // a broker has answered something
	produced atomic.Bool // a request with records was written, or tried to
	trusted  atomic.Bool // we were accepted, and not refused since

	mu        sync.Mutex
	lastError error
}

// newWatch has needs for the ACLs that the client needs.
func newWatch(o client.Options, d *draft, given func(), needs []cluster.ACL) *watch {
	return &watch{
		brokers: o.Brokers, since: time.Now(), given: given,
		attempt: cluster.Attempt{Security: o.Security, Needs: needs, DialTimeout: d.config.Net.DialTimeout},
	}
}

// refusal is an error with the broker that refused; "" if sarama does not tell.
type refusal struct {
	address string
	error
}

func (r *refusal) Unwrap() error { return r.error }

// failed notes an error of a connection, or of what was asked on one. An error that
// passes is forgotten by the next that goes well.
func (w *watch) failed(address string, err error) {
	w.mu.Lock()
	w.lastError = err
	w.mu.Unlock()
	if !w.attempt.Lasting(err) {
		return
	}
	if address == "" && len(w.brokers) == 1 {
		address = w.brokers[0]
	}
	w.trusted.Store(false)
	if w.refusals.Refused("", &refusal{address, err}) && w.given != nil {
		w.given()
	}
}

// worked says that a broker has done for us what it does for nobody it refuses.
func (w *watch) worked() {
	if w.trusted.Load() {
		return
	}
	w.trusted.Store(true)
	w.refusals.Accepted("")
}

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

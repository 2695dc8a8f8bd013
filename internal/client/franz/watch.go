package franz

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
	"redline/internal/cluster"
)

// reachWithin is how long a client may go without ever having talked to a
// broker before it is given up. Shorter than 10 s, so that the command ends
// within them; long enough for a machine that starts hundreds of clients.
const reachWithin = 8 * time.Second

// watch learns from kgo's hooks whether a broker has ever answered, and whether
// one refuses us for good. kgo itself tries for ever; a cluster that was there
// once may come back, and one that never was is most likely a mistyped address.
type watch struct {
	brokers   []string
	attempt   cluster.Attempt
	refusals  client.Refusals
	answered  atomic.Bool
	since     time.Time
	tell      func(error) // nil: nobody listens
	mu        sync.Mutex
	lastError error
}

var _ kgo.HookBrokerConnect = (*watch)(nil)

// newWatch tells of each connection that fails. needs are the ACLs that the
// client needs.
func newWatch(o client.Options, tell func(error), needs ...cluster.ACL) *watch {
	return &watch{
		brokers: o.Brokers, since: time.Now(), tell: tell,
		attempt: cluster.Attempt{Security: o.Security, Needs: needs, DialTimeout: dialTimeout},
	}
}

// OnBrokerConnect is told of each connection after its first exchange, so that
// a port that accepts and is silent does not pass for a broker.
func (w *watch) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	address := net.JoinHostPort(meta.Host, strconv.Itoa(int(meta.Port)))
	if err == nil {
		w.answered.Store(true)
		w.refusals.Accepted(address)
		return
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	w.mu.Lock()
	w.lastError = err
	w.mu.Unlock()
	if w.attempt.Lasting(err) {
		w.refusals.Refused(address, &refusal{address, err})
	}
	if w.tell != nil {
		w.tell(fmt.Errorf("cannot connect to broker %s: %w", address, err))
	}
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

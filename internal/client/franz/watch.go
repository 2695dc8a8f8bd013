package franz

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/cluster"
)

// reachWithin is how long a client may go without ever having talked to a
// broker before it is given up. Shorter than 10 s, so that the command ends
// within them; long enough for a machine that starts hundreds of clients.
const reachWithin = 8 * time.Second

// watch learns from kgo's hooks whether a broker has ever answered. kgo itself
// tries for ever; a cluster that was there once may come back, and one that
// never was is most likely a mistyped address.
type watch struct {
	brokers   []string
	answered  atomic.Bool
	since     time.Time
	tell      func(error) // nil: nobody listens
	mu        sync.Mutex
	lastError error
}

var _ kgo.HookBrokerConnect = (*watch)(nil)

func newWatch(brokers []string, tell func(error)) *watch {
	return &watch{brokers: brokers, since: time.Now(), tell: tell}
}

// OnBrokerConnect is told of each connection after its first exchange, so that
// a port that accepts and is silent does not pass for a broker.
func (w *watch) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err == nil {
		w.answered.Store(true)
		return
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	w.mu.Lock()
	w.lastError = err
	w.mu.Unlock()
	if w.tell != nil {
		w.tell(fmt.Errorf("cannot connect to broker %s:%d: %w", meta.Host, meta.Port, err))
	}
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

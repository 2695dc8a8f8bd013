package direct

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
	"redline/internal/cluster"
)

const (
	// ours stands for the connections that direct has itself, among the brokers that
	// refuse: it does not tell which one did.
	ours = "direct"
	// refusedAgainWithin is how soon a refusal is repeated where it lasts: direct tries
	// again after 2 s at most.
	refusedAgainWithin = 5 * time.Second
)

// watch learns what brokers do with us: from the hooks of the franz-go client below, and
// from the errors that direct tells of its own connections, which call no hooks.
type watch struct {
	*client.Reach
	attempt cluster.Attempt // what we try
	tell    func(error)
	ended   chan struct{} // closed when brokers refuse us for good
	once    sync.Once     // closes it
	doubted atomic.Bool   // a connection of direct's own was refused, and nothing worked since

	mu      sync.Mutex
	refused time.Time // when one was last
}

var _ kgo.HookBrokerConnect = (*watch)(nil)

// newWatch tells of what goes wrong, from any goroutine. needs are the ACLs that the
// client needs.
func newWatch(o client.Options, tell func(error), needs []cluster.ACL) *watch {
	return &watch{Reach: client.NewReach(o, dialTimeout, needs), attempt: cluster.Attempt{Security: o.Security}, tell: tell, ended: make(chan struct{})}
}

// OnBrokerConnect is told of each connection after its first exchange.
func (w *watch) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	why, lasts := w.Connected(meta, err)
	if lasts {
		w.end()
	}
	if why != nil {
		w.tell(why)
	}
}

// end ends the client, which brokers refuse for good.
func (w *watch) end() { w.once.Do(func() { close(w.ended) }) }

// met is told of what direct meets and goes on from.
func (w *watch) met(err error) {
	w.blame(err)
	w.tell(err)
}

// blame looks for a refusal in an error of direct's. One that was not repeated has passed,
// although no record said so: there may have been none to read.
func (w *watch) blame(err error) {
	if !w.attempt.Lasting(err) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.refused.IsZero() && time.Since(w.refused) > refusedAgainWithin {
		w.Accepted(ours)
	}
	w.refused = time.Now()
	w.doubted.Store(true)
	if w.Refused(ours, "", err) {
		w.end()
	}
}

// worked says that a broker has done for us what it does for nobody it refuses.
func (w *watch) worked() {
	if w.doubted.Load() {
		w.doubted.Store(false)
		w.Accepted(ours)
	}
}

// explain says why a client could not be made, or ended.
func (w *watch) explain(topic string, err error) error {
	switch refused := w.Refusal(); {
	case err == nil:
		return nil
	case refused != nil:
		return refused
	case client.UnknownTopic(err):
		return client.MissingTopic(topic, err)
	case client.Misfit(err):
		return client.CannotJoin(topic, err)
	case !w.Heard():
		if last := w.Unreachable(); last != nil {
			return last
		}
	}
	return fmt.Errorf("topic %q: %w", topic, w.Classify(err))
}

// passes says whether an error of making a client may be another in a moment.
func (w *watch) passes(err error) bool {
	return w.Refusal() == nil && !client.NotAllowed(err) && !client.Misfit(err) && !errors.Is(err, kerr.InvalidTopicException)
}

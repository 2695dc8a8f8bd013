package direct

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/direct/wire"
	"redline/internal/client"
	"redline/internal/cluster"
)

// watch learns what brokers do with us: from the hooks that the franz-go client below and
// direct's own connections call.
type watch struct {
	*client.Reach
	tell  func(error)
	ended chan struct{} // closed when brokers refuse us for good
	once  sync.Once     // closes it
}

var _ kgo.HookBrokerConnect = (*watch)(nil)

// newWatch tells of what goes wrong, from any goroutine. needs are the ACLs that the
// client needs.
func newWatch(o client.Options, tell func(error), needs []cluster.ACL) *watch {
	return &watch{Reach: client.NewReach(o, dialTimeout, needs), tell: tell, ended: make(chan struct{})}
}

// OnBrokerConnect is told of each connection after its first exchange. Of its own ones
// direct tells by itself.
func (w *watch) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	why, lasts := w.Connected(meta, err)
	if lasts {
		w.once.Do(func() { close(w.ended) })
	}
	if why != nil && meta.NodeID != wire.UnknownNode {
		w.tell(why)
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

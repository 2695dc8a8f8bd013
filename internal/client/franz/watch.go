package franz

import (
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
	"redline/internal/cluster"
)

// watch learns from kgo's hooks what brokers do with us.
type watch struct {
	*client.Reach
	tell func(error) // nil: nobody listens
}

var _ kgo.HookBrokerConnect = (*watch)(nil)

// newWatch tells of each connection that fails. needs are the ACLs that the
// client needs.
func newWatch(o client.Options, tell func(error), needs []cluster.ACL) *watch {
	return &watch{client.NewReach(o, dialTimeout, needs), tell}
}

// OnBrokerConnect is told of each connection after its first exchange.
func (w *watch) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if why, _ := w.Connected(meta, err); why != nil && w.tell != nil {
		w.tell(why)
	}
}

package franz

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
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

// OnBrokerConnect is told of each connection after its first exchange, so that
// a port that accepts and is silent does not pass for a broker.
func (w *watch) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	address := net.JoinHostPort(meta.Host, strconv.Itoa(int(meta.Port)))
	if err == nil {
		w.Hear()
		w.Accepted(address)
		return
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	w.Failed(err)
	w.Refused(address, address, err)
	if w.tell != nil {
		w.tell(fmt.Errorf("cannot connect to broker %s: %w", address, err))
	}
}

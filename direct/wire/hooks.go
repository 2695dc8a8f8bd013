package wire

import (
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// UnknownNode is the node id that hooks are told, as a broker is dialled by its address:
// franz-go has it for none of its brokers.
const UnknownNode = -1

// broker is how hooks are told of the broker at an address.
func broker(address string) kgo.BrokerMetadata {
	meta := kgo.BrokerMetadata{NodeID: UnknownNode, Host: address}
	if host, port, err := net.SplitHostPort(address); err == nil {
		n, _ := strconv.ParseUint(port, 10, 16) // 0 for one that has a name
		meta.Host, meta.Port = host, int32(n)
	}
	return meta
}

// connected tells hooks what an attempt to connect came to.
func (d *Dialer) connected(address string, began time.Time, stream net.Conn, err error) {
	took := time.Since(began)
	for _, h := range d.hooks {
		if h, is := h.(kgo.HookBrokerConnect); is {
			h.OnBrokerConnect(broker(address), took, stream, err)
		}
	}
}

// disconnected tells hooks that a connection ends of which they were told.
func (c *Conn) disconnected() {
	if !c.told {
		return
	}
	for _, h := range c.dialer.hooks {
		if h, is := h.(kgo.HookBrokerDisconnect); is {
			h.OnBrokerDisconnect(broker(c.address), c.stream)
		}
	}
}

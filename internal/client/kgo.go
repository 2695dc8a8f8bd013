package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What the clients share that are built on franz-go's kgo.

// FranzDialer is the dialer of a kgo client: with the socket buffers asked for, in bytes,
// and connections whose bytes are counted on the plain side of TLS.
func FranzDialer(o Options, timeout time.Duration, readBuffer, writeBuffer int) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		conn, err := Dial(ctx, o.Security, address, timeout, readBuffer, writeBuffer)
		if err != nil {
			return nil, err
		}
		return o.Wire.Wrap(conn), nil
	}
}

// Connected takes what kgo's HookBrokerConnect tells of each connection after its first
// exchange, so that a port that accepts and is silent does not pass for a broker. It
// returns why the connection came to nothing, nil where it did not or we ended it, and
// whether that is a refusal that lasts.
func (r *Reach) Connected(meta kgo.BrokerMetadata, err error) (why error, lasts bool) {
	address := net.JoinHostPort(meta.Host, strconv.Itoa(int(meta.Port)))
	if err == nil {
		r.Hear()
		r.Accepted(address)
		return nil, false
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return nil, false
	}
	r.Failed(err)
	lasts = r.Refused(address, address, err)
	return fmt.Errorf("cannot connect to broker %s: %w", address, err), lasts
}

// FranzOption shows what a kgo client says about one of its options; times in
// milliseconds.
func FranzOption(cl *kgo.Client, opt any) (string, bool) {
	switch v := cl.OptValue(opt).(type) {
	case nil:
		return "", false
	case time.Duration:
		return InMillis(v), true
	default:
		return fmt.Sprint(v), true
	}
}

// balancers are the strategies by librdkafka's name and by Java's class.
var balancers = map[string]func() kgo.GroupBalancer{
	"range":              kgo.RangeBalancer,
	"roundrobin":         kgo.RoundRobinBalancer,
	"sticky":             kgo.StickyBalancer,
	"cooperative-sticky": kgo.CooperativeStickyBalancer,

	"org.apache.kafka.clients.consumer.RangeAssignor":             kgo.RangeBalancer,
	"org.apache.kafka.clients.consumer.RoundRobinAssignor":        kgo.RoundRobinBalancer,
	"org.apache.kafka.clients.consumer.StickyAssignor":            kgo.StickyBalancer,
	"org.apache.kafka.clients.consumer.CooperativeStickyAssignor": kgo.CooperativeStickyBalancer,
}

// WantBalancers describes what FranzBalancers takes.
const WantBalancers = "range, roundrobin, sticky or cooperative-sticky, several with commas"

// FranzBalancers are the group balancers that a value of partition.assignment.strategy
// names; false where it names another.
func FranzBalancers(value string) (kgo.GroupOpt, bool) {
	var chosen []kgo.GroupBalancer
	for name := range strings.SplitSeq(value, ",") {
		balancer, ok := balancers[strings.TrimSpace(name)]
		if !ok {
			return nil, false
		}
		chosen = append(chosen, balancer())
	}
	return kgo.Balancers(chosen...), true
}

// FranzBalancersOf shows those of a kgo client, as partition.assignment.strategy.
func FranzBalancersOf(cl *kgo.Client) (string, bool) {
	chosen, ok := cl.OptValue(kgo.Balancers).([]kgo.GroupBalancer)
	names := make([]string, len(chosen))
	for i, balancer := range chosen {
		names[i] = balancer.ProtocolName()
	}
	return strings.Join(names, ","), ok
}

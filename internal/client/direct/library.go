// Package direct puts our own package direct behind the client interface.
//
// Options with properties in Kafka's spelling enter; a consumer or producer leaves that
// works on the wire's batches in place. properties.go is the table that maps the
// properties onto its configs. The profiles are alike: direct chooses its connections and
// sizes for the machine by itself, and what a property says wins over that.
//
// What is set in every profile, because the workload needs it: client telemetry
// (KIP-714) of the franz-go client below is off, and the partition of a record is the one
// that the workload chose.
package direct

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
	"redline/internal/security"
)

// name is what the client is called.
const name = "direct"

// Library makes clients of package direct.
var Library client.Library = library{}

type library struct{}

func (library) Name() string { return name }

func (library) Version() string {
	return "redline/direct on franz-go " + client.BuiltVersion("github.com/twmb/franz-go")
}

// dialTimeout bounds one attempt to connect.
const dialTimeout = 10 * time.Second

// Outcome of a send that ended with err.
func (library) Outcome(err error) client.Outcome { return client.OutcomeOf(err) }

// kafka is how the cluster is reached.
func (d *draft) kafka(o client.Options, watch *watch) []kgo.Opt {
	opts := []kgo.Opt{kgo.SeedBrokers(o.Brokers...), kgo.DisableClientMetrics(), kgo.WithHooks(watch)}
	opts = append(opts, o.Security.FranzOptions(dialTimeout)...)
	opts = append(opts, kgo.Dialer(d.dialer(o.Security, o.Wire)))
	return append(opts, d.opts...)
}

// dialer opens connections with the socket buffers asked for, whose bytes are counted
// on the plain side of TLS.
func (d *draft) dialer(how security.Security, wire *client.Wire) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		conn, err := how.Dial(ctx, address, dialTimeout)
		if err != nil {
			return nil, err
		}
		if err := client.SetBuffers(conn, d.readBuffer, d.writeBuffer); err != nil {
			conn.Close()
			return nil, fmt.Errorf("cannot set the socket buffers: %w", err)
		}
		return wire.Wrap(conn), nil
	}
}

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
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
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
	opts = append(opts, kgo.Dialer(client.FranzDialer(o, dialTimeout, d.readBuffer, d.writeBuffer)))
	return append(opts, d.opts...)
}

// Package franz puts franz-go (kgo) behind the client interface.
//
// Options with properties in Kafka's spelling enter; a consumer or producer of
// pure Go leaves. properties.go is the table that maps the properties onto
// kgo's options, profiles.go the presets with their reasons.
//
// What is set in every profile, because the workload needs it: retryable fetch
// errors are kept, so that a topic that is not there is seen; metadata may be
// asked for again after 250 ms (5 s by default), so that a moved leader or a
// deleted topic is known within seconds; rebalances wait for the end of a poll,
// so that what is committed is exactly what was handed out; a broker may hold a
// fetch of assigned partitions for 100 ms (5 s by default), since a rewind at
// the end of the log waits for it; client telemetry
// (KIP-714) is off, so that only the workload's requests are on the wire; the
// partition of a record is the one that the workload chose; and a record that
// cannot be delivered is given up after delivery.timeout.ms, 120000 as in Java,
// where kgo would try for ever.
package franz

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/client"
)

// Library makes franz-go clients.
var Library client.Library = library{}

type library struct{}

func (library) Name() string { return "franz" }

func (library) Version() string {
	return "franz-go " + client.BuiltVersion("github.com/twmb/franz-go")
}

const (
	dialTimeout = 10 * time.Second // kgo's own
	// metadataMinAge bounds how often metadata is asked for when something is wrong.
	metadataMinAge = 250 * time.Millisecond
	// deliveryTimeout is Java's delivery.timeout.ms.
	deliveryTimeout = 120 * time.Second
)

// connect makes the kgo client of a draft, for which mine are options that the
// properties do not speak of.
func (d *draft) connect(o client.Options, watch *watch, base context.Context, mine ...kgo.Opt) (*kgo.Client, error) {
	id := o.ClientID
	if id == "" {
		id = "redline"
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.Brokers...),
		kgo.ClientID(id),
		kgo.WithContext(base),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.DisableClientMetrics(),
		kgo.WithHooks(watch),
	}
	opts = append(opts, o.Security.FranzOptions(dialTimeout)...)
	opts = append(opts, kgo.Dialer(client.FranzDialer(o, dialTimeout, d.readBuffer, d.writeBuffer)))
	if o.Wire != nil {
		opts = append(opts, kgo.WithHooks(throttled{o.Wire}))
	}
	opts = append(opts, mine...)
	opts = append(opts, d.opts...)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("franz-go refuses these properties: %w; change or leave out the one it names", err)
	}
	d.kgo = cl
	return cl, nil
}

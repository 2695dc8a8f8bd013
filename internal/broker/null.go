package broker

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
)

// The null sink is no Kafka but the end of a wire: it speaks Kafka's protocol, gives
// right offsets for what it is sent, and keeps none of it. What it is read for are the
// same prepared batches again and again, records of the size that came last. So a
// client that is measured against it is alone with itself, its sockets and the kernel:
// the rate is the client's own ceiling, whatever the broker.
//
// There are: topics (created, or made when first asked for), classic consumer groups,
// producers with and without idempotence, compression (swallowed as it is; what is read
// is not compressed). There are not: transactions, the consumer groups of KIP-848,
// fetch sessions, retention, security. Nothing of it survives a restart.

// nullProperties are what a null sink can be told, with their defaults.
var nullProperties = map[string]string{
	// As Kafka's.
	"num.partitions":            "1",
	"auto.create.topics.enable": "true",
	// null.records is how many records each partition of a new topic seems to hold.
	"null.records": "0",
}

// nullConfig is what they say.
type nullConfig struct {
	partitions int
	autoCreate bool
	records    int64
}

// makeNull prepares the child that is the null sink.
func (b *Broker) makeNull(context.Context) error {
	if _, err := readNullConfig(b.config.Properties); err != nil {
		return err
	}
	b.storage = "none"
	b.hold(childNull, b.order())
	return nil
}

func readNullConfig(properties map[string]string) (nullConfig, error) {
	var c nullConfig
	known := make([]string, 0, len(nullProperties))
	for key := range nullProperties {
		known = append(known, key)
	}
	slices.Sort(known)
	for key := range properties {
		if !slices.Contains(known, key) {
			return c, fmt.Errorf("the null sink has no property %q: leave it out, or use one of %v", key, known)
		}
	}
	get := func(key string) string {
		if value, set := properties[key]; set {
			return value
		}
		return nullProperties[key]
	}
	wrong := func(key, wants string) error {
		return fmt.Errorf("the property %s=%s is %s", key, get(key), wants)
	}
	var err error
	if c.partitions, err = strconv.Atoi(get("num.partitions")); err != nil || c.partitions < 1 || c.partitions > mostNullPartitions {
		return c, wrong("num.partitions", fmt.Sprintf("no number from 1 to %d", mostNullPartitions))
	}
	if c.autoCreate, err = strconv.ParseBool(get("auto.create.topics.enable")); err != nil {
		return c, wrong("auto.create.topics.enable", "neither true nor false")
	}
	if c.records, err = strconv.ParseInt(get("null.records"), 10, 64); err != nil || c.records < 0 || c.records > mostNullOffset {
		return c, wrong("null.records", fmt.Sprintf("no number from 0 to %d", int64(mostNullOffset)))
	}
	return c, nil
}

// runNull is the life of that child.
func runNull(pipe *childPipe) error {
	var order heldOrder
	if err := pipe.order(&order); err != nil {
		return err
	}
	config, err := readNullConfig(order.Properties)
	if err != nil {
		return err
	}
	port := 0
	if len(order.Ports) > 0 {
		port = order.Ports[0]
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", loopback(port))
	if err != nil {
		return fmt.Errorf("start the null sink: %w", err)
	}
	sink := newNullSink(config, order.ClusterID, listener)
	served := make(chan struct{})
	go func() {
		defer close(served)
		sink.serve()
	}()
	defer func() {
		sink.close()
		<-served
	}()
	pipe.report(report{PID: os.Getpid(), Addrs: []string{listener.Addr().String()}})
	return pipe.awaitEnd(order.Home, nil, nil)
}

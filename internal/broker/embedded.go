package broker

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// The embedded broker keeps every record in memory, so its storage is bounded:
// a topic that does not say otherwise keeps embeddedRetention bytes in each
// partition, looked at twice a second. A topic created with retention.bytes=-1,
// or a broker started with the property log.retention.bytes=-1, is not bounded.
const (
	embeddedRetention = 256 << 20
	embeddedSegment   = 32 << 20
	retentionInterval = 500 * time.Millisecond
)

// heldOrder is what a child that is a broker itself is told.
type heldOrder struct {
	// Ports to listen on; empty: free ones.
	Ports      []int
	Nodes      int
	ClusterID  string
	Properties map[string]string
	// Home is the broker's folder, removed when the owner died.
	Home string
}

// makeEmbedded prepares the one child that holds all nodes.
func (b *Broker) makeEmbedded(context.Context) error {
	b.storage = "memory"
	order := b.order()
	if _, err := order.options(); err != nil {
		return err
	}
	b.hold(childEmbedded, order)
	return nil
}

// order tells a child what to be.
func (b *Broker) order() *heldOrder {
	order := &heldOrder{
		Nodes:      b.config.Nodes,
		ClusterID:  b.cluster,
		Properties: b.config.Properties,
		Home:       b.folder.dir,
	}
	for i := range b.config.Nodes {
		if b.config.Port != 0 {
			order.Ports = append(order.Ports, b.config.Port+i)
		}
	}
	return order
}

// hold leaves all nodes to one child.
func (b *Broker) hold(role string, order *heldOrder) {
	b.nodes = []*node{{
		role:    role,
		order:   order,
		log:     b.folder.logFile(role),
		spawner: b.spawner,
		died:    b.died,
	}}
}

// runEmbedded is the life of that child.
func runEmbedded(pipe *childPipe) error {
	var order heldOrder
	if err := pipe.order(&order); err != nil {
		return err
	}
	options, err := order.options()
	if err != nil {
		return err
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		return fmt.Errorf("start the embedded broker: %w", err)
	}
	defer cluster.Close()
	pipe.report(report{PID: os.Getpid(), Addrs: cluster.ListenAddrs()})
	// kfake looks at retention by itself only when some topic sets it.
	retention := time.NewTicker(retentionInterval)
	defer retention.Stop()
	return pipe.awaitEnd(order.Home, retention.C, cluster.ApplyRetention)
}

// options turns broker properties into kfake's options.
func (o heldOrder) options() ([]kfake.Opt, error) {
	properties := map[string]string{
		"log.cleaner.backoff.ms":     strconv.FormatInt(retentionInterval.Milliseconds(), 10),
		"log.retention.bytes":        strconv.Itoa(embeddedRetention),
		"log.segment.bytes":          strconv.Itoa(embeddedSegment),
		"default.replication.factor": strconv.Itoa(min(o.Nodes, 3)),
		"num.partitions":             "1",
		"auto.create.topics.enable":  "true",
	}
	maps.Copy(properties, o.Properties)
	partitions, err := strconv.Atoi(properties["num.partitions"])
	if err != nil || partitions < 1 {
		return nil, fmt.Errorf("the property num.partitions=%s is no positive number", properties["num.partitions"])
	}
	auto, err := strconv.ParseBool(properties["auto.create.topics.enable"])
	if err != nil {
		return nil, fmt.Errorf("the property auto.create.topics.enable=%s is neither true nor false", properties["auto.create.topics.enable"])
	}
	// These two are options in kfake, not broker configurations.
	delete(properties, "num.partitions")
	delete(properties, "auto.create.topics.enable")
	options := []kfake.Opt{
		kfake.ClusterID(o.ClusterID),
		kfake.DefaultNumPartitions(partitions),
		kfake.BrokerConfigs(properties),
		kfake.WithLogger(kfake.BasicLogger(os.Stderr, kfake.LogLevelWarn)),
	}
	if auto {
		options = append(options, kfake.AllowAutoTopicCreation())
	}
	if len(o.Ports) > 0 {
		return append(options, kfake.Ports(o.Ports...)), nil
	}
	return append(options, kfake.NumBrokers(o.Nodes)), nil
}

package kafka_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/broker"
)

// apache is a real Kafka with its admin.
type apache struct {
	*broker.Broker
	admin *kadm.Client
}

// startApache starts one, whose own topics are small so that they are there soon.
func startApache(t *testing.T, nodes int, properties map[string]string) apache {
	t.Helper()
	all := map[string]string{"offsets.topic.num.partitions": "4", "transaction.state.log.num.partitions": "4"}
	maps.Copy(all, properties)
	b := start(t, broker.Config{Nodes: nodes, Properties: all})
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return apache{b, kadm.NewClient(cl)}
}

// options are those of a client.
func (k apache) options(more ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{kgo.SeedBrokers(k.Addrs()...)}, more...)
}

// create makes a topic with configs such as "cleanup.policy=compact", as soon as one of
// the same name is gone, and waits until all its partitions are led: by brokers that know
// it, since who is refused at first and not idempotent may write out of order.
func (k apache) create(t *testing.T, topic string, partitions int32, configs ...string) {
	t.Helper()
	set := map[string]*string{}
	for _, c := range configs {
		key, v, _ := strings.Cut(c, "=")
		set[key] = &v
	}
	await(t, topic+" is made", func() bool {
		_, err := k.admin.CreateTopic(t.Context(), partitions, -1, set, topic)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			t.Fatal(err)
		}
		return err == nil
	})
	await(t, topic+" is led", func() bool {
		listed, err := k.admin.ListEndOffsets(t.Context(), topic)
		return err == nil && listed.Error() == nil && len(listed[topic]) == int(partitions)
	})
}

// awaitLeaders waits until every partition has a leader, and these are as wanted.
func (k apache) awaitLeaders(t *testing.T, topic string, wanted func(leaders []int32) bool) {
	t.Helper()
	await(t, "leaders of "+topic, func() bool {
		var leaders []int32
		for _, p := range k.describe(t, topic) {
			leaders = append(leaders, p.Leader)
			if p.Err != nil {
				return false
			}
		}
		return !slices.Contains(leaders, -1) && wanted(leaders)
	})
}

// describe is what is known of the partitions, by number; nothing before they are.
func (k apache) describe(t *testing.T, topic string) []kadm.PartitionDetail {
	t.Helper()
	topics, err := k.admin.ListTopics(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	return topics[topic].Partitions.Sorted()
}

// ends are the offsets behind the last records.
func (k apache) ends(t *testing.T, topic string) map[int32]int64 {
	t.Helper()
	listed, err := k.admin.ListEndOffsets(t.Context(), topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	all := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { all[o.Partition] = o.Offset })
	return all
}

// from names partitions to be read, each from the same offset.
func from(offset int64, partitions int32) map[int32]int64 {
	all := map[int32]int64{}
	for p := range partitions {
		all[p] = offset
	}
	return all
}

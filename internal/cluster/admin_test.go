package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// wants fails unless err wraps kind (if any) and has every text.
func wants(t *testing.T, err, kind error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("%q does not wrap %q", err, kind)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q lacks %q", err, text)
		}
	}
}

// fill produces n records to each partition of topic x.
func fill(t *testing.T, k *kfake.Cluster, partitions int32, n int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for p := range partitions {
		for range n {
			cl.Produce(context.Background(), &kgo.Record{Topic: "x", Partition: p, Value: []byte("v")}, nil)
		}
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// join has a consumer in the group that has read everything; with commit it
// commits what it read.
func joinGroup(t *testing.T, k *kfake.Cluster, topic, group string, records int, commit bool, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(k.ListenAddrs()...), kgo.ClientID("rdkafka"), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for seen := 0; seen < records; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		seen += fetches.NumRecords()
	}
	if commit {
		if err := cl.CommitUncommittedOffsets(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return cl
}

func TestATopicIsCreatedDescribedListedAndDeletedAndCreatedAgain(t *testing.T) {
	c := connect(t, fake(t, kfake.NumBrokers(3)))
	for round := range 3 {
		spec := TopicSpec{Name: "test-topic", Partitions: int32(round + 1), Replication: -1, Configs: map[string]string{"retention.ms": "60000"}}
		if err := c.CreateTopic(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		topic, err := c.DescribeTopic(t.Context(), "test-topic")
		if err != nil {
			t.Fatal(err)
		}
		if topic.ID == [16]byte{} || len(topic.Partitions) != round+1 || topic.Partitions[0].ELR == nil || topic.Partitions[0].Leader < 0 {
			t.Errorf("got %+v", topic)
		}
		set := slices.IndexFunc(topic.Configs, func(p Property) bool { return p.Key == "retention.ms" })
		if set < 0 || topic.Configs[set].Value != "60000" || topic.Configs[set].Source != "DYNAMIC_TOPIC_CONFIG" {
			t.Errorf("got configs %+v", topic.Configs)
		}
		if names, err := c.ListTopics(t.Context()); err != nil || !slices.Equal(names, []string{"test-topic"}) {
			t.Errorf("got %q, %v", names, err)
		}
		wants(t, c.CreateTopic(t.Context(), spec), ErrTopicExists, "test-topic exists already", "redline topic delete test-topic")
		if err := c.DeleteTopic(t.Context(), "test-topic"); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, c.DeleteTopic(t.Context(), "test-topic"), ErrUnknownTopic, "test-topic does not exist")
}

// An older broker gives no eligible leaders; the rest is the same.
func TestDescribeFallsBackToMetadataOnOlderBrokers(t *testing.T) {
	c := connect(t, fake(t, kfake.SeedTopics(2, "old"), kfake.MaxVersions(kversion.V3_6_0())))
	topic, err := c.DescribeTopic(t.Context(), "old")
	if err != nil || len(topic.Partitions) != 2 || topic.Partitions[1].ID != 1 || topic.Partitions[0].ELR != nil {
		t.Errorf("got %+v, %v", topic, err)
	}
	_, err = c.DescribeTopic(t.Context(), "nold")
	wants(t, err, ErrUnknownTopic, "Did you mean old?")
}

func TestDescribeReadsEveryPageAndEndsWhenTheCursorDoesNotMove(t *testing.T) {
	k := fake(t, kfake.SeedTopics(2500, "wide"))
	c := connect(t, k)
	topic, err := c.DescribeTopic(t.Context(), "wide")
	if err != nil || len(topic.Partitions) != 2500 || topic.Partitions[2499].ID != 2499 {
		t.Fatalf("got %d partitions, %v", len(topic.Partitions), err)
	}
	alter(k, kmsg.DescribeTopicPartitions, func(_ kmsg.Request, r *kmsg.DescribeTopicPartitionsResponse) {
		name := "wide"
		r.Topics = []kmsg.DescribeTopicPartitionsResponseTopic{{Topic: &name}}
		r.NextCursor = &kmsg.DescribeTopicPartitionsResponseNextCursor{Topic: name, Partition: 1}
	})
	if topic, err := c.DescribeTopic(t.Context(), "wide"); err != nil || len(topic.Partitions) != 0 {
		t.Errorf("got %+v, %v", topic, err)
	}
}

func TestATopicIsDeletedByIDOnlyWhileItIsTheSame(t *testing.T) {
	c := connect(t, fake(t, kfake.SeedTopics(1, "x")))
	first, err := c.DescribeTopic(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteTopicByID(t.Context(), "x", first.ID); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic(t.Context(), TopicSpec{Name: "x", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	wants(t, c.DeleteTopicByID(t.Context(), "x", first.ID), ErrUnknownTopic, "nothing was deleted")
	wants(t, c.DeleteTopicByID(t.Context(), "x", [16]byte{}), nil, "id is not known")
	if names, _ := c.ListTopics(t.Context()); !slices.Equal(names, []string{"x"}) {
		t.Errorf("left are %q", names)
	}
}

func TestBadTopicsAreRefusedWithAReason(t *testing.T) {
	k := fake(t)
	c := connect(t, k)
	for name, want := range map[string]string{
		"": "empty", ".": "cannot be named", "..": "cannot be named", strings.Repeat("a", 250): "249", "a b": "' '", "\x1b[31m": `\x1b`, "ä": "'ä'",
	} {
		wants(t, c.CreateTopic(t.Context(), TopicSpec{Name: name}), nil, want)
	}
	wants(t, c.CreateTopic(t.Context(), TopicSpec{Name: "x", Partitions: 1, Replication: 5}), kerr.InvalidReplicationFactor, "5 replicas", "has 1 broker.", "--replication-factor")
	wants(t, c.CreateTopic(t.Context(), TopicSpec{Name: "x", Partitions: -7}), nil, "-7 partitions")
	alter(k, kmsg.CreateTopics, func(_ kmsg.Request, r *kmsg.CreateTopicsResponse) {
		reason := "Unknown topic config name: no.such"
		r.Topics = []kmsg.CreateTopicsResponseTopic{{Topic: "x", ErrorCode: kerr.InvalidConfig.Code, ErrorMessage: &reason}}
	})
	wants(t, c.CreateTopic(t.Context(), TopicSpec{Name: "x", Partitions: 1}), kerr.InvalidConfig, "Unknown topic config name: no.such (INVALID_CONFIG)")
}

func TestRefusalsOfTheClusterAreNotAllowed(t *testing.T) {
	k := fake(t, kfake.SeedTopics(1, "x"))
	c := connect(t, k)
	alter(k, kmsg.CreateTopics, func(_ kmsg.Request, r *kmsg.CreateTopicsResponse) {
		r.Topics = []kmsg.CreateTopicsResponseTopic{{Topic: "new", ErrorCode: kerr.TopicAuthorizationFailed.Code}}
	})
	wants(t, c.CreateTopic(t.Context(), TopicSpec{Name: "new"}), ErrNotAllowed, "creating topic new", "TOPIC_AUTHORIZATION_FAILED", "ACL")
	alter(k, kmsg.DeleteTopics, func(req kmsg.Request, r *kmsg.DeleteTopicsResponse) {
		r.Topics = []kmsg.DeleteTopicsResponseTopic{{Topic: req.(*kmsg.DeleteTopicsRequest).Topics[0].Topic, ErrorCode: kerr.TopicDeletionDisabled.Code}}
	})
	wants(t, c.DeleteTopic(t.Context(), "x"), ErrNotAllowed, "delete.topic.enable")
	alter(k, kmsg.ConsumerGroupDescribe, func(_ kmsg.Request, r *kmsg.ConsumerGroupDescribeResponse) {
		r.Groups = []kmsg.ConsumerGroupDescribeResponseGroup{{Group: "g", ErrorCode: kerr.GroupAuthorizationFailed.Code}}
	})
	alter(k, kmsg.DescribeGroups, func(_ kmsg.Request, r *kmsg.DescribeGroupsResponse) {
		r.Groups = []kmsg.DescribeGroupsResponseGroup{{Group: "g", ErrorCode: kerr.GroupAuthorizationFailed.Code}}
	})
	_, err := c.DescribeGroup(t.Context(), "g")
	wants(t, err, ErrNotAllowed, "describing group g", "GROUP_AUTHORIZATION_FAILED")
	alter(k, kmsg.DescribeTopicPartitions, func(_ kmsg.Request, r *kmsg.DescribeTopicPartitionsResponse) {
		name := "x"
		r.Topics = []kmsg.DescribeTopicPartitionsResponseTopic{{Topic: &name, ErrorCode: kerr.TopicAuthorizationFailed.Code}}
	})
	alter(k, kmsg.Metadata, func(_ kmsg.Request, r *kmsg.MetadataResponse) {
		name := "x"
		r.Topics = []kmsg.MetadataResponseTopic{{Topic: &name, ErrorCode: kerr.TopicAuthorizationFailed.Code}}
	})
	_, err = c.DescribeTopic(t.Context(), "x")
	wants(t, err, ErrNotAllowed, "describing topic x", "TOPIC_AUTHORIZATION_FAILED")
}

func TestOffsetsAreTheRangeOfEachPartition(t *testing.T) {
	k := fake(t, kfake.SeedTopics(2, "x"))
	c := connect(t, k)
	fill(t, k, 2, 10)
	got, err := c.Offsets(t.Context(), "x")
	if diff := cmp.Diff(map[int32]Range{0: {0, 10}, 1: {0, 10}}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	_, err = c.Offsets(t.Context(), "y")
	wants(t, err, ErrUnknownTopic, "topic y does not exist", "redline topic create y")
}

func TestAGroupOfEitherProtocolIsDescribedWithItsLag(t *testing.T) {
	for protocol, opts := range map[string][]kgo.Opt{
		"classic":  {kgo.Balancers(kgo.RangeBalancer())},
		"consumer": {kgo.WithContext(context.WithValue(context.Background(), "opt_in_kafka_next_gen_balancer_beta", true))}, //nolint:staticcheck // the key kgo looks for
	} {
		t.Run(protocol, func(t *testing.T) {
			k := fake(t, kfake.SeedTopics(2, "x"))
			c := connect(t, k)
			fill(t, k, 2, 10)
			member := joinGroup(t, k, "x", "g", 20, true, opts...)
			fill(t, k, 1, 3)
			got, err := c.DescribeGroup(t.Context(), "g")
			if err != nil {
				t.Fatal(err)
			}
			if got.Type != protocol || got.State != StateStable || len(got.Members) != 1 || got.Members[0].ClientID != "rdkafka" {
				t.Errorf("got %+v", got)
			}
			want := []GroupPartition{{"x", 0, 10, 13, 3, &got.Members[0]}, {"x", 1, 10, 10, 0, &got.Members[0]}}
			if diff := cmp.Diff(want, got.Partitions); diff != "" {
				t.Error(diff)
			}
			wants(t, c.DeleteGroup(t.Context(), "g"), kerr.NonEmptyGroup, "has members")
			member.Close()
			got, err = c.DescribeGroup(t.Context(), "g")
			if err != nil || got.State != StateEmpty || len(got.Members) != 0 || len(got.Partitions) != 2 || got.Partitions[0].Member != nil {
				t.Errorf("after the end: %+v, %v", got, err)
			}
			if groups, err := c.ListGroups(t.Context()); err != nil || len(groups) != 1 || groups[0].Name != "g" {
				t.Errorf("got %+v, %v", groups, err)
			}
			if err := c.DeleteGroup(t.Context(), "g"); err != nil {
				t.Error(err)
			}
			_, err = c.DescribeGroup(t.Context(), "g")
			wants(t, err, ErrUnknownGroup, "consumer group g does not exist")
		})
	}
}

func TestWithoutACommitThereIsNoLag(t *testing.T) {
	k := fake(t, kfake.SeedTopics(1, "x"))
	c := connect(t, k)
	fill(t, k, 1, 10)
	joinGroup(t, k, "x", "g", 10, false)
	got, err := c.DescribeGroup(t.Context(), "g")
	if err != nil || len(got.Partitions) != 1 || got.Partitions[0].Lag != -1 || got.Partitions[0].Committed != -1 || got.Partitions[0].End != 10 {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = c.DescribeGroup(t.Context(), "h")
	wants(t, err, ErrUnknownGroup, "Did you mean g?")
	wants(t, c.DeleteGroup(t.Context(), "nope"), ErrUnknownGroup, "nope does not exist")
}

// A new cluster has no coordinator until the first group is asked for.
func TestACoordinatorThatIsNotThereYetIsWaitedFor(t *testing.T) {
	k := fake(t)
	c := connect(t, k)
	var asked atomic.Int32
	k.ControlKey(int16(kmsg.FindCoordinator), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if asked.Add(1) > 12 { // the client library gives up after a few
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
		for _, key := range req.(*kmsg.FindCoordinatorRequest).CoordinatorKeys {
			resp.Coordinators = append(resp.Coordinators, kmsg.FindCoordinatorResponseCoordinator{Key: key, NodeID: -1, ErrorCode: kerr.CoordinatorNotAvailable.Code})
		}
		return resp, nil, true
	})
	_, err := c.DescribeGroup(t.Context(), "g")
	wants(t, err, ErrUnknownGroup, "g does not exist")
}

// The order of reading decides that a moving group never shows less than it has
// to do; a commit ahead of the end (a topic created anew) shows 0.
func TestCommitsAreReadBeforeEndsAndLagIsNeverNegative(t *testing.T) {
	k := fake(t, kfake.SeedTopics(1, "x"))
	c := connect(t, k)
	fill(t, k, 1, 10)
	joinGroup(t, k, "x", "g", 10, true)
	var mu sync.Mutex
	var order []kmsg.Key
	note := func(key kmsg.Key) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, key)
	}
	k.ControlKey(int16(kmsg.OffsetFetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		note(kmsg.OffsetFetch)
		return nil, nil, false
	})
	alter(k, kmsg.ListOffsets, func(_ kmsg.Request, r *kmsg.ListOffsetsResponse) {
		note(kmsg.ListOffsets)
		r.Topics = []kmsg.ListOffsetsResponseTopic{{Topic: "x", Partitions: []kmsg.ListOffsetsResponseTopicPartition{{Offset: 4}}}}
	})
	got, err := c.DescribeGroup(t.Context(), "g")
	if err != nil || got.Partitions[0].Lag != 0 || got.Partitions[0].End != 4 {
		t.Errorf("got %+v, %v", got, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if order = slices.Compact(order); !slices.Equal(order, []kmsg.Key{kmsg.OffsetFetch, kmsg.ListOffsets}) {
		t.Errorf("asked in the order %v", order)
	}
}

func TestTheGuardShowsWhoseClusterItIs(t *testing.T) {
	k := fake(t, kfake.SeedTopics(1, "orders", "payments"))
	c := connect(t, k)
	if err := c.Guard(t.Context(), GuardOptions{}); err != nil {
		t.Errorf("on loopback: %v", err)
	}
	c.loopback = false
	c.brokers = []Broker{{1, "b1.prod.example", 9092}}
	wants(t, c.Guard(t.Context(), GuardOptions{}), ErrNotAllowed, "b1.prod.example:9092", "2 topics (orders, payments)", "--target fake-cluster-id")
	wants(t, c.Guard(t.Context(), GuardOptions{Target: "other"}), ErrNotAllowed, "--target other names another cluster")
	if err := c.Guard(t.Context(), GuardOptions{Target: "fake-cluster-id"}); err != nil {
		t.Errorf("with its id: %v", err)
	}
	c.id = ""
	wants(t, c.Guard(t.Context(), GuardOptions{}), ErrNotAllowed, "no id")
	c.id = "x --target \x1b[2Jy"
	wants(t, c.Guard(t.Context(), GuardOptions{}), ErrNotAllowed, `--target "x --target \x1b[2Jy"`)
}

func TestTheGuardNamesTenTopicsAndTheNumberOfAll(t *testing.T) {
	var topics []string
	for i := range 25 {
		topics = append(topics, fmt.Sprintf("t%02d", i))
	}
	c := connect(t, fake(t, kfake.SeedTopics(1, topics...)))
	c.loopback = false
	err := c.Guard(t.Context(), GuardOptions{})
	wants(t, err, ErrNotAllowed, "25 topics (t00, ", "t09, …)")
	if strings.Contains(err.Error(), "t10") {
		t.Errorf("%q names more than ten", err)
	}
}

func TestOnlyAllLoopbackIsLoopback(t *testing.T) {
	for hosts, want := range map[string]bool{
		"127.0.0.1": true, "localhost": true, "::1": true, "127.9.9.9": true, "::ffff:127.0.0.1": true,
		"": false, "10.0.0.1": false, "0.0.0.0": false, "127.0.0.1 10.0.0.1": false, "no-such-host.invalid": false,
	} {
		var brokers []Broker
		for _, h := range strings.Fields(hosts) {
			brokers = append(brokers, Broker{Host: h})
		}
		if got := allLoopback(t.Context(), brokers); got != want {
			t.Errorf("%q: got %v", hosts, got)
		}
	}
}

// An action that the cluster never answers ends with the timeout and says so.
func TestAnActionEndsWithItsTimeout(t *testing.T) {
	k := fake(t)
	c, err := Connect(t.Context(), Config{Brokers: k.ListenAddrs(), Timeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	over := make(chan struct{})
	defer close(over)
	k.ControlKey(int16(kmsg.CreateTopics), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		<-over // the whole cluster hangs
		return nil, nil, false
	})
	wants(t, c.CreateTopic(t.Context(), TopicSpec{Name: "x", Partitions: 1}), ErrUnreachable, "within 500ms (--timeout)")
}

// After the brokers have died an action is refused by the network, soon.
func TestAnActionOnADeadClusterIsUnreachable(t *testing.T) {
	k := fake(t)
	c, err := Connect(t.Context(), Config{Brokers: k.ListenAddrs(), Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	k.Close()
	_, err = c.ListGroups(t.Context())
	wants(t, err, ErrUnreachable, "listing groups")
	wants(t, c.CreateTopic(t.Context(), TopicSpec{Name: "x", Partitions: 1}), ErrUnreachable)
}

package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/cluster"
)

// The article's own tables (iterations 1, 3), to the byte.
func TestAGroupIsDescribedInTheArticlesColumns(t *testing.T) {
	member := &cluster.Member{ID: "rdkafka-c5974b0d-788e-4274-b709-55ceb382db44", Host: "/0:0:0:0:0:0:0:1", ClientID: "rdkafka"}
	for _, c := range []struct {
		group cluster.Group
		want  string
	}{
		{cluster.Group{Name: "perf-test-consumer-0", State: "Stable", Partitions: []cluster.GroupPartition{
			{Topic: "test-topic", Partition: 0, Committed: 3844, End: 1000000, Lag: 996156, Member: member},
		}}, `
GROUP                TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID                                  HOST             CLIENT-ID
perf-test-consumer-0 test-topic      0          3844            1000000         996156          rdkafka-c5974b0d-788e-4274-b709-55ceb382db44 /0:0:0:0:0:0:0:1 rdkafka
`},
		{cluster.Group{Name: "t3", State: "Empty", Partitions: []cluster.GroupPartition{
			{Topic: "test-topic", Partition: 0, Committed: 500056, End: 500056},
			{Topic: "test-topic", Partition: 1, Committed: 499944, End: 499944},
		}}, `
Consumer group 't3' has no active members.

GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     HOST            CLIENT-ID
t3              test-topic      0          500056          500056          0               -               -               -
t3              test-topic      1          499944          499944          0               -               -               -
`},
		{cluster.Group{Name: "new", State: "PreparingRebalance", Partitions: []cluster.GroupPartition{
			{Topic: "a-topic-with-a-long-name", Partition: 0, Committed: -1, End: 10, Lag: -1},
			{Topic: "x", Partition: 12, Committed: 5, End: -1, Lag: -1},
		}}, `
Warning: Consumer group 'new' is rebalancing.

GROUP           TOPIC                    PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     HOST            CLIENT-ID
new             a-topic-with-a-long-name 0          -               10              -               -               -               -
new             x                        12         5               -               -               -               -               -
`},
		{cluster.Group{Name: "nothing", State: "Empty"}, "\nConsumer group 'nothing' has no active members.\n"},
	} {
		var got bytes.Buffer
		writeGroup(&got, c.group)
		if diff := cmp.Diff(c.want, got.String()); diff != "" {
			t.Errorf("%s: %s", c.group.Name, diff)
		}
	}
}

// consumed is a topic with 10 records in each of two partitions, read and
// committed by a group whose member is still there.
func consumed(t *testing.T, k *kfake.Cluster, group string) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ClientID("rdkafka"),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics("test-topic"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for i := range 20 {
		cl.Produce(ctx, &kgo.Record{Topic: "test-topic", Partition: int32(i % 2), Value: []byte("v")}, nil)
	}
	if err := cl.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for seen := 0; seen < 20; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		seen += fetches.NumRecords()
	}
	if err := cl.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	return cl
}

func TestGroupsAreListedDescribedAndDeletedAsTheArticleTypesIt(t *testing.T) {
	k, address := fakeKafka(t, kfake.SeedTopics(2, "test-topic"))
	member := consumed(t, k, "t1")
	if got := adminTyped(t, nil, "group", "list", "-b", address, "-q"); got != (told{0, "t1\n", ""}) {
		t.Errorf("list: %+v", got)
	}
	active := adminTyped(t, nil, "group", "describe", "--bootstrap-server", address, "--group", "t1")
	if !strings.HasPrefix(active.stdout, "\nGROUP           TOPIC ") || !strings.Contains(active.stdout, "\nt1              test-topic      1          10              10              0               rdkafka-") {
		t.Errorf("active: %+v", active)
	}
	if got := adminTyped(t, nil, "group", "delete", "t1", "-b", address); got.code != 1 || !strings.Contains(got.stderr, "has members") {
		t.Errorf("delete of an active group: %+v", got)
	}
	object := asJSON(t, adminTyped(t, nil, "group", "describe", "t1", "-b", address, "-o", "json"))
	group := object["group"].(map[string]any)
	first := group["partitions"].([]any)[0].(map[string]any)
	if object["schema"] != "redline.group/v1" || group["state"] != "Stable" || group["total_lag"] != 0.0 || first["current_offset"] != 10.0 || !strings.HasPrefix(first["consumer_id"].(string), "rdkafka-") {
		t.Errorf("got %v", object)
	}
	member.Close()
	want := `
Consumer group 't1' has no active members.

GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     HOST            CLIENT-ID
t1              test-topic      0          10              10              0               -               -               -
t1              test-topic      1          10              10              0               -               -               -
`
	if diff := cmp.Diff(want, adminTyped(t, nil, "group", "describe", "t1", "-b", address).stdout); diff != "" {
		t.Error(diff)
	}
	if got := adminTyped(t, nil, "group", "delete", "--group", "t1", "-b", address, "-q"); got != (told{0, "Deletion of requested consumer groups ('t1') was successful.\n", ""}) {
		t.Errorf("delete: %+v", got)
	}
	gone := adminTyped(t, nil, "group", "describe", "t1", "-b", address, "-o", "json")
	if object := asJSON(t, gone); gone.code != 1 || object["group"] != nil || !strings.Contains(object["error"].(string), "t1 does not exist") {
		t.Errorf("gone: %+v", gone)
	}
	if object := asJSON(t, adminTyped(t, nil, "group", "list", "-b", address, "-o", "json")); object["schema"] != "redline.groups/v1" || fmt.Sprint(object["groups"]) != "[]" {
		t.Errorf("got %v", object)
	}
}

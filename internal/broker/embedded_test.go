package broker

import (
	"context"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/internal/journal"
)

func newAdmin(t *testing.T, b *Broker, more ...kgo.Opt) (*kgo.Client, *kadm.Client) {
	t.Helper()
	client, err := kgo.NewClient(append(more, kgo.SeedBrokers(b.Addrs()...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, kadm.NewClient(client)
}

func TestEmbeddedBrokerRunsInAChildAndLeavesNothing(t *testing.T) {
	state := ownState(t)
	b := startEmbedded(t, Config{Nodes: 3})
	if got := len(b.Addrs()); got != 3 {
		t.Errorf("%d addresses, want 3", got)
	}
	if pids := b.PIDs(); len(pids) != 1 || pids[0] == os.Getpid() {
		t.Errorf("PIDs %v: want one that is not ours, %d", pids, os.Getpid())
	}
	if b.MetricsURLs() != nil || b.Storage() != "memory" {
		t.Errorf("metrics %v, storage %q", b.MetricsURLs(), b.Storage())
	}
	if want := "embedded broker (kfake, not Apache Kafka), 3 nodes"; b.Description() != want {
		t.Errorf("Description() = %q, want %q", b.Description(), want)
	}
	_, admin := newAdmin(t, b)
	metadata, err := admin.Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if metadata.Cluster != b.ClusterID() || len(metadata.Brokers) != 3 {
		t.Errorf("cluster %q with %d brokers, want %q with 3", metadata.Cluster, len(metadata.Brokers), b.ClusterID())
	}
	if names := metadata.Topics.Names(); len(names) > 0 {
		t.Errorf("a new broker has topics: %v", names)
	}

	child := journal.ProcessOf(b.PIDs()[0])
	if err := b.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(context.Background()); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
	if child.Alive() {
		t.Error("the child lives after Stop")
	}
	if left := brokerFolders(t, state); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if b.Err() != nil {
		t.Errorf("Err() = %v after a Stop", b.Err())
	}
}

func TestProducingCreatesATopicOfOnePartition(t *testing.T) {
	ownState(t)
	b := startEmbedded(t, Config{})
	client, admin := newAdmin(t, b, kgo.AllowAutoTopicCreation())
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "made", Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	topics, err := admin.ListTopics(t.Context(), "made")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(topics["made"].Partitions); n != 1 {
		t.Errorf("%d partitions, want 1", n)
	}
}

// fill writes n records of 10 kB to partition 0 of a topic.
func fill(t *testing.T, client *kgo.Client, topic string, n int) {
	t.Helper()
	value := make([]byte, 10_000)
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Value: value}
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func startOffset(t *testing.T, admin *kadm.Client, topic string) int64 {
	t.Helper()
	offsets, err := admin.ListStartOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	o, _ := offsets.Lookup(topic, 0)
	return o.Offset
}

func TestRetentionBoundsMemoryUnlessATopicSaysOtherwise(t *testing.T) {
	ownState(t)
	const bound = 2 << 20
	b := startEmbedded(t, Config{Properties: map[string]string{
		"log.retention.bytes": strconv.Itoa(bound),
		"log.segment.bytes":   strconv.Itoa(256 << 10),
	}})
	// Zeros must count as what they are.
	client, admin := newAdmin(t, b, kgo.ProducerBatchCompression(kgo.NoCompression()))
	unlimited := "-1"
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, "bounded"); err != nil {
		t.Fatal(err)
	}
	// This one first: with a topic that sets retention kfake would look by itself.
	fill(t, client, "bounded", 600)
	// 600 records of 10 kB are 6 MB; 2 MiB may stay, give or take a batch.
	eventually(t, "eviction", func() bool { return startOffset(t, admin, "bounded") > 300 })
	if start := startOffset(t, admin, "bounded"); start > 500 {
		t.Errorf("records up to %d of 600 are gone: less is left than %d bytes", start, bound)
	}
	if _, err := admin.CreateTopic(t.Context(), 1, 1, map[string]*string{"retention.bytes": &unlimited}, "unlimited"); err != nil {
		t.Fatal(err)
	}
	fill(t, client, "unlimited", 600)
	fill(t, client, "bounded", 600)
	eventually(t, "eviction beside it", func() bool { return startOffset(t, admin, "bounded") > 900 })
	if start := startOffset(t, admin, "unlimited"); start != 0 {
		t.Errorf("a topic with retention.bytes=-1 lost its first %d records", start)
	}
}

func TestTopicsAreBoundedByDefault(t *testing.T) {
	ownState(t)
	b := startEmbedded(t, Config{})
	_, admin := newAdmin(t, b)
	configs, err := admin.DescribeBrokerConfigs(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range configs[0].Configs {
		got[c.Key] = c.MaybeValue()
	}
	for key, want := range map[string]string{"log.retention.bytes": "268435456", "log.segment.bytes": "33554432", "log.cleaner.backoff.ms": "500"} {
		if got[key] != want {
			t.Errorf("%s=%s, want %s", key, got[key], want)
		}
	}
}

func TestAPropertyTheEmbeddedBrokerCannotHonourIsAnError(t *testing.T) {
	ownState(t)
	for property, says := range map[string]string{
		"num.io.threads":            `no property "num.io.threads"`,
		"num.partitions":            "num.partitions=nonsense is no positive number",
		"auto.create.topics.enable": "neither true nor false",
	} {
		_, err := Start(t.Context(), Config{Properties: map[string]string{property: "nonsense"}})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want %q in it", property, err, says)
		}
	}
}

func TestATakenPortIsSaidBeforeAnythingStarts(t *testing.T) {
	state := ownState(t)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Start(t.Context(), Config{Port: l.Addr().(*net.TCPAddr).Port})
	want := "cannot listen on " + l.Addr().String() + ": address already in use. Stop what listens there, or choose another with --port"
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
	if left := brokerFolders(t, state); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestADeathIsToldAndItsLogKept(t *testing.T) {
	ownState(t)
	b := startEmbedded(t, Config{})
	if err := syscall.Kill(b.PIDs()[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-b.Done()
	if err := b.Err(); err == nil || !strings.Contains(err.Error(), "the embedded broker ended by itself (signal: killed)") || !strings.Contains(err.Error(), b.Logs()) {
		t.Errorf("Err() = %v", err)
	}
	// Its log is empty, so there is nothing to keep: ownState checks that.
}

func TestKillAndRestartOnTheSameAddress(t *testing.T) {
	ownState(t)
	b := startEmbedded(t, Config{})
	addrs, pids := b.Addrs(), b.PIDs()
	if err := b.Restart(t.Context(), 0); err == nil {
		t.Error("a running node was restarted")
	}
	if err := b.Kill(0); err != nil {
		t.Fatal(err)
	}
	if got := b.PIDs(); len(got) != 0 {
		t.Errorf("PIDs %v after Kill", got)
	}
	select {
	case <-b.Done():
		t.Errorf("a death that was asked for is told as one that was not: %v", b.Err())
	default:
	}
	if err := b.Restart(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.Addrs(), addrs) || slices.Equal(b.PIDs(), pids) {
		t.Errorf("addresses %v -> %v, pids %v -> %v", addrs, b.Addrs(), pids, b.PIDs())
	}
	if err := b.Kill(1); err == nil {
		t.Error("node 1 of 1 was killed")
	}
}

func TestKillingTheOwnerLeavesNoProcessAndNoFolder(t *testing.T) {
	state := ownState(t)
	owner, s := startOwner(t, keeperOrder{Kind: Embedded})
	if len(s.Processes) != 1 || !s.Processes[0].Alive() {
		t.Fatalf("processes %v: want one that lives", s.Processes)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	eventually(t, "the child's end", func() bool { return !s.Processes[0].Alive() })
	eventually(t, "the folder's end", func() bool { return len(brokerFolders(t, state)) == 0 })
}

func TestACancelledStartLeavesNothing(t *testing.T) {
	ownState(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Config{}); err == nil {
		t.Error("a start with a cancelled context succeeded")
	}
}

// downAtEnd ends what a test that goes wrong has left detached.
func downAtEnd(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		if _, err := Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestADetachedBrokerWithoutAStateFileEnds(t *testing.T) {
	state := ownState(t)
	downAtEnd(t)
	s, err := StartDetached(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range brokerFolders(t, state) {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the keeper's end", func() bool { return !s.Owner.Alive() })
	if s.Processes[0].Alive() {
		t.Error("the broker lives on")
	}
}

func TestADetachedBrokerStaysUntilDown(t *testing.T) {
	state := ownState(t)
	downAtEnd(t)
	s, err := StartDetached(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	if !s.Detached || !s.Owner.Alive() || s.Owner.PID == os.Getpid() {
		t.Errorf("state %+v: want a living keeper", s)
	}
	running, err := Status()
	if err != nil || len(running) != 1 || running[0].ID != s.ID {
		t.Errorf("Status() = %v, %v; want the broker %s", running, err, s.ID)
	}
	if err := awaitAnswer(t.Context(), s.Brokers); err != nil {
		t.Error(err)
	}
	ended, err := Down(t.Context())
	if err != nil || len(ended) != 1 || ended[0].ID != s.ID {
		t.Errorf("Down() = %v, %v; want the broker %s", ended, err, s.ID)
	}
	for _, p := range append(s.Processes, s.Owner) {
		if p.Alive() {
			t.Errorf("process %d lives after Down", p.PID)
		}
	}
	if left, err := os.ReadDir(state); err != nil || len(left) != 2 { // brokers/ and the lock
		t.Errorf("left behind: %v %v", left, err)
	}
	if ended, err := Down(t.Context()); err != nil || len(ended) != 0 {
		t.Errorf("a second Down() = %v, %v", ended, err)
	}
}

func TestADetachedStartTellsWhyItFailed(t *testing.T) {
	ownState(t)
	downAtEnd(t)
	_, err := StartDetached(t.Context(), Config{Properties: map[string]string{"num.io.threads": "8"}})
	if err == nil || !strings.Contains(err.Error(), `no property "num.io.threads"`) {
		t.Errorf("error %v", err)
	}
}

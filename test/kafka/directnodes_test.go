package kafka_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/direct"
)

// atWork is a topic on three nodes with a producer, a consumer of all its partitions and
// a group of two at work.
type atWork struct {
	apache
	topic         string
	w             *writer
	alone, shared sightings
	reader        *follower
	members       []*follower
}

// A producer that waits for all replicas, and everybody who reads, goes on through leaders
// that move and a node that is killed and comes back: every record is in the log once and
// in order, and is read once and in order.
func TestDirectLosesNothingWhereLeadersMoveAndANodeIsKilled(t *testing.T) {
	beside(t)
	const topic, group, partitions = "moved", "pair", 6
	a := &atWork{apache: startApache(t, 3, nil), topic: topic, alone: sightings{inOrder: true}}
	a.create(t, topic, partitions)
	a.w = newWriter(t, direct.ProducerConfig{Kafka: a.options(), Topic: topic})
	a.reader = follow(t, direct.ConsumerConfig{Kafka: a.options(), Topic: topic, Assign: from(0, partitions)}, &a.alone)
	for range 2 {
		// A member that is slow for a moment is no fault to be looked at here.
		member := direct.ConsumerConfig{Kafka: a.options(kgo.SessionTimeout(30 * time.Second)), Topic: topic, Group: group, CommitEvery: time.Second}
		a.members = append(a.members, follow(t, member, &a.shared))
	}
	a.w.keepOn(t)
	await(t, "both members have partitions", func() bool {
		return len(a.members[0].Positions()) == partitions/2 && len(a.members[1].Positions()) == partitions/2
	})

	rounds := 1
	if full {
		rounds = 6
	}
	for i := range rounds {
		node := i % 3
		a.strike(t, "all leaders move", func() { a.moveLeaders(t) })
		a.strike(t, "a node is killed", func() { a.kill(t, node) })
		a.strike(t, "it comes back and leads again", func() { a.restart(t, node) })
	}
	a.settle(t, group)
}

// strike wants a fault to have bitten everybody, and everybody to go on.
func (a *atWork) strike(t *testing.T, what string, fault func()) {
	t.Helper()
	a.goOn(t, "before "+what)
	bitten := []func() int{
		func() int { return len(a.w.complaints.list()) },
		func() int { return len(a.reader.complaints.list()) },
		func() int { return len(a.members[0].complaints.list()) + len(a.members[1].complaints.list()) },
	}
	var before []int
	for _, complaints := range bitten {
		before = append(before, complaints())
	}
	began := time.Now()
	fault()
	a.goOn(t, "after "+what)
	for i, who := range []string{"producer", "consumer", "group"} {
		await(t, what+" is felt by the "+who, func() bool { return bitten[i]() > before[i] })
	}
	t.Logf("%s: over after %.1f s, %d errors at the producer, %d at the consumer, %d in the group", what, time.Since(began).Seconds(),
		bitten[0]()-before[0], bitten[1]()-before[1], bitten[2]()-before[2])
}

// goOn waits until more was sent than before to every partition, acknowledged and read.
func (a *atWork) goOn(t *testing.T, when string) {
	t.Helper()
	due, _, _ := a.w.progress()
	for p := range due {
		due[p]++
	}
	await(t, when+": all is acknowledged and read", func() bool {
		_, acked, _ := a.w.progress()
		for p, n := range due {
			if acked[p] < n {
				return false
			}
		}
		return a.alone.cover(due) && a.shared.cover(due)
	})
}

// moveLeaders makes the next replica of every partition its leader.
func (a *atWork) moveLeaders(t *testing.T) {
	t.Helper()
	var turned kadm.AlterPartitionAssignmentsReq
	var moved kadm.TopicsSet
	var wanted []int32
	for _, p := range a.describe(t, a.topic) {
		at := slices.Index(p.Replicas, p.Leader)
		replicas := slices.Concat(p.Replicas[at+1:], p.Replicas[:at+1])
		turned.Assign(a.topic, p.Partition, replicas)
		moved.Add(a.topic, p.Partition)
		wanted = append(wanted, replicas[0])
	}
	answer, err := a.admin.AlterPartitionAssignments(t.Context(), turned)
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	a.elect(t, moved, wanted)
}

// elect makes the first replicas lead.
func (a *atWork) elect(t *testing.T, moved kadm.TopicsSet, wanted []int32) {
	t.Helper()
	a.awaitLeaders(t, a.topic, func(leaders []int32) bool {
		if slices.Equal(leaders, wanted) {
			return true
		}
		if _, err := a.admin.ElectLeaders(t.Context(), kadm.ElectPreferredReplica, moved); err != nil {
			t.Fatal(err)
		}
		return false
	})
}

// kill kills a node, by index, and waits until others lead what it led.
func (a *atWork) kill(t *testing.T, node int) {
	t.Helper()
	id := int32(node + 1)
	if !slices.ContainsFunc(a.describe(t, a.topic), func(p kadm.PartitionDetail) bool { return p.Leader == id }) {
		t.Fatalf("node %d leads nothing", id)
	}
	if err := a.Kill(node); err != nil {
		t.Fatal(err)
	}
	a.awaitLeaders(t, a.topic, func(leaders []int32) bool { return !slices.Contains(leaders, id) })
}

// restart brings a node back, and gives it what it led before.
func (a *atWork) restart(t *testing.T, node int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := a.Restart(ctx, node); err != nil {
		t.Fatal(err)
	}
	await(t, "all replicas in sync", func() bool {
		return !slices.ContainsFunc(a.describe(t, a.topic), func(p kadm.PartitionDetail) bool { return len(p.ISR) < 3 })
	})
	var moved kadm.TopicsSet
	var wanted []int32
	for _, p := range a.describe(t, a.topic) {
		moved.Add(a.topic, p.Partition)
		wanted = append(wanted, p.Replicas[0])
	}
	a.elect(t, moved, wanted)
}

// settle ends all, and compares what was acknowledged, what is in the log, what was read
// and what the group has committed.
func (a *atWork) settle(t *testing.T, group string) {
	t.Helper()
	acked := a.w.finish(t)
	await(t, "all is read", func() bool { return a.alone.cover(acked) && a.shared.cover(acked) })
	a.reader.finish(t)
	for _, m := range a.members {
		m.finish(t)
	}
	a.alone.check(t, acked)
	twice := a.shared.check(t, acked)
	if twice > 0 && !a.members[0].complaints.mention("cannot commit") && !a.members[1].complaints.mention("cannot commit") {
		t.Errorf("the group saw %d records twice, and all was committed", twice)
	}
	for _, complaints := range []*complaints{&a.w.complaints, &a.reader.complaints, &a.members[0].complaints, &a.members[1].complaints} {
		if lost := complaints.losses(); len(lost) > 0 {
			t.Errorf("named as lost, where nothing was: %v", lost)
		}
		for _, err := range complaints.list() {
			if !strings.Contains(err.Error(), a.topic) && !strings.Contains(err.Error(), group) {
				t.Errorf("it does not say of what: %v", err)
			}
		}
	}
	committed, err := a.admin.FetchOffsetsForTopics(t.Context(), group, a.topic)
	if err = errors.Join(err, committed.Error()); err != nil {
		t.Fatal(err)
	}
	ends := a.ends(t, a.topic)
	for p, n := range acked {
		if at, _ := committed.Lookup(a.topic, p); ends[p] != n || at.At != n {
			t.Errorf("partition %d: %d records were acknowledged, the log ends at %d, and %d is committed", p, n, ends[p], at.At)
		}
	}
}

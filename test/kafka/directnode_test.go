package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/direct"
)

// What happens to topics and groups, each on a topic of its own.
func TestDirectOnOneNode(t *testing.T) {
	beside(t)
	k := startApache(t, 1, map[string]string{"log.cleaner.backoff.ms": "100"})
	t.Run("partitions that are added are written to and read", k.partitionsAreAdded)
	t.Run("a topic made anew ends who is at work on it", k.topicMadeAnewAtWork)
	t.Run("a topic made anew ends who is idle", k.topicMadeAnewIdle)
	t.Run("a topic that is gone ends its readers", k.topicGone)
	t.Run("retention that overtakes is named", k.retentionOvertakes)
	t.Run("a storm of rebalances", k.rebalanceStorm)
	t.Run("a member that is cut off and comes back", k.memberCutOff)
	t.Run("transactions", k.transactionsAreToldApart)
	t.Run("a transaction that is open", k.openTransaction)
	t.Run("a compacted topic", k.compactedTopic)
	t.Run("a topic with LogAppendTime", k.logAppendTime)
	t.Run("what is written is read by others", k.readByOthers)
}

// A member of a group is given partitions that are added as soon as its metadata are old
// (kgo.MetadataMaxAge), and a producer knows of them then; who was assigned partitions
// stays with them.
func (k apache) partitionsAreAdded(t *testing.T) {
	t.Parallel()
	const topic, had, more = "added", 2, 5
	k.create(t, topic, had)
	soon := k.options(kgo.MetadataMinAge(100*time.Millisecond), kgo.MetadataMaxAge(500*time.Millisecond))
	w := newWriter(t, direct.ProducerConfig{Kafka: soon, Topic: topic})
	first, member := sightings{inOrder: true}, sightings{inOrder: true}
	alone := follow(t, direct.ConsumerConfig{Kafka: soon, Topic: topic, Assign: from(0, had)}, &first)
	grouped := follow(t, direct.ConsumerConfig{Kafka: soon, Topic: topic, Group: topic}, &member)
	w.keepOn(t)
	await(t, "the first records are read", func() bool { return first.cover(from(10, had)) && member.cover(from(10, had)) })

	if _, err := k.admin.UpdatePartitions(t.Context(), more, topic); err != nil {
		t.Fatal(err)
	}
	k.awaitLeaders(t, topic, func(leaders []int32) bool { return len(leaders) == more })
	await(t, "the group is given what was added", func() bool { return len(grouped.Positions()) == more })
	await(t, "the producer knows of what was added", func() bool { return w.Partitions() == more })
	await(t, "what was added is written and read", func() bool { return member.cover(from(10, more)) })

	acked := w.finish(t)
	await(t, "all is read", func() bool { return member.cover(acked) })
	grouped.finish(t)
	member.check(t, acked)
	mine := map[int32]int64{0: acked[0], 1: acked[1]}
	await(t, "all that is assigned is read", func() bool { return first.cover(mine) })
	alone.finish(t)
	first.check(t, mine)
}

// anew is how those begin to speak who find another topic of their topic's name.
const anew = "was deleted, and one of the same name made anew"

// makeAnew deletes a topic and makes another one of its name.
func makeAnew(t *testing.T, k apache, topic string, partitions int32) {
	t.Helper()
	if _, err := k.admin.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	k.create(t, topic, partitions)
}

// awaitEnd waits until something ended a follower, and wants the words in its reason.
func (f *follower) awaitEnd(t *testing.T, words string) {
	t.Helper()
	await(t, "the consumer ends", f.ended)
	if f.err == nil || !strings.Contains(f.err.Error(), words) {
		t.Errorf("it ended with %v; want %q", f.err, words)
	}
	if n := len(f.complaints.losses()); n > 0 {
		t.Errorf("%d losses were named: %v", n, f.complaints.list())
	}
}

// followedAtWork has a writer keep on, and follows it with given partitions and as the member of a
// group, until both have read of every partition.
func followedAtWork(t *testing.T, k apache, topic string, partitions int32, w *writer, alone, shared *sightings) []*follower {
	t.Helper()
	readers := []*follower{
		follow(t, direct.ConsumerConfig{Kafka: k.options(), Topic: topic, Assign: from(0, partitions)}, alone),
		follow(t, direct.ConsumerConfig{Kafka: k.options(), Topic: topic, Group: topic}, shared),
	}
	w.keepOn(t)
	await(t, "the first records are read", func() bool { return alone.cover(from(10, partitions)) && shared.cover(from(10, partitions)) })
	return readers
}

func (k apache) topicMadeAnewAtWork(t *testing.T) {
	t.Parallel()
	const topic, partitions = "anew-at-work", 3
	k.create(t, topic, partitions)
	w := newWriter(t, direct.ProducerConfig{Kafka: k.options(), Topic: topic})
	var alone, shared sightings
	readers := followedAtWork(t, k, topic, partitions, w, &alone, &shared)

	makeAnew(t, k, topic, partitions)
	for _, f := range readers {
		f.awaitEnd(t, anew)
	}
	w.sending.Wait() // until Send refuses
	if w.refusal == nil || !strings.Contains(w.refusal.Error(), anew) {
		t.Errorf("Send ended with %v; want %q", w.refusal, anew)
	}
	_ = w.end() // that records were given up is no news
	w.check(t, false)
	for _, seen := range []*sightings{&alone, &shared} {
		seen.check(t, seen.reached()) // nobody is promised the last records of a topic that is deleted
	}
	untouched(t, k, topic)
}

// untouched wants nothing in a topic that was made anew.
func untouched(t *testing.T, k apache, topic string) {
	t.Helper()
	for p, end := range k.ends(t, topic) {
		if end > 0 {
			t.Errorf("partition %d of the topic made anew has %d records that were for the one before", p, end)
		}
	}
}

// Nothing is under way when the topic goes: nothing failed that would tell of it.
func (k apache) topicMadeAnewIdle(t *testing.T) {
	t.Parallel()
	const topic, partitions, each = "anew-idle", 2, 100
	k.create(t, topic, partitions)
	w := newWriter(t, direct.ProducerConfig{Kafka: k.options(), Topic: topic, DeliveryTimeout: 20 * time.Second})
	w.write(t, each)
	var seen sightings
	f := follow(t, direct.ConsumerConfig{Kafka: k.options(), Topic: topic, Assign: from(0, partitions)}, &seen)
	await(t, "all is read", func() bool { return seen.cover(from(each, partitions)) })

	makeAnew(t, k, topic, partitions)
	f.awaitEnd(t, anew)
	seen.check(t, from(each, partitions))
	if err := errors.Join(w.send(t.Context(), 0, nil), w.Flush(t.Context())); err == nil || !strings.Contains(err.Error(), anew) {
		t.Errorf("sending to the topic made anew: %v; want %q", err, anew)
	}
	_ = w.end() // that records were given up is no news
	w.check(t, false)
	untouched(t, k, topic)
}

func (k apache) topicGone(t *testing.T) {
	t.Parallel()
	const topic, partitions = "gone", 2
	k.create(t, topic, partitions)
	w := newWriter(t, direct.ProducerConfig{Kafka: k.options(), Topic: topic, DeliveryTimeout: 3 * time.Second})
	var alone, shared sightings
	readers := followedAtWork(t, k, topic, partitions, w, &alone, &shared)

	if _, err := k.admin.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	for _, f := range readers {
		f.awaitEnd(t, topic)
		if !errors.Is(f.err, kerr.UnknownTopicOrPartition) && !errors.Is(f.err, kerr.UnknownTopicID) {
			t.Errorf("it ended with %v, which does not say that the topic is unknown", f.err)
		}
	}
	await(t, "records are given up", func() bool {
		_, _, given := w.progress()
		return given[0] > 0 && given[1] > 0
	})
	if err := w.end(); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, kerr.UnknownTopicOrPartition) && !errors.Is(err, kerr.UnknownTopicID) {
		t.Errorf("the producer ended with %v", err)
	}
	w.check(t, false)
}

// The log loses records before a slow consumer comes to them: which, is said, and reading
// goes on as Reset says.
func (k apache) retentionOvertakes(t *testing.T) {
	t.Parallel()
	for name, reset := range map[string]direct.Reset{"earliest": direct.ResetEarliest, "latest": direct.ResetLatest, "none": direct.ResetNone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overtaken(t, k, "overtaken-"+name, reset)
		})
	}
}

func overtaken(t *testing.T, k apache, topic string, reset direct.Reset) {
	t.Helper()
	const before, kept, more = 3000, 1000, 50
	k.create(t, topic, 1)
	w := newWriter(t, direct.ProducerConfig{Kafka: k.options(), Topic: topic, BatchBytes: 4 << 10})
	w.write(t, before)
	// With fetches as small as that it has little in hand of what it is to lose.
	f, err := open(t.Context(), direct.ConsumerConfig{Kafka: k.options(), Topic: topic, Assign: from(0, 1), Reset: reset, Connections: 1, FetchMaxBytes: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var seen sightings
	b, err := f.Next(t.Context())
	if err == nil {
		err = f.note(b, &seen)
	}
	if err != nil {
		t.Fatal(err)
	}
	gone := kadm.Offsets{}
	gone.Add(kadm.Offset{Topic: topic, Partition: 0, At: before - kept})
	answer, err := k.admin.DeleteRecords(t.Context(), gone)
	if err = errors.Join(err, answer.Error()); err != nil {
		t.Fatal(err)
	}
	f.read(t.Context(), &seen, 0)
	t.Cleanup(func() { _ = f.end(context.Background()) })
	if reset == direct.ResetNone {
		await(t, "the consumer ends", f.ended)
		if lost := fmt.Sprintf("offset %d is not in the log, which has %d to %d", seen.reached()[0], before-kept, before); f.err == nil || !strings.Contains(f.err.Error(), lost) {
			t.Errorf("it ended with %v; want %q", f.err, lost)
		}
		return
	}
	await(t, "the loss is named", func() bool { return len(f.complaints.losses()) > 0 })
	w.write(t, more)
	await(t, "what is written after it is read", func() bool { return seen.last(0) == before+more-1 })
	f.finish(t)
	to := int64(before - kept)
	if reset == direct.ResetLatest {
		to = before
	}
	want := direct.DataLoss{Topic: topic, Partition: 0, At: seen.reached()[0], To: to}
	if got := f.complaints.losses(); len(got) != 1 || *got[0] != want || want.At >= before-kept {
		t.Errorf("named as lost: %v; want %v", got, &want)
	}
	if read := want.At + before + more - want.To; f.own.Load() != read || seen.twice > 0 || len(seen.wrong) > 0 {
		t.Errorf("%d records were read, %d of them twice; want %d: %v", f.own.Load(), seen.twice, read, seen.wrong)
	}
}

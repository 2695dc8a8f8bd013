package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/internal/nearest"
)

// Group is a consumer group as the cluster describes it.
type Group struct {
	Name string
	// Type is "classic", or "consumer" for the protocol of KIP-848.
	Type string
	// State in Kafka's words: Stable, Empty, PreparingRebalance, Dead, …
	State string
	// Assignor is how partitions are dealt out, such as "range"; empty when the
	// group has no members.
	Assignor string
	// Coordinator is the id of the broker that keeps the group.
	Coordinator int32
	// Members in the order of their ids.
	Members []Member
	// Partitions are those that have a commit or a member, by topic and number.
	Partitions []GroupPartition
	// Skew is the time from asking for the commits to having the ends. Lag counts
	// what was written in it as not yet consumed.
	Skew time.Duration
}

// Member is one member of a group.
type Member struct {
	ID, ClientID, Host string
	// InstanceID is the static membership's name; empty without one.
	InstanceID string
	// Assigned are the partitions it holds, by topic.
	Assigned map[string][]int32
}

// GroupPartition is how far a group is in one partition.
type GroupPartition struct {
	Topic     string
	Partition int32
	// Committed is the next offset the group wants; -1 without a commit.
	Committed int64
	// End is the high watermark, read after Committed; -1 when it cannot be read.
	End int64
	// Lag is End - Committed, never below 0; -1 without a commit or an end.
	Lag int64
	// Member holds the partition; nil when nobody does.
	Member *Member
}

// ListedGroup is one line of ListGroups.
type ListedGroup struct {
	Name string
	// Protocol is "consumer" for consumers, "connect" for Kafka Connect.
	Protocol string
	// State is empty before Kafka 2.6.
	State string
}

// Group states that this package or its callers tell apart.
const (
	StateEmpty  = "Empty"
	StateDead   = "Dead"
	StateStable = "Stable"
)

// DescribeGroup describes a consumer group of either protocol and its lag: it
// reads the commits first and the ends after, so that lag is never too small.
// Without such a group the error wraps ErrUnknownGroup.
func (c *Cluster) DescribeGroup(ctx context.Context, name string) (Group, error) {
	ctx, cancel := c.action(ctx)
	defer cancel()
	doing := "describing group " + printable(name)
	needs := []ACL{need("Describe", ResourceGroup, name)}
	var group Group
	err := untilCoordinated(ctx, func() (err error) {
		group, err = c.describeMembers(ctx, name)
		return err
	})
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return Group{}, c.explain(ctx, doing, err, needs...)
	}
	start := time.Now()
	commits, err := c.admin.FetchOffsets(ctx, name)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return Group{}, c.explain(ctx, doing, err, needs...)
	}
	if group.State == StateDead && len(commits) == 0 {
		return Group{}, c.unknownGroup(ctx, name)
	}
	group.Partitions = join(group.Members, commits)
	if err := c.fillEnds(ctx, group.Partitions); err != nil {
		return Group{}, c.explain(ctx, doing, err, needs...)
	}
	group.Skew = time.Since(start)
	return group, nil
}

// Committed returns the offsets that a group has committed of a topic, by
// partition: the next one that it wants of each. Partitions without a commit,
// and all of a group that does not exist, are left out.
func (c *Cluster) Committed(ctx context.Context, group, topic string) (map[int32]int64, error) {
	ctx, cancel := c.action(ctx)
	defer cancel()
	var commits kadm.OffsetResponses
	err := untilCoordinated(ctx, func() (err error) {
		commits, err = c.admin.FetchOffsets(ctx, group)
		return err
	})
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, c.explain(ctx, "reading the commits of group "+printable(group), err, need("Describe", ResourceGroup, group))
	}
	committed := map[int32]int64{}
	for partition, commit := range commits[topic] {
		if commit.Err == nil && commit.At >= 0 {
			committed[partition] = commit.At
		}
	}
	return committed, nil
}

// untilCoordinated asks again while the group's coordinator is not there yet: a
// new cluster makes the topic behind all groups at the first question for one,
// and after a broker's death another takes over.
func untilCoordinated(ctx context.Context, ask func() error) error {
	const pause = 100 * time.Millisecond
	for {
		err := ask()
		if !errors.Is(err, kerr.CoordinatorNotAvailable) && !errors.Is(err, kerr.CoordinatorLoadInProgress) && !errors.Is(err, kerr.NotCoordinator) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// describeMembers asks by the new protocol first, as Kafka's own tools do: a
// classic group answers there as not found, and the other way round.
func (c *Cluster) describeMembers(ctx context.Context, name string) (Group, error) {
	if group, ok := c.describeConsumerGroup(ctx, name); ok {
		return group, nil
	}
	classic, err := c.admin.DescribeGroups(ctx, name)
	if err != nil {
		return Group{Name: name, State: StateDead}, err
	}
	g, ok := classic[name]
	if !ok || g.Err != nil {
		return Group{Name: name, State: StateDead}, cmp.Or(g.Err, error(kerr.GroupIDNotFound))
	}
	return classicGroup(g), nil
}

// describeConsumerGroup returns a group of the protocol of KIP-848, or false for
// whatever reason; the question that is asked next gives the reason then.
func (c *Cluster) describeConsumerGroup(ctx context.Context, name string) (Group, bool) {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{name}
	shards := c.client.RequestSharded(ctx, req)
	if len(shards) != 1 || shards[0].Err != nil {
		return Group{}, false
	}
	resp, ok := shards[0].Resp.(*kmsg.ConsumerGroupDescribeResponse)
	if !ok || len(resp.Groups) != 1 || resp.Groups[0].ErrorCode != 0 || resp.Groups[0].State == StateDead {
		return Group{}, false
	}
	g := resp.Groups[0]
	topicName := c.topicNamer(ctx)
	group := Group{Name: name, Type: "consumer", State: g.State, Assignor: g.AssignorName, Coordinator: shards[0].Meta.NodeID}
	for _, m := range g.Members {
		member := Member{ID: m.MemberID, ClientID: m.ClientID, Host: m.ClientHost, InstanceID: orEmpty(m.InstanceID), Assigned: map[string][]int32{}}
		for _, t := range m.Assignment.TopicPartitions {
			if topic := topicName(t); topic != "" {
				member.Assigned[topic] = append(member.Assigned[topic], t.Partitions...)
			}
		}
		group.Members = append(group.Members, member)
	}
	return sorted(group), true
}

// topicNamer names the topic of an assignment. The embedded broker gives only
// the id; all names are then read, once.
func (c *Cluster) topicNamer(ctx context.Context) func(kmsg.AssignmentTopicPartition) string {
	names := sync.OnceValue(func() map[kadm.TopicID]string {
		topics, err := c.admin.ListTopicsWithInternal(ctx)
		if err != nil {
			return nil
		}
		byID := map[kadm.TopicID]string{}
		for name, t := range topics {
			byID[t.ID] = name
		}
		return byID
	})
	return func(t kmsg.AssignmentTopicPartition) string {
		if t.Topic != "" {
			return t.Topic
		}
		return names()[t.TopicID]
	}
}

func classicGroup(g kadm.DescribedGroup) Group {
	group := Group{Name: g.Group, Type: "classic", State: g.State, Assignor: g.Protocol, Coordinator: g.Coordinator.NodeID}
	for _, m := range g.Members {
		member := Member{ID: m.MemberID, ClientID: m.ClientID, Host: m.ClientHost, InstanceID: orEmpty(m.InstanceID), Assigned: map[string][]int32{}}
		if assigned, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range assigned.Topics {
				member.Assigned[t.Topic] = append(member.Assigned[t.Topic], t.Partitions...)
			}
		}
		group.Members = append(group.Members, member)
	}
	return sorted(group)
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func sorted(g Group) Group {
	slices.SortFunc(g.Members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	for _, m := range g.Members {
		for _, partitions := range m.Assigned {
			slices.Sort(partitions)
		}
	}
	return g
}

// join lays commits and members together, one line a partition.
func join(members []Member, commits kadm.OffsetResponses) []GroupPartition {
	type key struct {
		topic     string
		partition int32
	}
	lines := map[key]*GroupPartition{}
	line := func(topic string, partition int32) *GroupPartition {
		k := key{topic, partition}
		if lines[k] == nil {
			lines[k] = &GroupPartition{Topic: topic, Partition: partition, Committed: -1, End: -1, Lag: -1}
		}
		return lines[k]
	}
	commits.Each(func(o kadm.OffsetResponse) {
		if o.Err == nil && o.At >= 0 {
			line(o.Topic, o.Partition).Committed = o.At
		}
	})
	for i := range members {
		for topic, partitions := range members[i].Assigned {
			for _, p := range partitions {
				line(topic, p).Member = &members[i]
			}
		}
	}
	all := make([]GroupPartition, 0, len(lines))
	for _, l := range lines {
		all = append(all, *l)
	}
	slices.SortFunc(all, func(a, b GroupPartition) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return all
}

// fillEnds reads the ends and computes the lag. An end that cannot be read, as
// of a topic deleted since, stays -1.
func (c *Cluster) fillEnds(ctx context.Context, partitions []GroupPartition) error {
	var topics []string
	for _, p := range partitions {
		if len(topics) == 0 || topics[len(topics)-1] != p.Topic {
			topics = append(topics, p.Topic)
		}
	}
	if len(topics) == 0 { // to name none would list the whole cluster
		return nil
	}
	ends, err := c.admin.ListEndOffsets(ctx, topics...)
	if err != nil && len(ends) == 0 {
		return err
	}
	for i := range partitions {
		p := &partitions[i]
		end, ok := ends.Lookup(p.Topic, p.Partition)
		if !ok || end.Err != nil {
			continue
		}
		p.End = end.Offset
		if p.Committed >= 0 {
			p.Lag = max(0, p.End-p.Committed)
		}
	}
	return nil
}

// ListGroups returns all groups, sorted by name.
func (c *Cluster) ListGroups(ctx context.Context) ([]ListedGroup, error) {
	ctx, cancel := c.action(ctx)
	defer cancel()
	var found kadm.ListedGroups
	err := untilCoordinated(ctx, func() (err error) {
		found, err = c.admin.ListGroups(ctx)
		return err
	})
	if err != nil {
		return nil, c.explain(ctx, "listing groups", err, need("Describe", ResourceCluster, ""))
	}
	groups := []ListedGroup{}
	for _, g := range found.Sorted() {
		groups = append(groups, ListedGroup{g.Group, g.ProtocolType, g.State})
	}
	return groups, nil
}

// DeleteGroup deletes a group without members, its commits with it. Without
// such a group the error wraps ErrUnknownGroup.
func (c *Cluster) DeleteGroup(ctx context.Context, name string) error {
	ctx, cancel := c.action(ctx)
	defer cancel()
	err := untilCoordinated(ctx, func() error {
		_, err := c.admin.DeleteGroup(ctx, name)
		return err
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.GroupIDNotFound):
		return c.unknownGroup(ctx, name)
	case errors.Is(err, kerr.NonEmptyGroup):
		return &problem{text: fmt.Sprintf("group %s has members. Stop its consumers first; \"redline group describe %[1]s\" shows them.", printable(name)), cause: err}
	}
	return c.explain(ctx, "deleting group "+printable(name), err, need("Delete", ResourceGroup, name))
}

func (c *Cluster) unknownGroup(ctx context.Context, name string) error {
	hint := ""
	if groups, err := c.ListGroups(ctx); err == nil {
		var names []string
		for _, g := range groups {
			names = append(names, g.Name)
		}
		hint = didYouMean(nearest.Names(name, names))
	}
	return &problem{
		text:  fmt.Sprintf("consumer group %s does not exist.%s See \"redline group list\".", printable(name), hint),
		class: ErrUnknownGroup, cause: kerr.GroupIDNotFound,
	}
}

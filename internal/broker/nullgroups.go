package broker

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const mostNullGroups = 1000

// nullGroups are the classic consumer groups: the leader of a group shares the
// partitions out, here its members only meet and hand over. One lock is enough: a
// member is heard every few seconds.
type nullGroups struct {
	mu     sync.Mutex
	groups map[string]*nullGroup
}

type groupState int

const (
	groupEmpty groupState = iota
	groupJoining
	groupSyncing
	groupStable
)

func (s groupState) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"}[s]
}

// nullGroup is one group. changed is closed, and replaced, when its state changes.
type nullGroup struct {
	state          groupState
	changed        chan struct{}
	generation     int32
	kind, protocol string
	leader         string
	members        map[string]*nullMember
	commits        map[groupPartition]groupCommit
	// rebalance ends the joining, patience after it began.
	rebalance *time.Timer
	patience  time.Duration
}

type groupPartition struct {
	topic     string
	partition int32
}

type groupCommit struct {
	offset   int64
	metadata *string
}

// group finds a group; a new one is made, as long as there are not too many.
func (g *nullGroups) group(name string) *nullGroup {
	known := g.groups[name]
	if known == nil && len(g.groups) < mostNullGroups {
		known = &nullGroup{changed: make(chan struct{}), members: map[string]*nullMember{}, commits: map[groupPartition]groupCommit{}}
		if g.groups == nil {
			g.groups = map[string]*nullGroup{}
		}
		g.groups[name] = known
	}
	return known
}

// close stops all timers.
func (g *nullGroups) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, group := range g.groups {
		for _, m := range group.members {
			m.expiry.Stop()
		}
		if group.rebalance != nil {
			group.rebalance.Stop()
		}
	}
	g.groups = nil
}

// await gives the lock away until cond is true; false when the sink ends before.
func (g *nullGroups) await(group *nullGroup, closing <-chan struct{}, cond func() bool) bool {
	for !cond() {
		changed := group.changed
		g.mu.Unlock()
		select {
		case <-changed:
			g.mu.Lock()
		case <-closing:
			g.mu.Lock()
			return false
		}
	}
	return true
}

func (group *nullGroup) enter(state groupState) {
	group.state = state
	close(group.changed)
	group.changed = make(chan struct{})
}

// commit keeps offsets, of members of the generation and of clients in no group.
func (g *nullGroups) commit(request *kmsg.OffsetCommitRequest, topics *nullTopics) kmsg.Response {
	g.mu.Lock()
	defer g.mu.Unlock()
	response := kmsg.NewPtrOffsetCommitResponse()
	var problem int16
	group := g.group(request.Group)
	switch {
	case group == nil:
		problem = kerr.PolicyViolation.Code
	case request.Generation >= 0 || request.MemberID != "":
		_, _, problem = g.member(request.Group, request.MemberID, request.Generation)
	case len(group.members) > 0:
		problem = kerr.UnknownMemberID.Code
	}
	for _, topic := range request.Topics {
		t := topics.named([]byte(topic.Topic))
		done := kmsg.NewOffsetCommitResponseTopic()
		done.Topic = topic.Topic
		for _, p := range topic.Partitions {
			one := kmsg.NewOffsetCommitResponseTopicPartition()
			one.Partition, one.ErrorCode = p.Partition, problem
			switch {
			case problem != 0:
			case t.partition(p.Partition) == nil:
				one.ErrorCode = kerr.UnknownTopicOrPartition.Code
			default:
				group.commits[groupPartition{topic.Topic, p.Partition}] = groupCommit{p.Offset, p.Metadata}
			}
			done.Partitions = append(done.Partitions, one)
		}
		response.Topics = append(response.Topics, done)
	}
	return response
}

// committed gives the offsets of one group, or from version 8 on of several.
func (g *nullGroups) committed(request *kmsg.OffsetFetchRequest) kmsg.Response {
	g.mu.Lock()
	defer g.mu.Unlock()
	response := kmsg.NewPtrOffsetFetchResponse()
	if request.Version < 8 {
		asked := map[string][]int32{}
		for _, t := range request.Topics {
			asked[t.Topic] = append(asked[t.Topic], t.Partitions...)
		}
		for topic, offsets := range g.offsets(request.Group, asked, request.Topics == nil) {
			one := kmsg.NewOffsetFetchResponseTopic()
			one.Topic = topic
			for _, o := range offsets {
				p := kmsg.NewOffsetFetchResponseTopicPartition()
				p.Partition, p.Offset, p.Metadata = o.Partition, o.Offset, o.Metadata
				one.Partitions = append(one.Partitions, p)
			}
			response.Topics = append(response.Topics, one)
		}
		return response
	}
	for _, group := range request.Groups {
		asked := map[string][]int32{}
		for _, t := range group.Topics {
			asked[t.Topic] = append(asked[t.Topic], t.Partitions...)
		}
		one := kmsg.NewOffsetFetchResponseGroup()
		one.Group = group.Group
		for topic, offsets := range g.offsets(group.Group, asked, group.Topics == nil) {
			t := kmsg.NewOffsetFetchResponseGroupTopic()
			t.Topic, t.Partitions = topic, offsets
			one.Topics = append(one.Topics, t)
		}
		response.Groups = append(response.Groups, one)
	}
	return response
}

// offsets are those committed of the partitions asked for, -1 where there is none; with
// all, of every partition that has one.
func (g *nullGroups) offsets(name string, asked map[string][]int32, all bool) map[string][]kmsg.OffsetFetchResponseGroupTopicPartition {
	commits := map[groupPartition]groupCommit{}
	if group := g.groups[name]; group != nil {
		commits = group.commits
	}
	if all {
		for at := range commits {
			asked[at.topic] = append(asked[at.topic], at.partition)
		}
	}
	found := map[string][]kmsg.OffsetFetchResponseGroupTopicPartition{}
	for topic, partitions := range asked {
		for _, p := range partitions {
			one := kmsg.NewOffsetFetchResponseGroupTopicPartition()
			one.Partition, one.Offset, one.Metadata = p, -1, kmsg.StringPtr("")
			if c, committed := commits[groupPartition{topic, p}]; committed {
				one.Offset, one.Metadata = c.offset, c.metadata
			}
			found[topic] = append(found[topic], one)
		}
	}
	return found
}

func (g *nullGroups) describe(request *kmsg.DescribeGroupsRequest) kmsg.Response {
	g.mu.Lock()
	defer g.mu.Unlock()
	response := kmsg.NewPtrDescribeGroupsResponse()
	for _, name := range request.Groups {
		one := kmsg.NewDescribeGroupsResponseGroup()
		one.Group, one.State = name, "Dead"
		if group := g.groups[name]; group != nil {
			one.State, one.ProtocolType, one.Protocol = group.state.String(), group.kind, group.protocol
			one.Members = group.described()
		} else if request.Version >= 6 {
			one.ErrorCode = kerr.GroupIDNotFound.Code
		}
		response.Groups = append(response.Groups, one)
	}
	return response
}

func (group *nullGroup) described() []kmsg.DescribeGroupsResponseGroupMember {
	var members []kmsg.DescribeGroupsResponseGroupMember
	for _, of := range group.forLeader() {
		m := group.members[of.MemberID]
		one := kmsg.NewDescribeGroupsResponseGroupMember()
		one.MemberID, one.ClientID, one.ClientHost = m.id, m.client, "/127.0.0.1"
		one.ProtocolMetadata, one.MemberAssignment = of.ProtocolMetadata, m.assignment
		members = append(members, one)
	}
	return members
}

func (g *nullGroups) list(request *kmsg.ListGroupsRequest) kmsg.Response {
	g.mu.Lock()
	defer g.mu.Unlock()
	response := kmsg.NewPtrListGroupsResponse()
	for _, name := range slices.Sorted(maps.Keys(g.groups)) {
		group := g.groups[name]
		one := kmsg.NewListGroupsResponseGroup()
		one.Group, one.ProtocolType, one.GroupState, one.GroupType = name, group.kind, group.state.String(), "classic"
		states, types := request.StatesFilter, request.TypesFilter
		if (len(states) == 0 || slices.Contains(states, one.GroupState)) && (len(types) == 0 || slices.Contains(types, one.GroupType)) {
			response.Groups = append(response.Groups, one)
		}
	}
	return response
}

func (g *nullGroups) delete(request *kmsg.DeleteGroupsRequest) kmsg.Response {
	g.mu.Lock()
	defer g.mu.Unlock()
	response := kmsg.NewPtrDeleteGroupsResponse()
	for _, name := range request.Groups {
		one := kmsg.NewDeleteGroupsResponseGroup()
		one.Group = name
		switch group := g.groups[name]; {
		case group == nil:
			one.ErrorCode = kerr.GroupIDNotFound.Code
		case len(group.members) > 0:
			one.ErrorCode = kerr.NonEmptyGroup.Code
		default:
			delete(g.groups, name)
		}
		response.Groups = append(response.Groups, one)
	}
	return response
}

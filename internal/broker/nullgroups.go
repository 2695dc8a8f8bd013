package broker

import (
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	mostNullGroups  = 1000
	mostNullMembers = 1000
	mostGroupWait   = 30 * time.Minute // of sessions and rebalances, as Kafka allows
)

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

type nullMember struct {
	id, client string
	protocols  []kmsg.JoinGroupRequestProtocol
	session    time.Duration
	expiry     *time.Timer
	// joining is set while it waits for the others of the next generation.
	joining    bool
	assignment []byte
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

// join waits until every member wants the next generation, or its time is over.
func (g *nullGroups) join(request *kmsg.JoinGroupRequest, client string, closing <-chan struct{}) kmsg.Response {
	g.mu.Lock()
	defer g.mu.Unlock()
	response := kmsg.NewPtrJoinGroupResponse()
	response.MemberID = request.MemberID
	group := g.group(request.Group)
	m, problem := g.admit(group, request, client)
	if problem != 0 {
		response.ErrorCode = problem
		return response
	}
	before := group.generation
	m.joining = true
	if group.state != groupJoining {
		g.beginRebalance(group)
	}
	g.completeIfAll(group)
	there := func() bool { return group.generation > before || group.members[m.id] != m }
	if !g.await(group, closing, there) {
		return nil
	}
	if response.MemberID = m.id; group.members[m.id] != m {
		response.ErrorCode = kerr.UnknownMemberID.Code
		return response
	}
	response.Generation, response.LeaderID = group.generation, group.leader
	response.Protocol, response.ProtocolType = kmsg.StringPtr(group.protocol), kmsg.StringPtr(group.kind)
	if m.id == group.leader {
		response.Members = group.forLeader()
	}
	return response
}

// admit finds the member that asks, or takes in a new one.
func (g *nullGroups) admit(group *nullGroup, request *kmsg.JoinGroupRequest, client string) (*nullMember, int16) {
	if group == nil {
		return nil, kerr.PolicyViolation.Code
	}
	if len(request.Protocols) == 0 || len(group.members) > 0 && group.kind != request.ProtocolType {
		return nil, kerr.InconsistentGroupProtocol.Code
	}
	m := group.members[request.MemberID]
	switch {
	case m == nil && request.MemberID != "":
		return nil, kerr.UnknownMemberID.Code
	case m == nil && len(group.members) >= mostNullMembers:
		return nil, kerr.GroupMaxSizeReached.Code
	case m == nil:
		m = &nullMember{id: client + "-" + rand.Text(), client: client}
		m.expiry = time.AfterFunc(mostGroupWait, func() { g.expire(group, m) })
		group.members[m.id] = m
		group.kind = request.ProtocolType
	}
	m.protocols = request.Protocols
	m.session = millis(request.SessionTimeoutMillis)
	group.patience = max(group.patience, m.session, millis(request.RebalanceTimeoutMillis))
	return m, 0
}

func millis(n int32) time.Duration {
	return min(max(time.Duration(n)*time.Millisecond, time.Second), mostGroupWait)
}

// beginRebalance waits for the members to join anew.
func (g *nullGroups) beginRebalance(group *nullGroup) {
	group.enter(groupJoining)
	generation := group.generation
	group.rebalance = time.AfterFunc(group.patience, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if group.state == groupJoining && group.generation == generation {
			g.complete(group)
		}
	})
}

func (g *nullGroups) completeIfAll(group *nullGroup) {
	for _, m := range group.members {
		if !m.joining {
			return
		}
	}
	g.complete(group)
}

// complete begins a generation with the members that have joined.
func (g *nullGroups) complete(group *nullGroup) {
	group.rebalance.Stop()
	group.generation++
	maps.DeleteFunc(group.members, func(_ string, m *nullMember) bool {
		if !m.joining {
			m.expiry.Stop()
		}
		return !m.joining
	})
	if len(group.members) == 0 {
		group.enter(groupEmpty)
		return
	}
	ids := slices.Sorted(maps.Keys(group.members))
	if group.members[group.leader] == nil {
		group.leader = ids[0]
	}
	group.protocol = group.common()
	for _, m := range group.members {
		m.joining, m.assignment = false, nil
		m.expiry.Reset(m.session)
	}
	group.enter(groupSyncing)
}

// common is the first protocol of the leader's that all know; its first, if none is.
func (group *nullGroup) common() string {
	offered := group.members[group.leader].protocols
	for _, p := range offered {
		all := true
		for _, m := range group.members {
			all = all && slices.ContainsFunc(m.protocols, func(o kmsg.JoinGroupRequestProtocol) bool { return o.Name == p.Name })
		}
		if all {
			return p.Name
		}
	}
	return offered[0].Name
}

// forLeader is what the leader shares out by.
func (group *nullGroup) forLeader() []kmsg.JoinGroupResponseMember {
	var members []kmsg.JoinGroupResponseMember
	for _, id := range slices.Sorted(maps.Keys(group.members)) {
		one := kmsg.NewJoinGroupResponseMember()
		one.MemberID = id
		for _, p := range group.members[id].protocols {
			if p.Name == group.protocol {
				one.ProtocolMetadata = p.Metadata
			}
		}
		members = append(members, one)
	}
	return members
}

// sync takes the leader's shares, and waits with the others for them.
func (g *nullGroups) sync(request *kmsg.SyncGroupRequest, closing <-chan struct{}) kmsg.Response {
	g.mu.Lock()
	defer g.mu.Unlock()
	response := kmsg.NewPtrSyncGroupResponse()
	group, m, problem := g.member(request.Group, request.MemberID, request.Generation)
	if problem == 0 && group.state == groupJoining {
		problem = kerr.RebalanceInProgress.Code
	}
	if response.ErrorCode = problem; problem != 0 {
		return response
	}
	m.expiry.Reset(m.session)
	if m.id == group.leader && group.state == groupSyncing {
		for _, share := range request.GroupAssignment {
			if other := group.members[share.MemberID]; other != nil {
				other.assignment = share.MemberAssignment
			}
		}
		group.enter(groupStable)
	}
	if !g.await(group, closing, func() bool { return group.state != groupSyncing || group.generation != request.Generation }) {
		return nil
	}
	if group.state != groupStable || group.generation != request.Generation {
		response.ErrorCode = kerr.RebalanceInProgress.Code
		return response
	}
	response.MemberAssignment = m.assignment
	response.Protocol, response.ProtocolType = kmsg.StringPtr(group.protocol), kmsg.StringPtr(group.kind)
	return response
}

// member finds a member of the generation, or the code of what is wrong.
func (g *nullGroups) member(name, id string, generation int32) (*nullGroup, *nullMember, int16) {
	group := g.groups[name]
	if group == nil || group.members[id] == nil {
		return group, nil, kerr.UnknownMemberID.Code
	}
	if group.generation != generation {
		return group, nil, kerr.IllegalGeneration.Code
	}
	return group, group.members[id], 0
}

func (g *nullGroups) heartbeat(request *kmsg.HeartbeatRequest) kmsg.Response {
	g.mu.Lock()
	defer g.mu.Unlock()
	response := kmsg.NewPtrHeartbeatResponse()
	group, m, problem := g.member(request.Group, request.MemberID, request.Generation)
	if problem == 0 {
		m.expiry.Reset(m.session)
		if group.state == groupJoining {
			problem = kerr.RebalanceInProgress.Code
		}
	}
	response.ErrorCode = problem
	return response
}

func (g *nullGroups) leave(request *kmsg.LeaveGroupRequest) kmsg.Response {
	g.mu.Lock()
	defer g.mu.Unlock()
	response := kmsg.NewPtrLeaveGroupResponse()
	leaving := request.Members
	if request.Version < 3 {
		one := kmsg.NewLeaveGroupRequestMember()
		one.MemberID = request.MemberID
		leaving = []kmsg.LeaveGroupRequestMember{one}
	}
	group := g.groups[request.Group]
	for _, one := range leaving {
		left := kmsg.NewLeaveGroupResponseMember()
		left.MemberID, left.InstanceID = one.MemberID, one.InstanceID
		if group == nil || group.members[one.MemberID] == nil {
			left.ErrorCode = kerr.UnknownMemberID.Code
		} else {
			g.remove(group, group.members[one.MemberID])
		}
		response.Members = append(response.Members, left)
		if request.Version < 3 {
			response.ErrorCode = left.ErrorCode
		}
	}
	return response
}

// expire removes a member that was not heard for its session.
func (g *nullGroups) expire(group *nullGroup, m *nullMember) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if group.members[m.id] == m && !m.joining {
		g.remove(group, m)
	}
}

// remove takes a member out; the others share anew.
func (g *nullGroups) remove(group *nullGroup, m *nullMember) {
	m.expiry.Stop()
	delete(group.members, m.id)
	switch {
	case group.state != groupJoining && len(group.members) > 0:
		g.beginRebalance(group)
	case group.state == groupJoining:
		g.completeIfAll(group)
	default:
		group.enter(groupEmpty)
	}
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

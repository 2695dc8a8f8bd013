package broker

import (
	"crypto/rand"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// How the members of a group meet, share its partitions out, and leave.

const (
	mostNullMembers = 1000
	mostGroupWait   = 30 * time.Minute // of sessions and rebalances, as Kafka allows
)

type nullMember struct {
	id, client string
	protocols  []kmsg.JoinGroupRequestProtocol
	session    time.Duration
	expiry     *time.Timer
	// joining is set while it waits for the others of the next generation.
	joining    bool
	assignment []byte
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

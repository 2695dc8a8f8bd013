package direct

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// namedAtOnce is how many partitions with a backlog a fetch names: each one named costs
	// the broker 2 to 6 µs, and a response holds what a few of them have.
	namedAtOnce = 16
	// tailEvery is how often the others, that have been read to their end, are looked at
	// while some have a backlog.
	tailEvery = 10 * time.Millisecond
)

// slot is one partition of a lane. It is the lane's own.
type slot struct {
	a     *assignment
	index int // among the plan's slots
	// from and generation are what the fetch under way asked for.
	from       int64
	generation uint32
	// asked and answered are the last requests that named it, and whose answer did.
	asked, answered int32
	// session is the offset that the broker's session has of it, -1 for none.
	session int64
}

// fetchPlan decides which partitions a fetch names. A few are all named, each time. Of
// many, those with a backlog take turns; when there is none, all are asked for in a
// session (KIP-227), in which only what changed since the last fetch is named.
type fetchPlan struct {
	slots []*slot
	byID  map[int32]*slot
	turn  int // the slot that is named first
	// forget are partitions that the session still has.
	forget []int32
	// sessionID and sessionEpoch are 0 before the session was opened.
	sessionID, sessionEpoch int32
	// noSessions: the broker keeps none.
	noSessions bool
	lookedAt   time.Time // at the tails

	// What the last plan came to.
	named     []*slot
	inSession bool
	wait      time.Duration
}

// adopt makes the slots those of the assignments given.
func (p *fetchPlan) adopt(mine []*assignment) {
	had := p.byID
	p.byID, p.slots = make(map[int32]*slot, len(mine)), p.slots[:0]
	for _, a := range mine {
		s := had[a.id]
		if s == nil || s.a != a {
			offset := int64(-1)
			if s != nil {
				offset = s.session
			}
			s = &slot{a: a, session: offset}
		}
		delete(had, a.id)
		s.index = len(p.slots)
		p.byID[a.id], p.slots = s, append(p.slots, s)
	}
	for id, s := range had {
		if s.session >= 0 {
			p.forget = append(p.forget, id)
		}
	}
	p.turn = 0
}

// next plans a fetch. It returns false where there is nothing to ask for.
func (p *fetchPlan) next(now time.Time, longest time.Duration) bool {
	p.named, p.inSession, p.wait = p.named[:0], false, longest
	wanted, behind := 0, 0
	for _, s := range p.slots {
		if s.a.wanted() {
			wanted++
			if s.a.behind() {
				behind++
			}
		}
	}
	switch {
	case wanted == 0:
		return false
	case len(p.slots) <= namedAtOnce:
		p.name(len(p.slots), false)
	case behind > 0 && now.Sub(p.lookedAt) < tailEvery:
		p.name(namedAtOnce, true)
		p.wait = 0
	default:
		p.lookedAt = now
		if behind > 0 {
			p.wait = 0
		}
		if p.noSessions {
			p.name(len(p.slots), false)
		} else {
			p.nameChanged()
		}
	}
	return true
}

// name names up to so many that are wanted, in turn.
func (p *fetchPlan) name(most int, backlogOnly bool) {
	for i := 0; i < len(p.slots) && len(p.named) < most; i++ {
		s := p.slots[(p.turn+i)%len(p.slots)]
		if s.a.wanted() && (!backlogOnly || s.a.behind()) {
			p.ask(s)
			p.named = append(p.named, s)
		}
	}
}

// nameChanged names what the session does not have, or not at its offset.
func (p *fetchPlan) nameChanged() {
	p.inSession = true
	if p.sessionEpoch == 0 {
		p.closeSession()
	}
	for _, s := range p.slots {
		switch {
		case s.a.wanted():
			p.ask(s)
			if s.session != s.from {
				s.session = s.from
				p.named = append(p.named, s)
			}
		case s.session >= 0:
			s.session = -1
			p.forget = append(p.forget, s.a.id)
		}
	}
}

func (p *fetchPlan) ask(s *slot) { s.from, s.generation = s.a.next, s.a.generation }

// closeSession forgets what the broker may still have; the next one begins anew.
func (p *fetchPlan) closeSession() {
	p.sessionID, p.sessionEpoch, p.forget = 0, 0, p.forget[:0]
	for _, s := range p.slots {
		s.session = -1
	}
}

// answered goes on in the session, or learns that there is none.
func (p *fetchPlan) answered(sessionID int32) {
	p.forget = p.forget[:0]
	switch {
	case sessionID == 0:
		p.noSessions = true
		p.closeSession()
	case p.sessionEpoch == 1<<31-1:
		p.sessionEpoch = 1
	default:
		p.sessionID = sessionID
		p.sessionEpoch++
	}
}

// turned makes the next fetch begin behind a slot that had its turn.
func (p *fetchPlan) turned(s *slot) { p.turn = (s.index + 1) % len(p.slots) }

// expects says whether an answer may speak of a partition.
func (p *fetchPlan) expects(s *slot, correlation int32) bool {
	if s.answered == correlation {
		return false
	}
	return s.asked == correlation || p.inSession && s.session >= 0
}

// write puts the plan into a request, which has one topic.
func (p *fetchPlan) write(r *kmsg.FetchRequest, correlation int32, partitionBytes int) {
	topic := &r.Topics[0]
	topic.Partitions = topic.Partitions[:0]
	r.MaxWaitMillis = int32(p.wait.Milliseconds())
	r.SessionID, r.SessionEpoch = 0, -1
	forgotten := &r.ForgottenTopics[:1][0]
	r.ForgottenTopics, forgotten.Partitions = r.ForgottenTopics[:0], forgotten.Partitions[:0]
	if p.inSession {
		r.SessionID, r.SessionEpoch = p.sessionID, p.sessionEpoch
		if len(p.forget) > 0 && p.sessionEpoch > 0 {
			forgotten.Partitions = append(forgotten.Partitions, p.forget...)
			r.ForgottenTopics = r.ForgottenTopics[:1]
		}
	}
	for _, s := range p.named {
		s.asked = correlation
		named := kmsg.NewFetchRequestTopicPartition()
		named.Partition, named.FetchOffset, named.PartitionMaxBytes = s.a.id, s.from, int32(partitionBytes)
		named.CurrentLeaderEpoch = s.a.leaderEpoch
		topic.Partitions = append(topic.Partitions, named)
	}
}

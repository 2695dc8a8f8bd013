package direct

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// namedAtOnce is how many partitions with a backlog a fetch names at most: each one
	// named costs the broker 2 to 6 µs, and a response holds what a few of them have.
	namedAtOnce = 16
	// tailEvery is how often the others, that have been read to their end, are looked at
	// while some have a backlog.
	tailEvery = 10 * time.Millisecond
	// looksAreOneIn bounds what these looks take of the time: of thousands of partitions
	// one keeps the broker busy for 5 ms and more.
	looksAreOneIn = 10
	// flightsAtOnce is how many fetches are under way, each of other partitions: the broker
	// takes up the second as soon as it has sent its answer to the first.
	flightsAtOnce = 2
	// dividedFrom is the backlog, in bytes, from which on it is fetched by turns: less goes
	// into one answer.
	dividedFrom = 1 << 20
)

// slot is one partition of a lane. It is the lane's own.
type slot struct {
	a     *assignment
	index int // among the plan's slots
	// from and generation are what the fetch under way asked for.
	from       int64
	generation uint32
	// asked and answered are the last requests that named it, and whose answer did; flying
	// says that a fetch which named it is under way.
	asked, answered int32
	flying          bool
	// session is the offset that the broker's session has of it, -1 for none.
	session int64
	// batchBytes is how large its batches are at most, as of the last answers; 0 before
	// them.
	batchBytes int64
}

// flight is a fetch that is under way.
type flight struct {
	correlation int32
	named       []*slot
	// inSession: what is not named is asked for, too.
	inSession bool
	// wait is how long the broker may hold its answer back while it has less than the least
	// that was asked for, held that this is to be expected.
	wait time.Duration
	held bool
	look bool  // at the tails, beside a backlog
	sent int32 // correlation on the connection
}

// fetchPlan decides which partitions a fetch names. Those with a backlog take turns, as
// many of them in a fetch as can be expected to fill an answer, and half of them at most:
// so the next fetch can be sent before this one's answer is there. When there is no
// backlog, all are asked for in one: named where they are few, else in a session (KIP-227),
// in which only what changed since the last fetch is named.
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
	lookedAt   time.Time     // at the tails
	lookTook   time.Duration // the last look beside a backlog, until its answer was here
	// most and partitionMost are how many bytes an answer may hold, and of one partition;
	// with less than least the broker waits.
	most, partitionMost, least int64
	// recordBytes is what a record takes on the wire, as of the last answers; 0 before them.
	recordBytes float64
	// barren counts answers in a row that brought nothing.
	barren int

	flights []*flight // under way, oldest first
	landed  []*flight // to be used again
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

// next plans a fetch. It is nil where there is nothing to ask for now.
func (p *fetchPlan) next(now time.Time, longest time.Duration) *flight {
	if len(p.flights) == flightsAtOnce || p.alone() {
		return nil // before all partitions are looked at, which may be thousands
	}
	due := now.Sub(p.lookedAt) >= max(tailEvery, looksAreOneIn*p.lookTook)
	wanted, behind, backlog := p.survey(due)
	if wanted == 0 {
		return nil
	}
	look := behind == 0 || due && wanted > behind
	sessions := look && len(p.slots) > namedAtOnce && !p.noSessions
	if len(p.flights) > 0 && (behind == 0 || sessions) {
		return nil // which is for all of them: when those under way are back
	}
	f, expected := p.flight(), int64(0)
	if sessions {
		p.nameChanged(f)
	} else {
		expected = p.nameBacklog(f, backlog)
		behind -= len(f.named)
		if look {
			p.nameOthers(f)
		}
	}
	if len(f.named) == 0 && !f.inSession {
		p.landed = append(p.landed, f)
		return nil
	}
	if look {
		p.lookedAt = now
	}
	if behind == 0 {
		f.wait, f.held = longest, expected < max(1, p.least)
	}
	f.look = look && !f.held
	p.flights = append(p.flights, f)
	return f
}

// survey counts what can be asked for, what of it has a backlog, and how many bytes that
// is; not the whole, where the backlog is more than two fetches take. Where answers bring
// nothing in spite of it, the broker is left to say when there is something.
func (p *fetchPlan) survey(whole bool) (wanted, behind int, backlog int64) {
	for i := range p.slots {
		s := p.slots[(p.turn+i)%len(p.slots)]
		if !s.a.wanted() {
			continue
		}
		wanted++
		if !p.behind(s) {
			continue
		}
		behind++
		backlog += p.expected(s)
		if !whole && behind > namedAtOnce && backlog >= flightsAtOnce*p.most {
			break
		}
	}
	return wanted, behind, backlog
}

func (p *fetchPlan) behind(s *slot) bool {
	return s.a.behind() && p.barren <= flightsAtOnce+len(p.slots)/namedAtOnce
}

// alone says whether a fetch is under way that has none beside it.
func (p *fetchPlan) alone() bool {
	return len(p.flights) > 0 && (p.flights[0].held || p.flights[0].inSession)
}

// held says whether a fetch is under way whose answer may be held back.
func (p *fetchPlan) held() bool {
	return slices.ContainsFunc(p.flights, func(f *flight) bool { return f.held })
}

// flight is one to be filled in.
func (p *fetchPlan) flight() *flight {
	if n := len(p.landed); n > 0 {
		f := p.landed[n-1]
		p.landed = p.landed[:n-1]
		*f = flight{named: f.named[:0]}
		return f
	}
	return &flight{}
}

// land takes the oldest flight in: its partitions may be named again.
func (p *fetchPlan) land(now time.Time) {
	f := p.flights[0]
	if f.look {
		p.lookTook = now.Sub(p.lookedAt)
	}
	for _, s := range f.named {
		s.flying = false
	}
	p.flights = append(p.flights[:0], p.flights[1:]...)
	p.landed = append(p.landed, f)
}

// brought learns from an answer: how large records are, and whether there were any.
func (p *fetchPlan) brought(bytes, records int64) {
	if records == 0 {
		p.barren++
		return
	}
	p.barren, p.recordBytes = 0, float64(bytes)/float64(records)
}

// grown learns from an answer how large a partition's largest batch in it was.
func (s *slot) grown(largest int64) {
	s.batchBytes = max(largest, s.batchBytes-s.batchBytes/8)
}

// mostOf is how many bytes of a partition are asked for: as many whole batches as fit,
// since the broker cuts off the one that does not, which is then sent again.
func (p *fetchPlan) mostOf(s *slot) int64 {
	if s.batchBytes == 0 || s.batchBytes > p.partitionMost {
		return p.partitionMost
	}
	return p.partitionMost - p.partitionMost%s.batchBytes
}

// expected is how many bytes an answer may be expected to have of a partition; 0 where
// nothing is known of it.
func (p *fetchPlan) expected(s *slot) int64 {
	if s.a.high < 0 {
		return 0
	}
	return int64(min(float64(p.mostOf(s)), float64(s.a.high-s.a.next)*p.recordBytes))
}

// nameBacklog names those with a backlog, in turn, until they fill an answer up to less
// than a batch or are half of the backlog, and says how many bytes may be expected of them.
func (p *fetchPlan) nameBacklog(f *flight, backlog int64) (expected int64) {
	budget := p.most
	if backlog >= dividedFrom {
		budget = min(p.most, backlog/flightsAtOnce)
	}
	for i := 0; i < len(p.slots) && len(f.named) < namedAtOnce && expected < budget; i++ {
		s := p.slots[(p.turn+i)%len(p.slots)]
		if !s.a.wanted() || !p.behind(s) || s.flying {
			continue
		}
		if len(f.named) > 0 && budget-expected < min(s.batchBytes, p.expected(s)) {
			break // none of its batches would fit
		}
		expected += p.expected(s)
		p.name(f, s)
	}
	return expected
}

// nameOthers names those without a backlog.
func (p *fetchPlan) nameOthers(f *flight) {
	for _, s := range p.slots {
		if s.a.wanted() && !p.behind(s) && !s.flying {
			p.name(f, s)
		}
	}
}

func (p *fetchPlan) name(f *flight, s *slot) {
	p.ask(s)
	s.flying = true
	f.named = append(f.named, s)
}

// nameChanged names what the session does not have, or not at its offset.
func (p *fetchPlan) nameChanged(f *flight) {
	f.inSession = true
	if p.sessionEpoch == 0 {
		p.closeSession()
	}
	for _, s := range p.slots {
		switch {
		case s.a.wanted():
			p.ask(s)
			if s.session != s.from {
				s.session = s.from
				f.named = append(f.named, s)
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

// expects says whether the answer to a fetch may speak of a partition.
func (f *flight) expects(s *slot) bool {
	if s.answered == f.correlation {
		return false
	}
	return s.asked == f.correlation || f.inSession && s.session >= 0
}

// write puts a flight into a request, which has one topic.
func (p *fetchPlan) write(r *kmsg.FetchRequest, f *flight) {
	topic := &r.Topics[0]
	topic.Partitions = topic.Partitions[:0]
	r.MaxWaitMillis = int32(f.wait.Milliseconds())
	r.SessionID, r.SessionEpoch = 0, -1
	forgotten := &r.ForgottenTopics[:1][0]
	r.ForgottenTopics, forgotten.Partitions = r.ForgottenTopics[:0], forgotten.Partitions[:0]
	if f.inSession {
		r.SessionID, r.SessionEpoch = p.sessionID, p.sessionEpoch
		if len(p.forget) > 0 && p.sessionEpoch > 0 {
			forgotten.Partitions = append(forgotten.Partitions, p.forget...)
			r.ForgottenTopics = r.ForgottenTopics[:1]
		}
	}
	for _, s := range f.named {
		s.asked = f.correlation
		named := kmsg.NewFetchRequestTopicPartition()
		named.Partition, named.FetchOffset, named.PartitionMaxBytes = s.a.id, s.from, int32(p.mostOf(s))
		named.CurrentLeaderEpoch = s.a.leaderEpoch
		topic.Partitions = append(topic.Partitions, named)
	}
}

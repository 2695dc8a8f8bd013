package direct

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// readThrough runs a plan against a broker in memory, whose partitions each have as many
// records as are said, and returns how many fetches it took until all are read. It fails
// where a partition is read twice, or never.
func readThrough(t *rapid.T, backlog []int64, fits int, sessions bool) (fetches int, p *fetchPlan) {
	p = &fetchPlan{noSessions: !sessions}
	var mine []*assignment
	for id := range backlog {
		mine = append(mine, newAssignment(int32(id), 0, forever))
	}
	p.adopt(mine)
	now := time.Unix(0, 0)
	known := map[int32]int64{} // what the broker's session has
	session := int32(0)
	unread := func() bool {
		for i, a := range mine {
			if a.next < backlog[i] {
				return true
			}
		}
		return false
	}
	for unread() {
		if fetches++; fetches > 100_000 {
			t.Fatalf("no end: %v", p.turn)
		}
		now = now.Add(time.Millisecond)
		if !p.next(now, time.Second) {
			t.Fatal("nothing to ask for, with records left")
		}
		asked := map[int32]int64{}
		for _, s := range p.named {
			s.asked = int32(fetches)
			asked[s.a.id] = s.from
		}
		if p.inSession {
			if p.sessionEpoch == 0 {
				clear(known)
				session++
			}
			for _, id := range p.forget {
				delete(known, id)
			}
			for id, at := range asked {
				known[id] = at
			}
			asked = known
		} else if len(p.named) > namedAtOnce && !p.noSessions {
			t.Fatalf("%d partitions were named", len(p.named))
		}
		left := fits
		var last *slot
		for _, s := range p.slots {
			at, is := asked[s.a.id]
			if !is || left == 0 {
				continue
			}
			if !p.expects(s, int32(fetches)) {
				t.Fatalf("partition %d is not expected", s.a.id)
			}
			s.answered = int32(fetches)
			s.a.high = backlog[s.a.id]
			if at != s.a.next {
				t.Fatalf("partition %d would be read from %d, not %d", s.a.id, at, s.a.next)
			}
			if at < backlog[s.a.id] {
				s.a.next++
				left--
				last = s
			}
		}
		if p.inSession {
			p.answered(session)
		} else if last != nil {
			p.turned(last)
		}
	}
	return fetches, p
}

func TestEveryPartitionHasItsTurn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		backlog := rapid.SliceOfN(rapid.Int64Range(0, 5), 1, 60).Draw(t, "backlog")
		fits := rapid.IntRange(1, 20).Draw(t, "fits")
		var all int64
		for _, n := range backlog {
			all += n
		}
		fetches, _ := readThrough(t, backlog, fits, rapid.Bool().Draw(t, "sessions"))
		// Each fetch brings a record, but for looks at the tail and partitions not known yet.
		if most := int(all) + len(backlog) + 10; fetches > most {
			t.Fatalf("%d fetches for %d records of %d partitions", fetches, all, len(backlog))
		}
	})
}

func TestATailIsNamedOnce(t *testing.T) {
	var p fetchPlan
	var mine []*assignment
	for id := range int32(100) {
		a := newAssignment(id, 5, forever)
		a.high = 5
		mine = append(mine, a)
	}
	p.adopt(mine)
	now := time.Unix(1000, 0)
	plan := func(wantNamed, wantForgotten int) {
		t.Helper()
		if !p.next(now, time.Second) || !p.inSession || p.wait != time.Second || len(p.named) != wantNamed || len(p.forget) != wantForgotten {
			t.Errorf("session %v, wait %v, %d named, %d forgotten", p.inSession, p.wait, len(p.named), len(p.forget))
		}
		p.answered(77)
	}
	plan(100, 0)
	plan(0, 0)
	mine[3].next, mine[3].high = 6, 6
	plan(1, 0)
	mine[4].paused = true
	plan(0, 1)
	mine[4].paused = false
	plan(1, 0)
	p.adopt(mine[:90])
	plan(0, 10)
	if p.sessionID != 77 || p.sessionEpoch != 6 {
		t.Errorf("session %d, epoch %d", p.sessionID, p.sessionEpoch)
	}
	p.answered(0) // the broker keeps none
	if !p.next(now, time.Second) || p.inSession || len(p.named) != 90 {
		t.Errorf("without a session: %d named", len(p.named))
	}
}

func TestWhatIsPausedOrReadIsNotNamed(t *testing.T) {
	var p fetchPlan
	a, b, c := newAssignment(0, 0, forever), newAssignment(1, 7, 7), newAssignment(2, Earliest, forever)
	a.paused = true
	p.adopt([]*assignment{a, b, c})
	if p.next(time.Unix(0, 0), time.Second) {
		t.Errorf("%d named", len(p.named))
	}
}

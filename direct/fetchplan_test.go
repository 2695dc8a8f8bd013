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
	// A record has a byte, so that as many fit as bytes do.
	p = &fetchPlan{noSessions: !sessions, most: int64(fits), partitionMost: int64(fits), least: 1}
	var mine []*assignment
	for id := range backlog {
		mine = append(mine, newAssignment(int32(id), 0, forever))
	}
	p.adopt(mine)
	now := time.Unix(0, 0)
	known := map[int32]int64{} // what the broker's session has
	session, asks := int32(0), int32(0)
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
		for f := p.next(now, time.Second); f != nil; f = p.next(now, time.Second) {
			asks++
			f.correlation = asks
			for _, s := range f.named {
				s.asked = asks
			}
		}
		if len(p.flights) == 0 {
			t.Fatal("nothing to ask for, with records left")
		}
		f := p.flights[0]
		asked := map[int32]int64{}
		for _, s := range f.named {
			asked[s.a.id] = s.from
		}
		if f.inSession {
			if len(p.flights) > 1 {
				t.Fatal("a fetch of a session has another one beside it")
			}
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
		}
		left, brought := fits, int64(0)
		var last *slot
		for _, s := range p.slots {
			at, is := asked[s.a.id]
			if !is {
				continue
			}
			if !f.expects(s) {
				t.Fatalf("partition %d is not expected", s.a.id)
			}
			s.answered = f.correlation
			s.a.high = backlog[s.a.id]
			if at != s.a.next {
				t.Fatalf("partition %d would be read from %d, not %d", s.a.id, at, s.a.next)
			}
			for left > 0 && s.a.next < backlog[s.a.id] {
				s.a.next++
				left--
				brought++
				last = s
			}
		}
		if f.wait > 0 && brought == 0 && unread() {
			t.Fatalf("the broker was left to wait while %v have a backlog", backlog)
		}
		p.land(now)
		p.brought(brought, brought)
		if f.inSession {
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

// Beside a backlog the tails are looked at every ten milliseconds, and less often where a
// look takes long.
func TestLooksAtTheTailTakeATenthOfTheTime(t *testing.T) {
	for _, takes := range []time.Duration{100 * time.Microsecond, time.Millisecond, 20 * time.Millisecond} {
		p := fetchPlan{most: 1 << 20, partitionMost: 1 << 20, recordBytes: 100}
		var mine []*assignment
		for id := range int32(100) {
			a := newAssignment(id, 0, forever)
			if a.high = 1 << 40; id%2 == 0 {
				a.high = 0
			}
			mine = append(mine, a)
		}
		p.adopt(mine)
		began := time.Unix(1000, 0)
		now, looks := began, 0
		for now.Sub(began) < 5*time.Second {
			for f := p.next(now, time.Second); f != nil; f = p.next(now, time.Second) {
				if f.wait > 0 {
					t.Fatal("the broker may wait, with a backlog")
				}
			}
			look := p.flights[0].inSession
			if now = now.Add(time.Millisecond); look {
				looks++
				now = now.Add(takes - time.Millisecond)
			}
			p.land(now)
			p.brought(1<<20, 10_000)
			if look {
				p.answered(77)
			}
		}
		share := float64(looks) * takes.Seconds() / now.Sub(began).Seconds()
		often := float64(looks) / now.Sub(began).Seconds()
		if share > 0.11 || often > 100 || often < 70 && share < 0.09 {
			t.Errorf("looks of %v came %.0f times a second and took %.2f of the time", takes, often, share)
		}
	}
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
		f := p.next(now, time.Second)
		if f == nil || !f.inSession || f.wait != time.Second || len(f.named) != wantNamed || len(p.forget) != wantForgotten {
			t.Errorf("%+v, %d forgotten", f, len(p.forget))
		}
		p.land(now)
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
	if f := p.next(now, time.Second); f == nil || f.inSession || len(f.named) != 90 {
		t.Errorf("without a session: %+v", f)
	}
}

// Batches of a size are asked for as wholes, and no partition is named of which none would
// fit; larger ones than a response holds are sent whole anyway.
func TestWholeBatchesAreAskedFor(t *testing.T) {
	const most = 4 << 20
	for _, c := range []struct {
		batch, asked int64
		named        int
	}{
		{0, most, 1}, {1_000_000, 4_000_000, 1}, {16_384, most, 1}, {3 << 20, 3 << 20, 1}, {5 << 20, most, 1},
	} {
		p := fetchPlan{most: most, partitionMost: most, least: 1, recordBytes: 100}
		var mine []*assignment
		for id := range int32(8) {
			a := newAssignment(id, 0, forever)
			a.high = 1_000_000
			mine = append(mine, a)
		}
		p.adopt(mine)
		for _, s := range p.slots {
			s.grown(c.batch)
		}
		f := p.next(time.Unix(1000, 0), time.Second)
		if asked := p.mostOf(f.named[0]); asked != c.asked || len(f.named) != c.named {
			t.Errorf("batches of %d bytes: %d of %d partitions are asked for, not %d of %d", c.batch, asked, len(f.named), c.asked, c.named)
		}
	}
	var s slot
	for range 100 {
		s.grown(1000)
	}
	if s.grown(10); s.batchBytes < 500 {
		t.Errorf("one small batch and %d is the largest", s.batchBytes)
	}
	for range 100 {
		s.grown(10)
	}
	if s.batchBytes > 20 {
		t.Errorf("all are of 10, and %d is the largest", s.batchBytes)
	}
}

func TestWhatIsPausedOrReadIsNotNamed(t *testing.T) {
	var p fetchPlan
	a, b, c := newAssignment(0, 0, forever), newAssignment(1, 7, 7), newAssignment(2, Earliest, forever)
	a.paused = true
	p.adopt([]*assignment{a, b, c})
	if f := p.next(time.Unix(0, 0), time.Second); f != nil {
		t.Errorf("%d named", len(f.named))
	}
}

// Of a backlog that is worth it, half is asked for while the other half is under way; the
// tail is asked for alone.
func TestABacklogIsFetchedByTurns(t *testing.T) {
	p := fetchPlan{most: 4 << 20, partitionMost: 1 << 20, least: 1, recordBytes: 100}
	var mine []*assignment
	for id := range int32(4) {
		a := newAssignment(id, 0, forever)
		a.high = 1_000_000
		mine = append(mine, a)
	}
	p.adopt(mine)
	now := time.Unix(1000, 0)
	first, second := p.next(now, time.Second), p.next(now, time.Second)
	if first == nil || second == nil || len(first.named) != 2 || len(second.named) != 2 {
		t.Fatalf("%+v and %+v", first, second)
	}
	for _, s := range first.named {
		for _, other := range second.named {
			if s == other {
				t.Errorf("partition %d is asked for twice at once", s.a.id)
			}
		}
	}
	if f := p.next(now, time.Second); f != nil {
		t.Errorf("a third is under way: %+v", f)
	}
	p.land(now)
	p.land(now)
	for _, a := range mine {
		a.next = a.high
	}
	if f := p.next(now, time.Second); f == nil || len(f.named) != 4 || f.wait != time.Second {
		t.Errorf("at the tail: %+v", f)
	}
	if f := p.next(now, time.Second); f != nil {
		t.Errorf("beside one that waits: %+v", f)
	}
}

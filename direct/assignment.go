package direct

import (
	"math"
	"time"
)

// assignment is a partition that is ours to read. All of it is under Consumer.mu.
type assignment struct {
	id int32
	// lane is who fetches it; nil while that is nobody, and the keeper looks for one.
	lane *lane
	// next is the offset to fetch next; Earliest or Latest until that is found out.
	next int64
	// handed is the offset after what the reader has handled, and handedEpoch the leader
	// epoch of the last batch of that; committed is what the group knows.
	handed, committed int64
	handedEpoch       int32
	// end is the offset to stop before.
	end int64
	// high is how far records could be read as of the last answer, -1 before the first.
	high int64
	// leaderEpoch is the epoch of the leader that is asked, lastEpoch that of the last batch
	// fetched; -1 where not known.
	leaderEpoch, lastEpoch int32
	// generation tells answers to what was asked before a seek from those after it.
	generation uint32
	paused     bool
	// leaving: the group takes it away.
	leaving bool
	// inHand: the reader has a batch of it.
	inHand bool
	// lost says that a broker does not have next.
	lost bool
	// notBefore and tries space out attempts to find a lane.
	notBefore time.Time
	tries     int
}

func newAssignment(id int32, at, end int64) *assignment {
	return &assignment{id: id, next: at, handed: at, committed: -1, handedEpoch: -1, end: end, high: -1, leaderEpoch: -1, lastEpoch: -1}
}

// forever is the end of a partition without one.
const forever = math.MaxInt64

// wanted says whether there is something to fetch now.
func (a *assignment) wanted() bool { return !a.paused && a.next >= 0 && a.next < a.end }

// behind says whether the log is known to have more, or not known to have not.
func (a *assignment) behind() bool { return a.high < 0 || a.next < a.high }

// done says whether all up to its end was handed out.
func (a *assignment) done() bool { return a.handed >= a.end }

// rewind makes fetching go on elsewhere; answers under way are dropped.
func (a *assignment) rewind(to int64) {
	a.generation++
	if to < 0 || to > a.high {
		a.high = -1
	}
	a.next = to
}

// trouble takes it from its lane; the keeper finds another one, the later the more
// often this happened since something was fetched.
func (a *assignment) trouble(now time.Time) {
	a.lane = nil
	a.tries++
	a.notBefore = now.Add(backOff(a.tries))
}

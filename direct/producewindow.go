package direct

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// corruptTries is how often a batch is sent that arrives corrupted: bytes change on the
// way, but not each time.
const corruptTries = 3

// produceWindow is what a partition has to send, and has sent, and the rules by which
// nothing of it is lost, doubled or overtaken. It knows no clock, no lock and no
// connection: what happens is told to it.
//
// An idempotent producer numbers records. A broker takes a batch only if its number
// follows that of the last one it took of this producer and epoch, and knows the last five
// again. So:
//
//   - Batches fly side by side only when the leader has taken one since the last failure
//     (proven): a broker without memory of a producer takes any number, also the second
//     before the first.
//   - When one fails, nothing is sent until all that fly have been answered (failing).
//     Then they are sent again from the oldest on, with the numbers they had.
//   - A number that is not expected means, for all but the oldest, that an older one
//     failed. The oldest is denied: if it cannot be in the log, numbers before it are
//     missing there for good. If it can (doubt), it may also be that the broker forgot it,
//     as one does that was restarted and remembers the last batch alone. So the younger
//     ones that can be in the log are tried (probe), from the youngest: the first that is
//     taken has all older ones before it in the log.
//   - Behind a number that is missing for good (gap) nothing can be in the log (beyond), as
//     numbers follow one another: once all before is settled, what is left is numbered from
//     0 in a new epoch, by which a broker also refuses what may still come of the old one.
type produceWindow struct {
	idempotent bool
	acks       Acks
	atMostOnce bool
	inFlight   int // most
	// split makes two of a batch, for a broker that takes smaller ones, and takes it back.
	split func(*produceBatch) (*produceBatch, *produceBatch, error)

	identity produceIdentity
	sequence int32 // of the next batch that has no number

	all    []*produceBatch // those before head have left
	head   int
	flying int

	proven  bool
	failing bool
	fenced  bool          // a broker refuses the identity
	denied  *produceBatch // the oldest, whose number a broker does not expect
	probe   *produceBatch
	gap     bool
	renew   produceRenewal
	ended   error // nothing is sent any more, because of this
	tries   int   // failures since something landed
	pauses  int   // failures after which nothing flew any more, in all
	cause   error // of the last failure: the first thing that went wrong
	note    error // to be told to the user
}

// produceRenewal is what a window needs before it sends again.
type produceRenewal uint8

const (
	produceKeep     produceRenewal = iota
	produceNewEpoch                // the next epoch of the same producer id will do
	produceNewID
)

var (
	errDeliveryTimeout = fmt.Errorf("it was not acknowledged within DeliveryTimeout: %w", context.DeadlineExceeded)
	errSequencesLost   = errors.New("the broker does not have the batch before, which was acknowledged or given up")
)

// left are the batches that have not left, oldest first.
func (w *produceWindow) left() []*produceBatch { return w.all[w.head:] }

// push appends a batch.
func (w *produceWindow) push(b *produceBatch) {
	if w.head > 32 && w.head > len(w.all)/2 {
		n := copy(w.all, w.all[w.head:])
		clear(w.all[n:])
		w.all, w.head = w.all[:n], 0
	}
	w.all = append(w.all, b)
}

// pop takes out the oldest batch when its outcome is known, nil otherwise.
func (w *produceWindow) pop() *produceBatch {
	if w.head == len(w.all) || w.all[w.head].state != produceSettled {
		return nil
	}
	b := w.all[w.head]
	w.all[w.head] = nil
	w.head++
	if w.head == len(w.all) {
		w.all, w.head = w.all[:0], 0
	}
	return b
}

// open says whether anything may be sent at all now.
func (w *produceWindow) open() bool {
	limit := w.inFlight
	if w.idempotent && !w.proven {
		limit = 1
	}
	return !w.failing && w.renew == produceKeep && w.ended == nil && w.flying < limit
}

// next is the batch to be sent now, nil for none.
func (w *produceWindow) next() *produceBatch {
	if !w.open() {
		return nil
	}
	if w.probe != nil {
		return w.probe
	}
	for _, b := range w.left() {
		if b.state == produceWaiting {
			if !b.sealed || w.gap && !w.before(b) {
				return nil
			}
			return b
		}
	}
	return nil
}

// vacant says whether another batch could be sent now, if it were pushed.
func (w *produceWindow) vacant() bool {
	return w.open() && w.probe == nil && !w.gap && !slices.ContainsFunc(w.left(), func(b *produceBatch) bool { return b.state == produceWaiting })
}

// before says whether a batch has a number before the gap.
func (w *produceWindow) before(b *produceBatch) bool {
	return b.state != produceSettled && b.sequence != unnumbered && !b.beyond
}

// idle says whether nothing that is left has a number: the window may be somebody else
// then.
func (w *produceWindow) idle() bool {
	for _, b := range w.left() {
		if b.sequence != unnumbered {
			return false
		}
	}
	return true
}

// adopt makes the window somebody else, who begins with number 0.
func (w *produceWindow) adopt(who produceIdentity) {
	for _, b := range w.left() {
		b.sequence = unnumbered
	}
	w.identity, w.sequence, w.renew, w.proven = who, 0, produceKeep, false
}

// fly puts a batch that next gave into a request.
func (w *produceWindow) fly(b *produceBatch, request uint64) {
	if w.idempotent && b.sequence == unnumbered {
		b.sequence = w.sequence
		w.sequence = sequenceBehind(w.sequence, b.records)
	}
	b.state, b.request, b.sent = produceFlying, request, true
	w.flying++
}

// answered takes what a broker says of the batch in a request: err is nil for an
// acknowledgement, and told the same with the broker's own words. It returns false where no
// batch is in the request.
func (w *produceWindow) answered(request uint64, offset int64, err *kerr.Error, told error) bool {
	for i, b := range w.left() {
		if b.state != produceFlying || b.request != request {
			continue
		}
		w.flying--
		b.state = produceWaiting
		switch {
		case err == nil:
			w.landed(i, offset)
		case err.Code == kerr.DuplicateSequenceNumber.Code:
			w.landed(i, -1)
		default:
			w.refused(i, err, told)
		}
		w.settle()
		return true
	}
	return false
}

// landed settles a batch that is acknowledged. What was in doubt before it is in the log,
// as its number follows theirs.
func (w *produceWindow) landed(i int, offset int64) {
	left := w.left()
	landing := InLog
	if w.acks == AcksNone {
		landing = InDoubt
	}
	left[i].settle(landing, offset, nil)
	w.proven, w.probe, w.tries = true, nil, 0
	if !w.failing {
		w.cause = nil // else it is told once nothing flies
	}
	if !w.idempotent {
		return
	}
	for _, b := range left[:i] {
		if b.state == produceWaiting && b.doubt && !b.beyond {
			b.settle(InLog, -1, nil)
		}
	}
}

// refused decides what becomes of a batch that a broker did not acknowledge.
func (w *produceWindow) refused(i int, err *kerr.Error, told error) {
	b := w.left()[i]
	if produceTooLarge(err) && b.records == 1 {
		told = tooLarge(b, told)
	}
	w.failed(b, told)
	if w.idempotent && produceLostTrack(err) {
		w.lostTrack(i)
		return
	}
	w.probe = nil // who answers next may know more
	w.fenced = w.fenced || w.idempotent && produceFenced(err)
	if !b.doubt && w.ended == nil && produceTooLarge(err) && b.records > 1 && w.divide(i) {
		return // it is gone
	}
	again := produceAgain(err) && (err.Code != kerr.CorruptMessage.Code || b.tries < corruptTries)
	b.doubt = b.doubt || produceDoubt(err, w.acks == AcksAll)
	if !again {
		w.fail(i, b.cause)
	}
}

// tooLarge says of a batch of one record that a broker does not take it.
func tooLarge(b *produceBatch, told error) error {
	if !errors.Is(told, kerr.MessageTooLarge) {
		told = fmt.Errorf("%w: %w", kerr.MessageTooLarge, told)
	}
	return fmt.Errorf("a record of %d bytes, alone in a batch of %d, is more than the topic takes (max.message.bytes): raise that, or send smaller ones: %w", b.bytes, len(b.raw), told)
}

// failed notes that a batch has to be sent again, or fails.
func (w *produceWindow) failed(b *produceBatch, cause error) {
	b.tries++
	b.cause = cause
	if !w.failing {
		w.failing, w.cause = true, cause // what comes later comes of it
	}
}

// lostTrack notes a number that the broker does not expect.
func (w *produceWindow) lostTrack(i int) {
	left := w.left()
	if left[i] == w.probe {
		w.seek(i)
		return
	}
	for _, older := range left[:i] {
		if older.state != produceSettled {
			return // it failed, and this one because of it
		}
	}
	w.denied = left[i]
}

// seek probes the youngest batch before left[before] that can be in the log, but not the
// oldest, which has been tried. Without one, none of them is; unless one failed meanwhile
// that can be, so that it cannot be tried any more.
func (w *produceWindow) seek(before int) {
	w.probe = nil
	oldest, blind := -1, false
	for i, b := range w.left() {
		switch {
		case b.beyond || b.sequence == unnumbered:
		case b.state == produceSettled:
			blind = blind || oldest >= 0 && b.landed == InDoubt
		case oldest < 0:
			oldest = i
		case b.doubt && i < before:
			w.probe = b
		}
	}
	switch {
	case w.probe != nil || oldest < 0:
	case blind:
		w.fail(oldest, w.left()[oldest].cause)
	default:
		w.breakAt(oldest)
	}
}

// breakAt makes the number of left[at] the first that is missing in the log.
func (w *produceWindow) breakAt(at int) {
	w.gap = true
	for _, b := range w.left()[at:] {
		b.beyond = b.sequence != unnumbered
	}
}

// divide makes two of a batch that is too large, and says whether that was possible.
func (w *produceWindow) divide(i int) bool {
	at := w.head + i
	b := *w.all[at]
	one, two, err := w.split(w.all[at])
	if err != nil {
		w.all[at].cause = fmt.Errorf("%w; and it cannot be split: %w", b.cause, err)
		return false
	}
	for _, half := range []*produceBatch{one, two} {
		half.sent, half.cause, half.beyond = true, b.cause, b.beyond
	}
	if b.sequence != unnumbered {
		one.sequence, two.sequence = b.sequence, sequenceBehind(b.sequence, one.records)
	}
	w.all = append(w.all, nil)
	copy(w.all[at+2:], w.all[at+1:])
	w.all[at], w.all[at+1] = one, two
	return true
}

// fail settles a batch that will not be sent again. Its number is missing from then on, if
// it cannot be in the log; whether it is, if it can, shows at the next one.
func (w *produceWindow) fail(i int, err error) {
	b := w.left()[i]
	if b == w.probe {
		w.probe = nil
	}
	if b.doubt && !b.beyond {
		b.settle(InDoubt, -1, err)
		return
	}
	if b.sequence != unnumbered {
		w.breakAt(i)
	}
	b.settle(NotInLog, -1, err)
}

// reject fails a batch that was never sent.
func (w *produceWindow) reject(b *produceBatch, err error) {
	if b.state == produceWaiting && !b.sent {
		b.settle(NotInLog, -1, err)
	}
}

// lose takes back all that flies, over a connection that has ended: it can be in the log.
func (w *produceWindow) lose(err error) {
	w.probe = nil // who answers next may know more
	for _, b := range w.left() {
		if b.state == produceFlying {
			w.flying--
			b.state, b.doubt = produceWaiting, true
			w.failed(b, err)
		}
	}
	w.settle()
}

// settle ends what must not be sent again, and a failure once nothing flies.
func (w *produceWindow) settle() {
	if w.ended != nil {
		w.end(w.ended)
	}
	if w.atMostOnce && !w.idempotent {
		for i, b := range w.left() {
			if b.state == produceWaiting && b.doubt {
				w.fail(i, b.cause)
			}
		}
	}
	if w.flying > 0 {
		return
	}
	if w.failing {
		w.failing, w.proven = false, false
		w.tries++
		w.pauses++
		w.recover()
	}
	w.bridge()
}

// recover decides how a failure is gone on from, when nothing flies.
func (w *produceWindow) recover() {
	denied := w.denied
	w.denied = nil
	switch {
	case w.fenced:
		w.fenced = false
		w.disown()
	case denied != nil && denied.state == produceWaiting:
		left := w.left()
		if denied.doubt && !denied.beyond {
			w.seek(len(left))
			return
		}
		w.breakAt(slices.Index(left, denied))
		w.note = fmt.Errorf("%w, or has forgotten this producer (%w): it goes on in a new epoch", errSequencesLost, denied.cause)
	}
}

// disown gives up an identity that the broker does not accept. Under another one it would
// not know again what it has.
func (w *produceWindow) disown() {
	for _, b := range w.left() {
		if b.state == produceWaiting && b.doubt && !b.beyond {
			b.settle(InDoubt, -1, b.cause)
		}
	}
	w.renumber(produceNewID)
}

// bridge begins a new epoch behind a gap, once nothing before it is left.
func (w *produceWindow) bridge() {
	if !w.gap || w.flying > 0 || slices.ContainsFunc(w.left(), w.before) {
		return
	}
	w.renumber(produceNewEpoch)
}

// renumber makes what is left, which is not in the log, be sent under another identity.
func (w *produceWindow) renumber(renew produceRenewal) {
	w.probe, w.gap = nil, false
	for _, b := range w.left() {
		if b.state == produceWaiting {
			b.sequence, b.doubt, b.beyond = unnumbered, false, false
		}
	}
	w.renew = max(w.renew, renew)
}

// expire fails what was not acknowledged in time, by now, and does not fly. A batch that
// was sent has to wait until nothing flies: those behind it can tell what became of it.
func (w *produceWindow) expire(now int64) {
	if left := w.left(); len(left) == 0 || left[0].deadline > now {
		return // the oldest has the earliest
	}
	for i, b := range w.left() {
		if b.state != produceWaiting || !b.sealed || b.deadline > now || b.sent && w.flying > 0 {
			continue
		}
		if b.cause == nil {
			b.cause = w.cause
		}
		w.fail(i, because(errDeliveryTimeout, b.cause))
	}
	w.bridge()
}

// end fails all that does not fly, and what flies when it comes back without an
// acknowledgement.
func (w *produceWindow) end(err error) {
	if w.ended == nil {
		w.ended = err
	}
	for i, b := range w.left() {
		if b.state == produceWaiting && b.sealed {
			w.fail(i, because(w.ended, b.cause))
		}
	}
}

// because adds what had gone wrong before to an error.
func because(err, cause error) error {
	if cause == nil {
		return err
	}
	return fmt.Errorf("%w; before that: %w", err, cause)
}

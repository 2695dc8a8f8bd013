package direct

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"
)

// madeEntry is a batch in the log of a broker that is made up.
type madeEntry struct {
	who       produceIdentity
	sequence  int32
	first     uint64
	records   int
	offset    int64
	committed bool // its acknowledgement was written: it stays
}

// madeBroker keeps the log of a partition, and tells by it what it knows of a producer, as
// Kafka's does: the last five batches, or the last one alone after a restart.
type madeBroker struct {
	log       []madeEntry
	end       int64
	restarted int  // the length of the log when it was
	strict    bool // a producer that is not known begins with 0
	forgot    int  // what is before is not known of
}

func (m *madeBroker) append(who produceIdentity, sequence int32, first uint64, records int) (int64, *kerr.Error) {
	if who == produceNobody {
		return m.take(who, sequence, first, records), nil
	}
	var last *madeEntry
	known := 0
	for i := len(m.log) - 1; i >= m.forgot; i-- {
		e := &m.log[i]
		if e.who.id != who.id {
			continue
		}
		if last == nil {
			last = e
			if e.who.epoch > who.epoch {
				return -1, kerr.InvalidProducerEpoch
			}
		}
		if e.who != who || known == 5 || known > 0 && i < m.restarted {
			break
		}
		known++
		if e.sequence == sequence && e.records == records {
			e.committed = true
			m.commit(i)
			return e.offset, nil
		}
	}
	switch {
	case last == nil && m.strict && sequence != 0:
		return -1, kerr.OutOfOrderSequenceNumber
	case last != nil && last.who != who && sequence != 0:
		return -1, kerr.OutOfOrderSequenceNumber
	case last != nil && last.who == who && sequence != sequenceBehind(last.sequence, last.records):
		return -1, kerr.OutOfOrderSequenceNumber
	}
	return m.take(who, sequence, first, records), nil
}

func (m *madeBroker) take(who produceIdentity, sequence int32, first uint64, records int) int64 {
	m.log = append(m.log, madeEntry{who: who, sequence: sequence, first: first, records: records, offset: m.end})
	m.end += int64(records)
	return m.end - int64(records)
}

func (m *madeBroker) commit(upTo int) {
	for i := range m.log[:upTo+1] {
		m.log[i].committed = true
	}
}

// truncate loses what no follower had.
func (m *madeBroker) truncate(n int) {
	for ; n > 0 && len(m.log) > 0 && !m.log[len(m.log)-1].committed; n-- {
		m.log = m.log[:len(m.log)-1]
	}
	m.restarted, m.forgot = min(m.restarted, len(m.log)), min(m.forgot, len(m.log))
	m.end = 0
	for _, e := range m.log {
		m.end += int64(e.records)
	}
}

// madeFlight is a request on its way to the broker, or its answer on the way back.
type madeFlight struct {
	request  uint64
	who      produceIdentity
	sequence int32
	first    uint64
	records  int
	answered bool
	offset   int64
	err      *kerr.Error
}

// windowed runs a window against a made-up broker.
type windowed struct {
	*rapid.T
	w       produceWindow
	broker  madeBroker
	pipe    []madeFlight
	request uint64
	pushed  uint64
	batches int
	now     int64
	next    produceIdentity // the last one given out
	acked   []produceBatch  // in their order, as they left
	calm    bool            // nothing goes wrong any more
}

func newWindowed(t *rapid.T, idempotent, atMostOnce bool) *windowed {
	r := &windowed{T: t, next: produceIdentity{7, 0}}
	r.broker.strict = rapid.Bool().Draw(t, "strict")
	r.w = produceWindow{idempotent: idempotent, atMostOnce: atMostOnce, inFlight: rapid.IntRange(1, 5).Draw(t, "in flight"), identity: produceNobody}
	if idempotent {
		r.w.identity = r.next
		r.w.sequence = rapid.SampledFrom([]int32{0, 0, math.MaxInt32 - 3}).Draw(t, "sequence")
		if r.w.sequence != 0 {
			r.broker.take(r.next, r.w.sequence-1, math.MaxUint32, 1)
			r.broker.commit(0)
		}
	} else {
		r.w.acks = AcksLeader
	}
	r.w.split = r.split
	return r
}

func (r *windowed) split(b *produceBatch) (*produceBatch, *produceBatch, error) {
	half := b.records / 2
	one := &produceBatch{sequence: unnumbered, sealed: true, first: b.first, records: half, deadline: b.deadline}
	two := &produceBatch{sequence: unnumbered, sealed: true, first: b.first + uint64(half), records: b.records - half, deadline: b.deadline}
	*b = produceBatch{state: produceState(99)} // it is somebody else's
	return one, two, nil
}

func (r *windowed) push() {
	n := rapid.IntRange(1, 4).Draw(r.T, "records")
	b := &produceBatch{sequence: unnumbered, first: r.pushed, records: n, deadline: r.now + 20, sealed: r.calm || rapid.IntRange(0, 4).Draw(r.T, "sealed") > 0}
	r.pushed += uint64(n)
	r.batches++
	r.w.push(b)
}

func (r *windowed) seal() {
	for _, b := range r.w.left() {
		b.sealed = true
	}
	if r.w.ended != nil {
		r.w.end(r.w.ended)
	}
}

// send writes the next batch.
func (r *windowed) send() bool {
	b := r.w.next()
	if b == nil {
		return false
	}
	if b.state != produceWaiting || !b.sealed {
		r.Fatalf("a batch is to be sent that is in state %d", b.state)
	}
	if r.w.idempotent && r.next != r.w.identity && r.w.idle() {
		r.w.adopt(r.next)
	}
	r.request++
	r.w.fly(b, r.request)
	r.Logf("request %d: records from %d, %d, as %v number %d", r.request, b.first, b.records, r.w.identity, b.sequence)
	r.pipe = append(r.pipe, madeFlight{request: r.request, who: r.w.identity, sequence: b.sequence, first: b.first, records: b.records})
	if r.w.flying > r.w.inFlight || r.w.idempotent && !r.w.proven && r.w.flying > 1 {
		r.Fatalf("%d batches fly", r.w.flying)
	}
	return true
}

// process makes the broker handle the oldest request that it has not.
func (r *windowed) process() {
	for i := range r.pipe {
		f := &r.pipe[i]
		if f.answered {
			continue
		}
		f.answered, f.offset = true, -1
		trouble := 0
		if !r.calm {
			trouble = rapid.IntRange(0, 9).Draw(r.T, "trouble")
		}
		if trouble == 1 { // before it is appended
			f.err = rapid.SampledFrom([]*kerr.Error{
				kerr.NotEnoughReplicas, kerr.NotLeaderForPartition, kerr.KafkaStorageError, kerr.MessageTooLarge, kerr.RecordListTooLarge,
				kerr.InvalidRecord, kerr.TopicAuthorizationFailed, kerr.UnknownServerError, kerr.CorruptMessage, kerr.RequestTimedOut,
			}).Draw(r.T, "refused")
			return
		}
		if f.offset, f.err = r.broker.append(f.who, f.sequence, f.first, f.records); f.err != nil {
			return
		}
		if trouble == 2 && r.w.acks == AcksAll { // and after it
			f.err = rapid.SampledFrom([]*kerr.Error{
				kerr.NotLeaderForPartition, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.KafkaStorageError, kerr.UnknownServerError, kerr.UnknownTopicOrPartition,
			}).Draw(r.T, "answered")
			return
		}
		r.broker.commit(len(r.broker.log) - 1)
		return
	}
}

// deliver hands over the oldest answer.
func (r *windowed) deliver() {
	if len(r.pipe) == 0 || !r.pipe[0].answered {
		return
	}
	f := r.pipe[0]
	r.pipe = r.pipe[1:]
	r.Logf("answer to %d: %d %v", f.request, f.offset, f.err)
	var told error
	if f.err != nil {
		told = f.err
	}
	if !r.w.answered(f.request, f.offset, f.err, told) {
		r.Fatalf("nothing is known of request %d", f.request)
	}
	if r.w.answered(f.request, f.offset, f.err, told) {
		r.Fatalf("request %d was answered twice", f.request)
	}
	r.settle()
}

// lose ends the connection: of what was not answered yet, the broker may have some, and
// may lose what was not replicated.
func (r *windowed) lose() {
	for n := rapid.IntRange(0, len(r.pipe)).Draw(r.T, "arrived"); n > 0; n-- {
		r.process()
	}
	r.pipe = nil
	r.broker.truncate(rapid.IntRange(0, 2).Draw(r.T, "truncated"))
	r.Logf("the connection is lost, the log ends at %d", r.broker.end)
	r.w.lose(errors.New("lost"))
	r.settle()
}

func (r *windowed) settle() {
	if r.w.renew != produceKeep {
		if r.w.flying > 0 {
			r.Fatalf("a new identity is wanted while %d batches fly", r.w.flying)
		}
		if r.next == r.w.identity {
			if r.next.epoch++; r.w.renew == produceNewID {
				r.next = produceIdentity{r.next.id + 1, 0}
			}
		}
		r.w.adopt(r.next)
	}
	for b := r.w.pop(); b != nil; b = r.w.pop() {
		r.Logf("told: records from %d, %d, %v %v", b.first, b.records, b.landed, b.err)
		r.acked = append(r.acked, *b)
	}
}

// finish lets all end well.
func (r *windowed) finish() {
	r.calm = true
	r.seal()
	for steps := 0; len(r.w.left()) > 0; steps++ {
		if steps > 1000 {
			r.Fatalf("there is no end: %d batches are left, %d fly, failing %v, gap %v", len(r.w.left()), r.w.flying, r.w.failing, r.w.gap)
		}
		r.settle()
		r.send()
		r.process()
		r.deliver()
	}
	r.settle()
}

// check compares what was told with the log.
func (r *windowed) check() {
	times, at := map[uint64]int{}, map[uint64]int64{}
	var last int64 = -1
	for _, e := range r.broker.log {
		if e.first == math.MaxUint32 {
			continue
		}
		for i := range e.records {
			record := e.first + uint64(i)
			times[record]++
			at[record] = e.offset + int64(i)
			if r.w.idempotent && int64(record) <= last {
				r.Errorf("record %d is behind record %d", record, last)
			}
			last = int64(record)
		}
	}
	var told uint64
	for i := range r.acked {
		b := &r.acked[i]
		if b.first != told || b.records == 0 {
			r.Fatalf("the batch from record %d on was told where that from %d was due", b.first, told)
		}
		told += uint64(b.records)
		for j := range b.records {
			r.checkRecord(b, b.first+uint64(j), times, at, j)
		}
	}
	if told != r.pushed {
		r.Errorf("%d of %d records were told of", told, r.pushed)
	}
}

func (r *windowed) checkRecord(b *produceBatch, record uint64, times map[uint64]int, at map[uint64]int64, j int) {
	n := times[record]
	switch {
	case b.landed == InLog && n == 0, b.landed == NotInLog && n > 0:
		r.Errorf("record %d is %d times in the log, and was told %v (%v)", record, n, b.landed, b.err)
	case n > 1 && (r.w.idempotent || r.w.atMostOnce):
		r.Errorf("record %d is %d times in the log", record, n)
	case (b.err == nil) != (b.landed == InLog):
		r.Errorf("record %d was told %v with the error %v", record, b.landed, b.err)
	case b.offset >= 0 && n == 1 && at[record] != b.offset+int64(j):
		r.Errorf("record %d is at %d and was told at %d", record, at[record], b.offset+int64(j))
	}
}

// run does a few hundred things in any order.
func (r *windowed) run() {
	for range rapid.IntRange(1, 200).Draw(r.T, "steps") {
		switch rapid.IntRange(0, 19).Draw(r.T, "step") {
		case 0, 1, 2, 3:
			r.push()
		case 4, 5, 6, 7, 8:
			r.send()
		case 9, 10, 11:
			r.process()
		case 12, 13, 14:
			r.deliver()
		case 15:
			r.lose()
		case 16:
			r.broker.restarted = len(r.broker.log)
			r.Logf("restarted")
		case 17:
			r.seal()
		case 18:
			r.now += int64(rapid.IntRange(1, 15).Draw(r.T, "time"))
			r.w.expire(r.now)
			r.settle()
		case 19:
			r.elsewhere()
		}
	}
}

// elsewhere is what comes from outside while nothing is under way: another partition has
// taken a new epoch, or the broker forgets who has not written for long.
func (r *windowed) elsewhere() {
	if !r.w.idempotent || r.w.flying > 0 || !r.w.idle() {
		return
	}
	if rapid.Bool().Draw(r.T, "forget") {
		r.broker.forgot = len(r.broker.log)
		r.w.proven = false // it takes long, and then this is done
		r.Logf("forgotten")
		return
	}
	r.next.epoch++
}

func TestWhatIsToldOfBatchesIsTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newWindowed(t, true, false)
		r.run()
		r.finish()
		r.check()
	})
}

func TestWithoutIdempotenceNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newWindowed(t, false, rapid.Bool().Draw(t, "at most once"))
		r.run()
		r.finish()
		r.check()
	})
}

func TestAWindowThatEndsTellsOfAllBatchesOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newWindowed(t, rapid.Bool().Draw(t, "idempotent"), false)
		r.run()
		r.w.end(ErrClosed)
		r.settle()
		r.seal()
		r.lose()
		if len(r.w.left()) > 0 || r.w.flying > 0 || r.send() {
			t.Fatalf("%d batches are left", len(r.w.left()))
		}
		r.check()
	})
}

// open pushes batches of a record each, all of which fly.
func openWindow(t *testing.T, n int) (*produceWindow, []*produceBatch) {
	t.Helper()
	w := &produceWindow{idempotent: true, inFlight: 5, identity: produceIdentity{1, 0}, proven: true}
	all := make([]*produceBatch, n)
	for i := range all {
		all[i] = &produceBatch{sequence: unnumbered, sealed: true, first: uint64(i), records: 1, deadline: 100}
		w.push(all[i])
		b := w.next()
		if b != all[i] {
			t.Fatalf("batch %d does not come next", i)
		}
		w.fly(b, uint64(i+1))
	}
	return w, all
}

func TestABatchBehindOneThatFailedKeepsItsNumber(t *testing.T) {
	w, all := openWindow(t, 3)
	w.answered(1, -1, kerr.NotEnoughReplicas, kerr.NotEnoughReplicas)
	if w.next() != nil {
		t.Error("something is sent while others fly")
	}
	w.answered(2, -1, kerr.OutOfOrderSequenceNumber, kerr.OutOfOrderSequenceNumber)
	w.answered(3, -1, kerr.OutOfOrderSequenceNumber, kerr.OutOfOrderSequenceNumber)
	for i, b := range all {
		if w.next() != b || b.sequence != int32(i) {
			t.Fatalf("batch %d is to be sent again with number %d", i, b.sequence)
		}
		w.fly(b, uint64(10+i))
		if i == 0 && w.next() != nil {
			t.Error("two fly before the leader has taken one")
		}
		w.answered(uint64(10+i), int64(i), nil, nil)
	}
	if w.identity.epoch != 0 || w.renew != produceKeep {
		t.Error("the epoch changed for nothing")
	}
}

func TestAFailureIsToldAlsoWhenALaterBatchShowsThatNothingIsLost(t *testing.T) {
	w, all := openWindow(t, 2)
	w.answered(1, -1, kerr.NotEnoughReplicasAfterAppend, kerr.NotEnoughReplicasAfterAppend)
	w.answered(2, 1, nil, nil)
	if all[0].landed != InLog || w.pauses != 1 || w.tries != 1 || !errors.Is(w.cause, kerr.NotEnoughReplicasAfterAppend) {
		t.Errorf("the first is %v, %d pauses, %d tries: %v", all[0].landed, w.pauses, w.tries, w.cause)
	}
}

func TestABatchThatFailsForGoodTakesTheOthersToANewEpoch(t *testing.T) {
	w, all := openWindow(t, 3)
	w.answered(1, -1, kerr.InvalidRecord, kerr.InvalidRecord)
	w.answered(2, -1, kerr.OutOfOrderSequenceNumber, kerr.OutOfOrderSequenceNumber)
	w.lose(errors.New("lost"))
	if all[0].landed != NotInLog || w.renew != produceNewEpoch {
		t.Fatalf("the first is %v, the window wants %d", all[0].landed, w.renew)
	}
	w.adopt(produceIdentity{1, 1})
	b := w.next()
	w.fly(b, 9)
	if b != all[1] || b.sequence != 0 || all[2].doubt {
		t.Errorf("the second has number %d", b.sequence)
	}
}

func TestABrokerThatWasRestartedDoesNotDoubleBatches(t *testing.T) {
	w, all := openWindow(t, 4)
	w.lose(errors.New("lost")) // all are in the log, and the broker remembers the last
	for _, step := range []struct {
		batch int
		err   *kerr.Error
	}{{0, kerr.OutOfOrderSequenceNumber}, {3, nil}} {
		b := w.next()
		if b != all[step.batch] {
			t.Fatalf("batch %d is not tried next", step.batch)
		}
		w.fly(b, uint64(20+step.batch))
		w.answered(uint64(20+step.batch), 3, step.err, kerr.OutOfOrderSequenceNumber)
	}
	for i, b := range all {
		if b.landed != InLog || b.err != nil || (b.offset >= 0) != (i == 3) {
			t.Errorf("batch %d is %v at %d: %v", i, b.landed, b.offset, b.err)
		}
	}
}

func TestAnIdentityThatIsRefusedIsReplaced(t *testing.T) {
	w, all := openWindow(t, 2)
	w.answered(1, -1, kerr.RequestTimedOut, kerr.RequestTimedOut)
	w.answered(2, -1, kerr.InvalidProducerEpoch, kerr.InvalidProducerEpoch)
	if w.renew != produceNewID {
		t.Fatalf("the window wants %d", w.renew)
	}
	if all[0].landed != InDoubt || all[0].state != produceSettled {
		t.Errorf("a batch in doubt is sent again as somebody whom the broker does not know")
	}
	if all[1].state != produceWaiting || all[1].sequence != unnumbered {
		t.Errorf("the other one keeps its number")
	}
}

func TestNumbersBeginAnewBehindTheLast(t *testing.T) {
	for _, c := range []struct {
		at, n, want int
	}{{0, 1, 1}, {math.MaxInt32, 1, 0}, {math.MaxInt32 - 1, 1, math.MaxInt32}, {math.MaxInt32 - 1, 5, 3}} {
		if got := sequenceBehind(int32(c.at), c.n); int(got) != c.want {
			t.Errorf("%d and %d more: %d, want %d", c.at, c.n, got, c.want)
		}
	}
}

func TestABatchThatIsTooLateFailsWithWhatHeldIt(t *testing.T) {
	w, all := openWindow(t, 1)
	w.answered(1, -1, kerr.NotEnoughReplicas, kerr.NotEnoughReplicas)
	w.expire(99)
	if all[0].state == produceSettled {
		t.Fatal("it fails too early")
	}
	w.expire(100)
	if !errors.Is(all[0].err, errDeliveryTimeout) || !errors.Is(all[0].err, kerr.NotEnoughReplicas) || all[0].landed != NotInLog {
		t.Errorf("it is %v: %v", all[0].landed, all[0].err)
	}
	if w.renew != produceNewEpoch {
		t.Error("the number that is missing is not told the broker")
	}
}

func TestErrorsOfBrokersAreToldApart(t *testing.T) {
	for _, c := range []struct {
		err               *kerr.Error
		again, all, first bool // doubt with acks=all, with acks=1
	}{
		{kerr.NotLeaderForPartition, true, true, false},
		{kerr.RequestTimedOut, true, true, true},
		{kerr.NotEnoughReplicas, true, false, false},
		{kerr.NotEnoughReplicasAfterAppend, true, true, true},
		{kerr.KafkaStorageError, true, true, true},
		{kerr.UnknownServerError, false, true, true},
		{kerr.MessageTooLarge, false, false, false},
		{kerr.InvalidRecord, false, false, false},
		{kerr.TopicAuthorizationFailed, false, false, false},
		{kerr.OutOfOrderSequenceNumber, true, false, false},
		{kerr.InvalidProducerEpoch, true, false, false},
		{kerr.UnknownTopicOrPartition, true, true, false},
	} {
		got := fmt.Sprint(produceAgain(c.err), produceDoubt(c.err, true), produceDoubt(c.err, false))
		if want := fmt.Sprint(c.again, c.all, c.first); got != want {
			t.Errorf("%v: %s, want %s", c.err, got, want)
		}
	}
}

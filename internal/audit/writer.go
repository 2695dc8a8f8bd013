package audit

import "sync"

const maxAckedSpans = 1024

// Writer accounts the records that one producer sends to one partition. Next and
// Stamp are for the goroutine that sends; Acked, Failed and Indeterminate are
// safe for concurrent use. Each sequence gets one of the three, at most once.
type Writer struct {
	// What the sending goroutine uses, and below, a cache line apart, what the
	// goroutine with the acknowledgements does.
	word0 uint64
	next  uint64 // word 1 of the next record
	place uint64
	_     [64]byte

	mu sync.Mutex
	// known says that the stamps of this writer can be told on the read side.
	known bool
	acked RangeSet
	// low and high are the lowest and highest offset acknowledged, -1: none.
	low, high                        int64
	ackCount, failCount, unsureCount int64
	key                              streamKey
}

func newWriter(s Stamp, known bool) *Writer {
	w0, w1 := s.words()
	return &Writer{
		word0: w0, next: w1, place: place(s.Partition),
		key: streamKey{w0, w1}, known: known,
		acked: newRangeSet(maxAckedSpans), low: -1, high: -1,
	}
}

// NoSequence stands for the sequence of a record too small for a stamp.
const NoSequence = ^uint64(0)

// Next returns the sequence of the next record: 0, 1, 2 …
func (w *Writer) Next() uint64 {
	n := w.next >> sequenceShift
	w.next += oneSequence
	return n
}

// Stamp takes the next sequence, puts its stamp on value, which must be at least
// StampSize bytes long, with the intended send time in Unix nanoseconds, and returns it.
// It is Next and Stamp.Put in one, with the run and flags that Ledger.Produces and
// Ledger.Idempotent said.
func (w *Writer) Stamp(value []byte, bodyCRC uint32, time int64) uint64 {
	n := w.next
	put(value, w.word0, n, uint64(time), bodyCRC, w.place)
	w.next += oneSequence
	return n >> sequenceShift
}

// Acked says that the broker has the record, at offset, or -1 where the
// acknowledgement gives none. seq may be NoSequence.
func (w *Writer) Acked(seq uint64, offset int64) { w.AckedRun(seq, 1, offset) }

// AckedRun is Acked for n records that follow each other in sequence and in the log, such
// as those of a batch; first and offset are those of the first one. n is 1 where there is
// no sequence.
func (w *Writer) AckedRun(first uint64, n int, offset int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ackCount += int64(n)
	if first != NoSequence {
		w.acked.AddRun(first, n)
	}
	if offset >= 0 {
		w.high = max(w.high, offset+int64(n)-1)
		if w.low < 0 || offset < w.low {
			w.low = offset
		}
	}
}

// Failed says that the record was provably never appended.
func (w *Writer) Failed(uint64) {
	w.mu.Lock()
	w.failCount++
	w.mu.Unlock()
}

// Indeterminate says that the record may be in the log or not.
func (w *Writer) Indeterminate(uint64) {
	w.mu.Lock()
	w.unsureCount++
	w.mu.Unlock()
}

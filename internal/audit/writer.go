package audit

import "sync"

const maxAckedSpans = 1024

// Writer accounts the records that one producer sends to one partition. Next is
// for the goroutine that sends; Acked, Failed and Indeterminate are safe for
// concurrent use. Each sequence gets one of the three, at most once.
type Writer struct {
	next uint64

	mu        sync.Mutex
	run       uint32
	producer  uint16
	partition int32
	acks      Acks
	// known says that the stamps of this writer can be told on the read side.
	known bool
	acked RangeSet
	// low and high are the lowest and highest offset acknowledged, -1: none.
	low, high                        int64
	ackCount, failCount, unsureCount int64
}

// NoSequence stands for the sequence of a record too small for a stamp.
const NoSequence = ^uint64(0)

// Next returns the sequence of the next record: 0, 1, 2 …
func (w *Writer) Next() uint64 {
	n := w.next
	w.next++
	return n
}

// Acked says that the broker has the record, at offset, or -1 where the
// acknowledgement gives none. seq may be NoSequence.
func (w *Writer) Acked(seq uint64, offset int64) {
	w.mu.Lock()
	w.ackCount++
	if seq != NoSequence {
		w.acked.Add(seq)
	}
	if offset >= 0 {
		w.high = max(w.high, offset)
		if w.low < 0 || offset < w.low {
			w.low = offset
		}
	}
	w.mu.Unlock()
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

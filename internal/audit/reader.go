package audit

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
)

const (
	maxOffsetSpans   = 4096
	maxSequenceSpans = 256
	maxStreams       = 256

	// A stream's records are spread over batches of its own, so a partition
	// changes between a few streams at batch borders.
	cachedStreams = 8

	// One record of 64 has its body's CRC-32C computed even when all is well.
	sampleMask = 63 << sequenceShift
)

// Reader accounts the records of one partition. Begin locks it, End unlocks it,
// and See is called between them, so that a rebalance may hand the partition to
// another consumer of the process.
type Reader struct {
	mu sync.Mutex

	// What See touches for the usual record.
	next  int64  // the offset after the highest one seen
	word0 uint64 // magic and run of the current stream
	want  uint64 // word 1 of its next record
	bytes int64
	at    uint64 // place(partition)
	sum   uint64

	ledger    *Ledger
	partition int32
	started   bool
	// first is the lowest offset of this pass; origin says that it is the very
	// first of the partition, so that streams have to begin with sequence 0.
	first  int64
	origin bool
	// began is what first was when the pass began: a group may go back behind it.
	began int64
	// given says that first was told by Start or Rewind, not taken from the
	// first record.
	given    bool
	end      int64 // to be reached; -1: not asked for
	logStart int64
	counted  int64 // the offset up to which once has been counted
	offsets  RangeSet
	epoch    int32
	moved    bool // more than one leader epoch was seen

	current *stream
	cache   [cachedStreams]*stream
	evict   int
	streams map[streamKey]*stream
	clock   int64

	pass   tally // of the pass under way
	closed tally // of passes and streams that are over

	seen, seenBytes atomic.Int64
	seenSum         atomic.Uint64
}

// streamKey is word 0, and the producer and flags of word 1.
type streamKey struct{ word0, low uint64 }

// stream is what was seen of one (run, producer) in the partition.
type stream struct {
	key    streamKey
	base   uint64 // sequences below were never demanded
	next   uint64 // one above the highest seen; stale while current
	seen   RangeSet
	used   int64
	repeat int64 // duplicates
	late   int64 // reordered
}

// tally is what the account counts record by record.
type tally struct {
	once, redelivered, foreign int64
	// corrupt has a body that does not fit its stamp; the stamp is believed.
	corrupt int64
	// suspect has our magic and a check value that does not hold; mangled has a
	// known run without our magic. Which sequence they were is not known.
	suspect, mangled int64
	// replaced counts records at an offset where another one was seen before.
	replaced, replacedPermitted int64

	lost, lostPermitted             int64
	duplicated, duplicatedPermitted int64
	reordered, reorderedPermitted   int64

	// spilled counts what could not be told because a bounded set forgot it.
	spilled int64

	// Known when a pass is settled: offsets is how many its range has, vanished
	// those that were not handed out although their record is missed.
	offsets, vanished, skipped, expired, unread int64

	// elsewhere counts offsets between passes, that were somebody else's to read.
	elsewhere int64
}

func newReader(l *Ledger, partition int32) *Reader {
	return &Reader{ledger: l, partition: partition, at: place(partition), end: -1, epoch: -1, offsets: newRangeSet(maxOffsetSpans)}
}

// Begin locks the reader for the records of a batch. leaderEpoch is that of the
// leader that appended it, or -1.
func (r *Reader) Begin(leaderEpoch int32) {
	r.mu.Lock()
	if leaderEpoch >= 0 && leaderEpoch != r.epoch {
		r.moved = r.moved || r.epoch >= 0
		r.epoch = leaderEpoch
	}
}

// End publishes what was seen since Begin and unlocks the reader.
func (r *Reader) End() {
	r.suspend()
	r.settleOffsets()
	r.seen.Store(r.closed.once + r.pass.once)
	r.seenBytes.Store(r.bytes)
	r.seenSum.Store(r.sum)
	r.mu.Unlock()
}

// See accounts one record, between Begin and End. It keeps no part of value.
func (r *Reader) See(offset int64, value []byte) {
	if offset == r.next && len(value) >= StampSize {
		w0 := binary.LittleEndian.Uint64(value)
		w1 := binary.LittleEndian.Uint64(value[8:])
		if w0 == r.word0 && w1 == r.want {
			w2 := binary.LittleEndian.Uint64(value[16:])
			w3 := binary.LittleEndian.Uint64(value[24:])
			if (mix(w0, w1, w2, uint32(w3), r.at, len(value))^w3)>>32 == 0 &&
				(w1&sampleMask != 0 || BodyCRC(value[StampSize:]) == uint32(w3)) {
				// The value sum follows in suspend: w0 is the same for all.
				r.next = offset + 1
				r.want = w1 + oneSequence
				r.bytes += int64(len(value))
				return
			}
		}
	}
	r.see(offset, value)
}

// see accounts a record that is not the next one of the current stream.
func (r *Reader) see(offset int64, value []byte) {
	if !r.started {
		r.begin(offset)
	}
	first := true
	if offset == r.next {
		r.next++
	} else {
		first = r.place(offset)
	}
	if first {
		r.bytes += int64(len(value))
		r.sum += head(value)
	}
	if len(value) < StampSize {
		r.seeShort(value, first)
		return
	}
	w0 := binary.LittleEndian.Uint64(value)
	w1 := binary.LittleEndian.Uint64(value[8:])
	w3 := binary.LittleEndian.Uint64(value[24:])
	crc := uint32(w3)
	switch {
	case uint32(w0) != magic:
		r.seeOther(w0, first)
	case (mix(w0, w1, binary.LittleEndian.Uint64(value[16:]), crc, r.at, len(value))^w3)>>32 != 0:
		if first {
			r.pass.suspect++
		}
	case first:
		r.seeStamp(offset, w0, w1, crc, value[StampSize:])
	default:
		r.seeAgain(w0, w1)
	}
}

// begin takes the first record as where reading started, if nobody said.
func (r *Reader) begin(offset int64) {
	r.started = true
	r.first, r.began, r.next, r.counted = offset, offset, offset, offset
}

// place accounts an offset that is not the next one, and says whether this pass
// sees it the first time.
func (r *Reader) place(offset int64) bool {
	r.settleOffsets()
	if in, sure := r.offsets.Contains(uint64(offset)); in {
		if !sure {
			r.pass.spilled++
		}
		r.pass.redelivered++
		return false
	}
	r.offsets.Add(uint64(offset))
	r.pass.once++
	r.first = min(r.first, offset)
	if offset >= r.next {
		r.next = offset + 1
		r.counted = r.next
	}
	return true
}

// settleOffsets counts the offsets that See passed one after the other.
func (r *Reader) settleOffsets() {
	if r.next == r.counted {
		return
	}
	r.pass.once += r.next - r.counted
	// The run began where the last interval ends, or it is the first.
	if n := len(r.offsets.spans); n == 0 || r.offsets.spans[n-1].hi < uint64(r.counted) {
		r.offsets.Add(uint64(r.counted))
	}
	r.offsets.Extend(uint64(r.next))
	r.counted = r.next
}

func (r *Reader) seeShort(value []byte, first bool) {
	if !first {
		return
	}
	if len(value) >= 4 && binary.LittleEndian.Uint32(value) == magic {
		r.pass.suspect++
		return
	}
	r.pass.foreign++
}

// seeOther accounts a value without our magic: somebody else's, unless it names
// a run that is known here.
func (r *Reader) seeOther(w0 uint64, first bool) {
	if !first {
		return
	}
	for _, s := range r.cache {
		if s != nil && s.key.word0>>32 == w0>>32 {
			r.pass.mangled++
			return
		}
	}
	r.pass.foreign++
}

// seeStamp accounts a believable stamp at an offset seen for the first time.
func (r *Reader) seeStamp(offset int64, w0, w1 uint64, crc uint32, body []byte) {
	s, known := r.stream(streamKey{w0, w1 & streamMask}, w1>>sequenceShift)
	seq := w1 >> sequenceShift
	expected := known && seq == s.next
	if (!expected || w1&sampleMask == 0) && BodyCRC(body) != crc {
		r.pass.corrupt++
	}
	if offset < r.began && seq < s.next {
		// Reading went back, which says nothing of the order in the log.
		s.seen.Add(seq)
	} else {
		s.see(seq)
	}
	r.want = s.next<<sequenceShift | s.key.low
}

// see accounts a sequence of the stream.
func (s *stream) see(seq uint64) {
	if seq >= s.next {
		s.seen.Add(seq)
		s.next = seq + 1
		return
	}
	in, sure := s.seen.Contains(seq)
	switch {
	case !sure:
		s.seen.Excuse()
	case in:
		s.repeat++
	case seq < s.base:
		s.late++
	default:
		s.seen.Add(seq)
		s.late++
	}
}

// seeAgain looks at a record whose offset was seen before. It has to be the one
// seen then; if its sequence is new, the log has put it in the place of another.
func (r *Reader) seeAgain(w0, w1 uint64) {
	r.suspend()
	s := r.streams[streamKey{w0, w1 & streamMask}]
	seq := w1 >> sequenceShift
	if s == nil || seq < s.base {
		return
	}
	if in, _ := s.seen.Contains(seq); in {
		return
	}
	s.seen.Add(seq)
	s.next = max(s.next, seq+1)
	if s == r.current {
		r.want = s.next<<sequenceShift | s.key.low
	}
	if r.pass.suspect+r.pass.mangled > 0 {
		return // the first sight was the corrupt one
	}
	r.pass.replaced++
	if r.permits(s.key.low) {
		r.pass.replacedPermitted++
	}
}

// suspend writes back how far See took the current stream.
func (r *Reader) suspend() {
	if s := r.current; s != nil {
		next := r.want >> sequenceShift
		if next == s.next {
			return
		}
		r.sum += (next - s.next) * s.key.word0
		s.next = next
		s.seen.Extend(next)
	}
}

// stream makes the stream of key the current one; one that is not known begins
// at sequence seq, or at 0 where reading began with the partition.
func (r *Reader) stream(key streamKey, seq uint64) (s *stream, known bool) {
	r.suspend()
	r.clock++
	s = r.cached(key)
	if s == nil {
		s, known = r.streams[key]
		if !known {
			s = r.open(key, seq)
		}
		r.cache[r.evict] = s
		r.evict = (r.evict + 1) % cachedStreams
	} else {
		known = true
	}
	s.used = r.clock
	r.current = s
	r.word0 = key.word0
	return s, known
}

func (r *Reader) cached(key streamKey) *stream {
	for _, s := range &r.cache {
		if s != nil && s.key == key {
			return s
		}
	}
	return nil
}

func (r *Reader) open(key streamKey, seq uint64) *stream {
	if r.streams == nil {
		r.streams = make(map[streamKey]*stream)
	}
	if len(r.streams) >= maxStreams {
		r.forget()
	}
	r.ledger.stamped.Store(true)
	s := &stream{key: key, base: seq, next: seq, seen: newRangeSet(maxSequenceSpans)}
	if r.origin {
		s.base = 0
	}
	r.streams[key] = s
	return s
}

// forget ends the stream that was not seen for the longest time.
func (r *Reader) forget() {
	var oldest *stream
	for _, s := range r.streams {
		if oldest == nil || s.used < oldest.used {
			oldest = s
		}
	}
	r.pass.spilled++
	r.addStream(&r.pass, oldest)
	delete(r.streams, oldest.key)
	for i, s := range r.cache {
		if s == oldest {
			r.cache[i] = nil
		}
	}
	if r.current == oldest {
		r.current, r.word0, r.want = nil, 0, 0
	}
}

// head is the first 8 bytes of value as a number, zero padded.
func head(value []byte) uint64 {
	if len(value) >= 8 {
		return binary.LittleEndian.Uint64(value)
	}
	var n uint64
	for i, b := range value {
		n |= uint64(b) << (8 * i)
	}
	return n
}

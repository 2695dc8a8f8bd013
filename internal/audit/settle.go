package audit

// restart settles the pass under way and begins another at offset.
func (r *Reader) restart(offset, logStart int64) {
	if r.started {
		r.closed.add(r.settle(false))
	}
	r.started, r.given = true, true
	r.origin = offset == 0 && logStart == 0
	r.logStart = logStart
	r.first, r.began, r.next, r.counted = offset, offset, offset, offset
	r.offsets = newRangeSet(maxOffsetSpans)
	r.pass = tally{}
	r.streams = nil
	r.cache = [cachedStreams]*stream{}
	r.current, r.word0, r.want = nil, 0, 0
}

// settle draws up the pass under way without ending it. A missing sequence is
// explained first by a corrupt record whose own sequence cannot be told, then by
// an expired offset, then, in a sparse log, by an offset that holds no record.
// What remains was lost.
func (r *Reader) settle(final bool) tally {
	if !r.started {
		return r.settleUnstarted()
	}
	r.suspend()
	r.settleOffsets()
	t := r.pass
	for _, s := range r.streams {
		r.addStream(&t, s)
	}
	if final {
		r.addTail(&t)
	}
	unknown := t.mangled
	if r.ledger.stamped.Load() {
		unknown += t.suspect
	} else {
		t.foreign += t.suspect
	}
	gaps := r.addRange(&t)

	t.lost -= min(t.lost, unknown)
	t.lost -= min(t.lost, t.expired)
	if r.ledger.sparse.Load() {
		t.lost -= min(t.lost, gaps)
	} else {
		t.vanished = min(gaps, t.lost)
	}
	t.skipped = gaps - t.vanished
	t.lostPermitted = min(t.lostPermitted, t.lost) + t.replacedPermitted
	t.lost += t.replaced
	t.corrupt += unknown
	return t
}

// settleUnstarted: nothing was read and nobody said where reading would begin,
// so all that the log was expected to hold is unread.
func (r *Reader) settleUnstarted() tally {
	n := max(0, r.end-r.logStart)
	return tally{offsets: n, unread: n}
}

// addRange accounts the range of offsets of the pass, and returns how many below
// the highest seen hold no record and did not expire.
func (r *Reader) addRange(t *tally) (gaps int64) {
	gaps = r.offsets.Missing(uint64(r.first), uint64(r.next))
	if r.logStart > r.first {
		gone := r.offsets.Missing(uint64(r.first), uint64(min(r.logStart, r.next)))
		gaps -= gone
		t.expired = gone + max(0, r.logStart-r.next)
	}
	read := max(r.next, r.logStart)
	t.unread = max(0, r.end-read)
	t.offsets = max(read, r.end) - r.first
	return gaps
}

// addStream adds what is known of one stream.
func (r *Reader) addStream(t *tally, s *stream) {
	missing := r.missing(s)
	t.lost += missing
	if r.permits(s.key.low) {
		t.lostPermitted += missing
	}
	t.duplicated += s.repeat
	t.reordered += s.late
	if s.key.low&idempotentBit == 0 {
		t.duplicatedPermitted += s.repeat
		t.reorderedPermitted += s.late
	}
	t.spilled += s.seen.spills
}

// missing counts the sequences of a stream below the highest seen that did not
// come; of our own producer, those that were acknowledged.
func (r *Reader) missing(s *stream) int64 {
	w := r.ledger.writerOf(s.key, r.partition)
	if w == nil {
		return s.seen.Missing(s.base, s.next)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	base := s.base
	if r.covers(w) {
		base = 0
	}
	if s.seen.spills+w.acked.spills > 0 {
		// Which sequences they were is forgotten: take it that every record
		// that need not be there is among them.
		return max(0, s.seen.Missing(base, s.next)-w.failCount-w.unsureCount)
	}
	var n int64
	s.seen.Gaps(base, s.next, func(lo, hi uint64) { n += w.acked.Overlap(lo, hi) })
	return n
}

// covers says whether all that w had acknowledged lies in the range of the pass.
func (r *Reader) covers(w *Writer) bool {
	return r.given && w.low >= r.first || r.origin
}

// addTail adds what our own producers had acknowledged above the highest
// sequence seen, where the end that they reached has been read.
func (r *Reader) addTail(t *tally) {
	if r.end < 0 || max(r.next, r.logStart) < r.end {
		return
	}
	for _, w := range r.ledger.writersTo(r.partition) {
		n := r.tail(w)
		t.lost += n
		if r.permits(w.key.low) {
			t.lostPermitted += n
		}
	}
}

func (r *Reader) tail(w *Writer) int64 {
	var from uint64
	s := r.streams[w.key]
	if s != nil {
		from = s.next
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.high >= r.end || s == nil && !r.covers(w) {
		return 0
	}
	return w.acked.Overlap(from, NoSequence)
}

// permits says whether the acks in the flags of a stream allow the log to lose
// its records.
func (r *Reader) permits(flags uint64) bool {
	switch acksOf(flags) {
	case AcksNone:
		return true
	case AcksLeader:
		return r.moved || r.ledger.leaderMoved(r.partition)
	}
	return false
}

func (t *tally) add(o tally) {
	t.once += o.once
	t.redelivered += o.redelivered
	t.foreign += o.foreign
	t.corrupt += o.corrupt
	t.suspect += o.suspect
	t.mangled += o.mangled
	t.replaced += o.replaced
	t.replacedPermitted += o.replacedPermitted
	t.lost += o.lost
	t.lostPermitted += o.lostPermitted
	t.duplicated += o.duplicated
	t.duplicatedPermitted += o.duplicatedPermitted
	t.reordered += o.reordered
	t.reorderedPermitted += o.reorderedPermitted
	t.spilled += o.spilled
	t.offsets += o.offsets
	t.vanished += o.vanished
	t.skipped += o.skipped
	t.expired += o.expired
	t.unread += o.unread
	t.elsewhere += o.elsewhere
}

package audit

// Next is the offset after the highest one seen in this pass; 0 before any. It
// is called between Begin and End.
func (r *Reader) Next() int64 { return r.next }

// Position is the offset that is due next in a partition: after the highest one
// seen, or where Start said that reading begins.
func (l *Ledger) Position(partition int32) int64 {
	r := l.Reader(partition)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next
}

// Lag is how many records lie between what was seen of each partition and its
// end offset, summed. A partition that was not read at all counts whole from
// its start, if Start told it.
func (l *Ledger) Lag(ends map[int32]int64) int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var lag int64
	for _, r := range l.order {
		r.mu.Lock()
		lag += max(0, ends[r.partition]-r.next)
		r.mu.Unlock()
	}
	return lag
}

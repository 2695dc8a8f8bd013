package audit

import (
	"fmt"
	"strings"

	"redline/result"
)

// Account draws up the books from what is known now. With final, reading and
// producing are over: an acknowledged record of our own that is still unseen at
// the expected end is lost. Before that, Lost and Unread are what is missing at
// the moment, and may yet come.
func (l *Ledger) Account(final bool) result.Account {
	t := l.settle(final)
	a := result.Account{
		Once:          t.once,
		Redelivered:   t.redelivered,
		Duplicated:    t.duplicated,
		Lost:          t.lost,
		PermittedLoss: t.lostPermitted,
		Reordered:     t.reordered,
		Corrupt:       t.corrupt,
		Foreign:       t.foreign,
		Expired:       t.expired,
		Elsewhere:     t.elsewhere,
		Skipped:       t.skipped,
		Unread:        t.unread,
		Spilled:       t.spilled,
	}
	if l.unstamped.Load() {
		a.Foreign = 0
	}
	p := l.produced()
	a.Acked, a.Failed, a.Indeterminate = p.acked, p.failed, p.unsure
	a.Spilled += p.spilled
	if p.short > a.Lost {
		// The broker's own offsets miss more than the reader did.
		a.Lost, a.PermittedLoss = p.short, p.shortPermitted
	}
	a.Books = books(t, p)
	return a
}

// settle adds up all readers.
func (l *Ledger) settle(final bool) tally {
	l.mu.RLock()
	readers := l.order
	l.mu.RUnlock()
	var sum tally
	for _, r := range readers {
		r.mu.Lock()
		sum.add(r.closed)
		sum.add(r.settle(final))
		r.mu.Unlock()
	}
	return sum
}

// production is the produce side of the books.
type production struct {
	acked, failed, unsure, spilled int64
	// entered says that the offsets around producing are known; moved is how far
	// they went, landed how many indeterminate records that can explain.
	entered       bool
	moved, landed int64
	// short and over are acknowledged records without an offset, and offsets
	// without a record of ours, each summed over the partitions that have them.
	short, shortPermitted, over int64
}

func (l *Ledger) produced() production {
	l.mu.RLock()
	defer l.mu.RUnlock()
	p := production{entered: l.after != nil}
	acked, unsure := make(map[int32]int64), make(map[int32]int64)
	for key, w := range l.writers {
		w.mu.Lock()
		acked[key.partition] += w.ackCount
		unsure[key.partition] += w.unsureCount
		p.acked += w.ackCount
		p.unsure += w.unsureCount
		p.failed += w.failCount
		p.spilled += w.acked.spills
		w.mu.Unlock()
	}
	for partition, after := range l.after {
		p.enter(after-l.before[partition], acked[partition], unsure[partition],
			l.acks == AcksNone || l.acks == AcksLeader && l.epochs[partition].moved)
	}
	return p
}

// enter makes the double entry of one partition.
func (p *production) enter(moved, acked, unsure int64, permitted bool) {
	short := max(0, acked-moved)
	landed := min(max(0, moved-acked), unsure)
	p.moved += moved
	p.short += short
	p.landed += landed
	p.over += max(0, moved-acked-landed)
	if permitted {
		p.shortPermitted += short
	}
}

// books chooses what the account compares: the produce side where its offsets
// are known, unless only the consume side has something to say.
func books(t tally, p production) *result.Books {
	consumed := readBooks(t)
	if p.entered {
		b := writeBooks(p)
		if consumed == nil || consumed.Balanced || !b.Balanced {
			return b
		}
	}
	return consumed
}

func writeBooks(p production) *result.Books {
	b := &result.Books{
		Offsets:  p.moved,
		Records:  p.acked + p.landed,
		Balanced: p.short == 0 && p.over == 0,
	}
	var note []string
	if p.landed > 0 {
		note = append(note, fmt.Sprintf("%d indeterminate records are in the log", p.landed))
	}
	if p.short > 0 {
		note = append(note, fmt.Sprintf("%d acknowledged records have no offset: they are not in the log", p.short))
	}
	if p.over > 0 {
		note = append(note, fmt.Sprintf("%d offsets more than we know of: written twice, or by somebody else", p.over))
	}
	b.Note = strings.Join(note, "; ")
	return b
}

func readBooks(t tally) *result.Books {
	if t.offsets == 0 && t.once == 0 {
		return nil
	}
	b := &result.Books{
		Offsets: t.offsets,
		Records: t.once + t.skipped + t.expired + t.unread,
	}
	b.Balanced = b.Offsets == b.Records && t.replaced == 0
	var note []string
	if t.vanished > 0 {
		note = append(note, fmt.Sprintf("%d lost records have an offset that was never handed out: lost between log and reader", t.vanished))
	}
	if t.replaced > 0 {
		note = append(note, fmt.Sprintf("%d offsets were handed out with two different records: the log was truncated, or the topic created anew", t.replaced))
	}
	for _, n := range []struct {
		count int64
		text  string
	}{
		{t.skipped, "%d offsets hold no record for a reader"},
		{t.expired, "%d offsets expired before they were read"},
		{t.unread, "%d offsets were not read"},
	} {
		if n.count > 0 {
			note = append(note, fmt.Sprintf(n.text, n.count))
		}
	}
	b.Note = strings.Join(note, "; ")
	return b
}

// writerOf returns our own writer of a stream, or nil.
func (l *Ledger) writerOf(key streamKey, partition int32) *Writer {
	l.mu.RLock()
	defer l.mu.RUnlock()
	w := l.writers[writerKey{uint16(key.low >> producerShift), partition}]
	if w == nil || !w.known || w.key != key {
		return nil
	}
	return w
}

func (l *Ledger) writersTo(partition int32) []*Writer {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var own []*Writer
	for key, w := range l.writers {
		if key.partition == partition && w.known {
			own = append(own, w)
		}
	}
	return own
}

func (l *Ledger) leaderMoved(partition int32) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.epochs[partition].moved
}

package direct

import (
	"cmp"
	"slices"

	"redline/direct/batch"
)

// transactions tells the batches of aborted transactions, by the list that a broker
// sends with them: a transaction begins with its first offset and ends with the mark in a
// control batch of its producer.
type transactions struct {
	coming []abortedTransaction // by first offset
	open   []int64              // producers whose records are aborted until their mark comes
}

// begin takes the list of a response's partition.
func (t *transactions) begin(list []abortedTransaction) {
	t.coming, t.open = list, t.open[:0]
	byFirst := func(a, b abortedTransaction) int { return cmp.Compare(a.first, b.first) }
	if !slices.IsSortedFunc(list, byFirst) {
		slices.SortFunc(list, byFirst)
	}
}

// opens what has begun up to an offset.
func (t *transactions) upTo(offset int64) {
	for len(t.coming) > 0 && t.coming[0].first <= offset {
		if !slices.Contains(t.open, t.coming[0].producer) {
			t.open = append(t.open, t.coming[0].producer)
		}
		t.coming = t.coming[1:]
	}
}

// aborted says whether the records of a batch are of a transaction that was.
func (t *transactions) aborted(b *batch.Batch) bool {
	t.upTo(b.LastOffset())
	return b.Transactional() && slices.Contains(t.open, b.ProducerID())
}

// ended takes the mark of a control batch.
func (t *transactions) ended(b *batch.Batch, records []byte) error {
	t.upTo(b.LastOffset())
	mark, err := b.Mark(records)
	if err == nil && mark == batch.Abort {
		t.open = slices.DeleteFunc(t.open, func(producer int64) bool { return producer == b.ProducerID() })
	}
	return err
}

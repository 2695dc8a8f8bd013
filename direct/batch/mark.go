package batch

import (
	"encoding/binary"
	"fmt"
)

// Mark is what a control batch says, as Kafka numbers it. Numbers without a name here are
// marks of Kafka's own topics, or of a newer Kafka, and mean nothing for transactions.
type Mark int16

// The marks that end a transaction.
const (
	NoMark Mark = iota - 1 // its record was compacted away
	Abort
	Commit
)

// String is a word for it.
func (m Mark) String() string {
	switch m {
	case NoMark:
		return "no mark"
	case Abort:
		return "abort"
	case Commit:
		return "commit"
	}
	return fmt.Sprintf("mark %d", int16(m))
}

// markKey is the size of a mark's key: a version and a type.
const markKey = 4

// Mark reads a control batch, of which records are the records, decompressed. It holds one
// mark, or none after a compaction.
func (b *Batch) Mark(records []byte) (Mark, error) {
	if !b.Control() {
		return NoMark, fmt.Errorf("the batch from offset %d is no control batch, and has no mark to be read", b.base)
	}
	w := b.Walk(records)
	if !w.Next() {
		return NoMark, w.Err()
	}
	if len(w.Key) < markKey {
		return NoMark, fmt.Errorf("the control batch from offset %d has a key of %d bytes, where a mark has %d", b.base, len(w.Key), markKey)
	}
	if version := int16(binary.BigEndian.Uint16(w.Key)); version < 0 {
		return NoMark, fmt.Errorf("the control batch from offset %d has a mark of version %d, which cannot be", b.base, version)
	}
	return Mark(binary.BigEndian.Uint16(w.Key[2:])), nil
}

package direct

import (
	"math"

	"redline/direct/batch"
)

// produceIdentity is who an idempotent producer is for a broker.
type produceIdentity struct {
	id    int64
	epoch int16
}

var (
	// produceNobody is not idempotent.
	produceNobody = produceIdentity{-1, -1}
	// lastProduceEpoch is the last one that can be had without asking for a new id.
	lastProduceEpoch = int16(math.MaxInt16 - 1)
)

// unnumbered is the sequence of a batch that has none yet.
const unnumbered int32 = -1

// sequenceBehind is the number behind n more; after the last one comes 0.
func sequenceBehind(sequence int32, n int) int32 {
	return int32((int64(sequence) + int64(n)) & math.MaxInt32)
}

// produceState is where a batch is.
type produceState uint8

const (
	produceWaiting produceState = iota // to be sent, maybe again
	produceFlying                      // in a request that is not answered
	produceSettled                     // its outcome is known
)

// produceBatch is a batch from its first record to its acknowledgement, and the memory it
// lies in. It is guarded by its partition's lock.
type produceBatch struct {
	of       *producePartition
	first    uint64 // records of the partition before it
	records  int
	bytes    int   // of keys and values
	deadline int64 // ns, as Producer.now

	// builder has the records until they are sealed, raw is the batch that is sent. Both
	// lie in buf, or raw does in one that has its size.
	builder batch.Builder
	raw     []byte
	buf     []byte
	charged int // bytes of the producer's memory
	sealed  bool
	written produceIdentity // as raw has it, with the sequence
	numbers int32

	state    produceState
	request  uint64 // the last one it was in
	sequence int32
	sent     bool // in a request, at least once
	doubt    bool // it can be in the log, by an earlier request
	beyond   bool // it cannot: its number is behind one that is missing there
	tries    int
	cause    error // of the last failure

	offset int64
	err    error
	landed Landing
}

// reset makes a batch anew, and keeps its memory.
func (b *produceBatch) reset() {
	*b = produceBatch{buf: b.buf, charged: b.charged, sequence: unnumbered, written: produceNobody, numbers: -1, offset: -1}
}

// settle says what became of the batch.
func (b *produceBatch) settle(landed Landing, offset int64, err error) {
	b.state, b.landed, b.offset, b.err = produceSettled, landed, offset, err
}

// identify writes who sends the batch, and its number, where that changed.
func (b *produceBatch) identify(who produceIdentity) {
	if b.written == who && b.numbers == b.sequence {
		return
	}
	batch.Identify(b.raw, who.id, who.epoch, b.sequence)
	b.written, b.numbers = who, b.sequence
}

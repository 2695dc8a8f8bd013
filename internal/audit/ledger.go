package audit

import (
	"sync"
	"sync/atomic"
)

// Ledger is what one process knows of the records of one topic. All methods are
// safe for concurrent use; those that name a partition wait for the End of a
// batch under way there, so they must not be called between Begin and End of
// the same goroutine.
type Ledger struct {
	topic     string
	unstamped atomic.Bool
	sparse    atomic.Bool
	stamped   atomic.Bool // a valid stamp was seen

	mu      sync.RWMutex
	readers map[int32]*Reader
	order   []*Reader
	writers map[writerKey]*Writer
	epochs  map[int32]epochs
	before  map[int32]int64
	after   map[int32]int64

	// As what we stamp our own records; own says that we were told.
	run        uint32
	acks       Acks
	idempotent bool
	own        bool
}

type writerKey struct {
	producer  uint16
	partition int32
}

type epochs struct {
	last  int32
	moved bool
}

// NewLedger returns an empty ledger for topic.
func NewLedger(topic string) *Ledger {
	return &Ledger{
		topic:   topic,
		readers: make(map[int32]*Reader),
		writers: make(map[writerKey]*Writer),
		epochs:  make(map[int32]epochs),
	}
}

// Unstamped says that records without a stamp are ours, because they are too
// small or come from a file: they are then not counted as foreign.
func (l *Ledger) Unstamped(ours bool) { l.unstamped.Store(ours) }

// Sparse says that the log may leave out records on purpose: it is compacted, or
// a reader of committed records passes over aborted ones. Missing sequences that
// fit into missing offsets are then skipped, not lost.
func (l *Ledger) Sparse(sparse bool) { l.sparse.Store(sparse) }

// Produces says as what this process stamps its records, before the Writers are
// taken. Reading them back, loss is then judged by what was acknowledged.
func (l *Ledger) Produces(run uint32, acks Acks) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.run, l.acks, l.own = run, acks, true
}

// Idempotent says whether our producers are, before the Writers are taken; the
// default is that they are not. The stamps say so to whoever reads them.
func (l *Ledger) Idempotent(idempotent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idempotent = idempotent
}

// Reader returns the reader of a partition, always the same one.
func (l *Ledger) Reader(partition int32) *Reader {
	l.mu.RLock()
	r := l.readers[partition]
	l.mu.RUnlock()
	if r != nil {
		return r
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r = l.readers[partition]; r == nil {
		r = newReader(l, partition)
		l.readers[partition] = r
		l.order = append(l.order, r)
	}
	return r
}

// Writer returns the writer of a producer and partition, always the same one.
func (l *Ledger) Writer(producer uint16, partition int32) *Writer {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := writerKey{producer, partition}
	w := l.writers[key]
	if w == nil {
		w = newWriter(Stamp{
			Run: l.run, Producer: producer, Partition: partition, Acks: l.acks, Idempotent: l.idempotent,
		}, l.own)
		l.writers[key] = w
	}
	return w
}

// Start says where reading of a partition begins, and where its log began then.
// Only when both are 0 does a stream have to begin with sequence 0; otherwise
// the first sequence seen of it is its baseline. Told again, an offset that was
// already passed changes nothing (a rebalance goes back to the last commit), and
// a later one begins a new part: what lies between was somebody else's to read,
// and is counted as Elsewhere.
func (l *Ledger) Start(partition int32, offset, logStart int64) {
	r := l.Reader(partition)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started && offset <= r.next {
		return
	}
	end := r.end
	if r.started {
		r.closed.elsewhere += offset - r.next
		r.end = -1 // the part that begins now goes up to it
	}
	r.restart(offset, logStart)
	r.end = end
}

// Rewind begins a new pass over a partition at offset to: offsets seen before
// are counted once more, and are no redelivery.
func (l *Ledger) Rewind(partition int32, to int64) {
	r := l.Reader(partition)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.restart(to, r.logStart)
}

// Expect says which end offset is to be reached in a partition: what is missing
// of it at the end is Unread, and once it is reached an acknowledged record of
// our own that was not seen is lost even if it was the last.
func (l *Ledger) Expect(partition int32, end int64) {
	r := l.Reader(partition)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end = end
}

// LogStart says that retention moved the start of a partition's log: offsets
// below it that were not seen are Expired, not lost.
func (l *Ledger) LogStart(partition int32, start int64) {
	r := l.Reader(partition)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logStart = max(r.logStart, start)
}

// LeaderEpoch notes a leader epoch that was learned beside the records, such as
// from metadata: with acks=1, loss is permitted once there were two.
func (l *Ledger) LeaderEpoch(partition, epoch int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.epochs[partition]
	l.epochs[partition] = epochs{last: epoch, moved: e.moved || ok && e.last != epoch}
}

// Offsets notes the end offsets around producing, by partition, for the double
// entry: as far as they moved, records have to be explained. After belongs to a
// time when no record is in flight any more.
func (l *Ledger) Offsets(before, after map[int32]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before, l.after = before, after
}

// Records is how many distinct (pass, partition, offset) were seen so far, up to
// the last End of each reader. It takes no reader's lock.
func (l *Ledger) Records() int64 {
	return l.total(func(r *Reader) int64 { return r.seen.Load() })
}

// Bytes is the length of the values of Records.
func (l *Ledger) Bytes() int64 {
	return l.total(func(r *Reader) int64 { return r.seenBytes.Load() })
}

// ValueSum is the sum of the first 8 bytes of those values, little endian and
// zero padded: the proof that they were looked at, the same for every client.
func (l *Ledger) ValueSum() uint64 {
	return uint64(l.total(func(r *Reader) int64 { return int64(r.seenSum.Load()) }))
}

func (l *Ledger) total(of func(*Reader) int64) int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var n int64
	for _, r := range l.order {
		n += of(r)
	}
	return n
}

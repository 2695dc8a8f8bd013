package direct

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"redline/direct/batch"
)

// Batch is a record batch of one partition. It and all that comes of it are views into
// the buffer that it was read into, valid until the next batch is asked for or the
// callback returns; Clone keeps it.
type Batch struct {
	batch.Batch
	partition int32
	records   []byte // decompressed
	from, end int64  // offsets before and from which records are left out
}

// Partition is the one it is of.
func (b *Batch) Partition() int32 { return b.partition }

// Len is the number of records that Walk and Records show.
func (b *Batch) Len() int {
	if b.whole() {
		return b.Batch.Len()
	}
	n, w := 0, b.Walk()
	for w.Next() {
		n++
	}
	return n
}

// whole says whether all of its records are to be read.
func (b *Batch) whole() bool { return b.FirstOffset() >= b.from && b.LastOffset() < b.end }

// Walk goes through the records, the fastest way:
//
//	w := b.Walk()
//	for w.Next() {
//		use(w.Offset, w.Key, w.Value)
//	}
//
// Where what a broker sent cannot be, the walk ends early and its Err says why.
func (b *Batch) Walk() batch.Walk {
	w := b.Batch.Walk(b.records)
	if !b.whole() {
		w.Between(b.from, b.end)
	}
	return w
}

// RecordView is one record; Key, Value and headers are views into the batch.
type RecordView struct {
	Offset int64
	// Timestamp is in milliseconds since 1970: when it was made, or appended where the
	// topic says so (message.timestamp.type).
	Timestamp  int64
	Key, Value []byte // nil for null
	walk       *batch.Walk
}

// Time is the timestamp.
func (r *RecordView) Time() time.Time { return time.UnixMilli(r.Timestamp) }

// Headers gives each header's key and value.
func (r *RecordView) Headers() iter.Seq2[[]byte, []byte] { return r.walk.Headers() }

// Records gives each record in the order of offsets. A record's headers can be asked for
// until the next record.
func (b *Batch) Records() iter.Seq[RecordView] {
	return func(yield func(RecordView) bool) {
		w := b.Walk()
		for w.Next() {
			if !yield(RecordView{Offset: w.Offset, Timestamp: w.Timestamp, Key: w.Key, Value: w.Value, walk: &w}) {
				return
			}
		}
	}
}

// Clone is a copy of the batch that stays.
func (b *Batch) Clone() *Batch {
	kept := *b
	kept.Batch, _, _, _ = batch.Cut(slices.Clone(b.Raw()))
	kept.records = kept.Bytes()
	if b.Codec() != batch.None {
		kept.records = slices.Clone(b.records)
	}
	return &kept
}

// reader takes the batches out of a response, one after the other, and makes each ready
// to be walked.
type reader struct {
	raw, skipCRC, committed bool
	end                     int64 // of the partition, which never changes
	decompressor            batch.Decompressor
	transactions            transactions

	// which of so many readers this one is: a partition is always read by the same.
	which, of int32

	from  *response
	index int    // of the chunk to be opened next
	chunk *chunk // nil between two
	rest  []byte
	shown bool // batch was handed out
	batch Batch
}

// receive begins with a response.
func (r *reader) receive(from *response) { r.from, r.index = from, 0 }

// left says whether the response in hand has more.
func (r *reader) left() bool {
	return r.from != nil && (r.chunk != nil && len(r.rest) > 0 || r.index < len(r.from.chunks))
}

// advance opens the next chunk; false behind the last one, when the response is given
// back.
func (r *reader) advance() bool {
	if r.from == nil {
		return false
	}
	for r.index < len(r.from.chunks) {
		k := &r.from.chunks[r.index]
		r.index++
		if r.of <= 1 || k.of.id%r.of == r.which {
			r.open(r.from, k)
			return true
		}
	}
	if r.from.readers.Add(-1) == 0 {
		r.from.lane.free <- r.from
	}
	r.from = nil
	return false
}

// open begins with a chunk.
func (r *reader) open(from *response, k *chunk) {
	r.chunk, r.rest, r.shown, r.end = k, k.bytes, false, k.of.end
	r.batch.partition, r.batch.from, r.batch.end = k.of.id, k.from, k.of.end
	if r.committed {
		r.transactions.begin(from.aborted[k.abortedFrom:k.abortedTo])
	}
}

// next is the next batch that has records to be read; false behind the last one of the
// chunk.
func (r *reader) next() (bool, error) {
	for {
		b, rest, whole, err := batch.Cut(r.rest)
		if !whole || err != nil || b.FirstOffset() >= r.end {
			return false, err
		}
		r.rest, r.batch.Batch, r.shown = rest, b, true
		if b.LastOffset() < r.chunk.from {
			continue
		}
		if r.raw {
			r.batch.records = b.Bytes()
			return true, nil
		}
		shown, err := r.prepare(&b)
		if shown || err != nil {
			return shown, err
		}
	}
}

// prepare checks a batch, decompresses it, and says whether it is to be shown.
func (r *reader) prepare(b *batch.Batch) (bool, error) {
	if !r.skipCRC && !b.Intact() {
		return false, ErrCRC
	}
	records, err := r.decompressor.Records(b)
	if err != nil {
		return false, fmt.Errorf("cannot decompress it (%s): %w", b.Codec(), err)
	}
	if b.Control() {
		if r.committed {
			return false, r.transactions.ended(b, records)
		}
		return false, nil
	}
	r.batch.records = records
	return b.Len() > 0 && (!r.committed || !r.transactions.aborted(b)), nil
}

func (r *reader) close() { r.decompressor.Close() }

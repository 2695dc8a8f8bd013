package ladder

import (
	"fmt"
	"slices"

	"redline/direct/batch"
	"redline/internal/audit"
)

// target is a partition that is written to, by one connection.
type target struct {
	id     int32
	writer *audit.Writer // nil below "stamp"
	stamps uint64        // taken so far
	// sequence is the base sequence of the next batch, for idempotence.
	sequence int32
}

// part is a batch in a request, and what has to be known when it is answered.
type part struct {
	target  *target
	first   uint64 // sequence of its first stamp
	records int
	bytes   int // of values
	settled bool
}

// identity is that of an idempotent producer.
type identity struct {
	id    int64
	epoch int16
}

// builder makes sealed batches.
type builder struct {
	room       int // of a batch before compression, in bytes
	codec      batch.Codec
	idempotent bool
	identity   identity
	values     *values
	value      int // the next one

	batch      batch.Builder
	compressor batch.Compressor
	plain      []byte // what is to be compressed
}

// beside is what a batch of one record has beside the value, at most, in bytes.
const beside = 128

// append puts a batch for t behind dst, as of now (Unix nanoseconds). It is built where
// it belongs; only one that did not have the room there is copied.
func (b *builder) append(dst []byte, t *target, now int64) ([]byte, part, error) {
	p := part{target: t, first: t.stamps}
	size := max(b.room, len(b.values.at(b.value))) + beside
	at := len(dst)
	dst = slices.Grow(dst, size+size/6) // a sixth more is the worst that a codec makes of it
	storage := dst[at:]
	if b.codec != batch.None {
		b.plain = slices.Grow(b.plain[:0], size)
		storage = b.plain
	}
	b.batch.Begin(storage)
	b.fill(&p, now)
	raw, err := b.batch.Seal(b.codec, &b.compressor, dst[at:])
	if err != nil {
		return dst, p, fmt.Errorf("cannot build a batch: %w", err)
	}
	if b.idempotent {
		batch.Identify(raw, b.identity.id, b.identity.epoch, t.sequence)
		t.sequence = int32((int64(t.sequence) + int64(p.records)) & (1<<31 - 1))
	}
	if inPlace := dst[at : at+1]; &inPlace[0] == &raw[0] {
		return dst[:at+len(raw)], p, nil
	}
	return append(dst, raw...), p, nil
}

// fill puts as many records into the batch as it has room for, at least one.
func (b *builder) fill(p *part, now int64) {
	ms := now / 1e6
	for {
		value := b.values.at(b.value)
		if p.records > 0 && b.batch.SizeWith(nil, len(value), nil) > b.room {
			return
		}
		to := b.batch.Reserve(ms, nil, len(value), nil)
		copy(to, value)
		if p.target.writer != nil {
			b.stamp(to, p.target, now)
		}
		p.records++
		p.bytes += len(value)
		if b.value++; b.value == len(b.values.ends) {
			b.value = 0
		}
	}
}

// stamp puts the next stamp of a partition on a value that has its body already.
func (b *builder) stamp(value []byte, t *target, now int64) {
	if !b.values.stamped {
		return
	}
	t.writer.Stamp(value, b.values.crcs[b.value], now)
	t.stamps++
}

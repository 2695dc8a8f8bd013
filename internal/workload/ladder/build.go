package ladder

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"slices"

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

var nobody = identity{-1, -1}

// builder makes sealed batches, in place.
type builder struct {
	room       int // of a batch before compression, in bytes
	codec      codec
	idempotent bool
	identity   identity
	values     *values
	value      int // the next one
	deflater   *deflater
	plain      []byte // records to be compressed
}

// append puts a batch for t behind dst, as of now (Unix nanoseconds), with its length
// before it as produce requests have it.
func (b *builder) append(dst []byte, t *target, now int64) ([]byte, part, error) {
	start := len(dst) + 4
	dst = slices.Grow(dst, 4+b.room+maxOverhead)[:start+headerSize]
	p := part{target: t, first: t.stamps}
	var err error
	if b.codec == uncompressed {
		dst = b.records(dst, &p, now)
	} else {
		b.plain = b.records(b.plain[:0], &p, now)
		dst, err = b.deflater.append(dst, b.plain)
	}
	binary.BigEndian.PutUint32(dst[start-4:], uint32(len(dst)-start))
	b.seal(dst[start:], &p, now)
	return dst, p, err
}

// maxOverhead is what a record can have beside its value, in bytes.
const maxOverhead = 32

// records appends as many as a batch holds, at least one.
func (b *builder) records(dst []byte, p *part, now int64) []byte {
	room, start := b.room-headerSize, len(dst)
	for {
		value := b.values.at(b.value)
		// Attributes, timestamp delta, no key and no headers take a byte each.
		inside := 4 + varintSize(p.records) + varintSize(len(value)) + len(value)
		size := varintSize(inside) + inside
		if p.records > 0 && len(dst)-start+size > room {
			return dst
		}
		at := len(dst)
		if at+size > cap(dst) {
			dst = slices.Grow(dst, max(size, room))
		}
		dst = dst[:at+size]
		b.put(dst[at:], inside, p.records, value)
		if p.target.writer != nil {
			b.stamp(dst[at+size-1-len(value):at+size-1], p.target, now)
		}
		p.records++
		p.bytes += len(value)
		if b.value++; b.value == len(b.values.ends) {
			b.value = 0
		}
	}
}

// put writes a record into its bytes.
func (b *builder) put(to []byte, inside, delta int, value []byte) {
	at := binary.PutVarint(to, int64(inside))
	to[at], to[at+1] = 0, 0 // attributes; due when the batch was begun
	at += 2
	at += binary.PutVarint(to[at:], int64(delta))
	to[at] = 1 // no key: length -1
	at++
	at += binary.PutVarint(to[at:], int64(len(value)))
	at += copy(to[at:], value)
	to[at] = 0 // no headers
}

// stamp puts the next stamp of a partition on a value that has its body already.
func (b *builder) stamp(value []byte, t *target, now int64) {
	if !b.values.stamped {
		return
	}
	t.writer.Stamp(value, b.values.crcs[b.value], now)
	t.stamps++
}

// varintSize is the length of a number of at least 0, in bytes.
func varintSize(n int) int { return (bits.Len64(uint64(n)<<1|1) + 6) / 7 }

// seal writes the header of a batch whose records are there.
func (b *builder) seal(raw []byte, p *part, now int64) {
	be := binary.BigEndian
	identity, sequence := nobody, int32(-1)
	if b.idempotent {
		identity, sequence = b.identity, p.target.sequence
		p.target.sequence = int32((int64(sequence) + int64(p.records)) & (1<<31 - 1))
	}
	const noEpoch = 1<<32 - 1
	millis := uint64(now / 1e6)
	be.PutUint64(raw, 0)
	be.PutUint32(raw[lengthAt:], uint32(len(raw)-afterLength))
	be.PutUint32(raw[epochAt:], noEpoch)
	raw[magicAt] = 2
	be.PutUint16(raw[attributesAt:], uint16(b.codec))
	be.PutUint32(raw[lastDeltaAt:], uint32(p.records-1))
	be.PutUint64(raw[firstTimeAt:], millis)
	be.PutUint64(raw[maxTimeAt:], millis)
	be.PutUint64(raw[producerAt:], uint64(identity.id))
	be.PutUint16(raw[producerAt+8:], uint16(identity.epoch))
	be.PutUint32(raw[sequenceAt:], uint32(sequence))
	be.PutUint32(raw[countAt:], uint32(p.records))
	be.PutUint32(raw[crcAt:], crc32.Checksum(raw[attributesAt:], castagnoli))
}

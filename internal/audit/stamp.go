// Package audit keeps the account of every record: what was sent, acknowledged
// and seen enters, record by record; a result.Account leaves that names what was
// lost, written twice, redelivered, reordered, changed, or never ours.
//
// A record carries a Stamp at the start of its value, which says who sent it as
// which number. A Ledger holds what one process knows of one topic: a Writer
// for each (producer, partition) that it produces, a Reader for each partition
// that it consumes. The usual record, the next one of its stream, costs a few
// nanoseconds and no allocation; everything else goes into interval sets of
// bounded size.
//
// Memory: at most 1.1 MiB per partition read (4,096 intervals of offsets, 256
// streams of 256 intervals each) and 16 KiB per Writer; a clean run needs less
// than 1 KiB of each. What a full set had to forget is Account.Spilled.
package audit

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// StampSize is the length of a stamp in bytes. Values shorter than that are
// accounted by their offset only.
const StampSize = 32

// Acks is what the producer asked of the broker before it took a record for
// sent. The stamp carries it, so that a reader knows which loss was permitted.
type Acks uint8

const (
	// AcksNone (acks=0) permits any loss.
	AcksNone Acks = iota
	// AcksLeader (acks=1) permits loss when the leader changes.
	AcksLeader
	// AcksAll (acks=all) permits none while one in-sync replica lives.
	AcksAll
)

// Stamp is what a record says of itself.
//
// On the wire, little endian: magic and run; sequence (44 bits), producer (16)
// and flags (4); time; CRC-32C of the body and a check value over all of the
// above, the partition and the length of the value.
type Stamp struct {
	// Run tells apart the runs that wrote to one topic.
	Run uint32
	// Producer tells apart the producers of a run.
	Producer uint16
	// Partition is not written, but the check value covers it: a record that
	// turns up in another partition does not pass for its neighbour.
	Partition int32
	// Sequence counts the records of (run, producer, partition) from 0. It has
	// 44 bits: five months at a million records/s.
	Sequence uint64
	// Time is the intended send time, Unix nanoseconds.
	Time int64
	// Acks and Idempotent are how the record was sent.
	Acks       Acks
	Idempotent bool
}

const (
	magic = 0x6c646572 // "redl" as the first bytes of the value

	flagsMask     = 1<<4 - 1
	producerShift = 4
	sequenceShift = 20
	streamMask    = 1<<sequenceShift - 1 // producer and flags
	oneSequence   = 1 << sequenceShift   // what the next sequence adds to word 1
	sequenceMask  = 1<<44 - 1
	idempotentBit = 1 << 2
)

// Put writes the stamp over the first StampSize bytes of value, which must be
// at least that long; bodyCRC is BodyCRC(value[StampSize:]). The length of value
// must not change afterwards.
func (s Stamp) Put(value []byte, bodyCRC uint32) {
	w0, w1 := s.words()
	put(value, w0, w1, uint64(s.Time), bodyCRC, place(s.Partition))
}

func (s Stamp) words() (w0, w1 uint64) {
	return uint64(s.Run)<<32 | magic,
		s.Sequence<<sequenceShift | uint64(s.Producer)<<producerShift | flags(s.Acks, s.Idempotent)
}

func put(value []byte, w0, w1, w2 uint64, bodyCRC uint32, place uint64) {
	_ = value[StampSize-1]
	check := mix(w0, w1, w2, bodyCRC, place, len(value))
	binary.LittleEndian.PutUint64(value[0:], w0)
	binary.LittleEndian.PutUint64(value[8:], w1)
	binary.LittleEndian.PutUint64(value[16:], w2)
	binary.LittleEndian.PutUint64(value[24:], check>>32<<32|uint64(bodyCRC))
}

// Read parses the stamp of a value that this process wrote itself or only wants
// the fields of: it checks neither the check value nor the body, because both
// need the partition, which it leaves -1. It returns false when value does not
// start with a stamp.
func Read(value []byte) (Stamp, bool) {
	if len(value) < StampSize {
		return Stamp{Partition: -1}, false
	}
	w0 := binary.LittleEndian.Uint64(value)
	w1 := binary.LittleEndian.Uint64(value[8:])
	if uint32(w0) != magic {
		return Stamp{Partition: -1}, false
	}
	return Stamp{
		Run:        uint32(w0 >> 32),
		Producer:   uint16(w1 >> producerShift),
		Partition:  -1,
		Sequence:   w1 >> sequenceShift,
		Time:       int64(binary.LittleEndian.Uint64(value[16:])),
		Acks:       acksOf(w1),
		Idempotent: w1&idempotentBit != 0,
	}, true
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// BodyCRC is the CRC-32C of a body: the bytes of a value after its stamp.
func BodyCRC(body []byte) uint32 { return crc32.Checksum(body, castagnoli) }

func flags(a Acks, idempotent bool) uint64 {
	f := uint64(a & 3)
	if idempotent {
		f |= idempotentBit
	}
	return f
}

func acksOf(word1 uint64) Acks { return Acks(word1 & 3) }

// mix is the check value, in the upper 32 bits: two 64-by-64-bit
// multiplications, each folded to 64 bits, over everything that the stamp claims.
// It costs about 2 ns, where a CRC-32C over a record of 100 bytes costs 7. It is
// against accidents, not against forgers.
func mix(w0, w1, w2 uint64, bodyCRC uint32, place uint64, length int) uint64 {
	hi, lo := bits.Mul64(w0^0x9e3779b97f4a7c15, w1^0xd6e8feb86659fd93)
	// The length goes where the time has no digits that change.
	hi, lo = bits.Mul64(hi^lo^w2^uint64(length)<<32, place^uint64(bodyCRC))
	return hi ^ lo
}

// place is a partition as mix takes it.
func place(partition int32) uint64 {
	return uint64(uint32(partition))<<32 ^ 0xe7037ed1a0b428db
}

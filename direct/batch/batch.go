package batch

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A record batch as it is on the wire and in the log:
//
//	 0 base offset       8 bytes    27 first timestamp  8
//	 8 length of the rest 4         35 max timestamp    8
//	12 leader epoch      4          43 producer id      8
//	16 magic             1          51 producer epoch   2
//	17 CRC-32C           4          53 base sequence    4
//	21 attributes        2          57 records          4
//	23 last offset delta 4          61 the records
const (
	lengthAt     = 8
	afterLength  = 12
	epochAt      = 12
	magicAt      = 16
	crcAt        = 17
	attributesAt = 21 // and all that the CRC is over
	lastDeltaAt  = 23
	firstTimeAt  = 27
	maxTimeAt    = 35
	producerAt   = 43
	sequenceAt   = 53
	countAt      = 57
	headerSize   = 61

	magic2 = 2

	codecMask     = 0x07
	logAppendTime = 0x08
	transactional = 0x10
	controlBatch  = 0x20

	// smallestRecord is a record of nothing: seven fields of a byte.
	smallestRecord = 7
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Batch is what a record batch's header says, and its bytes. It is made by Cut, and valid
// as long as the bytes that it was cut off.
type Batch struct {
	raw        []byte // header and records
	base, last int64  // offsets
	count      int    // of records
	attributes uint16
}

// Cut takes the first whole batch off bytes as a broker sends them, and returns what
// follows it. ok is false where no batch is whole: a broker ends a response wherever its
// limit is. An error says what cannot be in a batch; nothing behind it can be found then.
func Cut(b []byte) (batch Batch, rest []byte, ok bool, err error) {
	if len(b) <= magicAt {
		return Batch{}, b, false, nil
	}
	if magic := b[magicAt]; magic != magic2 {
		return Batch{}, b, false, fmt.Errorf("a batch has message format %d, and format 2 alone (Kafka 0.11 and newer) is read here", magic)
	}
	length := int64(int32(binary.BigEndian.Uint32(b[lengthAt:])))
	if length < headerSize-afterLength {
		return Batch{}, b, false, fmt.Errorf("a batch claims to be %d bytes long, where its header alone has %d", length, headerSize-afterLength)
	}
	if length > int64(len(b)-afterLength) {
		return Batch{}, b, false, nil
	}
	end := afterLength + int(length)
	batch.raw = b[:end:end]
	if err = batch.read(); err != nil {
		return Batch{}, b, false, err
	}
	return batch, b[end:], true, nil
}

// read fills in what the header says, which has to be possible.
func (b *Batch) read() error {
	be := binary.BigEndian
	b.base = int64(be.Uint64(b.raw))
	lastDelta := int64(int32(be.Uint32(b.raw[lastDeltaAt:])))
	b.last = b.base + lastDelta
	b.count = int(int32(be.Uint32(b.raw[countAt:])))
	b.attributes = be.Uint16(b.raw[attributesAt:])
	switch {
	case b.base < 0 || lastDelta < 0 || b.last < b.base || b.last+1 < 0:
		return fmt.Errorf("a batch begins with offset %d and ends %d behind it, which cannot be", b.base, lastDelta)
	case b.count < 0 || int64(b.count) > lastDelta+1:
		return fmt.Errorf("a batch claims %d records, where its offsets have room for %d", b.count, lastDelta+1)
	case b.Codec() == None && b.count > len(b.Bytes())/smallestRecord:
		return fmt.Errorf("a batch claims %d records in %d bytes", b.count, len(b.Bytes()))
	}
	return nil
}

// Raw is the whole batch, header and records as they were sent.
func (b *Batch) Raw() []byte { return b.raw }

// Bytes are the records as they were sent, compressed or not.
func (b *Batch) Bytes() []byte { return b.raw[headerSize:] }

// FirstOffset is the offset the batch begins with. In a compacted topic the record there
// can be gone.
func (b *Batch) FirstOffset() int64 { return b.base }

// LastOffset is the offset the batch ends with; the next batch begins behind it. In a
// compacted topic the record there can be gone.
func (b *Batch) LastOffset() int64 { return b.last }

// Len is the number of records, marks of a control batch included.
func (b *Batch) Len() int { return b.count }

// LeaderEpoch is the epoch of the leader that took the batch, -1 where it was not known.
func (b *Batch) LeaderEpoch() int32 { return int32(binary.BigEndian.Uint32(b.raw[epochAt:])) }

// Codec is what the records are compressed with. It can be one that does not exist, which
// Decompressor.Records finds.
func (b *Batch) Codec() Codec { return Codec(b.attributes & codecMask) }

// Control says that the batch holds marks of Kafka's own, which are no reader's records.
func (b *Batch) Control() bool { return b.attributes&controlBatch != 0 }

// Transactional says that the batch is part of a transaction of ProducerID.
func (b *Batch) Transactional() bool { return b.attributes&transactional != 0 }

// LogAppendTime says that the broker stamped the batch when it was appended
// (message.timestamp.type): all records have MaxTimestamp then.
func (b *Batch) LogAppendTime() bool { return b.attributes&logAppendTime != 0 }

// FirstTimestamp is what the timestamps of records are counted from, in milliseconds since
// 1970: the first record's, until a compaction put the time of a later deletion there.
func (b *Batch) FirstTimestamp() int64 { return int64(binary.BigEndian.Uint64(b.raw[firstTimeAt:])) }

// MaxTimestamp is the latest timestamp, in milliseconds since 1970.
func (b *Batch) MaxTimestamp() int64 { return int64(binary.BigEndian.Uint64(b.raw[maxTimeAt:])) }

// ProducerID is the idempotent producer's, -1 for none.
func (b *Batch) ProducerID() int64 { return int64(binary.BigEndian.Uint64(b.raw[producerAt:])) }

// ProducerEpoch is the idempotent producer's, -1 for none.
func (b *Batch) ProducerEpoch() int16 {
	return int16(binary.BigEndian.Uint16(b.raw[producerAt+8:]))
}

// FirstSequence is the first record's number for its idempotent producer, -1 for none.
func (b *Batch) FirstSequence() int32 { return int32(binary.BigEndian.Uint32(b.raw[sequenceAt:])) }

// Intact says whether the batch is as it was made, by its CRC-32C. The base offset and the
// leader epoch, which brokers write, are outside of it.
func (b *Batch) Intact() bool {
	return crc32.Checksum(b.raw[attributesAt:], castagnoli) == binary.BigEndian.Uint32(b.raw[crcAt:])
}

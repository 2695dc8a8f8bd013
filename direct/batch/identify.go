package batch

import (
	"encoding/binary"
	"hash/crc32"
)

// Identify writes an idempotent producer's id, epoch and the first record's sequence into
// a sealed batch, and its CRC anew: also when a batch is sent again as another producer.
// What it takes does not grow with the batch.
func Identify(raw []byte, producerID int64, epoch int16, sequence int32) {
	be := binary.BigEndian
	if len(raw) < smallestPatched {
		putIdentity(raw, producerID, epoch, sequence)
		be.PutUint32(raw[crcAt:], crc32.Checksum(raw[attributesAt:], castagnoli))
		return
	}
	// Where the identity stands, what changes in it stands for a moment.
	old := raw[producerAt:countAt]
	be.PutUint64(old, be.Uint64(old)^uint64(producerID))
	be.PutUint16(old[8:], be.Uint16(old[8:])^uint16(epoch))
	be.PutUint32(old[10:], be.Uint32(old[10:])^uint32(sequence))
	change := changeOf(old, len(raw)-countAt)
	putIdentity(raw, producerID, epoch, sequence)
	be.PutUint32(raw[crcAt:], be.Uint32(raw[crcAt:])^change)
}

func putIdentity(raw []byte, producerID int64, epoch int16, sequence int32) {
	be := binary.BigEndian
	be.PutUint64(raw[producerAt:], uint64(producerID))
	be.PutUint16(raw[producerAt+8:], uint16(epoch))
	be.PutUint32(raw[sequenceAt:], uint32(sequence))
}

// smallestPatched is the size of a batch, in bytes, from which on it is faster to change
// the CRC than to reckon it anew.
const smallestPatched = 8 << 10

// changeOf is what a CRC-32C changes by (xor) where bytes change by difference (xor) and n
// bytes follow them. A CRC is linear: the change is the CRC, without its inversions, of the
// difference followed by n zeros, and a zero byte multiplies by x⁸ modulo the polynomial.
func changeOf(difference []byte, n int) uint32 {
	change := ^crc32.Update(^uint32(0), castagnoli, difference)
	for i := 0; n > 0; i++ {
		if n&1 != 0 {
			change = multiply(change, zeros[i])
		}
		n >>= 1
	}
	return change
}

// zeros are the powers x^(8·2^i) modulo the polynomial, which 2^i zero bytes multiply by.
var zeros = func() (all [32]uint32) {
	all[0] = 1 << (31 - 8)
	for i := range all[1:] {
		all[i+1] = multiply(all[i], all[i])
	}
	return all
}()

// multiply is the product of two polynomials modulo Castagnoli's, the lowest power in the
// highest bit as the CRC has it.
func multiply(a, b uint32) (product uint32) {
	for a != 0 {
		product ^= b & -(a >> 31)
		a <<= 1
		b = b>>1 ^ crc32.Castagnoli&-(b&1)
	}
	return product
}

package direct

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
)

// Partitioner chooses the partition of records that name none. It is called by as many
// goroutines at once as call Send.
type Partitioner interface {
	// Partition returns the number of a partition, 0 to partitions-1, for a record with
	// this key and value.
	Partition(key, value []byte, partitions int) int32
}

// stickyBytes is how much goes to one partition before another one is drawn, in bytes.
// More makes fewer and larger batches at low rates, and a less even spread.
const stickyBytes = 64 << 10

// ByKey is what Java's producer does: records with a key go where KeyPartition says, so
// those of a key keep their order; those without one as Sticky says.
func ByKey() Partitioner { return &byKey{} }

// Sticky stays with a partition for 64 KiB of keys and values, and then draws another one:
// batches are large also where there are many partitions.
func Sticky() Partitioner { return &sticky{} }

type byKey struct{ rest sticky }

func (b *byKey) Partition(key, value []byte, partitions int) int32 {
	if key == nil {
		return b.rest.Partition(key, value, partitions)
	}
	return KeyPartition(key, partitions)
}

// sticky has the partition in force, and how many bytes it got, in one word.
type sticky struct {
	at     atomic.Uint64              // the partition and one in the upper half
	usable func(partition int32) bool // nil: all
}

func (s *sticky) Partition(key, value []byte, partitions int) int32 {
	size := min(uint64(len(key)+len(value)+1), 1<<30) // the halves stay apart
	for {
		at := s.at.Load()
		partition, given := int64(at>>32)-1, at&(1<<32-1)
		next := at + size
		if partition < 0 || partition >= int64(partitions) || given >= stickyBytes {
			partition = int64(s.draw(partition, partitions))
			next = uint64(partition+1)<<32 | size
		}
		if s.at.CompareAndSwap(at, next) {
			return int32(partition)
		}
	}
}

// draws is how often another partition is drawn when the one before was of no use.
const draws = 8

// draw returns a partition other than the one before, and one that is usable, where a few
// draws find such.
func (s *sticky) draw(before int64, partitions int) int {
	drawn := 0
	for range draws {
		drawn = rand.IntN(partitions)
		if partitions == 1 || int64(drawn) != before && (s.usable == nil || s.usable(int32(drawn))) {
			break
		}
	}
	return drawn
}

// KeyPartition is the partition of a key in Kafka's own clients: a murmur2 hash of it,
// modulo the number of partitions, which is at least 1.
func KeyPartition(key []byte, partitions int) int32 {
	return int32(murmur2(key) & (1<<31 - 1) % uint32(partitions))
}

// murmur2 is MurmurHash2 of 32 bits (Austin Appleby) with the seed that Kafka took.
func murmur2(b []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := seed ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * m
		k = (k ^ k>>r) * m
		h = h*m ^ k
	}
	if len(b) > 0 {
		for i := len(b) - 1; i >= 0; i-- {
			h ^= uint32(b[i]) << (8 * i)
		}
		h *= m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}

package payload

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
)

// keys is a range of keys with the partition of each.
type keys struct {
	kind       KeyKind
	bytes      []byte // keyWidth bytes each
	partitions []int32
	alias      []draw // for Zipf
}

// A key is its number in decimal, as wide as the widest range.
const keyWidth = 8

func newKeys(kind KeyKind, n int, partitions int32) keys {
	k := keys{kind: kind, bytes: make([]byte, 0, n*keyWidth), partitions: make([]int32, n)}
	for i := range n {
		k.bytes = fmt.Appendf(k.bytes, "%0*d", keyWidth, i)
		k.partitions[i] = partitionOf(k.key(i), partitions)
	}
	if kind == Zipf {
		k.alias = newAlias(zipfWeights(n))
	}
	return k
}

func (k *keys) key(i int) []byte {
	return k.bytes[i*keyWidth : (i+1)*keyWidth : (i+1)*keyWidth]
}

// next chooses the number of the key after n; for Sequential, the one after it.
func (k *keys) next(n int, rng *rand.PCG) int {
	switch k.kind {
	case Uniform:
		return below(rng.Uint64(), len(k.partitions))
	case Zipf:
		return choose(k.alias, rng.Uint64())
	}
	if n++; n < len(k.partitions) {
		return n
	}
	return 0
}

// below maps 64 random bits to 0 … n-1.
func below(random uint64, n int) int {
	hi, _ := bits.Mul64(random, uint64(n))
	return int(hi)
}

// draw is a column of Walker's alias table: itself with probability
// keep / 2^32, else other.
type draw struct{ keep, other uint32 }

const zipfExponent = 0.99

func zipfWeights(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = math.Pow(float64(i+1), -zipfExponent)
	}
	return w
}

// newAlias makes the table that draws i with a probability of weights[i] / sum
// in constant time (M. D. Vose, "A linear algorithm for generating random
// numbers with a given distribution", 1991).
func newAlias(weights []float64) []draw {
	var sum float64
	for _, w := range weights {
		sum += w
	}
	n := len(weights)
	share := make([]float64, n) // in columns
	var small, large []int
	for i, w := range weights {
		share[i] = w / sum * float64(n)
		if share[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	table := make([]draw, n)
	for i := range table {
		table[i] = draw{keep: math.MaxUint32, other: uint32(i)}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		table[s] = draw{keep: uint32(share[s] * math.MaxUint32), other: uint32(l)}
		if share[l] -= 1 - share[s]; share[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	return table
}

// choose takes the column from the upper bits of the product, and the coin from
// the lower ones.
func choose(table []draw, random uint64) int {
	column, rest := bits.Mul64(random, uint64(len(table)))
	if d := table[column]; uint32(rest>>32) > d.keep {
		return int(d.other)
	}
	return int(column)
}

// partitionOf is the partition that Kafka's own producers choose for a key.
func partitionOf(key []byte, partitions int32) int32 {
	return int32(murmur2(key)&0x7fffffff) % partitions
}

// murmur2 is the 32-bit hash of that name with the seed that Kafka's Java client
// uses (org.apache.kafka.common.utils.Utils).
func murmur2(data []byte) uint32 {
	const m = 0x5bd1e995
	h := 0x9747b28c ^ uint32(len(data))
	for len(data) >= 4 {
		k := binary.LittleEndian.Uint32(data) * m
		k = (k ^ k>>24) * m
		h = h*m ^ k
		data = data[4:]
	}
	for i := len(data) - 1; i >= 0; i-- {
		h ^= uint32(data[i]) << (8 * i)
	}
	if len(data) > 0 {
		h *= m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}

package payload

import (
	"encoding/binary"
	"math/rand/v2"

	"redline/internal/audit"
)

const (
	// A pool is larger than the batch that a record can meet its own body in: a
	// compressor must not find in it what a real topic would not have.
	poolBytes  = 4 << 20
	maxBodies  = 1 << 16
	fewBodies  = 4 // large bodies, as long as they do not take all memory
	largeBytes = 16 << 20
)

// pool is bodies of one size with their CRCs.
type pool struct {
	bytes []byte
	size  int
	crcs  []uint32
}

func newPool(kind Kind, size int, seed uint64) pool {
	p := pool{size: size}
	n := 1
	if size > 0 && kind != Zeros {
		n = min(poolBytes/size, maxBodies)
		if n < fewBodies {
			n = max(1, min(fewBodies, largeBytes/size))
		}
	}
	p.bytes = make([]byte, n*size)
	switch kind {
	case Random:
		fillRandom(p.bytes, seed)
	case Text:
		fillText(p.bytes, seed)
	case JSON:
		fillJSON(p.bytes, size, seed)
	}
	p.crcs = make([]uint32, n)
	for i := range p.crcs {
		p.crcs[i] = audit.BodyCRC(p.body(i))
	}
	return p
}

func (p *pool) body(i int) []byte { return p.bytes[i*p.size : (i+1)*p.size] }

func fillRandom(b []byte, seed uint64) {
	rng := rand.NewPCG(seed, 0x72656470)
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, rng.Uint64())
		b = b[8:]
	}
	for i := range b {
		b[i] = byte(rng.Uint64())
	}
}

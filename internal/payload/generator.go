package payload

import (
	"math/rand/v2"

	"redline/internal/audit"
)

// chunk is how many records without a key one partition gets before it is the
// turn of the next: enough to fill batches, few enough that all partitions fill
// alike.
const chunk = 500

// Generator makes the records of one producer. Next is for one goroutine; Acked,
// Failed and Indeterminate are safe for concurrent use.
type Generator struct {
	source  *Source
	writers []*audit.Writer // by partition
	rng     *rand.PCG

	bodies    pool
	body      int
	key       int
	partition int32
	left      int    // of the chunk
	sequence  uint64 // of the last record
	stamped   bool
	keyed     bool
}

// Producer returns the generator of producer number id, whose records l
// accounts. Producers start at different partitions, bodies and keys.
func (s *Source) Producer(id uint16, l *audit.Ledger) *Generator {
	c := s.config
	l.Produces(c.Run, c.Acks)
	l.Idempotent(c.Idempotent)
	g := &Generator{
		source:    s,
		writers:   make([]*audit.Writer, c.Partitions),
		bodies:    s.bodies,
		rng:       rand.NewPCG(c.Seed, uint64(id)),
		partition: int32(id) % c.Partitions,
		left:      chunk,
		stamped:   c.stamped(),
		keyed:     c.Keys != NoKeys,
		sequence:  audit.NoSequence,
	}
	for p := range g.writers {
		g.writers[p] = l.Writer(id, int32(p))
	}
	if n := len(s.bodies.crcs); n > 0 {
		g.body = below(g.rng.Uint64(), n)
	}
	if n := len(s.keys.partitions); n > 0 {
		g.key = below(g.rng.Uint64(), n)
	}
	return g
}

// Next makes a record that is due at now (Unix nanoseconds). It fills value,
// which must have the length of Config.Size, and returns it; with a payload file
// it returns a line instead, which is never changed. key is nil without keys, and
// stays valid for ever.
func (g *Generator) Next(value []byte, now int64) (v, key []byte, partition int32) {
	if g.keyed {
		g.key = g.source.keys.next(g.key, g.rng)
		key, partition = g.source.keys.key(g.key), g.source.keys.partitions[g.key]
	} else {
		partition = g.turn()
	}
	return g.fill(value, partition, now), key, partition
}

// turn gives each partition a chunk of records.
func (g *Generator) turn() int32 {
	if g.left == 0 {
		g.left = chunk
		if g.partition++; int(g.partition) == len(g.writers) {
			g.partition = 0
		}
	}
	g.left--
	return g.partition
}

func (g *Generator) fill(value []byte, partition int32, now int64) []byte {
	if lines := g.source.lines; lines != nil {
		return lines[below(g.rng.Uint64(), len(lines))]
	}
	i := g.body
	if g.body++; g.body == len(g.bodies.crcs) {
		g.body = 0
	}
	if !g.stamped {
		copy(value, g.bodies.body(i))
		return value
	}
	copy(value[audit.StampSize:], g.bodies.body(i))
	g.sequence = g.writers[partition].Stamp(value, g.bodies.crcs[i], now)
	return value
}

// Sequence is the number of the record that Next made last among those of its partition,
// audit.NoSequence where it has no stamp: what Acked, Failed and Indeterminate want.
func (g *Generator) Sequence() uint64 { return g.sequence }

// Acked accounts n records that the broker has, which follow each other in sequence from
// first on and in the log from offset on, or -1 if that is not known. n is 1 where records
// have no stamp.
func (g *Generator) Acked(partition int32, first uint64, n int, offset int64) {
	g.writers[partition].AckedRun(first, n, offset)
}

// Failed accounts a record that was provably never appended.
func (g *Generator) Failed(partition int32, sequence uint64) {
	g.writers[partition].Failed(sequence)
}

// Indeterminate accounts a record that may be in the log or not.
func (g *Generator) Indeterminate(partition int32, sequence uint64) {
	g.writers[partition].Indeterminate(sequence)
}

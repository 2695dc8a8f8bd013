package ladder

import (
	"redline/internal/audit"
	"redline/internal/payload"
)

const (
	// A pool of values is as large as the payload's own: larger than the batch that
	// a value can meet itself in.
	poolBytes  = 4 << 20
	poolValues = 1 << 16
)

// values are what records are filled from: some of the payload's, without stamps.
type values struct {
	bytes   []byte
	ends    []int    // of each, in bytes
	crcs    []uint32 // of each body; only of stamped ones
	stamped bool     // they have room for a stamp, and are to get one
}

// draw takes values of a payload. Their stamps are overwritten: a batch that is not
// stamped must not look as if it was.
func draw(source *payload.Source) *values {
	v := &values{stamped: source.Stamped()}
	generator := source.Producer(0, audit.NewLedger(""))
	room := make([]byte, source.Size())
	for len(v.ends) == 0 || len(v.ends) < poolValues && len(v.bytes)+len(room) <= poolBytes {
		value, _, _ := generator.Next(room, 0)
		if v.stamped {
			clear(value[:audit.StampSize])
			copy(value[:audit.StampSize], value[audit.StampSize:])
			v.crcs = append(v.crcs, audit.BodyCRC(value[audit.StampSize:]))
		}
		v.bytes = append(v.bytes, value...)
		v.ends = append(v.ends, len(v.bytes))
	}
	return v
}

func (v *values) at(i int) []byte {
	from := 0
	if i > 0 {
		from = v.ends[i-1]
	}
	return v.bytes[from:v.ends[i]]
}

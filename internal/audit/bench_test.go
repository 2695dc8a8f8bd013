package audit

import (
	"testing"
)

// stamped makes n records of a stream, each of size bytes, in one array.
func stamped(s Stamp, n, size int) [][]byte {
	buf := make([]byte, n*size)
	out := make([][]byte, n)
	for i := range out {
		v := buf[i*size : (i+1)*size : (i+1)*size]
		for j := StampSize; j < size; j++ {
			v[j] = byte(i*31 + j)
		}
		s.Put(v, BodyCRC(v[StampSize:]))
		s.Sequence++
		s.Time += 1000
		out[i] = v
	}
	return out
}

// The batches of 8 partitions, about 1,000 records of 100 bytes each, seen again
// and again in passes.
func BenchmarkSeeStamped(b *testing.B) {
	const partitions, records, batch = 8, 1000, 1000
	l := NewLedger("t")
	var readers [partitions]*Reader
	var values [partitions][][]byte
	for p := range readers {
		values[p] = stamped(Stamp{Run: 7, Producer: uint16(p), Partition: int32(p), Acks: AcksAll}, records, 100)
		readers[p] = l.Reader(int32(p))
		l.Start(int32(p), 0, 0)
	}
	b.ReportAllocs()
	b.SetBytes(100)
	b.ResetTimer()
	for n := 0; n < b.N; {
		for from := 0; from < records && n < b.N; from += batch {
			for p, r := range readers {
				r.Begin(0)
				for i, v := range values[p][from : from+batch] {
					r.See(int64(from+i), v)
				}
				r.End()
				n += batch
			}
		}
		// Set back by hand: a Rewind for every thousand records is not what a
		// consumer does.
		for _, r := range readers {
			r.next, r.counted, r.pass.once = 0, 0, 0
			r.want &= streamMask
			r.current.next = 0
		}
	}
	b.StopTimer()
	if bad, why := l.Broken(l.Account(false)); bad {
		b.Fatal(why)
	}
}

var sink uint64

// The same walk over the records without an account: what memory alone costs.
func BenchmarkWalkOnly(b *testing.B) {
	values := stamped(Stamp{Run: 7}, 64_000, 100)
	var sum uint64
	b.ResetTimer()
	for n := 0; n < b.N; n += len(values) {
		for _, v := range values {
			sum += head(v)
		}
	}
	sink = sum
}

// Four producers into one partition, taking turns batch by batch.
func BenchmarkSeeFourStreams(b *testing.B) {
	const streams, batch = 4, 200
	l := NewLedger("t")
	r := l.Reader(0)
	l.Start(0, 0, 0)
	var values [streams][][]byte
	for s := range values {
		values[s] = stamped(Stamp{Run: 7, Producer: uint16(s), Acks: AcksAll}, 10*batch, 100)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		offset := int64(0)
		for from := 0; from < 10*batch; from += batch {
			for s := range values {
				r.Begin(0)
				for _, v := range values[s][from : from+batch] {
					r.See(offset, v)
					offset++
				}
				r.End()
			}
		}
		n += int(offset)
		l.Rewind(0, 0)
	}
}

func BenchmarkSeeForeign(b *testing.B) {
	l := NewLedger("t")
	r := l.Reader(0)
	v := make([]byte, 100)
	copy(v, "somebody else's")
	b.ReportAllocs()
	r.Begin(0)
	for i := range b.N {
		r.See(int64(i), v)
	}
	r.End()
}

func BenchmarkAcked(b *testing.B) {
	w := NewLedger("t").Writer(0, 0)
	for i := range b.N {
		w.Acked(uint64(i), int64(i))
	}
}

func BenchmarkPut(b *testing.B) {
	v := make([]byte, 100)
	s := Stamp{Run: 1}
	for i := range b.N {
		s.Sequence = uint64(i)
		s.Put(v, 7)
	}
}

package audit

import (
	"slices"
	"testing"

	"redline/result"
)

// record is one of a partition's log, as a reader would be handed it.
type record struct {
	offset int64
	value  []byte
}

const liarRecords = 1000

// honest makes a ledger whose producer had records acknowledged at offsets 0 …,
// and the log that holds them.
func honest(s Stamp) (*Ledger, []record) {
	l := NewLedger("t")
	l.Produces(s.Run, s.Acks)
	l.Idempotent(s.Idempotent)
	w := l.Writer(s.Producer, s.Partition)
	var log []record
	for i, v := range stamped(s, liarRecords, 100) {
		w.Acked(w.Next(), int64(i))
		log = append(log, record{int64(i), slices.Clone(v)})
	}
	l.Offsets(map[int32]int64{s.Partition: 0}, map[int32]int64{s.Partition: liarRecords})
	l.Start(s.Partition, 0, 0)
	return l, log
}

// read hands the log to the ledger in batches.
func read(l *Ledger, partition int32, log []record) {
	r := l.Reader(partition)
	for batch := range slices.Chunk(log, 37) {
		r.Begin(3)
		for _, rec := range batch {
			r.See(rec.offset, rec.value)
		}
		r.End()
	}
}

func renumber(log []record) []record {
	for i := range log {
		log[i].offset = int64(i)
	}
	return log
}

// A liar stands between the log and the reader, or between the producer and the
// log; whatever it does has its name and its exact count.
func TestEveryLieIsNamedWithItsCount(t *testing.T) {
	const end = liarRecords
	lies := []struct {
		name   string
		lie    func(log []record) []record
		end    int64
		after  int64
		want   func(a *result.Account)
		broken bool
	}{
		{"nothing", func(log []record) []record { return log }, end, end, func(a *result.Account) {}, false},
		{"drops an acknowledged batch before the log", func(log []record) []record {
			return renumber(slices.Delete(log, 100, 150))
		}, end - 50, end - 50, func(a *result.Account) { a.Once, a.Lost = end-50, 50 }, true},
		{"drops a batch between log and reader", func(log []record) []record {
			return slices.Delete(log, 100, 150)
		}, end, end, func(a *result.Account) { a.Once, a.Lost = end-50, 50 }, true},
		{"truncates the log", func(log []record) []record { return log[:end-7] },
			end - 7, end - 7, func(a *result.Account) { a.Once, a.Lost = end-7, 7 }, true},
		{"hides the tail of the log", func(log []record) []record { return log[:end-7] },
			end, end, func(a *result.Account) { a.Once, a.Unread = end-7, 7 }, false},
		{"writes a batch twice", func(log []record) []record {
			return renumber(slices.Insert(log, 150, clones(log[100:150])...))
		}, end + 50, end + 50, func(a *result.Account) { a.Once, a.Duplicated = end+50, 50 }, true},
		{"hands a batch out twice", func(log []record) []record {
			return slices.Insert(log, 150, clones(log[100:150])...)
		}, end, end, func(a *result.Account) { a.Redelivered = 50 }, false},
		{"changes the order of two records", func(log []record) []record {
			log[10].value, log[11].value = log[11].value, log[10].value
			return log
		}, end, end, func(a *result.Account) { a.Reordered = 1 }, true},
		{"swaps two batches of 20", func(log []record) []record {
			first := clones(log[100:120])
			log = slices.Insert(slices.Delete(log, 100, 120), 120, first...)
			return renumber(log)
		}, end, end, func(a *result.Account) { a.Reordered = 20 }, true},
		{"flips a byte of a stamp", func(log []record) []record {
			log[77].value[17] ^= 4
			return log
		}, end, end, func(a *result.Account) { a.Corrupt = 1 }, true},
		{"flips a byte of the magic", func(log []record) []record {
			log[77].value[1] ^= 4
			return log
		}, end, end, func(a *result.Account) { a.Corrupt = 1 }, true},
		{"flips a byte of the run", func(log []record) []record {
			log[77].value[5] ^= 4
			return log
		}, end, end, func(a *result.Account) { a.Corrupt = 1 }, true},
		{"flips a byte of every body: one record of 64 is looked at", func(log []record) []record {
			for _, r := range log {
				r.value[90] ^= 4
			}
			return log
		}, end, end, func(a *result.Account) { a.Corrupt = (end + 63) / 64 }, true},
		{"flips a byte of a body out of sequence", func(log []record) []record {
			log[10].value, log[11].value = log[11].value, log[10].value
			log[10].value[90] ^= 4
			return log
		}, end, end, func(a *result.Account) { a.Reordered, a.Corrupt = 1, 1 }, true},
		{"cuts a value short", func(log []record) []record {
			log[77].value = log[77].value[:99]
			log[79].value = log[79].value[:20]
			return log
		}, end, end, func(a *result.Account) { a.Corrupt = 2 }, true},
		{"moves a record from another partition", func(log []record) []record {
			log[77].value = stamped(Stamp{Run: 9, Producer: 2, Partition: 5, Sequence: 77, Acks: AcksAll, Idempotent: true}, 1, 100)[0]
			return log
		}, end, end, func(a *result.Account) { a.Corrupt = 1 }, true},
		{"invents records", func(log []record) []record {
			return renumber(slices.Insert(log, 400, record{0, []byte("hello")}, record{0, make([]byte, 100)}))
		}, end + 2, end + 2, func(a *result.Account) { a.Once, a.Foreign = end+2, 2 }, false},
		{"shifts offsets up", func(log []record) []record {
			for i := range log[300:] {
				log[300+i].offset += 5
			}
			return log
		}, end + 5, end + 5, func(a *result.Account) { a.Skipped = 5 }, false},
		{"puts records in the place of others", func(log []record) []record {
			for i := range log[300:] {
				log[300+i].offset -= 5
			}
			return log
		}, end - 5, end, func(a *result.Account) { a.Once, a.Redelivered, a.Lost = end-5, 5, 5 }, true},
	}
	for _, lie := range lies {
		t.Run(lie.name, func(t *testing.T) {
			s := Stamp{Run: 9, Producer: 2, Partition: 4, Acks: AcksAll, Idempotent: true, Time: 1e18}
			l, log := honest(s)
			log = lie.lie(log)
			l.Offsets(map[int32]int64{4: 0}, map[int32]int64{4: lie.after})
			l.Expect(4, lie.end)
			read(l, 4, log)
			want := result.Account{Acked: liarRecords, Once: liarRecords}
			lie.want(&want)
			got := l.Account(true)
			books := got.Books
			got.Books = nil
			if got != want {
				t.Errorf("account %+v\nwant    %+v", got, want)
			}
			got.Books = books
			if bad, why := l.Broken(got); bad != lie.broken {
				t.Errorf("broken = %v (%q), want %v; books %+v", bad, why, lie.broken, books)
			}
		})
	}
}

func clones(log []record) []record {
	out := slices.Clone(log)
	for i := range out {
		out[i].value = slices.Clone(out[i].value)
	}
	return out
}

func TestTenMillionCleanRecordsRaiseNoAlarm(t *testing.T) {
	n := 10_000_000
	if testing.Short() {
		n = 1_000_000
	}
	l := NewLedger("t")
	for p := range int32(4) {
		l.Start(p, 0, 0)
		l.Expect(p, int64(n/4))
	}
	var seq [4][3]uint64
	var offset [4]int64
	value := stamped(Stamp{}, 1, 64)[0]
	crc := BodyCRC(value[StampSize:])
	for done, batch := 0, 0; done < n; batch++ {
		p, producer := batch%4, batch/4%3
		r := l.Reader(int32(p))
		r.Begin(1)
		for range min(500, n/4-int(offset[p])) {
			s := Stamp{Run: 3, Producer: uint16(producer), Partition: int32(p), Sequence: seq[p][producer], Time: int64(done), Acks: AcksAll}
			s.Put(value, crc)
			r.See(offset[p], value)
			seq[p][producer]++
			offset[p]++
			done++
		}
		r.End()
	}
	a := l.Account(true)
	if !a.Books.Balanced {
		t.Errorf("books %+v", a.Books)
	}
	a.Books = nil
	if want := (result.Account{Once: int64(n)}); a != want {
		t.Errorf("account %+v, want %+v", a, want)
	}
	if l.Records() != int64(n) || l.Bytes() != int64(n)*64 {
		t.Errorf("records %d, bytes %d", l.Records(), l.Bytes())
	}
}

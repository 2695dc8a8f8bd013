package audit

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"redline/result"
)

// at gives values the offsets from first on.
func at(first int64, values ...[]byte) (log []record) {
	for i, v := range values {
		log = append(log, record{first + int64(i), v})
	}
	return log
}

// check compares an account without its books.
func check(t *testing.T, l *Ledger, final bool, want result.Account) result.Account {
	t.Helper()
	got := l.Account(final)
	books := got.Books
	got.Books = nil
	if got != want {
		t.Errorf("account %+v\nwant    %+v", got, want)
	}
	got.Books = books
	return got
}

func TestReadingFromTheMiddleTakesTheFirstSequenceAsBaseline(t *testing.T) {
	values := stamped(Stamp{Run: 1, Sequence: 500, Acks: AcksAll}, 10, 50)
	l := NewLedger("t")
	l.Start(0, 700, 0)
	read(l, 0, at(700, values...))
	check(t, l, true, result.Account{Once: 10})

	l = NewLedger("t")
	read(l, 0, at(700, values...)) // nobody said where
	check(t, l, true, result.Account{Once: 10})

	l = NewLedger("t")
	l.Start(0, 0, 0)
	read(l, 0, at(0, values...))
	check(t, l, true, result.Account{Once: 10, Lost: 500})
}

func TestStartToldAgainAfterARebalance(t *testing.T) {
	values := stamped(Stamp{Run: 1, Acks: AcksAll}, 100, 50)
	l := NewLedger("t")
	l.Start(0, 0, 0)
	read(l, 0, at(0, values[:40]...))
	l.Start(0, 30, 0) // back to the last commit
	read(l, 0, at(30, values[30:50]...))
	check(t, l, true, result.Account{Once: 50, Redelivered: 10})
	l.Start(0, 80, 0) // another process had it meanwhile
	read(l, 0, at(80, values[80:]...))
	a := check(t, l, true, result.Account{Once: 70, Redelivered: 10, Elsewhere: 30})
	if !a.Books.Balanced || a.Books.Offsets != 70 {
		t.Errorf("books %+v", a.Books)
	}
}

func TestRetentionMakesExpiredNotLost(t *testing.T) {
	values := stamped(Stamp{Run: 1, Acks: AcksAll}, 100, 50)
	l := NewLedger("t")
	l.Start(0, 0, 0)
	read(l, 0, at(0, values[:10]...))
	l.LogStart(0, 60)
	l.Expect(0, 100)
	check(t, l, false, result.Account{Once: 10, Expired: 50, Unread: 40})
	read(l, 0, at(60, values[60:]...))
	a := check(t, l, true, result.Account{Once: 50, Expired: 50})
	if !a.Books.Balanced || a.Books.Offsets != 100 {
		t.Errorf("books %+v", a.Books)
	}
	if bad, why := broken(a, 0, 0); bad {
		t.Error(why)
	}
}

func TestSparseLogSkipsWhatAFullOneLost(t *testing.T) {
	values := stamped(Stamp{Run: 1, Acks: AcksAll}, 100, 50)
	log := append(at(0, values[:10]...), at(30, values[30:]...)...)
	l := NewLedger("t")
	l.Start(0, 0, 0)
	read(l, 0, log)
	a := check(t, l, true, result.Account{Once: 80, Lost: 20})
	if a.Books.Balanced || !strings.Contains(a.Books.Note, "20 lost records have an offset") {
		t.Errorf("books %+v", a.Books)
	}
	l.Sparse(true)
	if a = check(t, l, true, result.Account{Once: 80, Skipped: 20}); !a.Books.Balanced {
		t.Errorf("books %+v", a.Books)
	}
}

func TestAcksSayWhichLossIsPermitted(t *testing.T) {
	for _, c := range []struct {
		name      string
		acks      Acks
		epochs    []int32
		metadata  []int32
		permitted int64
	}{
		{"acks=0", AcksNone, []int32{1, 1}, nil, 5},
		{"acks=1, one leader", AcksLeader, []int32{1, 1}, nil, 0},
		{"acks=1, leader unknown", AcksLeader, []int32{-1, 1}, nil, 0},
		{"acks=1, leader moved", AcksLeader, []int32{1, 2}, nil, 5},
		{"acks=1, leader moved by metadata", AcksLeader, []int32{-1, -1}, []int32{4, 4, 5}, 5},
		{"acks=1, same leader by metadata", AcksLeader, []int32{-1, -1}, []int32{4, 4}, 0},
		{"acks=all, leader moved", AcksAll, []int32{1, 2}, nil, 0},
	} {
		values := stamped(Stamp{Run: 1, Acks: c.acks}, 100, 50)
		l := NewLedger("t")
		l.Start(0, 0, 0)
		for _, e := range c.metadata {
			l.LeaderEpoch(0, e)
		}
		r := l.Reader(0)
		for i, part := range [][][]byte{values[:50], values[55:]} {
			r.Begin(c.epochs[i])
			for j, v := range part {
				r.See(int64(50*i+j), v)
			}
			r.End()
		}
		t.Run(c.name, func(t *testing.T) {
			a := check(t, l, true, result.Account{Once: 95, Lost: 5, PermittedLoss: c.permitted})
			if bad, _ := l.Broken(a); bad != (c.permitted == 0) {
				t.Errorf("broken = %v", bad)
			}
		})
	}
}

func TestIdempotenceSaysWhetherARepeatBreaksTheAccount(t *testing.T) {
	for _, idempotent := range []bool{false, true} {
		v := stamped(Stamp{Run: 1, Acks: AcksAll, Idempotent: idempotent}, 10, 50)
		l := NewLedger("t")
		l.Start(0, 0, 0)
		read(l, 0, at(0, v[0], v[2], v[1], v[2], v[3]))
		a := check(t, l, true, result.Account{Once: 5, Reordered: 1, Duplicated: 1})
		bad, why := l.Broken(a)
		if bad != idempotent {
			t.Errorf("idempotent %v: broken = %v", idempotent, bad)
		}
		if want := "of 5 records 1 written twice, 1 out of order,"; bad && !strings.Contains(why, want) {
			t.Errorf("%q does not say %q", why, want)
		}
		if bad, _ := broken(a, 0, 0); !bad {
			t.Error("an account alone does not know of permission")
		}
	}
}

func TestDoubleEntryOfProducing(t *testing.T) {
	for _, c := range []struct {
		name                  string
		acks                  Acks
		acked, unsure, failed int64
		moved                 int64
		balanced              bool
		lost, permitted       int64
		note                  string
	}{
		{"all there", AcksAll, 100, 0, 0, 100, true, 0, 0, ""},
		{"failed are not there", AcksAll, 100, 0, 9, 100, true, 0, 0, ""},
		{"none in doubt landed", AcksAll, 100, 5, 0, 100, true, 0, 0, ""},
		{"some in doubt landed", AcksAll, 100, 5, 0, 103, true, 0, 0, "3 indeterminate records are in the log"},
		{"all in doubt landed", AcksAll, 100, 5, 0, 105, true, 0, 0, "5 indeterminate"},
		{"more than all", AcksAll, 100, 5, 0, 107, false, 0, 0, "2 offsets more"},
		{"acknowledged and not there", AcksAll, 100, 5, 0, 93, false, 7, 0, "7 acknowledged records have no offset"},
		{"not there with acks=0", AcksNone, 100, 0, 0, 93, false, 7, 7, "7 acknowledged"},
		{"not there with acks=1, same leader", AcksLeader, 100, 0, 0, 93, false, 7, 0, "7 acknowledged"},
		{"topic made anew", AcksAll, 100, 0, 0, -50, false, 150, 0, "150 acknowledged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewLedger("t")
			l.Produces(1, c.acks)
			w := l.Writer(0, 3)
			for range c.acked {
				w.Acked(w.Next(), -1)
			}
			for range c.unsure {
				w.Indeterminate(w.Next())
			}
			for range c.failed {
				w.Failed(w.Next())
			}
			l.Offsets(map[int32]int64{3: 1000, 4: 5}, map[int32]int64{3: 1000 + c.moved, 4: 5})
			a := check(t, l, true, result.Account{Acked: c.acked, Indeterminate: c.unsure, Failed: c.failed, Lost: c.lost, PermittedLoss: c.permitted})
			if a.Books == nil || a.Books.Offsets != c.moved || a.Books.Balanced != c.balanced || !strings.Contains(a.Books.Note, c.note) || c.note == "" && a.Books.Note != "" {
				t.Errorf("books %+v", a.Books)
			}
			if bad, _ := l.Broken(a); bad != (c.lost > c.permitted) {
				t.Errorf("broken = %v", bad)
			}
		})
	}
}

func TestShortfallInOnePartitionIsNotHiddenByAnother(t *testing.T) {
	l := NewLedger("t")
	l.Produces(1, AcksAll)
	for p := range int32(2) {
		w := l.Writer(0, p)
		for range 10 {
			w.Acked(w.Next(), -1)
		}
	}
	l.Offsets(map[int32]int64{0: 0, 1: 0}, map[int32]int64{0: 7, 1: 13})
	a := check(t, l, true, result.Account{Acked: 20, Lost: 3})
	if a.Books.Balanced {
		t.Errorf("books %+v", a.Books)
	}
}

func TestRecordsOfOthersAreNeverCorrupt(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	l := NewLedger("t")
	r := l.Reader(0)
	r.Begin(1)
	for i := range int64(100_000) {
		v := make([]byte, rng.IntN(100))
		for j := range v {
			v[j] = byte(rng.Uint32())
		}
		if i%10 == 0 && len(v) >= 4 {
			binary.LittleEndian.PutUint32(v, magic) // even so
		}
		r.See(i, v)
	}
	r.End()
	check(t, l, true, result.Account{Once: 100_000, Foreign: 100_000})
	l.Unstamped(true)
	a := check(t, l, true, result.Account{Once: 100_000})
	if bad, why := l.Broken(a); bad {
		t.Error(why)
	}
}

func TestValueSumIsOfTheFirstEightBytes(t *testing.T) {
	l := NewLedger("t")
	read(l, 0, at(0, nil, []byte{1}, []byte{0, 1}, []byte{2, 0, 0, 0, 0, 0, 0, 1, 9}))
	if got, want := l.ValueSum(), uint64(1+256+2+1<<56); got != want {
		t.Errorf("sum %x, want %x", got, want)
	}
	if l.Bytes() != 12 || l.Records() != 4 {
		t.Errorf("bytes %d, records %d", l.Bytes(), l.Records())
	}
}

func TestPartitionNeverReadIsUnread(t *testing.T) {
	l := NewLedger("t")
	l.Expect(0, 50)
	check(t, l, true, result.Account{Unread: 50})
	l.Start(0, 20, 0)
	check(t, l, true, result.Account{Unread: 30})
}

func TestMoreStreamsThanAreRememberedSpill(t *testing.T) {
	l := NewLedger("t")
	l.Start(0, 0, 0)
	var log []record
	const streams = maxStreams + 10
	for s := range streams {
		v := stamped(Stamp{Run: uint32(s + 1), Acks: AcksAll}, 3, 40)
		log = append(log, record{value: v[0]}, record{value: v[2]})
	}
	read(l, 0, renumber(log))
	check(t, l, true, result.Account{Once: 2 * streams, Lost: streams, Spilled: 10})
}

func TestMoreGapsThanAreRememberedStillCountEachLostRecord(t *testing.T) {
	const n = 3000
	values := stamped(Stamp{Run: 1, Acks: AcksAll}, 2*n, 40)
	var log []record
	for i := 0; i < 2*n; i += 2 {
		log = append(log, record{value: values[i]})
	}
	l := NewLedger("t")
	l.Start(0, 0, 0)
	read(l, 0, renumber(log))
	a := l.Account(true)
	if a.Lost != n-1 || a.Spilled == 0 || a.Duplicated != 0 {
		t.Errorf("account %+v", a)
	}
	for _, r := range l.order {
		for _, s := range r.streams {
			if len(s.seen.spans) > maxSequenceSpans {
				t.Errorf("%d intervals", len(s.seen.spans))
			}
		}
	}
}

func TestStampComesBackAsItWasPut(t *testing.T) {
	want := Stamp{Run: 1<<32 - 1, Producer: 1<<16 - 1, Partition: 7, Sequence: sequenceMask, Time: -5, Acks: AcksAll, Idempotent: true}
	v := make([]byte, StampSize)
	want.Put(v, BodyCRC(nil))
	want.Partition = -1
	if got, ok := Read(v); !ok || got != want {
		t.Errorf("%+v, %v; want %+v", got, ok, want)
	}
	for _, bad := range [][]byte{nil, v[:31], make([]byte, 32)} {
		if _, ok := Read(bad); ok {
			t.Errorf("%v is no stamp", bad)
		}
	}
}

func TestHotPathAllocatesNothing(t *testing.T) {
	values := stamped(Stamp{Run: 1, Acks: AcksAll}, 20_000, 40)
	l := NewLedger("t")
	l.Start(0, 0, 0)
	r, w := l.Reader(0), l.Writer(0, 0)
	i := 0
	step := func() {
		r.Begin(1)
		for range 10 {
			r.See(int64(i), values[i])
			w.Acked(w.Next(), int64(i))
			i++
		}
		r.End()
	}
	step()
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Producers, consumers and whoever asks for the account meet in one ledger.
func TestLedgerIsSharedSafely(t *testing.T) {
	const n = 2000
	l := NewLedger("t")
	l.Produces(1, AcksAll)
	var wg sync.WaitGroup
	for p := range int32(3) {
		l.Start(p, 0, 0)
		values := stamped(Stamp{Run: 1, Producer: uint16(p), Partition: p, Acks: AcksAll}, n, 40)
		w := l.Writer(uint16(p), p)
		wg.Go(func() {
			for i := range n {
				w.Acked(w.Next(), int64(i))
			}
		})
		wg.Go(func() { read(l, p, at(0, values...)) })
		wg.Go(func() {
			for range 20 {
				l.Account(false)
				l.Records()
				l.LogStart(p, 0)
			}
		})
	}
	wg.Wait()
	check(t, l, true, result.Account{Acked: 3 * n, Once: 3 * n})
}

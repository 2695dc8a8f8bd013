package audit

import (
	"strings"
	"testing"

	"redline/result"
)

func TestGoingBackBehindTheStartIsReading(t *testing.T) {
	values := stamped(Stamp{Run: 1, Acks: AcksAll}, 100, 50)
	l := NewLedger("t")
	l.Start(0, 50, 0)
	read(l, 0, at(50, values[50:60]...))
	read(l, 0, at(40, values[40:60]...))
	a := check(t, l, true, result.Account{Once: 20, Redelivered: 10})
	if !a.Books.Balanced || a.Books.Offsets != 20 {
		t.Errorf("books %+v", a.Books)
	}
}

func TestCorruptOnFirstSightAndWholeOnTheSecond(t *testing.T) {
	_, log := honest(Stamp{Run: 1, Acks: AcksAll})
	l := NewLedger("t")
	l.Start(0, 0, 0)
	bad := clones(log[:10])
	bad[5].value[20] ^= 1
	read(l, 0, bad)
	read(l, 0, log[3:20])
	check(t, l, true, result.Account{Once: 20, Redelivered: 7, Corrupt: 1})
}

// producing makes a ledger with acknowledged records 0 … 9 at offsets from
// first on.
func producing(first int64) *Ledger {
	l := NewLedger("t")
	l.Produces(1, AcksAll)
	w := l.Writer(0, 0)
	for i := range int64(10) {
		w.Acked(w.Next(), first+i)
	}
	return l
}

func TestOwnRecordsAreDemandedFromWhereTheyBegan(t *testing.T) {
	values := stamped(Stamp{Run: 1, Acks: AcksAll}, 10, 50)
	l := producing(1000)
	l.Start(0, 1000, 0)
	read(l, 0, at(1003, values[3:]...))
	check(t, l, true, result.Account{Acked: 10, Once: 7, Lost: 3})

	l = producing(1000)
	l.Start(0, 1003, 0) // the first three were read before
	read(l, 0, at(1003, values[3:]...))
	check(t, l, true, result.Account{Acked: 10, Once: 7})

	l = producing(1000)
	l.Start(0, 1010, 0) // all of them were
	l.Expect(0, 1010)
	check(t, l, true, result.Account{Acked: 10})
}

func TestAcknowledgedAfterTheExpectedEndIsNotLost(t *testing.T) {
	values := stamped(Stamp{Run: 1, Acks: AcksAll}, 10, 50)
	l := producing(0)
	l.Start(0, 0, 0)
	l.Expect(0, 6)
	read(l, 0, at(0, values[:6]...))
	check(t, l, true, result.Account{Acked: 10, Once: 6})
}

func TestMoreFailuresThanAreRememberedAreNotLost(t *testing.T) {
	const n = 2 * maxAckedSpans
	l := NewLedger("t")
	l.Produces(1, AcksAll)
	w := l.Writer(0, 0)
	var log []record
	for _, v := range stamped(Stamp{Run: 1, Acks: AcksAll}, 2*n, 40) {
		if seq := w.Next(); seq%2 == 0 {
			w.Acked(seq, int64(len(log)))
			log = append(log, record{value: v})
		} else {
			w.Failed(seq)
		}
	}
	l.Start(0, 0, 0)
	a := l.Account(true)
	if a.Spilled == 0 {
		t.Error("what the writer forgot is not said")
	}
	read(l, 0, renumber(log))
	a = l.Account(true)
	if a.Lost != 0 || a.Once != n || a.Failed != n {
		t.Errorf("account %+v", a)
	}
}

func TestBooksSayWhichSideDoesNotBalance(t *testing.T) {
	values := stamped(Stamp{Run: 1, Acks: AcksAll}, 10, 50)
	for _, c := range []struct {
		name  string
		log   []record
		after int64
		note  string
	}{
		{"both do", at(0, values...), 10, ""},
		{"the producer's", at(0, values...), 12, "2 offsets more"},
		{"the reader's", append(at(0, values[:4]...), at(5, values[5:]...)...), 10, "1 lost records have an offset"},
		{"both do not: the producer's is said", append(at(0, values[:4]...), at(5, values[5:]...)...), 12, "2 offsets more"},
		{"replaced records", append(at(0, values[:5]...), at(4, values[5:]...)...), 10, "1 offsets were handed out with two different records"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := producing(0)
			l.Offsets(map[int32]int64{0: 0}, map[int32]int64{0: c.after})
			l.Start(0, 0, 0)
			read(l, 0, c.log)
			b := l.Account(true).Books
			if b.Balanced != (c.note == "") || !strings.Contains(b.Note, c.note) {
				t.Errorf("books %+v", b)
			}
		})
	}
}

func TestWhatAnotherMemberOfTheGroupReadIsNotLost(t *testing.T) {
	values := stamped(Stamp{Run: 1, Acks: AcksAll}, 30, 50)
	l := NewLedger("t")
	l.Start(0, 0, 0)
	l.Expect(0, 30)
	read(l, 0, at(0, values[:10]...))
	l.Start(0, 10, 10) // given away and back, and nobody read on
	l.Start(0, 20, 20) // again, and somebody did
	check(t, l, false, result.Account{Once: 10, Elsewhere: 10, Unread: 10})
	read(l, 0, at(20, values[20:]...))
	check(t, l, true, result.Account{Once: 20, Elsewhere: 10})

	l.Start(0, 25, 25) // behind: the commit was older than what was read
	read(l, 0, at(25, values[25:]...))
	check(t, l, true, result.Account{Once: 20, Redelivered: 5, Elsewhere: 10})

	l = NewLedger("t")
	l.Start(0, 0, 0)
	read(l, 0, at(0, values[:10]...))
	l.Start(0, 20, 20)
	read(l, 0, append(at(20, values[20:25]...), at(26, values[26:]...)...))
	check(t, l, true, result.Account{Once: 19, Lost: 1, Elsewhere: 10})
}

package audit

import (
	"strconv"
	"strings"

	"redline/result"
)

// Broken says whether an account holds what acknowledgements, order and
// idempotence do not permit, and names the counts in one sentence. It knows the
// account alone, so that every duplicate and every reordered record counts as
// not permitted; Ledger.Broken knows which producers were idempotent.
//
// Foreign, redelivered, skipped, expired and unread records, and offsets that
// somebody else may have written, do not break an account.
func Broken(a result.Account) (bool, string) { return broken(a, 0, 0) }

// Broken judges an account of this ledger like the function of that name, but
// passes over duplicates and changes of order by producers that were not
// idempotent: their retries may cause both.
func (l *Ledger) Broken(a result.Account) (bool, string) {
	t := l.settle(false)
	return broken(a, t.duplicatedPermitted, t.reorderedPermitted)
}

func broken(a result.Account, duplicates, reorders int64) (bool, string) {
	var found []string
	add := func(n int64, what string) {
		if n > 0 {
			found = append(found, count(n)+" "+what)
		}
	}
	add(a.Lost-a.PermittedLoss, "lost")
	add(a.Duplicated-duplicates, "written twice")
	add(a.Reordered-reorders, "out of order")
	add(a.Corrupt, "corrupt")
	if b := a.Books; len(found) == 0 && a.Lost == 0 && b != nil && !b.Balanced && b.Records > b.Offsets {
		add(b.Records-b.Offsets, "more than the log has offsets for")
	}
	if len(found) == 0 {
		return false, ""
	}
	return true, "the account does not hold: of " + count(max(a.Acked, a.Once)) + " records " +
		strings.Join(found, ", ") + ", which the settings of the producer do not permit"
}

// count writes n with its thousands apart.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

package audit

import (
	"strings"

	"redline/internal/term"
	"redline/result"
)

// Broken says whether an account of this ledger holds what acknowledgements, order
// and idempotence do not permit, and names the counts in one sentence. Duplicates
// and changes of order by producers that were not idempotent are permitted: their
// retries may cause both.
//
// Foreign, redelivered, skipped, expired and unread records, and offsets that
// somebody else may have written, do not break an account.
func (l *Ledger) Broken(a result.Account) (bool, string) {
	t := l.settle(false)
	return broken(a, t.duplicatedPermitted, t.reorderedPermitted)
}

func broken(a result.Account, duplicates, reorders int64) (bool, string) {
	var found []string
	add := func(n int64, what string) {
		if n > 0 {
			found = append(found, term.Count(n)+" "+what)
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
	return true, "the account does not hold: of " + term.Count(max(a.Acked, a.Once)) + " records " +
		strings.Join(found, ", ") + ", which the settings of the producer do not permit"
}

package experiment

import (
	"context"
	"fmt"

	"redline/internal/cluster"
	"redline/result"
)

// entry is the broker's side of the books of a client that counts for itself: how far
// its records have moved the ends of the topic.
type entry struct {
	cluster *cluster.Cluster
	topic   string
	before  map[int32]cluster.Range
}

// enter reads where the topic ends before such a client produces into it; nil for any
// other arm, whose books are kept by its own ledger.
func (r *Run) enter(ctx context.Context, arm result.Arm, topic string) (*entry, error) {
	who, err := workerOf(arm)
	if err != nil || who.external == nil || arm.Workload != result.Produce {
		return nil, nil //nolint:nilerr // an error is the trial's own
	}
	before, err := r.place.Cluster.Offsets(ctx, topic)
	return &entry{r.place.Cluster, topic, before}, err
}

// close reads the ends again and adds the books to the account. The error says that
// more was counted than is there. Less is no error: what was acknowledged after the
// last report has nobody told.
func (e *entry) close(ctx context.Context, a *result.Account) error {
	if e == nil {
		return nil
	}
	after, err := e.cluster.Offsets(ctx, e.topic)
	if err != nil {
		return err
	}
	books := &result.Books{Records: a.Acked}
	for p, o := range after {
		books.Offsets += o.End - e.before[p].End
	}
	books.Balanced = books.Offsets >= books.Records
	a.Books = books
	if books.Balanced {
		if untold := books.Offsets - books.Records; untold > 0 {
			books.Note = fmt.Sprintf("%d records of the log came after the client's last count, or were never acknowledged", untold)
		}
		return nil
	}
	return fmt.Errorf("the client counted %d records as acknowledged, and the ends of %s moved by %d: it counts more than there is", books.Records, e.topic, books.Offsets)
}

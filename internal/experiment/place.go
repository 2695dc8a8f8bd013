package experiment

import (
	"context"
	"time"

	"redline/internal/cluster"
	"redline/internal/security"
	"redline/result"
)

// Place is a Kafka that trials run against.
type Place struct {
	Cluster *cluster.Cluster
	// Brokers are the addresses to start from.
	Brokers []string
	// Security says how they are reached.
	Security security.Security
	// PIDs are the broker processes on this machine that redline runs; Known says that
	// no other broker of the cluster runs here.
	PIDs  []int
	Known bool
	// Unstamped says that its records are not those that were written, and carry no
	// stamp: a null sink.
	Unstamped bool
	// Started is when redline started it for this run; zero when it outlives the run.
	Started time.Time
	// Environment is where what is measured here was measured.
	Environment result.Environment
	// Died is closed when the Kafka ends by itself, nil if that cannot be seen; Err is
	// why then.
	Died <-chan struct{}
	Err  func() error
}

// within gives a context that ends when the place does.
func (p *Place) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if p.Died != nil {
		go func() {
			select {
			case <-p.Died:
				cancel(p.Err())
			case <-ctx.Done():
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}

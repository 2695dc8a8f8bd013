package direct

import (
	"context"
	"time"

	"redline/internal/client"
)

const (
	// unknownTopicFor is how long a topic may be missing: a new one takes a moment to be
	// known to every broker.
	unknownTopicFor = 5 * time.Second
	// openAgain is the wait after an attempt that failed.
	openAgain = 100 * time.Millisecond
)

// opening is a client of package direct that is being made in the background: making one
// waits for brokers, and the client interface does not.
type opening[C any] struct {
	done   chan struct{} // closed when client or err is there
	client C
	err    error
}

// open makes a client, with several attempts, until ctx ends or it is clear that there
// will be none; err is then explained.
func open[C any](ctx context.Context, w *watch, topic string, attempt func(context.Context) (C, error)) *opening[C] {
	o := &opening[C]{done: make(chan struct{})}
	go func() {
		defer close(o.done)
		if o.client, o.err = persist(ctx, w, attempt); o.err != nil && ctx.Err() == nil {
			o.err = w.explain(topic, o.err)
		}
	}()
	return o
}

func persist[C any](ctx context.Context, w *watch, attempt func(context.Context) (C, error)) (C, error) {
	until := time.Now().Add(client.ReachWithin)
	within, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	go func() {
		select {
		case <-w.ended: // an attempt may go on all the same
			cancel()
		case <-within.Done():
		}
	}()
	var missing time.Time // since when the topic is
	var before error      // of the attempt before, which says more than that time is up
	for {
		c, err := attempt(within)
		if err == nil {
			return c, nil
		}
		if within.Err() != nil && before != nil {
			return c, before
		}
		before = err
		switch {
		case !client.UnknownTopic(err):
			missing = time.Time{}
		case missing.IsZero():
			missing = time.Now()
		case time.Since(missing) >= unknownTopicFor:
			return c, err
		}
		client.Pause(within, openAgain)
		if within.Err() != nil || !w.passes(err) {
			return c, err
		}
		w.tell(err)
	}
}

// there waits for the end of the opening, for as long as ctx; it says whether it came.
func (o *opening[C]) there(ctx context.Context) bool {
	select {
	case <-o.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// made waits for the end of the opening and gives the client, unless there is none.
func (o *opening[C]) made() (C, bool) {
	<-o.done
	return o.client, o.err == nil
}

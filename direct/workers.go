package direct

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// mostWorkers bounds the goroutines that a call can ask for.
const mostWorkers = 4096

// Each calls handle for every batch, from so many goroutines at the same time; batches of
// one partition come one after the other, in order, always from the same goroutine. A
// batch is handled when its call returns. Each returns nil when ctx has ended or all
// partitions have reached their Ends, and else what ended it: the first error of a
// handle, or what Next would return. It waits for the calls under way.
func (c *Consumer) Each(ctx context.Context, workers int, handle func(context.Context, *Batch) error) error {
	if workers < 1 || workers > mostWorkers {
		return fmt.Errorf("%d workers; take 1 to %d", workers, mostWorkers)
	}
	for c.Done(); c.reader.chunk != nil || c.reader.advance(); { // what Next has left
		c.abandon(&c.reader)
	}
	c.share(workers)
	defer c.share(1)
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	var once sync.Once
	var failed error
	stop := func(err error) {
		once.Do(func() { failed = err })
		cancel()
	}
	shares := make([]chan *response, workers)
	for i := range shares {
		shares[i] = make(chan *response, 1)
		r := c.newReader()
		r.which, r.of = int32(i), int32(workers)
		all.Go(func() {
			defer r.close()
			c.work(working, &r, shares[i], handle, stop)
		})
	}
	ended := c.deal(working, shares)
	all.Wait()
	switch {
	case ctx.Err() != nil:
		return nil
	case failed == nil && !errors.Is(ended, io.EOF):
		failed = ended
	}
	return failed
}

// share makes responses have something for so many goroutines.
func (c *Consumer) share(among int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sharers = among
}

// deal gives each response to all workers, of which each takes its own partitions. They
// take all that is dealt, until the end.
func (c *Consumer) deal(ctx context.Context, shares []chan *response) error {
	defer func() {
		for _, s := range shares {
			close(s)
		}
	}()
	for {
		select {
		case from := <-c.ready:
			from.readers.Store(int32(len(shares)))
			for _, s := range shares {
				s <- from
			}
		case <-c.over:
			return c.why
		case <-ctx.Done():
			return nil
		}
	}
}

// work handles what is dealt to one worker. Once something failed or ctx has ended it
// gives back what comes, to be fetched again by who reads on.
func (c *Consumer) work(ctx context.Context, r *reader, mine <-chan *response, handle func(context.Context, *Batch) error, stop func(error)) {
	for from := range mine {
		for r.receive(from); r.advance(); {
			if ctx.Err() == nil {
				if err := c.handleChunk(ctx, r, handle); err != nil {
					stop(err)
				}
			}
			c.abandon(r)
		}
	}
}

// abandon gives up what is left of the reader's chunk, which is fetched again.
func (c *Consumer) abandon(r *reader) {
	if r.chunk == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := r.chunk.of; c.current(r) && !a.leaving {
		a.rewind(a.handed)
		if a.lane != nil {
			a.lane.wake.set()
		}
	}
	c.release(r)
}

// handleChunk handles the batches of a chunk, until ctx ends.
func (c *Consumer) handleChunk(ctx context.Context, r *reader, handle func(context.Context, *Batch) error) error {
	for ctx.Err() == nil {
		b, err := c.take(r)
		var unreadable *BatchError
		switch {
		case errors.As(err, &unreadable):
			c.reports.add(err)
			return nil
		case b == nil || err != nil:
			return err
		}
		if err := handle(ctx, b); err != nil {
			return err
		}
	}
	if r.shown {
		c.enter(r) // it counts as handled
	}
	return nil
}

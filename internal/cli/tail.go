package cli

import (
	"context"
	"time"

	"redline/internal/cluster"
)

// tailLook is how long a consume up to the end waits for its next record before
// it asks whether one is still to come.
const tailLook = 1500 * time.Millisecond

// resume gives the group's commits of partitions just assigned.
func (c *consuming) resume(ctx context.Context) func([]int32) (map[int32]int64, error) {
	return func(partitions []int32) (map[int32]int64, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		all, err := c.session.Cluster.Committed(ctx, c.group, c.topic)
		if err != nil {
			return nil, err
		}
		committed := map[int32]int64{}
		for _, partition := range partitions {
			if at, ok := all[partition]; ok {
				committed[partition] = at
			}
		}
		return committed, nil
	}
}

// tail looks at the partitions that have not been read to their end, and ends
// those of which nothing is to come: another member of the group has read them,
// or the log holds only transaction markers there. It returns the sum of the
// group's commits, which goes on while others read.
func (c *consuming) tail(ctx context.Context) (committed int64) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	commits, err := c.session.Cluster.Committed(ctx, c.group, c.topic)
	if err != nil {
		return 0 // of the cluster's state, stall tells
	}
	rest := map[int32]cluster.Range{}
	for _, partition := range c.run.Open() {
		at, end := commits[partition], c.until[partition]
		committed += at
		if at >= end {
			c.ledger.Start(partition, at, at)
			c.run.Reached(partition)
			continue
		}
		rest[partition] = cluster.Range{Start: c.ledger.Position(partition), End: end}
	}
	if len(rest) == 0 {
		return committed
	}
	drained, err := c.session.Cluster.Drained(ctx, c.topic, rest, c.committedOnly())
	if err != nil {
		return committed
	}
	for _, partition := range drained {
		c.ledger.Expect(partition, rest[partition].Start)
		c.run.Reached(partition)
	}
	return committed
}

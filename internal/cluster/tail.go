package cluster

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Drained reads over the offsets from each partition's Start to its End, and
// returns those partitions of which no record there reaches a reader: the rest
// of their log is transaction markers, or, for a reader of committed records,
// aborted. What is not known when ctx ends is not returned.
func (c *Cluster) Drained(ctx context.Context, topic string, rest map[int32]Range, committed bool) ([]int32, error) {
	at, open := map[int32]kgo.Offset{}, map[int32]bool{}
	for partition, r := range rest {
		at[partition], open[partition] = kgo.NewOffset().At(r.Start), true
	}
	addresses := make([]string, len(c.brokers))
	for i, b := range c.brokers {
		addresses[i] = b.Address()
	}
	options := append(c.config.options(addresses...), kgo.KeepControlRecords(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: at}))
	if committed {
		options = append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	reader, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("preparing to read the end of topic %s: %w", printable(topic), err)
	}
	defer reader.CloseAllowingRebalance()
	var drained []int32
	for len(open) > 0 && ctx.Err() == nil {
		fetches := reader.PollFetches(ctx)
		fetches.EachRecord(func(r *kgo.Record) {
			end := rest[r.Partition].End
			switch {
			case !open[r.Partition]:
			case r.Offset >= end || r.Attrs.IsControl() && r.Offset == end-1:
				drained = append(drained, r.Partition)
				delete(open, r.Partition)
			case !r.Attrs.IsControl():
				delete(open, r.Partition)
			}
		})
	}
	return drained, nil
}

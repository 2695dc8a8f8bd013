package cli

import (
	"context"
	"maps"
	"slices"

	"redline/internal/broker"
	"redline/internal/cluster"
	"redline/internal/report"
)

// isTable says whether a format shows a table, and so all columns there are.
func isTable(output string) bool { return output == "wide" || output == "csv" || output == "md" }

// offsets are where the partitions of topics begin and end, for the columns that only
// tables have.
type offsets struct {
	ranges map[string]map[int32]cluster.Range
	stable map[string]map[int32]int64
}

// readOffsets asks for those of some topics.
func readOffsets(ctx context.Context, c *cluster.Cluster, topics ...string) (offsets, error) {
	o := offsets{map[string]map[int32]cluster.Range{}, map[string]map[int32]int64{}}
	for _, topic := range topics {
		var err error
		if o.ranges[topic], err = c.Offsets(ctx, topic); err != nil {
			return o, err
		}
		if o.stable[topic], err = c.StableEnds(ctx, topic); err != nil {
			return o, err
		}
	}
	return o, nil
}

// cells are LOG-START-OFFSET, LAST-STABLE-OFFSET and LOG-END-OFFSET of a partition.
func (o offsets) cells(topic string, partition int32) (start, stable, end any) {
	if r, known := o.ranges[topic][partition]; known {
		start, end = r.Start, r.End
	}
	if at, known := o.stable[topic][partition]; known {
		stable = at
	}
	return start, stable, end
}

func topicTable(t cluster.Topic, o offsets) report.Table {
	table := report.Table{Heads: []string{"TOPIC", "PARTITION", "LEADER", "REPLICAS", "ISR", "ELR", "LAST-KNOWN-ELR",
		"LOG-START-OFFSET", "LAST-STABLE-OFFSET", "LOG-END-OFFSET"}}
	for _, p := range t.Partitions {
		start, stable, end := o.cells(t.Name, p.ID)
		table.Rows = append(table.Rows, []any{t.Name, p.ID, known(p.Leader), p.Replicas, p.ISR, ids(p.ELR), ids(p.LastKnownELR), start, stable, end})
	}
	return table
}

// known is a number that is not below 0; else there is none.
func known[N int32 | int64](n N) any {
	if n < 0 {
		return nil
	}
	return n
}

// ids are a list that older brokers do not give.
func ids(all []int32) any {
	if all == nil {
		return nil
	}
	return all
}

func namesTable(head string, names []string) report.Table {
	table := report.Table{Heads: []string{head}}
	for _, name := range names {
		table.Rows = append(table.Rows, []any{name})
	}
	return table
}

// topicsTable asks for what a list of names does not say.
func topicsTable(ctx context.Context, c *cluster.Cluster, names []string) (report.Table, error) {
	table := report.Table{Heads: []string{"TOPIC", "PARTITIONS", "REPLICATION-FACTOR", "TOPIC-ID"}}
	if len(names) == 0 {
		return table, nil
	}
	details, err := c.Admin().ListTopics(ctx, names...)
	if err != nil {
		return table, cluster.Classify(err)
	}
	for _, name := range names {
		d := details[name]
		table.Rows = append(table.Rows, []any{name, len(d.Partitions), d.Partitions.NumReplicas(), d.ID.String()})
	}
	return table, nil
}

func groupsTable(groups []listedGroupJSON) report.Table {
	table := report.Table{Heads: []string{"GROUP", "PROTOCOL", "STATE"}}
	for _, g := range groups {
		table.Rows = append(table.Rows, []any{g.Name, g.Protocol, g.State})
	}
	return table
}

// topicsOf are the topics that a group reads.
func topicsOf(g cluster.Group) []string {
	topics := map[string]bool{}
	for _, p := range g.Partitions {
		topics[p.Topic] = true
	}
	return slices.Sorted(maps.Keys(topics))
}

func groupTable(g cluster.Group, o offsets) report.Table {
	table := report.Table{Heads: []string{"GROUP", "TYPE", "STATE", "COORDINATOR", "TOPIC", "PARTITION", "CURRENT-OFFSET",
		"LOG-START-OFFSET", "LAST-STABLE-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "INSTANCE-ID", "HOST", "CLIENT-ID"}}
	for _, p := range g.Partitions {
		// The end that the lag was counted with, not a later one.
		start, stable, _ := o.cells(p.Topic, p.Partition)
		row := []any{g.Name, g.Type, g.State, known(g.Coordinator), p.Topic, p.Partition, known(p.Committed),
			start, stable, known(p.End), known(p.Lag)}
		if m := p.Member; m != nil {
			row = append(row, m.ID, word(m.InstanceID), m.Host, m.ClientID)
		} else {
			row = append(row, nil, nil, nil, nil)
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// word is a text that may be missing.
func word(name string) any {
	if name == "" {
		return nil
	}
	return name
}

func brokersTable(all []broker.State) report.Table {
	table := report.Table{Heads: []string{"ID", "KIND", "KAFKA", "NODES", "CLUSTER-ID", "BROKERS", "SECURITY", "METRICS", "STORAGE",
		"DETACHED", "STARTED", "LOGS"}}
	for _, s := range all {
		table.Rows = append(table.Rows, []any{s.ID, string(s.Kind), s.Kafka, s.Nodes, s.ClusterID, s.Brokers, word(s.Security), s.Metrics, s.Storage,
			s.Detached, s.Started, word(s.Logs)})
	}
	return table
}

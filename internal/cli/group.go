package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"redline/internal/cluster"
	"redline/internal/report"
)

// Schemas of the JSON that the group commands print.
const (
	groupSchema  = "redline.group/v1"
	groupsSchema = "redline.groups/v1"
)

// newGroupCommand is `redline group list|describe|delete`. What it prints are the
// lines of Kafka's own kafka-consumer-groups.
func newGroupCommand(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "group",
		Short: "List, describe and delete consumer groups",
		Example: `  redline group list
  redline group describe payments
  redline group delete payments`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newGroupList(p), newGroupDescribe(p), newGroupDelete(p))
	return cmd
}

// groupsDocument is what list prints as JSON.
type groupsDocument struct {
	document
	Groups []listedGroupJSON `json:"groups"`
}

type listedGroupJSON struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
	State    string `json:"state"`
}

func newGroupList(p *Process) *cobra.Command {
	a := &adminCommand{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the consumer groups",
		Example: `  redline group list
  redline group list -b localhost:9092 -o wide
  redline group list -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			groups := []listedGroupJSON{}
			return a.run(cmd.Context(), p, groupsSchema, func(ctx context.Context, c *cluster.Cluster) error {
				found, err := c.ListGroups(ctx)
				for _, g := range found {
					groups = append(groups, listedGroupJSON(g))
				}
				return err
			}, func(d document) view {
				return view{
					text: func(w io.Writer) {
						for _, g := range groups {
							fmt.Fprintln(w, clean(g.Name))
						}
					},
					table:  func() report.Table { return groupsTable(groups) },
					object: groupsDocument{d, groups},
				}
			})
		},
	}
	a.setUp(cmd, p)
	return cmd
}

func newGroupDescribe(p *Process) *cobra.Command {
	a := &adminCommand{noun: "group"}
	cmd := &cobra.Command{
		Use:   "describe NAME",
		Short: "Show how far a consumer group is in each partition, its lag and its members",
		Example: `  redline group describe payments
  redline group describe payments -o wide
  redline group describe payments -b localhost:9092 -o csv`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var group cluster.Group
			var at offsets
			var shown *groupJSON
			return a.run(cmd.Context(), p, groupSchema, func(ctx context.Context, c *cluster.Cluster) (err error) {
				if group, err = c.DescribeGroup(ctx, a.name); err != nil {
					return err
				}
				shown = groupAsJSON(group)
				if isTable(a.output) {
					at, err = readOffsets(ctx, c, topicsOf(group)...)
				}
				return err
			}, func(d document) view {
				return view{
					text:   func(w io.Writer) { writeGroup(w, group) },
					table:  func() report.Table { return groupTable(group, at) },
					object: groupDocument{d, shown, []string{}},
				}
			})
		},
	}
	a.setUp(cmd, p)
	return cmd
}

// writeGroup prints a group as `kafka-consumer-groups --describe` does.
func writeGroup(w io.Writer, g cluster.Group) {
	switch g.State {
	case cluster.StateEmpty:
		fmt.Fprintf(w, "\nConsumer group '%s' has no active members.\n", clean(g.Name))
	case "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling":
		fmt.Fprintf(w, "\nWarning: Consumer group '%s' is rebalancing.\n", clean(g.Name))
	}
	if len(g.Partitions) == 0 {
		return
	}
	rows := [][]string{{"GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID"}}
	for _, p := range g.Partitions {
		id, host, client := "-", "-", "-"
		if p.Member != nil {
			id, host, client = clean(p.Member.ID), clean(p.Member.Host), clean(p.Member.ClientID)
		}
		rows = append(rows, []string{clean(g.Name), clean(p.Topic), strconv.Itoa(int(p.Partition)),
			orDash(p.Committed), orDash(p.End), orDash(p.Lag), id, host, client})
	}
	fmt.Fprintln(w)
	writeRows(w, rows)
}

// writeRows pads as Kafka's tool does: four columns have a width of their own,
// the texts are as wide as the widest, at least 15, and the last has no padding.
func writeRows(w io.Writer, rows [][]string) {
	widths := []int{15, 15, 10, 15, 15, 15, 15, 15, 0}
	for _, column := range []int{0, 1, 6, 7} {
		for _, row := range rows {
			widths[column] = max(widths[column], utf8.RuneCountInString(row[column]))
		}
	}
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			fmt.Fprintf(w, "%-*s ", widths[i], cell)
		}
		fmt.Fprintln(w, row[len(row)-1])
	}
}

// orDash prints an offset or lag, and "-" where there is none.
func orDash(n int64) string {
	if n < 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

// groupDocument is what describe and delete print as JSON.
type groupDocument struct {
	document
	Group *groupJSON `json:"group"`
	// Deleted are the names of groups that are gone now.
	Deleted []string `json:"deleted"`
}

type groupJSON struct {
	Name        string               `json:"name"`
	Type        string               `json:"type"`
	State       string               `json:"state"`
	Assignor    string               `json:"assignor"`
	Coordinator int32                `json:"coordinator"`
	Members     []memberJSON         `json:"members"`
	Partitions  []groupPartitionJSON `json:"partitions"`
	// TotalLag counts the partitions whose lag is known; WithoutLag is the number
	// of the others.
	TotalLag   int64 `json:"total_lag"`
	WithoutLag int   `json:"partitions_without_lag"`
	// SkewSeconds is the time between reading the commits and the ends.
	SkewSeconds float64 `json:"skew_seconds"`
}

type memberJSON struct {
	ID         string           `json:"id"`
	InstanceID string           `json:"instance_id"`
	ClientID   string           `json:"client_id"`
	Host       string           `json:"host"`
	Assigned   []assignmentJSON `json:"assigned"`
}

type assignmentJSON struct {
	Topic      string  `json:"topic"`
	Partitions []int32 `json:"partitions"`
}

type groupPartitionJSON struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// CurrentOffset is the commit; these three are null where there is none.
	CurrentOffset *int64 `json:"current_offset"`
	LogEndOffset  *int64 `json:"log_end_offset"`
	Lag           *int64 `json:"lag"`
	// ConsumerID is null when no member holds the partition.
	ConsumerID *string `json:"consumer_id"`
}

func groupAsJSON(g cluster.Group) *groupJSON {
	j := &groupJSON{
		Name: g.Name, Type: g.Type, State: g.State, Assignor: g.Assignor, Coordinator: g.Coordinator,
		Members: []memberJSON{}, Partitions: []groupPartitionJSON{}, SkewSeconds: g.Skew.Seconds(),
	}
	for _, m := range g.Members {
		j.Members = append(j.Members, memberAsJSON(m))
	}
	for _, p := range g.Partitions {
		part := groupPartitionJSON{p.Topic, p.Partition, orNull(p.Committed), orNull(p.End), orNull(p.Lag), nil}
		if p.Member != nil {
			part.ConsumerID = &p.Member.ID
		}
		if p.Lag < 0 {
			j.WithoutLag++
		} else {
			j.TotalLag += p.Lag
		}
		j.Partitions = append(j.Partitions, part)
	}
	return j
}

func memberAsJSON(m cluster.Member) memberJSON {
	j := memberJSON{m.ID, m.InstanceID, m.ClientID, m.Host, []assignmentJSON{}}
	for topic, partitions := range m.Assigned {
		j.Assigned = append(j.Assigned, assignmentJSON{topic, append([]int32{}, partitions...)})
	}
	slices.SortFunc(j.Assigned, func(a, b assignmentJSON) int {
		if a.Topic < b.Topic {
			return -1
		}
		return 1
	})
	return j
}

func orNull(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func newGroupDelete(p *Process) *cobra.Command {
	a := &adminCommand{noun: "group", changes: true}
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a consumer group that has no members, and its commits",
		Example: `  redline group delete payments
  redline group delete --group billing -b localhost:9092
  redline group delete invoices -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			deleted := []string{}
			return a.run(cmd.Context(), p, groupSchema, func(ctx context.Context, c *cluster.Cluster) error {
				err := c.DeleteGroup(ctx, a.name)
				if err == nil {
					deleted = append(deleted, a.name)
				}
				return err
			}, func(d document) view {
				return view{
					text: func(w io.Writer) {
						fmt.Fprintf(w, "Deletion of requested consumer groups ('%s') was successful.\n", clean(a.name))
					},
					table:  func() report.Table { return namesTable("DELETED", deleted) },
					object: groupDocument{d, nil, deleted},
				}
			})
		},
	}
	a.setUp(cmd, p)
	return cmd
}

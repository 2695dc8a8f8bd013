package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"redline/internal/cluster"
	"redline/internal/report"
)

// Schemas of the JSON that the topic commands print.
const (
	topicSchema  = "redline.topic/v1"
	topicsSchema = "redline.topics/v1"
)

// newTopicCommand is `redline topic create|describe|list|delete`. What it prints
// are the lines of Kafka's own kafka-topics.
func newTopicCommand(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topic",
		Short: "Create, describe, list and delete topics",
		Example: `  redline topic create events --partitions 4
  redline topic describe events
  redline topic delete events`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTopicCreate(p), newTopicDescribe(p), newTopicList(p), newTopicDelete(p))
	return cmd
}

// adminCommand is what the topic and group commands have in common: the cluster,
// the output, and perhaps a name as argument or flag.
type adminCommand struct {
	connectFlags
	output string
	// noun names what the command works on, and its flag: "topic" or "group".
	noun string
	name string
	// changes says that the command creates or deletes, which a protected context
	// wants to be meant.
	changes bool
}

// setUp gives a command what all of them have. It comes last: the flags wrap its work.
func (a *adminCommand) setUp(cmd *cobra.Command, p *Process) {
	if work := cmd.RunE; a.noun != "" {
		// Not as cmd.Args, which are looked at before the environment is.
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := a.takeName(cmd, args); err != nil {
				return err
			}
			return work(cmd, args)
		}
	}
	a.add(cmd, p)
	addOutput(cmd, &a.output)
	if a.noun != "" {
		cmd.Flags().StringVar(&a.name, a.noun, "", "name of the "+a.noun+", instead of the argument")
		by := a.topics(p)
		if a.noun == "group" {
			by = a.groups(p)
		}
		completeBy(cmd, a.noun, by)
		cmd.ValidArgsFunction = asArgument(by)
		cmd.Args = cobra.ArbitraryArgs
	} else {
		cmd.Args = noArguments
	}
}

// takeName takes the name from the argument or the flag.
func (a *adminCommand) takeName(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) > 1:
		return noArguments(cmd, args[1:])
	case len(args) == 1 && a.name != "" && a.name != args[0]:
		return usagef("%q and --%s %s name two different ones: leave one of them out", args[0], a.noun, a.name)
	case len(args) == 1:
		a.name = args[0]
	}
	if a.name == "" {
		return usagef("which %s? Type its name, as in `%s NAME`", a.noun, cmd.CommandPath())
	}
	return nil
}

// run connects, does the work, and prints the view that of gives.
func (a *adminCommand) run(ctx context.Context, p *Process, schema string, work func(context.Context, *cluster.Cluster) error, of func(document) view) error {
	err := a.connected(ctx, p, work)
	return printTable(p, a.output, err, of(newDocument(schema, err)))
}

func (a *adminCommand) connected(ctx context.Context, p *Process, work func(context.Context, *cluster.Cluster) error) (err error) {
	s, err := a.open(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := noClient(s.Connection, "topics and groups are administered without one"); err != nil {
		return err
	}
	if a.changes {
		if err := s.protect(); err != nil {
			return err
		}
	}
	return work(ctx, s.Cluster)
}

// topicDocument is what create, describe and delete print as JSON.
type topicDocument struct {
	document
	Topic *topicJSON `json:"topic"`
	// Deleted are the names of topics that are gone now.
	Deleted []string `json:"deleted"`
}

type topicJSON struct {
	Name string `json:"name"`
	// ID as Kafka prints it: base64 for URLs.
	ID                string          `json:"id"`
	ReplicationFactor int             `json:"replication_factor"`
	Partitions        []partitionJSON `json:"partitions"`
	Configs           []configJSON    `json:"configs"`
}

type partitionJSON struct {
	Partition int32 `json:"partition"`
	// Leader is null while there is none.
	Leader   *int32  `json:"leader"`
	Replicas []int32 `json:"replicas"`
	ISR      []int32 `json:"isr"`
	// ELR and LastKnownELR are null where the broker does not give them.
	ELR          []int32 `json:"elr" jsonschema:"nullable"`
	LastKnownELR []int32 `json:"last_known_elr" jsonschema:"nullable"`
}

type configJSON struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

func topicAsJSON(t cluster.Topic) *topicJSON {
	j := &topicJSON{Name: t.Name, ID: topicID(t), ReplicationFactor: replicationFactor(t), Partitions: []partitionJSON{}, Configs: []configJSON{}}
	for _, p := range t.Partitions {
		part := partitionJSON{Partition: p.ID, Replicas: append([]int32{}, p.Replicas...), ISR: append([]int32{}, p.ISR...), ELR: p.ELR, LastKnownELR: p.LastKnownELR}
		if p.Leader >= 0 {
			part.Leader = &p.Leader
		}
		j.Partitions = append(j.Partitions, part)
	}
	for _, c := range t.Configs {
		j.Configs = append(j.Configs, configJSON(c))
	}
	return j
}

func newTopicCreate(p *Process) *cobra.Command {
	a := &adminCommand{noun: "topic", changes: true}
	var partitions, replication int
	var configs []string
	var ifNotExists bool
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a topic",
		Example: `  redline topic create test-topic --partitions 4 --if-not-exists
  redline topic create events -b localhost:9092 --config retention.ms=3600000
  redline topic create clicks --replication-factor 1 -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec, err := topicSpec(cmd, a.name, partitions, replication, configs)
			if err != nil {
				return err
			}
			return createTopic(cmd.Context(), p, a, spec, ifNotExists)
		},
	}
	a.setUp(cmd, p)
	flags := cmd.Flags()
	flags.IntVar(&partitions, "partitions", -1, "number of partitions (default: the broker's num.partitions)")
	flags.IntVar(&replication, "replication-factor", -1, "number of replicas of each partition (default: the broker's default.replication.factor)")
	flags.StringArrayVar(&configs, "config", nil, "topic property `key=value`; may be repeated")
	flags.BoolVar(&ifNotExists, "if-not-exists", false, "do nothing when there is such a topic")
	return cmd
}

// topicSpec checks what was typed.
func topicSpec(cmd *cobra.Command, name string, partitions, replication int, configs []string) (cluster.TopicSpec, error) {
	spec := cluster.TopicSpec{Name: name, Partitions: int32(partitions), Replication: int16(replication), Configs: map[string]string{}}
	if err := cluster.CheckTopicName(name); err != nil {
		return spec, usagef("%w", err)
	}
	// Kafka has no limit of its own for partitions; this one keeps a slip of the
	// finger from filling the broker's disk with empty segments.
	const mostPartitions, mostReplicas = 100_000, 1000
	if cmd.Flags().Changed("partitions") && (partitions < 1 || partitions > mostPartitions) {
		return spec, usagef("--partitions %d: a topic has 1 to %d", partitions, mostPartitions)
	}
	if cmd.Flags().Changed("replication-factor") && (replication < 1 || replication > mostReplicas) {
		return spec, usagef("--replication-factor %d: it is at least 1, and at most the number of brokers", replication)
	}
	for _, pair := range configs {
		key, value, found := strings.Cut(pair, "=")
		if key = strings.TrimSpace(key); !found || key == "" {
			return spec, usagef("--config %s: type it as key=value, for example retention.ms=60000", pair)
		}
		spec.Configs[key] = value
	}
	return spec, nil
}

func createTopic(ctx context.Context, p *Process, a *adminCommand, spec cluster.TopicSpec, ifNotExists bool) error {
	created := true
	var topic cluster.Topic
	var at offsets
	var shown *topicJSON
	return a.run(ctx, p, topicSchema, func(ctx context.Context, c *cluster.Cluster) error {
		err := c.CreateTopic(ctx, spec)
		if ifNotExists && errors.Is(err, cluster.ErrTopicExists) {
			created, err = false, nil
		}
		if err != nil || a.output == "text" {
			return err
		}
		if topic, at, err = a.describe(ctx, c, spec.Name); err == nil {
			shown = topicAsJSON(topic)
		}
		return err
	}, func(d document) view {
		return view{
			text: func(w io.Writer) {
				if created {
					fmt.Fprintf(w, "Created topic %s.\n", clean(spec.Name))
				}
			},
			table:  func() report.Table { return topicTable(topic, at) },
			object: topicDocument{d, shown, []string{}},
		}
	})
}

func newTopicDescribe(p *Process) *cobra.Command {
	a := &adminCommand{noun: "topic"}
	cmd := &cobra.Command{
		Use:   "describe NAME",
		Short: "Show a topic's partitions, leaders, replicas and properties",
		Example: `  redline topic describe orders
  redline topic describe orders -o wide
  redline topic describe orders -b localhost:9092 -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var topic cluster.Topic
			var at offsets
			var shown *topicJSON
			return a.run(cmd.Context(), p, topicSchema, func(ctx context.Context, c *cluster.Cluster) (err error) {
				if topic, at, err = a.describe(ctx, c, a.name); err == nil {
					shown = topicAsJSON(topic)
				}
				return err
			}, func(d document) view {
				return view{
					text:   func(w io.Writer) { writeTopic(w, topic) },
					table:  func() report.Table { return topicTable(topic, at) },
					object: topicDocument{d, shown, []string{}},
				}
			})
		},
	}
	a.setUp(cmd, p)
	return cmd
}

// describe asks for a topic, and for its offsets where they are shown.
func (a *adminCommand) describe(ctx context.Context, c *cluster.Cluster, name string) (topic cluster.Topic, at offsets, err error) {
	if topic, err = c.DescribeTopic(ctx, name); err == nil && isTable(a.output) {
		at, err = readOffsets(ctx, c, name)
	}
	return topic, at, err
}

// writeTopic prints a topic as `kafka-topics --describe` does.
func writeTopic(w io.Writer, t cluster.Topic) {
	var configs []string
	for _, c := range t.Configs {
		configs = append(configs, clean(c.Key+"="+c.Value))
	}
	fmt.Fprintf(w, "Topic: %s\tTopicId: %s\tPartitionCount: %d\tReplicationFactor: %d\tConfigs: %s\n",
		clean(t.Name), topicID(t), len(t.Partitions), replicationFactor(t), strings.Join(configs, ","))
	for _, p := range t.Partitions {
		leader := "none"
		if p.Leader >= 0 {
			leader = strconv.Itoa(int(p.Leader))
		}
		fmt.Fprintf(w, "\tTopic: %s\tPartition: %d\tLeader: %s\tReplicas: %s\tIsr: %s\tElr: %s\tLastKnownElr: %s\n",
			clean(t.Name), p.ID, leader, brokerIDs(p.Replicas), brokerIDs(p.ISR), optionalIDs(p.ELR), optionalIDs(p.LastKnownELR))
	}
}

func topicID(t cluster.Topic) string { return base64.RawURLEncoding.EncodeToString(t.ID[:]) }

func replicationFactor(t cluster.Topic) int {
	if len(t.Partitions) == 0 {
		return 0
	}
	return len(t.Partitions[0].Replicas)
}

func brokerIDs(ids []int32) string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = strconv.Itoa(int(id))
	}
	return strings.Join(all, ",")
}

// optionalIDs are ids that older brokers do not give.
func optionalIDs(ids []int32) string {
	if ids == nil {
		return "N/A"
	}
	return brokerIDs(ids)
}

// clean leaves out of a cell what could move the cursor, break the line or turn
// the text round: names come from the cluster and may hold anything.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, s)
}

// topicsDocument is what list prints as JSON.
type topicsDocument struct {
	document
	Topics []string `json:"topics"`
}

func newTopicList(p *Process) *cobra.Command {
	a := &adminCommand{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the topics, without Kafka's internal ones",
		Example: `  redline topic list
  redline topic list -b localhost:9092 -o wide
  redline topic list -o csv`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			topics := []string{}
			var table report.Table
			return a.run(cmd.Context(), p, topicsSchema, func(ctx context.Context, c *cluster.Cluster) error {
				found, err := c.ListTopics(ctx)
				topics = append(topics, found...)
				if err == nil && isTable(a.output) {
					table, err = topicsTable(ctx, c, topics)
				}
				return err
			}, func(d document) view {
				return view{
					text: func(w io.Writer) {
						for _, t := range topics {
							fmt.Fprintln(w, clean(t))
						}
					},
					table:  func() report.Table { return table },
					object: topicsDocument{d, topics},
				}
			})
		},
	}
	a.setUp(cmd, p)
	return cmd
}

func newTopicDelete(p *Process) *cobra.Command {
	a := &adminCommand{noun: "topic", changes: true}
	var ifExists bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a topic with its records, and wait until it is gone",
		Example: `  redline topic delete orders
  redline topic delete orders --if-exists -b localhost:9092
  redline topic delete clicks --if-exists -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			deleted := []string{}
			return a.run(cmd.Context(), p, topicSchema, func(ctx context.Context, c *cluster.Cluster) error {
				err := c.DeleteTopic(ctx, a.name)
				if ifExists && errors.Is(err, cluster.ErrUnknownTopic) {
					return nil
				}
				if err == nil {
					deleted = append(deleted, a.name)
				}
				return err
			}, func(d document) view {
				return view{
					text:   func(io.Writer) {}, // Kafka's tool says nothing either
					table:  func() report.Table { return namesTable("DELETED", deleted) },
					object: topicDocument{d, nil, deleted},
				}
			})
		},
	}
	a.setUp(cmd, p)
	cmd.Flags().BoolVar(&ifExists, "if-exists", false, "do nothing when there is no such topic")
	return cmd
}

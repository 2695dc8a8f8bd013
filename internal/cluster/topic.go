package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/internal/nearest"
)

// TopicSpec is a topic to create.
type TopicSpec struct {
	Name string
	// Partitions is their number; 0 and -1 mean the broker's default.
	Partitions int32
	// Replication is the number of replicas; 0 and -1 mean the broker's default.
	Replication int16
	// Configs are the topic's properties in Kafka's spelling ("retention.ms").
	Configs map[string]string
}

// Topic is a topic as the cluster describes it.
type Topic struct {
	Name string
	// ID is all zero where the broker knows no topic ids (before 2.8).
	ID [16]byte
	// Partitions in the order of their number.
	Partitions []Partition
	// Configs are the properties that differ from Kafka's default because the
	// topic or its broker sets them, in the order of their names; nil when they
	// may not be read.
	Configs []Property
}

// Partition is one partition of a topic. The numbers are broker ids.
type Partition struct {
	ID int32
	// Leader is -1 while there is none.
	Leader        int32
	Replicas, ISR []int32
	// ELR and LastKnownELR are nil where the broker does not give them
	// (before 4.0), and empty when there are none.
	ELR, LastKnownELR []int32
}

// Property is a property of a topic.
type Property struct {
	Key, Value string
	// Source says who set it, in Kafka's words, such as DYNAMIC_TOPIC_CONFIG for
	// the topic itself and STATIC_BROKER_CONFIG for its broker's file.
	Source string
}

// Range is what a partition holds: Start is the first offset still there, End
// the high watermark, one past the last record that consumers get to see.
type Range struct{ Start, End int64 }

// CreateTopic creates a topic and waits until every broker knows it and its
// leaders. A topic that is there already is an error wrapping ErrTopicExists.
func (c *Cluster) CreateTopic(ctx context.Context, spec TopicSpec) error {
	if err := CheckTopicName(spec.Name); err != nil {
		return err
	}
	if spec.Partitions < -1 || spec.Replication < -1 {
		return fmt.Errorf("topic %s cannot have %d partitions and %d replicas: the numbers start at 1, and -1 leaves them to the broker", spec.Name, spec.Partitions, spec.Replication)
	}
	ctx, cancel := c.action(ctx)
	defer cancel()
	configs := map[string]*string{}
	for k, v := range spec.Configs {
		configs[k] = &v
	}
	answer, err := c.admin.CreateTopics(ctx, orDefault(spec.Partitions), orDefault(spec.Replication), configs, spec.Name)
	doing := "creating topic " + spec.Name
	if err != nil {
		return c.explain(ctx, doing, err, need("Create", ResourceTopic, spec.Name))
	}
	made, ok := answer[spec.Name]
	if !ok {
		return fmt.Errorf("%s: the cluster's answer does not mention it", doing)
	}
	if made.Err != nil {
		return c.createProblem(ctx, spec, made.Err, made.ErrMessage)
	}
	return c.waitTopic(ctx, doing, spec.Name, hasLeaders)
}

func orDefault[N int16 | int32](n N) N {
	if n == 0 {
		return -1
	}
	return n
}

func (c *Cluster) createProblem(ctx context.Context, spec TopicSpec, err error, message string) error {
	if message == "" {
		message = err.Error()
	}
	switch {
	case errors.Is(err, kerr.TopicAlreadyExists):
		return &problem{text: fmt.Sprintf("topic %s exists already. Delete it first with \"redline topic delete %[1]s\", or keep it with --if-not-exists.", spec.Name), class: ErrTopicExists, cause: err}
	case errors.Is(err, kerr.InvalidReplicationFactor):
		return &problem{text: fmt.Sprintf("topic %s cannot have %d replicas: the cluster has %s. Choose --replication-factor accordingly, or leave it out.", spec.Name, spec.Replication, count(len(c.brokers), "broker")), cause: err}
	case errors.Is(err, kerr.PolicyViolation):
		return notAllowed(KindPolicy, err, "topic %s is against a policy of the cluster: %s", spec.Name, message)
	case errors.Is(err, kerr.InvalidConfig), errors.Is(err, kerr.InvalidPartitions), errors.Is(err, kerr.InvalidTopicException):
		return &problem{text: fmt.Sprintf("topic %s was not created: %s (%s).", spec.Name, message, kerrName(err)), cause: err}
	}
	return c.explain(ctx, "creating topic "+spec.Name, err, need("Create", ResourceTopic, spec.Name))
}

// Compacted says whether the topic's log leaves out records on purpose.
func (t Topic) Compacted() bool {
	return slices.ContainsFunc(t.Configs, func(p Property) bool {
		return p.Key == "cleanup.policy" && strings.Contains(p.Value, "compact")
	})
}

// CheckTopicName holds a name against the rules that Kafka has for topics.
func CheckTopicName(name string) error {
	switch {
	case name == "":
		return errors.New("the topic's name is empty")
	case name == "." || name == "..":
		return fmt.Errorf("a topic cannot be named %q", name)
	case len(name) > 249:
		return fmt.Errorf("a topic's name has at most 249 characters, not %d", len(name))
	}
	for _, r := range name {
		if !isNameRune(r) {
			return fmt.Errorf("%q cannot name a topic: it may hold letters, digits, '.', '_' and '-', not %q", name, r)
		}
	}
	return nil
}

// DeleteTopic deletes a topic and waits until no broker knows it any more, so
// that it can be created again. Without such a topic the error wraps
// ErrUnknownTopic.
func (c *Cluster) DeleteTopic(ctx context.Context, name string) error {
	ctx, cancel := c.action(ctx)
	defer cancel()
	target := kmsg.NewDeleteTopicsRequestTopic()
	target.Topic = &name
	if err := c.deleteTopic(ctx, name, target); err != nil {
		return err
	}
	return c.waitTopic(ctx, "deleting topic "+name, name, isGone([16]byte{}))
}

// DeleteTopicByID deletes a topic if it is still the one with this id. When it
// has gone or was created anew the error wraps ErrUnknownTopic, and nothing is
// deleted. It needs Kafka 2.8.
func (c *Cluster) DeleteTopicByID(ctx context.Context, name string, id [16]byte) error {
	if id == [16]byte{} {
		return fmt.Errorf("deleting topic %s: its id is not known, so it may not be the one that was meant; delete it by hand", printable(name))
	}
	ctx, cancel := c.action(ctx)
	defer cancel()
	target := kmsg.NewDeleteTopicsRequestTopic()
	target.TopicID = id
	if err := c.deleteTopic(ctx, name, target); err != nil {
		return err
	}
	return c.waitTopic(ctx, "deleting topic "+name, name, isGone(id))
}

func (c *Cluster) deleteTopic(ctx context.Context, name string, target kmsg.DeleteTopicsRequestTopic) error {
	req := kmsg.NewDeleteTopicsRequest()
	req.TimeoutMillis = int32(min(c.config.Timeout, time.Hour) / time.Millisecond)
	req.Topics = append(req.Topics, target)
	if target.Topic != nil {
		req.TopicNames = []string{name} // how it is asked before 2.8
	}
	doing := "deleting topic " + printable(name)
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return c.explain(ctx, doing, err, need("Delete", ResourceTopic, name))
	}
	if len(resp.Topics) != 1 {
		return fmt.Errorf("%s: the cluster's answer does not mention it", doing)
	}
	err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return c.unknownTopic(ctx, name)
	case errors.Is(err, kerr.UnknownTopicID):
		return &problem{text: fmt.Sprintf("topic %s is not the one that was meant any more: it was deleted, perhaps created anew; nothing was deleted.", printable(name)), class: ErrUnknownTopic, cause: err}
	case errors.Is(err, kerr.TopicDeletionDisabled):
		return notAllowed(KindPolicy, err, "topic %s cannot be deleted: its brokers run with delete.topic.enable=false.", printable(name))
	}
	return c.explain(ctx, doing, err, need("Delete", ResourceTopic, name))
}

// hasLeaders and isGone are what waitTopic waits for.
func hasLeaders(t kmsg.MetadataResponseTopic) bool {
	if t.ErrorCode != 0 || len(t.Partitions) == 0 {
		return false
	}
	return !slices.ContainsFunc(t.Partitions, func(p kmsg.MetadataResponseTopicPartition) bool { return p.Leader < 0 })
}

// isGone: the broker has no topic of the name, or another than id.
func isGone(id [16]byte) func(kmsg.MetadataResponseTopic) bool {
	return func(t kmsg.MetadataResponseTopic) bool {
		return t.ErrorCode == kerr.UnknownTopicOrPartition.Code || id != [16]byte{} && t.ErrorCode == 0 && t.TopicID != id
	}
}

// waitTopic asks every broker about a topic until done says so. Brokers learn of
// changes one after the other, and a client may ask any of them next.
func (c *Cluster) waitTopic(ctx context.Context, doing, name string, done func(kmsg.MetadataResponseTopic) bool) error {
	const pause = 20 * time.Millisecond
	answered := false
	for _, b := range c.brokers {
		for {
			topic, err := c.topicMetadata(ctx, b.ID, name)
			if err != nil && ctx.Err() == nil {
				break // a broker that is down learns when it comes back
			}
			if err == nil {
				answered = true
				if done(topic) {
					break
				}
				if topic.ErrorCode == kerr.TopicAuthorizationFailed.Code {
					return c.explain(ctx, doing+" was accepted, but seeing it done", kerr.TopicAuthorizationFailed, need("Describe", ResourceTopic, name))
				}
			}
			select {
			case <-ctx.Done():
				return c.explain(ctx, doing, ctx.Err())
			case <-time.After(pause):
			}
		}
	}
	if !answered {
		return unreachable(KindTimeout, nil, "%s was accepted, but no broker answers any more. Look with \"redline topic list\" when they are back.", doing)
	}
	return nil
}

func (c *Cluster) topicMetadata(ctx context.Context, broker int32, name string) (kmsg.MetadataResponseTopic, error) {
	req := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &name
	req.Topics = append(req.Topics, asked)
	answer, err := c.client.Broker(int(broker)).Request(ctx, req)
	if err != nil {
		return kmsg.MetadataResponseTopic{}, err
	}
	resp, ok := answer.(*kmsg.MetadataResponse)
	if !ok || len(resp.Topics) != 1 {
		return kmsg.MetadataResponseTopic{}, errors.New("the answer does not mention the topic")
	}
	return resp.Topics[0], nil
}

// ListTopics returns the names of all topics but Kafka's internal ones, sorted.
func (c *Cluster) ListTopics(ctx context.Context) ([]string, error) {
	ctx, cancel := c.action(ctx)
	defer cancel()
	details, err := c.admin.ListTopics(ctx)
	if err != nil {
		return nil, c.explain(ctx, "listing topics", err)
	}
	names := []string{}
	for name, detail := range details {
		// What was asked for in vain before is among them, with its error.
		if !errors.Is(detail.Err, kerr.UnknownTopicOrPartition) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// DescribeTopic describes a topic. When there is none the error wraps
// ErrUnknownTopic and names similar ones.
func (c *Cluster) DescribeTopic(ctx context.Context, name string) (Topic, error) {
	ctx, cancel := c.action(ctx)
	defer cancel()
	topic, err := c.describePartitions(ctx, name)
	if err != nil {
		// Brokers before 4.0 do not know that request.
		topic, err = c.describeByMetadata(ctx, name)
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.InvalidTopicException) {
		return Topic{}, c.unknownTopic(ctx, name)
	}
	if err != nil {
		return Topic{}, c.explain(ctx, "describing topic "+printable(name), err, need("Describe", ResourceTopic, name))
	}
	slices.SortFunc(topic.Partitions, func(a, b Partition) int { return cmp.Compare(a.ID, b.ID) })
	topic.Configs = c.topicConfigs(ctx, name)
	return topic, nil
}

// describePartitions asks page by page with DescribeTopicPartitions, the request
// that also tells the eligible leader replicas.
func (c *Cluster) describePartitions(ctx context.Context, name string) (Topic, error) {
	topic := Topic{Name: name}
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	asked := kmsg.NewDescribeTopicPartitionsRequestTopic()
	asked.Topic = name
	req.Topics = append(req.Topics, asked)
	for next := int32(0); ; {
		resp, err := req.RequestWith(ctx, c.client)
		if err != nil {
			return Topic{}, err
		}
		if len(resp.Topics) != 1 {
			return Topic{}, errors.New("the answer does not mention the topic")
		}
		page := resp.Topics[0]
		if err := kerr.ErrorForCode(page.ErrorCode); err != nil {
			return Topic{}, err
		}
		topic.ID = page.TopicID
		for _, p := range page.Partitions {
			topic.Partitions = append(topic.Partitions, Partition{p.Partition, p.LeaderID, p.Replicas, p.ISR, notNil(p.EligibleLeaderReplicas), notNil(p.LastKnownELR)})
		}
		if resp.NextCursor == nil || resp.NextCursor.Topic != name || resp.NextCursor.Partition <= next {
			return topic, nil
		}
		next = resp.NextCursor.Partition
		req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: name, Partition: next}
	}
}

func notNil(ids []int32) []int32 {
	if ids == nil {
		return []int32{}
	}
	return ids
}

func (c *Cluster) describeByMetadata(ctx context.Context, name string) (Topic, error) {
	// The admin client would answer out of its cache, which does not know a topic that
	// was made a moment ago.
	req := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = kmsg.StringPtr(name)
	req.Topics = append(req.Topics, asked)
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return Topic{}, err
	}
	if len(resp.Topics) != 1 {
		return Topic{}, errors.New("the answer does not mention the topic")
	}
	detail := resp.Topics[0]
	if err := kerr.ErrorForCode(detail.ErrorCode); err != nil {
		return Topic{}, err
	}
	topic := Topic{Name: name, ID: detail.TopicID}
	for _, p := range detail.Partitions {
		topic.Partitions = append(topic.Partitions, Partition{ID: p.Partition, Leader: p.Leader, Replicas: p.Replicas, ISR: p.ISR})
	}
	return topic, nil
}

// topicConfigs is what Kafka's own tool shows: every property that is not
// Kafka's default. Who may see the topic may still not see its properties, so
// that an error leaves them out.
func (c *Cluster) topicConfigs(ctx context.Context, name string) []Property {
	described, err := c.admin.DescribeTopicConfigs(ctx, name)
	if err != nil {
		return nil
	}
	resource, err := described.On(name, nil)
	if err != nil || resource.Err != nil {
		return nil
	}
	properties := []Property{}
	for _, entry := range resource.Configs {
		if entry.Source != kmsg.ConfigSourceDefaultConfig {
			properties = append(properties, Property{entry.Key, configValue(entry), entry.Source.String()})
		}
	}
	slices.SortFunc(properties, func(a, b Property) int { return cmp.Compare(a.Key, b.Key) })
	return properties
}

func configValue(entry kadm.Config) string {
	if entry.Value == nil {
		return "null" // as Kafka prints secrets
	}
	return *entry.Value
}

// Offsets returns what each partition of a topic holds. A partition whose
// offsets cannot be read makes it an error.
func (c *Cluster) Offsets(ctx context.Context, topic string) (map[int32]Range, error) {
	ctx, cancel := c.action(ctx)
	defer cancel()
	starts, err := c.listOffsets(ctx, topic, c.admin.ListStartOffsets)
	if err != nil {
		return nil, err
	}
	ends, err := c.listOffsets(ctx, topic, c.admin.ListEndOffsets)
	if err != nil {
		return nil, err
	}
	ranges := map[int32]Range{}
	for p, start := range starts {
		end, ok := ends[p]
		if !ok {
			return nil, fmt.Errorf("reading the offsets of topic %s: the cluster gives no end of partition %d", printable(topic), p)
		}
		ranges[p] = Range{start, end}
	}
	return ranges, nil
}

// StableEnds returns where the topic's partitions end for a reader of committed
// records: the last stable offset, before which no transaction is open.
func (c *Cluster) StableEnds(ctx context.Context, topic string) (map[int32]int64, error) {
	ctx, cancel := c.action(ctx)
	defer cancel()
	return c.listOffsets(ctx, topic, c.admin.ListCommittedOffsets)
}

func (c *Cluster) listOffsets(ctx context.Context, topic string, list func(context.Context, ...string) (kadm.ListedOffsets, error)) (map[int32]int64, error) {
	listed, err := list(ctx, topic)
	if isUnknownTopic(err) || isUnknownTopic(listed.Error()) {
		// The client's own picture of the cluster may be older than the topic.
		select {
		case <-time.After(metadataMinAge):
		case <-ctx.Done():
		}
		listed, err = list(ctx, topic)
	}
	if err == nil {
		err = listed.Error()
	}
	if isUnknownTopic(err) {
		return nil, c.unknownTopic(ctx, topic)
	}
	if err != nil {
		return nil, c.explain(ctx, "reading the offsets of topic "+printable(topic), err, need("Describe", ResourceTopic, topic))
	}
	offsets := map[int32]int64{}
	for p, o := range listed[topic] {
		offsets[p] = o.Offset
	}
	if len(offsets) == 0 {
		return nil, c.unknownTopic(ctx, topic)
	}
	return offsets, nil
}

func isUnknownTopic(err error) bool {
	return errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.InvalidTopicException)
}

// unknownTopic is the error for a topic that is not there.
func (c *Cluster) unknownTopic(ctx context.Context, name string) error {
	topics, err := c.ListTopics(ctx)
	hint := ""
	if err == nil {
		hint = didYouMean(nearest.Names(name, topics))
	}
	return &problem{
		text:  fmt.Sprintf("topic %s does not exist.%s Create it with \"redline topic create %[1]s --partitions 1\", or see \"redline topic list\".", printable(name), hint),
		class: ErrUnknownTopic, cause: kerr.UnknownTopicOrPartition,
	}
}

// need is an ACL that a request needs.
func need(operation string, resource Resource, name string) ACL {
	return ACL{operation, resource, name}
}

// explain turns the failure of an administrative action into a sentence; needs
// are the ACLs that it needs.
func (c *Cluster) explain(ctx context.Context, doing string, err error, needs ...ACL) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		if last := c.connects.lastError(); last != nil && c.config.attempt("").Lasting(last) {
			err = last // why it took so long
		} else {
			return unreachable(KindTimeout, err, "%s: the cluster did not finish within %s (--timeout). It may be overloaded, or miss brokers: look into its log, or give it longer.", doing, c.config.Timeout)
		}
	}
	classified := c.config.attempt("", needs...).Classify(err)
	if known, ok := errors.AsType[*problem](classified); ok {
		return &problem{doing + ": " + known.text, known.class, err, known.kind}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

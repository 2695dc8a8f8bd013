//go:build cgo

package confluent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"redline/internal/client"
	"redline/internal/cluster"
)

const (
	// pollWait bounds one wait for records, in steps of the 100 ms that the
	// article's loop polls with.
	pollWait = 500 * time.Millisecond
	pollStep = 100 // ms
	// batchMost bounds the records of one batch. librdkafka hands out single
	// records; those that are there already are gathered, so that the workload
	// is not called for each.
	batchMost = 500
)

type consumer struct {
	kafka  *kafka.Consumer
	draft  *draft
	topic  string
	group  bool
	events client.Events
	wire   wire

	tokens   *tokens
	attempt  cluster.Attempt
	refusals client.Refusals

	brokers   []string
	since     time.Time
	reached   bool
	seen      bool // the topic: it gave records, or its brokers described it
	lastError error
	// missingSince is when the topic was first said to be unknown.
	missingSince time.Time
	fatal        error

	batch  batch
	handle func(client.Batch) // of the Poll under way
	handed bool               // that Poll has called it
	next   map[int32]int64    // assigned: the offset due next
}

// Consumer makes a member of a group or a reader of assigned partitions. An
// error names the property that is wrong; brokers are not waited for.
func (library) Consumer(o client.ConsumeOptions) (client.Consumer, error) {
	set, err := start(o)
	if err != nil {
		return nil, err
	}
	d, err := profiled(client.Consuming, set, consumeTuned, o.Options)
	if err != nil {
		return nil, err
	}
	c := &consumer{
		draft: d, topic: o.Topic, group: o.Group != "", events: o.Events, wire: newWire(o.Wire, d.set),
		attempt: attempt(o.Options, cluster.ReadNeeds(o.Topic, o.Group)),
		brokers: o.Brokers, since: time.Now(), next: maps.Clone(o.Assign),
	}
	if c.kafka, err = kafka.NewConsumer(d.config()); err != nil {
		return nil, d.refusal(err)
	}
	c.tokens = newTokens(o.Security, c.kafka)
	if err = c.begin(); err != nil {
		c.tokens.close()
		return nil, errors.Join(fmt.Errorf("cannot begin to read topic %q: %w", o.Topic, c.attempt.Classify(err)), c.kafka.Close())
	}
	return c, nil
}

// begin asks for what is to be read, with a token if one is needed.
func (c *consumer) begin() error {
	if err := c.tokens.first(); err != nil {
		return err
	}
	if c.group {
		return c.kafka.Subscribe(c.topic, c.rebalanced)
	}
	return c.assign()
}

// profiled is the profile with the properties over it, over what is needed.
func profiled(s client.Side, needed map[string]string, tuned []client.Preset, o client.Options) (*draft, error) {
	profile, err := client.Presets(o.Profile, tuned)
	if err != nil {
		return nil, err
	}
	d, err := newDraft(s, needed, profile, o.Properties)
	if err != nil {
		return nil, err
	}
	if d.secure, err = secure(o.Security); err != nil {
		return nil, err
	}
	return d, apart(d.set, d.secure)
}

func (library) CheckConsumer(o client.Options) error {
	_, err := profiled(client.Consuming, needed(o), consumeTuned, o)
	return err
}

func (library) CheckProducer(o client.Options) error {
	_, err := profiled(client.Producing, needed(o), produceTuned, o)
	return err
}

// start is what the options need to be set.
func start(o client.ConsumeOptions) (map[string]string, error) {
	if (o.Group == "") == (len(o.Assign) == 0) {
		return nil, errors.New("a consumer needs either a group or assigned partitions")
	}
	set := needed(o.Options)
	set["isolation.level"] = "read_uncommitted"
	if o.ReadCommitted {
		set["isolation.level"] = "read_committed"
	}
	if o.Group == "" {
		set["group.id"] = "redline-assigned"
		set["enable.auto.commit"] = "false"
		set["fetch.wait.max.ms"] = "100" // a rewind at the end of the log waits for it
		set["auto.offset.reset"] = "earliest"
		return set, nil
	}
	set["group.id"] = o.Group
	switch o.Reset {
	case "", "earliest", "latest":
		set["auto.offset.reset"] = o.Reset
	default:
		return nil, fmt.Errorf("a group cannot start at %q; take earliest or latest", o.Reset)
	}
	if o.Reset == "" {
		set["auto.offset.reset"] = "earliest"
	}
	return set, nil
}

// assign tells librdkafka each partition with the offset due next; what it had
// buffered for an earlier assignment is dropped.
func (c *consumer) assign() error {
	partitions := make([]kafka.TopicPartition, 0, len(c.next))
	for partition, offset := range c.next {
		partitions = append(partitions, kafka.TopicPartition{Topic: &c.topic, Partition: partition, Offset: kafka.Offset(offset)})
	}
	return c.kafka.Assign(partitions)
}

// batch is successive records of one partition.
type batch struct {
	partition int32
	messages  []*kafka.Message
}

func (b *batch) Partition() int32 { return b.partition }
func (b *batch) Len() int         { return len(b.messages) }

func (b *batch) LeaderEpoch() int32 {
	if epoch := b.messages[0].TopicPartition.LeaderEpoch; epoch != nil {
		return *epoch
	}
	return -1
}

func (b *batch) Each(f func(offset int64, key, value []byte)) {
	for _, m := range b.messages {
		f(int64(m.TopicPartition.Offset), m.Key, m.Value)
	}
}

func (c *consumer) Poll(ctx context.Context, handle func(client.Batch)) error {
	c.handle, c.handed = handle, false
	defer func() { c.handle = nil }()
	for began := time.Now(); ctx.Err() == nil && c.fatal == nil; {
		c.take(c.kafka.Poll(pollStep))
		for len(c.batch.messages) > 0 && len(c.batch.messages) < batchMost && c.fatal == nil {
			event := c.kafka.Poll(0)
			if event == nil {
				break
			}
			c.take(event)
		}
		c.hand()
		if c.handed {
			return c.fatal
		}
		if time.Since(began) >= pollWait {
			break
		}
	}
	if c.fatal == nil && ctx.Err() == nil {
		c.fatal = c.ask()
	}
	return c.fatal
}

// take looks at one event of librdkafka.
func (c *consumer) take(event kafka.Event) {
	switch e := event.(type) {
	case *kafka.Message:
		if e.TopicPartition.Error != nil {
			c.problem(e.TopicPartition.Error)
			return
		}
		if e.TopicPartition.Partition != c.batch.partition {
			c.hand()
			c.batch.partition = e.TopicPartition.Partition
		}
		c.batch.messages = append(c.batch.messages, e)
	case kafka.Error:
		c.problem(e)
	case *kafka.Stats:
		c.wire.take(e.String())
	case kafka.OAuthBearerTokenRefresh:
		c.tokens.refresh()
	case kafka.OffsetsCommitted:
		if e.Error != nil && code(e.Error) != kafka.ErrNoOffset {
			c.recoverable(fmt.Errorf("cannot commit: %w", e.Error))
		}
	}
}

// hand gives the workload what was gathered.
func (c *consumer) hand() {
	if len(c.batch.messages) == 0 {
		return
	}
	if c.handle != nil {
		c.handle(&c.batch)
		c.handed = true
	}
	c.reached, c.seen = true, true
	c.refusals.Accepted("")
	c.missingSince = time.Time{}
	if !c.group {
		last := c.batch.messages[len(c.batch.messages)-1]
		c.next[c.batch.partition] = int64(last.TopicPartition.Offset) + 1
	}
	clear(c.batch.messages)
	c.batch.messages = c.batch.messages[:0]
}

// problem tells an error that ends the consumer from one that passes.
func (c *consumer) problem(err error) {
	e, _ := errors.AsType[kafka.Error](err)
	err = asGo(err)
	switch {
	case notAuthorized(err, c.group), c.attempt.Lasting(err) && c.refusals.Refused("", err):
		c.fatal = fmt.Errorf("reading topic %q: %w", c.topic, c.attempt.Classify(err))
	case e.IsFatal(), e.Code() == kafka.ErrInconsistentGroupProtocol, e.Code() == kafka.ErrInvalidGroupID, e.Code() == kafka.ErrInvalidSessionTimeout,
		e.Code() == kafka.ErrGroupMaxSizeReached, e.Code() == kafka.ErrFencedInstanceID:
		c.fatal = fmt.Errorf("librdkafka gives up reading topic %q: %w; change the property it speaks of, or take another group", c.topic, err)
	case e.Code() == kafka.ErrMaxPollExceeded:
		c.recoverable(err)
	case unknownTopic(err):
		if c.missingSince.IsZero() {
			c.missingSince = time.Now()
		}
		c.recoverable(err)
	default:
		if c.lastError == nil || e.Code() != kafka.ErrAllBrokersDown {
			c.lastError = err // that all are down says less than why one is
		}
		c.recoverable(err)
	}
}

// ask settles by a direct question what the silence of librdkafka leaves open:
// whether there is a broker at all, whether one that refused us still does, and
// whether a topic that was missing is still. It returns nil while there is
// nothing to ask.
func (c *consumer) ask() error {
	if refused := c.refusals.Overdue(""); refused != nil {
		if _, err := c.kafka.GetMetadata(nil, false, int(askWithin.Milliseconds())); err != nil {
			return fmt.Errorf("reading topic %q: %w", c.topic, c.attempt.Classify(refused))
		}
		c.refusals.Accepted("")
	}
	if !c.reached && time.Since(c.since) >= reachWithin {
		_, err := c.kafka.GetMetadata(nil, false, int(askWithin.Milliseconds()))
		if err != nil {
			if c.lastError != nil {
				err = c.lastError
			}
			return unreachable(c.brokers, err)
		}
		c.reached = true
	}
	missed := !c.missingSince.IsZero() && time.Since(c.missingSince) >= unknownTopicFor
	if missed || !c.seen && time.Since(c.since) >= unknownTopicFor {
		return c.askTopic()
	}
	return nil
}

// askTopic is for the topic that gives nothing: librdkafka says late that it is
// missing, and never that it may not be described.
func (c *consumer) askTopic() error {
	metadata, err := c.kafka.GetMetadata(&c.topic, false, int(askWithin.Milliseconds()))
	if err != nil {
		return nil //nolint:nilerr // nobody knows; asked again at the next poll
	}
	wrong := metadata.Topics[c.topic].Error
	switch {
	case notAuthorized(wrong, c.group):
		return fmt.Errorf("reading topic %q: %w", c.topic, c.attempt.Classify(asGo(wrong)))
	case unknownTopic(wrong) && !c.missingSince.IsZero():
		return client.MissingTopic(c.topic, wrong)
	}
	c.missingSince, c.seen = time.Time{}, true
	return nil
}

func (c *consumer) recoverable(err error) {
	if c.events != nil {
		c.events.Error(err)
	}
}

// rebalanced is told of assignments inside a poll. It leaves the assigning to
// the library, which does it eagerly or cooperatively, and first hands out what
// was gathered, since that is committed with the revocation.
func (c *consumer) rebalanced(_ *kafka.Consumer, event kafka.Event) error {
	c.hand()
	c.reached = true
	c.refusals.Accepted("")
	switch e := event.(type) {
	case kafka.AssignedPartitions:
		if c.events != nil && len(e.Partitions) > 0 {
			c.events.Assigned(numbers(e.Partitions))
		}
	case kafka.RevokedPartitions:
		if c.events != nil && len(e.Partitions) > 0 {
			c.events.Revoked(numbers(e.Partitions))
		}
	}
	return nil
}

func numbers(partitions []kafka.TopicPartition) []int32 {
	numbers := make([]int32, len(partitions))
	for i, p := range partitions {
		numbers[i] = p.Partition
	}
	return numbers
}

func (c *consumer) Rewind(offsets map[int32]int64) error {
	if c.group {
		return errors.New("the members of a group cannot be rewound; assign partitions instead")
	}
	for partition, offset := range offsets {
		if offset < 0 {
			return fmt.Errorf("cannot rewind partition %d to offset %d; offsets start at 0", partition, offset)
		}
		c.next[partition] = offset
	}
	if err := c.assign(); err != nil {
		return fmt.Errorf("cannot rewind topic %q: %w", c.topic, err)
	}
	return nil
}

func (c *consumer) Settings() map[string]string { return c.draft.settings() }

// stop makes librdkafka drop what it has fetched. Without it Close would lose
// records: it goes on polling until the group is left, throws the records away,
// and commits behind them.
func (c *consumer) stop() error {
	if !c.group {
		return nil
	}
	assigned, err := c.kafka.Assignment()
	if err == nil && len(assigned) > 0 {
		err = c.kafka.Pause(assigned)
	}
	return err
}

// Close commits by itself unless automatic commits are off. librdkafka cannot
// be hurried: when ctx ends first, it goes on leaving in the background, which
// takes until the end of the member's session when the coordinator is gone.
func (c *consumer) Close(ctx context.Context) error {
	c.tokens.close()
	done := make(chan error, 1)
	go func() {
		err := c.stop()
		if err == nil && c.group && c.draft.set["enable.auto.commit"] == "false" {
			if _, err = c.kafka.Commit(); code(err) == kafka.ErrNoOffset {
				err = nil
			}
		}
		done <- errors.Join(err, c.kafka.Close())
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("cannot commit what was consumed of topic %q and leave, it will be delivered again: %w", c.topic, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("leaving topic %q is not confirmed, records may be delivered again: %w", c.topic, context.Cause(ctx))
	}
}

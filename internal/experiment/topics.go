package experiment

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/client/libraries"
	"redline/internal/cluster"
	"redline/internal/journal"
	"redline/internal/plan"
	"redline/internal/security"
	"redline/result"
)

// topics are those that a run has made on one Kafka, each for all arms that want its
// shape.
type topics struct {
	run   *Run
	place *Place
	// made is each topic that is ready by its shape, created every one that was made.
	made    map[plan.Shape]*topic
	created []*topic
}

// topic is one of them, or the user's own.
type topic struct {
	name   string
	id     [16]byte
	ranges map[int32]cluster.Range
	sparse bool
	undo   *journal.Entry
}

// UndoTopic is the kind of a journal's entry for a topic; its data is a TopicUndo.
const UndoTopic = "topic"

// TopicUndo says which topic is to be deleted, and where.
type TopicUndo struct {
	Brokers   []string `json:"brokers"`
	ClusterID string   `json:"cluster_id"`
	Name      string   `json:"name"`
	// ID is in hexadecimal digits: a topic made anew under the name is not ours. It is
	// empty in the entry that is written before the topic is made; the name alone, of 64
	// random bits, tells then.
	ID string `json:"id,omitempty"`
}

// of gives the topic for an arm: filled, when it is to be read. It is made at the
// first call and used again at the others.
func (t *topics) of(ctx context.Context, arm result.Arm) (*topic, error) {
	key := plan.ShapeOf(arm)
	if t.run.Plan.Topic != "" && arm.Workload == result.Consume {
		key = plan.Shape{} // all arms read the one that the user named
	}
	if known := t.made[key]; known != nil {
		return known, nil
	}
	var made *topic
	var err error
	switch {
	case arm.Workload == result.Produce:
		made, err = t.create(ctx, arm, map[string]string{
			// Nobody reads it: it keeps little.
			"retention.bytes": "33554432", "segment.bytes": "16777216",
		})
	case t.run.Plan.Topic != "":
		made, err = t.existing(ctx, t.run.Plan.Topic)
	default:
		made, err = t.filled(ctx, arm)
	}
	if err != nil {
		return nil, err
	}
	t.made[key] = made
	return made, nil
}

// existing is a topic of the user's: it is read, and nothing else.
func (t *topics) existing(ctx context.Context, name string) (*topic, error) {
	made := &topic{name: name}
	description, err := t.place.Cluster.DescribeTopic(ctx, name)
	if err != nil {
		return nil, err
	}
	made.sparse = description.Compacted()
	if err := t.look(ctx, made); err != nil {
		return nil, err
	}
	return made, trim(ctx, t.place.Cluster, name, made.ranges)
}

// look reads where the topic's partitions begin and end.
func (t *topics) look(ctx context.Context, made *topic) error {
	var err error
	if made.ranges, err = t.place.Cluster.Offsets(ctx, made.name); err != nil {
		return err
	}
	if held(made.ranges) == 0 {
		return fmt.Errorf("topic %s holds no record to consume: name one that does, or leave --topic out", made.name)
	}
	return nil
}

// held is how many records lie in the ranges.
func held(ranges map[int32]cluster.Range) int64 {
	var records int64
	for _, o := range ranges {
		records += o.End - o.Start
	}
	return records
}

// trim takes the offsets at the ends that hold no record, only the markers of
// transactions: a reader that waited for them would never begin its next pass.
func trim(ctx context.Context, c *cluster.Cluster, name string, ends map[int32]cluster.Range) error {
	const most = 32 // markers behind each other, of as many empty transactions
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	last := map[int32]cluster.Range{}
	for p, o := range ends {
		if o.End > o.Start {
			last[p] = cluster.Range{Start: o.End - 1, End: o.End}
		}
	}
	for range most {
		drained, err := c.Drained(ctx, name, last, false)
		if err != nil || len(drained) == 0 {
			return err
		}
		last = map[int32]cluster.Range{}
		for _, p := range drained {
			o := ends[p]
			o.End--
			if ends[p] = o; o.End > o.Start {
				last[p] = cluster.Range{Start: o.End - 1, End: o.End}
			}
		}
	}
	return nil
}

// create makes a topic of redline's for an arm; what the setting says of the topic
// wins over configs.
func (t *topics) create(ctx context.Context, arm result.Arm, configs map[string]string) (*topic, error) {
	for key, value := range arm.Setting.Topic {
		configs[key] = value
	}
	made := &topic{name: fmt.Sprintf("redline-%016x-%d", t.run.mark, t.run.topicNumber())}
	intent, err := t.note(made, "")
	if err != nil {
		return nil, err
	}
	err = t.place.Cluster.CreateTopic(ctx, cluster.TopicSpec{
		Name: made.name, Partitions: int32(arm.Setting.Partitions), Replication: -1, Configs: configs,
	})
	if err != nil {
		if intent != nil && !errors.Is(err, cluster.ErrUnreachable) {
			err = errors.Join(err, intent.Done())
		}
		return nil, err // without an answer the entry stays: the topic may be there
	}
	description, err := t.place.Cluster.DescribeTopic(ctx, made.name)
	if err != nil {
		return nil, err
	}
	made.id = description.ID
	t.created = append(t.created, made)
	if made.undo, err = t.note(made, hex.EncodeToString(made.id[:])); err != nil || intent == nil {
		return made, err
	}
	return made, intent.Done()
}

// note writes into the journal how to undo a topic; nil where it ends with its Kafka
// anyway.
func (t *topics) note(made *topic, id string) (*journal.Entry, error) {
	if t.run.Journal == nil || !t.place.Started.IsZero() {
		return nil, nil
	}
	return t.run.Journal.Begin(UndoTopic, TopicUndo{
		Brokers: t.place.Brokers, ClusterID: t.place.Cluster.ID(), Name: made.name, ID: id,
	})
}

// filled makes a topic and writes into it until the bytes or the time set for it are
// used up.
func (t *topics) filled(ctx context.Context, arm result.Arm) (*topic, error) {
	made, err := t.create(ctx, arm, map[string]string{"retention.bytes": "-1", "retention.ms": "-1"})
	if err != nil {
		return nil, err
	}
	if err := t.fill(ctx, made.name, arm); err != nil {
		return nil, fmt.Errorf("cannot fill topic %s: %w", made.name, err)
	}
	return made, t.look(ctx, made)
}

// usualFillTime bounds how long one topic is filled, where the plan does not say.
const usualFillTime = 10 * time.Second

// largeRecord is the size of values, in bytes, from which on the batches of the tuned
// profile may not hold one; those of a MiB do, and brokers take them by default.
const largeRecord = 990_000

func (t *topics) fill(ctx context.Context, name string, arm result.Arm) error {
	library, err := libraries.Open("direct")
	if err != nil {
		return err
	}
	s := arm.Setting
	s.Instances, s.Rate = 2, 0
	options := client.Options{
		Brokers: t.place.Brokers, ClientID: "redline", Security: t.place.Security, Profile: client.Tuned,
		Properties: map[string]string{"acks": "all", "compression.type": s.Compression}, Wire: &client.Wire{},
	}
	if s.Compression == "" {
		delete(options.Properties, "compression.type")
	}
	if s.RecordBytes > largeRecord {
		options.Properties["batch.size"] = "1048576"
	}
	ledger := audit.NewLedger(name)
	most := plan.ShapeOf(arm).Records(t.run.Plan.FillBytes)
	run, err := startProducing(ctx, library, options, name, s, t.run.stamp(), t.run.Plan.Seed, ledger, most)
	if err != nil {
		return err
	}
	began := time.Now()
	for err == nil && time.Since(began) < t.run.fillTime() {
		err = pause(ctx, run, 100*time.Millisecond)
		t.run.screen.filling(s, run.Records(), most, float64(run.Records())/time.Since(began).Seconds())
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if ctx.Err() == nil {
		_ = run.Drain(bounded) // what is not answered is judged with the account
	}
	t.run.screen.filled(s, run.Records(), time.Since(began))
	_, stopErr := run.Stop(bounded)
	switch account := ledger.Account(true); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && !errors.Is(err, errEnded):
		return err
	case stopErr != nil:
		return stopErr
	default:
		t.run.Live.add(account, int64(s.RecordBytes), 0)
		if broken, what := ledger.Broken(account); broken {
			return &AccountError{what}
		}
	}
	return nil
}

// delete removes what was created, each only if it is still the topic that we made.
func (t *topics) delete(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var errs []error
	for _, made := range t.created {
		err := t.place.Cluster.DeleteTopicByID(ctx, made.name, made.id)
		switch {
		case err == nil, errors.Is(err, cluster.ErrUnknownTopic):
			if made.undo != nil {
				errs = append(errs, made.undo.Done())
			}
		case errors.Is(err, cluster.ErrUnreachable) && !t.place.Started.IsZero():
			// a Kafka that has gone took its topics along
		default:
			errs = append(errs, fmt.Errorf("topic %s is left over; \"redline clean\" deletes it: %w", made.name, err))
		}
	}
	t.made, t.created = map[plan.Shape]*topic{}, nil
	return errors.Join(errs...)
}

// DeleteLeft deletes the topic that a journal's entry is about, if it is there still
// and the one that was meant. A cluster with another id than the entry's is left
// alone, and nothing remains to be done there. secure says how the brokers of an entry
// are reached.
func DeleteLeft(ctx context.Context, data json.RawMessage, secure func(brokers []string) security.Security) error {
	var undo TopicUndo
	if err := json.Unmarshal(data, &undo); err != nil {
		return fmt.Errorf("cannot read which topic is left over: %w", err)
	}
	id, err := hex.DecodeString(undo.ID)
	if err != nil || len(id) != 16 && len(id) != 0 || !strings.HasPrefix(undo.Name, "redline-") {
		return fmt.Errorf("the entry of topic %q is damaged: delete it by hand if it is there", undo.Name)
	}
	c, err := cluster.Connect(ctx, cluster.Config{Brokers: undo.Brokers, Security: secure(undo.Brokers), Timeout: 5 * time.Second})
	if err != nil {
		return fmt.Errorf("topic %s is left over: %w", undo.Name, err)
	}
	defer c.Close()
	if c.ID() != undo.ClusterID {
		return nil
	}
	if len(id) == 0 {
		description, err := c.DescribeTopic(ctx, undo.Name)
		if errors.Is(err, cluster.ErrUnknownTopic) {
			return nil
		}
		if err != nil {
			return err
		}
		id = description.ID[:]
	}
	if err := c.DeleteTopicByID(ctx, undo.Name, [16]byte(id)); !errors.Is(err, cluster.ErrUnknownTopic) {
		return err
	}
	return nil
}

package experiment

import (
	"context"
	"fmt"
	"time"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/cluster"
	"redline/internal/term"
	"redline/result"
)

// prepare gives the offsets to read between: those of the user's topic, or of
// one that it makes and fills.
func (r *limitRun) prepare(ctx context.Context) (map[int32]cluster.Range, error) {
	r.report.Workload = result.Workload{Topic: r.Topic, RecordBytes: r.RecordSize}
	if r.Topic == "" {
		name := fmt.Sprintf("redline-limit-%08x", r.run)
		if err := r.createTopic(ctx, name, map[string]string{"retention.bytes": "-1", "retention.ms": "-1"}); err != nil {
			return nil, err
		}
		r.report.Workload.Topic = name
		if err := r.fill(ctx, name); err != nil {
			return nil, err
		}
	}
	topic, err := r.Cluster.DescribeTopic(ctx, r.report.Workload.Topic)
	if err != nil {
		return nil, err
	}
	r.sparse = topic.Compacted()
	ends, err := r.Cluster.Offsets(ctx, r.report.Workload.Topic)
	if err == nil && r.Topic != "" {
		err = r.trim(ctx, ends)
	}
	if err != nil {
		return nil, err
	}
	r.report.Workload.Partitions = len(ends)
	for _, o := range ends {
		r.report.Workload.Records += o.End - o.Start
	}
	if r.report.Workload.Records == 0 {
		return nil, fmt.Errorf("topic %s holds no record to consume: name one that does, or leave --topic out", r.report.Workload.Topic)
	}
	return ends, nil
}

// trim takes the offsets at the ends that hold no record, only the markers of
// transactions: a reader that waited for them would never begin its next pass.
func (r *limitRun) trim(ctx context.Context, ends map[int32]cluster.Range) error {
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
		drained, err := r.Cluster.Drained(ctx, r.Topic, last, false)
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

// fill writes records into a topic until the time or the bytes set for it are
// used up.
func (r *limitRun) fill(ctx context.Context, topic string) error {
	most := max(1, r.FillBytes/int64(max(1, r.RecordSize)))
	ledger := audit.NewLedger(topic)
	setting := result.ClientSetting{Connections: 2, Properties: map[string]string{"acks": "all"}}
	run, err := r.startProducing(ctx, topic, setting, &client.Wire{}, ledger, most)
	if err != nil {
		return err
	}
	phase := r.Display.Phase("Fill", term.Count(most)+" records", most)
	began := time.Now()
	for going := true; going; {
		err := pause(ctx, run, 100*time.Millisecond)
		acked := run.Records()
		phase.Set(acked, term.Rate(float64(acked)/time.Since(began).Seconds())+"/s")
		going = err == nil && time.Since(began) < r.schedule.fill
	}
	acked := run.Records()
	phase.End(fmt.Sprintf("%s records, %s/s", term.Count(acked), term.Rate(float64(acked)/time.Since(began).Seconds())))
	err = r.end(ctx, nil, ledger, nil, func(ctx context.Context) error {
		_, err := run.Stop(ctx)
		return err
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// produceTopic makes the topic that producing trials write to. It keeps little:
// nobody reads it.
func (r *limitRun) produceTopic(ctx context.Context) (string, error) {
	name := fmt.Sprintf("redline-limit-%08x-produce", r.run)
	return name, r.createTopic(ctx, name, map[string]string{
		"retention.bytes": "33554432", "segment.bytes": "16777216",
	})
}

func (r *limitRun) createTopic(ctx context.Context, name string, configs map[string]string) error {
	err := r.Cluster.CreateTopic(ctx, cluster.TopicSpec{Name: name, Partitions: r.Partitions, Replication: -1, Configs: configs})
	if err != nil {
		return err
	}
	topic, err := r.Cluster.DescribeTopic(ctx, name)
	if err != nil {
		return err
	}
	r.topics = append(r.topics, createdTopic{name, topic.ID})
	return nil
}

// deleteTopics removes what was created, each only if it is still the topic
// that we made.
func (r *limitRun) deleteTopics(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, t := range r.topics {
		if err := r.Cluster.DeleteTopicByID(ctx, t.name, t.id); err != nil {
			return fmt.Errorf("topic %s is left over; delete it with \"redline topic delete %s\": %w", t.name, t.name, err)
		}
	}
	return nil
}

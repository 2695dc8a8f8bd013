package experiment

import (
	"context"
	"fmt"
	"maps"
	"time"

	"redline/internal/broker"
	"redline/internal/cluster"
	"redline/internal/security"
	"redline/result"
)

// Rules for open loops: one open loop whose records go out late, or not all, says
// nothing of the Kafka when the load is near what the generator makes at all.
const (
	latestLag    = 10.0  // ms, of 99 % of the records
	leastOffered = 0.995 // of what was due
	nearCeiling  = 0.8   // of what the generator reached into a null sink
)

// generators knows what producers of open loops reach into a null sink.
type generators struct {
	ceilings map[string]float64 // records per second, by generatorKey
}

// generatorKey tells apart producers that cost differently.
func generatorKey(arm result.Arm) string {
	s := arm.Setting
	s.Rate, s.Partitions, s.Topic, s.Broker, s.Nodes = 0, 0, nil, nil, 0
	return fmt.Sprintf("%s %s %+v", arm.Client, arm.Profile, s)
}

// ceiling is what the producers of an arm reach without an end to wait for. It is
// measured once a session, in a second, into a null sink of our own.
func (g *generators) ceiling(ctx context.Context, spec Spec) (float64, error) {
	key := generatorKey(spec.Arm)
	if known, ok := g.ceilings[key]; ok {
		return known, nil
	}
	sink, err := broker.Start(ctx, broker.Config{Kind: broker.Null, Nodes: 1})
	if err != nil {
		return 0, fmt.Errorf("cannot measure what the producers make by themselves: %w", err)
	}
	defer func() { _ = sink.Stop(context.WithoutCancel(ctx)) }()
	c, err := cluster.Connect(ctx, cluster.Config{Brokers: sink.Addrs(), Timeout: 5 * time.Second})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	spec.Arm.Setting.Rate = 0
	spec.Arm.Setting.Properties = maps.Clone(spec.Arm.Setting.Properties)
	spec.Brokers, spec.BrokerPIDs, spec.BrokersKnown = sink.Addrs(), sink.PIDs(), true
	spec.Security = security.Security{}
	spec.Timing.Window, spec.Timing.Settle = min(spec.Timing.Window, time.Second), 0
	err = c.CreateTopic(ctx, cluster.TopicSpec{Name: spec.Topic, Partitions: int32(spec.Arm.Setting.Partitions), Replication: 1})
	if err != nil {
		return 0, err
	}
	trial, err := Execute(ctx, spec, nil)
	if err != nil {
		return 0, fmt.Errorf("cannot measure what the producers make by themselves: %w", err)
	}
	if g.ceilings == nil {
		g.ceilings = map[string]float64{}
	}
	g.ceilings[key] = trial.Rate()
	return trial.Rate(), nil
}

// judgeGenerator says whether the producers of an open loop were the limit.
func (r *Run) judgeGenerator(ctx context.Context, spec Spec, trial *result.Trial) error {
	o := trial.Offered
	if o == nil {
		return nil
	}
	due := o.RecordsPerSecond * trial.Window.Seconds()
	if o.LagP99 <= latestLag && float64(o.Records) >= leastOffered*due {
		return nil
	}
	var err error
	if o.Ceiling, err = r.generators.ceiling(ctx, spec); err != nil {
		return err
	}
	if o.GeneratorLimited = o.RecordsPerSecond > nearCeiling*o.Ceiling; o.GeneratorLimited {
		trial.Notes = append(trial.Notes, "generator-limited: the producers make no more than this by themselves")
	}
	return nil
}

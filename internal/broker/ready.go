package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/internal/connection"
	"redline/internal/security"
)

const (
	readyTopic = "redline-ready"
	// readyTimeout bounds a start; a good one takes seconds.
	readyTimeout = 90 * time.Second
)

// awaitReady returns when a record went through the cluster: written with
// acks=all to a topic replicated as the cluster's own are, read back, the topic
// deleted again.
func (b *Broker) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	options, err := b.asAdmin()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(append(options,
		kgo.SeedBrokers(b.Addrs()...),
		kgo.DisableIdempotentWrite(),
		// A topic just created is not yet known to every node.
		kgo.UnknownTopicRetries(-1),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		kgo.MetadataMinAge(50*time.Millisecond),
	)...)
	if err != nil {
		return fmt.Errorf("connect to the broker: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for _, step := range []struct {
		does string
		do   func(context.Context) error
	}{
		{"take its users", b.createUsers},
		{"register its nodes", func(ctx context.Context) error { return retry(ctx, func() error { return b.registered(ctx, admin) }) }},
		{"know its properties", func(ctx context.Context) error { return b.checkProperties(ctx, admin) }},
		{"create a topic", func(ctx context.Context) error { return retry(ctx, func() error { return b.createReady(ctx, admin) }) }},
		{"pass a record", func(ctx context.Context) error { return passRecord(ctx, client, b.config.Kind) }},
		{"delete a topic", func(ctx context.Context) error { return retry(ctx, func() error { return deleteReady(ctx, admin) }) }},
	} {
		if err := step.do(ctx); err != nil {
			if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				return fmt.Errorf("the broker did not %s within %v: %w", step.does, readyTimeout, err)
			}
			if ctx.Err() != nil {
				err = context.Cause(ctx) // not what the last of many attempts met
			}
			return fmt.Errorf("the broker did not %s: %w", step.does, err)
		}
	}
	return nil
}

// retry calls f until it succeeds, and returns its last error when ctx ends.
func retry(ctx context.Context, f func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

func (b *Broker) registered(ctx context.Context, admin *kadm.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	brokers, err := admin.ListBrokers(ctx)
	if err != nil {
		return err
	}
	if len(brokers) < b.config.Nodes {
		return fmt.Errorf("%d of %d nodes are there", len(brokers), b.config.Nodes)
	}
	return nil
}

// checkProperties refuses properties that the embedded broker would ignore: a
// figure must not be printed beside a setting that had no effect. (Apache Kafka
// is left to judge its own.)
func (b *Broker) checkProperties(ctx context.Context, admin *kadm.Client) error {
	if b.config.Kind != Embedded || len(b.config.Properties) == 0 {
		return nil
	}
	configs, err := admin.DescribeBrokerConfigs(ctx, 0)
	if err != nil {
		return err
	}
	known := []string{"auto.create.topics.enable", "num.partitions"}
	for _, resource := range configs {
		for _, c := range resource.Configs {
			// What was only set, and has no value below, is not known.
			if c.Source != kmsg.ConfigSourceDynamicBrokerConfig || len(c.Synonyms) > 0 {
				known = append(known, c.Key)
			}
		}
	}
	sort.Strings(known)
	for key := range b.config.Properties {
		if !slices.Contains(known, key) {
			return fmt.Errorf("the embedded broker has no property %q: use --kafka local, or one of %s", key, strings.Join(known, ", "))
		}
	}
	return nil
}

func (b *Broker) createReady(ctx context.Context, admin *kadm.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	replication := int16(min(b.config.Nodes, 3))
	_, err := admin.CreateTopic(ctx, 1, replication, nil, readyTopic)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	return err
}

// passRecord writes a record and reads it back; of the null sink any that comes.
func passRecord(ctx context.Context, client *kgo.Client, kind Kind) error {
	sent := &kgo.Record{Topic: readyTopic, Value: []byte("ready")}
	if err := client.ProduceSync(ctx, sent).FirstErr(); err != nil {
		return err
	}
	// Only now: a consumer of a topic that is not there yet waits a second.
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{readyTopic: {0: kgo.NewOffset().AtStart()}})
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("read the record back: %w", context.Cause(ctx))
		}
		found := false
		fetches.EachRecord(func(r *kgo.Record) { found = found || kind == Null || string(r.Value) == "ready" })
		if found {
			client.PurgeTopicsFromClient(readyTopic)
			return nil
		}
	}
}

// deleteReady fails as long as the topic is in anybody's metadata.
func deleteReady(ctx context.Context, admin *kadm.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := admin.DeleteTopic(ctx, readyTopic); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return err
	}
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return err
	}
	if topics.Has(readyTopic) {
		return fmt.Errorf("the topic %s is still there", readyTopic)
	}
	return nil
}

// asAdmin are the options of a client that a secured broker lets in: with the file
// that people are given, so that a broker is ready only if the file is right.
func (b *Broker) asAdmin() ([]kgo.Opt, error) {
	if b.credentials == nil {
		return nil, nil
	}
	admin, err := connection.FromFile(b.folder.clientProperties(adminName))
	if err != nil {
		return nil, fmt.Errorf("connect to the broker: %w", err)
	}
	return admin.Security.FranzOptions(security.DefaultDialTimeout), nil
}

// createUsers makes the users of a broker with SCRAM, whose passwords are in the
// cluster's metadata, and returns when each node knows them. Nobody has a password
// yet, so it asks where the nodes meet, as one of them.
func (b *Broker) createUsers(ctx context.Context) error {
	if b.credentials == nil || !b.credentials.scram() {
		return nil
	}
	nodes := b.credentials.asNode()
	client, err := kgo.NewClient(append(nodes.FranzOptions(security.DefaultDialTimeout), kgo.SeedBrokers(b.internal...))...)
	if err != nil {
		return fmt.Errorf("connect to the broker: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	err = retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		altered, err := admin.AlterUserSCRAMs(ctx, nil, b.credentials.scramUsers())
		return errors.Join(err, altered.Error())
	})
	if err != nil {
		return err
	}
	return b.awaitAdmin(ctx, b.Addrs())
}

// awaitAdmin returns when every address lets admin in.
func (b *Broker) awaitAdmin(ctx context.Context, addrs []string) error {
	options, err := b.asAdmin()
	if err != nil {
		return err
	}
	return awaitAnswer(ctx, addrs, options...)
}

// awaitAnswer returns when every address answers Kafka's protocol to a client with
// these options.
func awaitAnswer(ctx context.Context, addrs []string, options ...kgo.Opt) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, addr := range addrs {
		client, err := kgo.NewClient(append(slices.Clone(options), kgo.SeedBrokers(addr))...)
		if err != nil {
			return err
		}
		err = retry(ctx, func() error {
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			return client.Ping(ctx)
		})
		client.Close()
		if err != nil {
			return fmt.Errorf("%s does not answer: %w", addr, err)
		}
	}
	return nil
}

package direct_test

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"redline/direct"
	"redline/direct/batch"
)

// cluster is a Kafka in memory, with a topic "rides" of one partition.
func cluster() (*kfake.Cluster, []kgo.Opt) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "rides"))
	if err != nil {
		panic(err)
	}
	return c, []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}
}

// produce writes some rides.
func produce(kafka []kgo.Opt, rides ...string) {
	ctx := context.Background()
	p, err := direct.NewProducer(ctx, direct.ProducerConfig{Kafka: kafka, Topic: "rides"})
	if err != nil {
		panic(err)
	}
	for _, ride := range rides {
		if err := p.Send(ctx, direct.Record{Partition: direct.AnyPartition, Value: []byte(ride)}); err != nil {
			panic(err)
		}
	}
	if err := p.Flush(ctx); err != nil {
		panic(err)
	}
	if err := p.Close(ctx); err != nil {
		panic(err)
	}
}

// A producer copies records into the batches that are sent, and acknowledges batches: each
// says which records of its partition it has, and at which offset.
func ExampleProducer() {
	kafka, options := cluster()
	defer kafka.Close()
	ctx := context.Background()
	p, err := direct.NewProducer(ctx, direct.ProducerConfig{
		Kafka: options, Topic: "rides", Compression: batch.Zstd,
		OnAck: func(a direct.Ack) {
			if a.Err != nil {
				fmt.Println("lost:", a.Records, a.Landed, a.Err)
				return
			}
			fmt.Printf("%d records of partition %d are at offset %d\n", a.Records, a.Partition, a.Offset)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, to := range []string{"Altona", "Barmbek", "Harburg"} {
		if err := p.Send(ctx, direct.Record{Key: []byte("taxi 7"), Value: []byte(to), Headers: []batch.Header{{Key: "fare", Value: []byte("12")}}}); err != nil {
			fmt.Println(err)
		}
	}
	if err := p.Flush(ctx); err != nil {
		fmt.Println(err)
	}
	if err := p.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: 3 records of partition 0 are at offset 0
}

// The loop over batches, and in each one over its records, whose bytes are views into
// the buffer that was read: they are valid until the next batch.
func ExampleConsumer_Batches() {
	kafka, options := cluster()
	defer kafka.Close()
	produce(options, "Altona", "Barmbek", "Harburg")

	ctx := context.Background()
	c, err := direct.NewConsumer(ctx, direct.ConsumerConfig{
		Kafka: options, Topic: "rides",
		Assign: map[int32]int64{0: direct.Earliest},
		Ends:   map[int32]int64{0: 3}, // without it the loop goes on for ever
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close(ctx) //nolint:errcheck // nothing was committed
	for b, err := range c.Batches(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for r := range b.Records() {
			fmt.Println(b.Partition(), r.Offset, string(r.Value))
		}
	}
	// Output:
	// 0 0 Altona
	// 0 1 Barmbek
	// 0 2 Harburg
}

// Walk is the fastest way through a batch: no function is called for a record but Next.
func ExampleBatch_Walk() {
	kafka, options := cluster()
	defer kafka.Close()
	produce(options, "Altona", "Barmbek", "Harburg")

	ctx := context.Background()
	c, err := direct.NewConsumer(ctx, direct.ConsumerConfig{Kafka: options, Topic: "rides", Assign: map[int32]int64{0: direct.Earliest}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close(ctx) //nolint:errcheck // nothing was committed
	b, err := c.Next(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	letters := 0
	w := b.Walk()
	for w.Next() {
		letters += len(w.Value)
	}
	if err := w.Err(); err != nil {
		fmt.Println(err)
	}
	fmt.Println(b.Len(), "records,", letters, "letters")
	// Output: 3 records, 20 letters
}

// A member of a group: Each works on several batches at a time, those of a partition
// always in order and in one goroutine, and a batch counts as handled when its call
// returns.
func ExampleConsumer_Each() {
	kafka, options := cluster()
	defer kafka.Close()
	produce(options, "Altona", "Barmbek", "Harburg")

	c, err := direct.NewConsumer(context.Background(), direct.ConsumerConfig{Kafka: options, Topic: "rides", Group: "billing"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, enough := context.WithCancel(context.Background())
	defer enough()
	var rides atomic.Int64
	err = c.Each(ctx, 4, func(_ context.Context, b *direct.Batch) error {
		if rides.Add(int64(b.Len())) == 3 {
			enough()
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	if err := c.Close(context.Background()); err != nil { // commits, and leaves the group
		fmt.Println(err)
	}
	fmt.Println(rides.Load(), "rides")
	// Output: 3 rides
}

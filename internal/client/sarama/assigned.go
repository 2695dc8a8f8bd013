package sarama

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"redline/internal/client"
)

// assigned are the partitions read without a group.
type assigned struct {
	consumer sarama.Consumer
	readings map[int32]*opened
}

// opened is a partition as it is read now; nobody reads it before the one before
// has let go of it, since sarama has each once only.
type opened struct {
	*reading
	stop context.CancelFunc
	gone chan struct{}
}

func (c *consumer) assign(offsets map[int32]int64) error {
	made, err := sarama.NewConsumerFromClient(c.sarama)
	if err != nil {
		return err
	}
	c.assigned = &assigned{made, make(map[int32]*opened)}
	for partition, offset := range offsets {
		c.read(partition, offset)
	}
	return nil
}

// read begins to read a partition at an offset, wherever it is read now.
func (c *consumer) read(partition int32, offset int64) {
	stopped, stop := context.WithCancel(c.life)
	r := &opened{newReading(stopped, partition, nil), stop, make(chan struct{})}
	before := c.assigned.readings[partition]
	if before != nil {
		before.stop()
		c.finish(before.reading)
	}
	c.assigned.readings[partition] = r
	c.working.Go(func() {
		defer close(r.gone)
		defer stop()
		if before != nil {
			<-before.gone
		}
		c.readOn(r.reading, offset)
	})
}

// readOn reads until the reading is stopped. A partition whose offset is gone is
// read from the first one there.
func (c *consumer) readOn(r *reading, offset int64) {
	for r.stopped.Err() == nil {
		partition, err := c.assigned.consumer.ConsumePartition(c.topic, r.partition, offset)
		if err == nil {
			c.watch.worked()
			c.readFrom(r, partition)
			offset = sarama.OffsetOldest // it ends by itself for this reason alone
			continue
		}
		if r.stopped.Err() != nil {
			return
		}
		c.trouble(fmt.Errorf("topic %q partition %d: %w", c.topic, r.partition, err))
		if errors.Is(err, sarama.ErrOffsetOutOfRange) && offset >= 0 {
			offset = sarama.OffsetOldest
			continue
		}
		client.Pause(r.stopped, retryBackoff)
	}
}

// readFrom collects what a partition gives, and closes it.
func (c *consumer) readFrom(r *reading, partition sarama.PartitionConsumer) {
	defer context.AfterFunc(r.stopped, partition.AsyncClose)()
	told := make(chan struct{})
	go func() {
		defer close(told)
		for err := range partition.Errors() {
			if r.stopped.Err() == nil {
				c.trouble(err)
			}
		}
	}()
	r.collect(partition.Messages(), c.full)
	partition.AsyncClose()
	for range partition.Messages() {
		continue // nobody wants it any more
	}
	<-told
}

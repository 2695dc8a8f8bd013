package kafka_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"redline/internal/client"
	"redline/internal/client/libraries"
	"redline/internal/latency"
)

// backlog reads a topic from start to end again and again, over the window and at least
// once. The sum of the values has to be the same each time.
func backlog(ctx context.Context, j job) (measurement, error) {
	starts, ends, err := j.ranges(ctx)
	if err != nil {
		return measurement{}, err
	}
	c, err := j.consumer(starts)
	if err != nil {
		return measurement{}, err
	}
	a, w := newAccount(starts), newWindow(j, nil)
	unread, left := 0, 0 // partitions with records, and those not read to their end
	for p := range ends {
		if ends[p] > starts[p] {
			unread++
		}
	}
	left = unread
	handle := func(b client.Batch) {
		a.batch(b)
		if *a.at == ends[b.Partition()] {
			left--
		}
	}
	var records int64 // of the passes before
	var idle stall
	closed := false
	for !closed || w.result.Passes == 0 {
		if err := errors.Join(c.Poll(ctx, handle), idle.check(records+a.records), ctx.Err()); err != nil {
			return measurement{}, errors.Join(err, closing(c))
		}
		closed = closed || w.over(records+a.records)
		if left > 0 {
			continue
		}
		if w.result.Passes++; w.result.Passes > 1 && a.sum != w.result.Sum {
			return measurement{}, fmt.Errorf("the values of pass %d sum up to %x, those of the one before to %x", w.result.Passes, a.sum, w.result.Sum)
		}
		if err := a.check(); err != nil {
			return measurement{}, err
		}
		w.result.Sum, left = a.sum, unread
		records += a.records
		a.begin(starts)
		if err := c.Rewind(starts); err != nil {
			return measurement{}, err
		}
	}
	return w.result, errors.Join(a.check(), closing(c))
}

// once reads a topic from start to end once, which has to take longer than the window.
func once(ctx context.Context, j job) (measurement, error) {
	starts, ends, err := j.ranges(ctx)
	if err != nil {
		return measurement{}, err
	}
	if j.Group != "" {
		j.Group = fmt.Sprintf("%s-%d", j.Group, time.Now().UnixNano()) // without a commit
	}
	c, err := j.consumer(starts)
	if err != nil {
		return measurement{}, err
	}
	a, w := newAccount(starts), newWindow(j, nil)
	var all int64
	for p := range ends {
		all += ends[p] - starts[p]
	}
	var idle stall
	closed := false
	for a.records < all {
		if err := errors.Join(c.Poll(ctx, a.batch), idle.check(a.records), ctx.Err()); err != nil {
			return measurement{}, errors.Join(err, closing(c))
		}
		closed = closed || w.over(a.records)
	}
	if !closed {
		return measurement{}, errors.Join(fmt.Errorf("%d records were read before the window was over: write more", all), closing(c))
	}
	w.result.Sum, w.result.Passes = a.sum, 1
	return w.result, errors.Join(a.check(), closing(c))
}

// tail reads what somebody else offers, from the end of the topic on.
func tail(ctx context.Context, j job) (measurement, error) {
	_, ends, err := j.ranges(ctx)
	if err != nil {
		return measurement{}, err
	}
	c, err := j.consumer(ends)
	if err != nil {
		return measurement{}, err
	}
	a := newAccount(ends)
	a.delays = &latency.Recorder{}
	w := newWindow(j, a.delays)
	var idle stall
	for !w.over(a.records) {
		if err := errors.Join(c.Poll(ctx, a.batch), idle.check(a.records), ctx.Err()); err != nil {
			return measurement{}, errors.Join(err, closing(c))
		}
	}
	return w.result, errors.Join(a.check(), closing(c))
}

// offering sends records of 100 bytes, the stamp of when each was due in its first eight.
type offering struct {
	job        job
	producer   client.Producer
	partitions int32
	sum        uint64       // of the stamps
	sent       atomic.Int64 // records
	acked      atomic.Int64
	failed     atomic.Int64
	consumed   func() int64 // where InFlight bounds what is not
}

func (j job) offering(partitions int) (*offering, error) {
	library, err := libraries.Open(j.Client)
	if err != nil {
		return nil, err
	}
	o := &offering{job: j, partitions: int32(partitions)}
	o.producer, err = library.Producer(client.ProduceOptions{
		Options: client.Options{Brokers: j.Brokers, Profile: client.Tuned, Properties: j.properties(), Wire: &client.Wire{}},
		Topic:   j.Topic, RecordSize: 100, Acked: o.settle,
	})
	return o, err
}

func (o *offering) settle(_ *client.Record, err error) {
	if err != nil {
		o.failed.Add(1)
		return
	}
	o.acked.Add(1)
}

// send sends until ctx ends, and then waits for the acknowledgements.
func (o *offering) send(ctx context.Context) error {
	began := time.Now()
	for turn := int64(0); ctx.Err() == nil; turn++ {
		due := o.await(ctx, began, turn)
		if err := o.turn(ctx, int32(turn%int64(o.partitions)), due); err != nil && ctx.Err() == nil {
			return err
		}
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := o.producer.Flush(within); err != nil {
		return err
	}
	if acked := o.acked.Load(); acked != o.sent.Load() || o.failed.Load() > 0 {
		return fmt.Errorf("of %d records that were sent %d were acknowledged and %d failed", o.sent.Load(), acked, o.failed.Load())
	}
	return nil
}

// await waits until a turn is due, or ctx ends; without a rate it is due when there is
// room for it.
func (o *offering) await(ctx context.Context, began time.Time, turn int64) time.Time {
	const look = 200 * time.Microsecond
	if o.job.Rate > 0 {
		due := began.Add(time.Duration(float64(turn*o.job.Turn) / o.job.Rate * 1e9))
		for time.Until(due) > 0 && ctx.Err() == nil {
			time.Sleep(look)
		}
		return due
	}
	for o.job.InFlight > 0 && o.sent.Load()-o.consumed() >= o.job.InFlight && ctx.Err() == nil {
		time.Sleep(look)
	}
	return time.Now()
}

// turn sends the records of one partition's turn.
func (o *offering) turn(ctx context.Context, partition int32, due time.Time) error {
	stamp := uint64(due.UnixNano())
	for range o.job.Turn {
		r := o.producer.Record()
		binary.LittleEndian.PutUint64(r.Value, stamp)
		r.Partition, r.Time = partition, due
		if err := o.producer.Send(ctx, r); err != nil {
			return err
		}
		o.sum += stamp
		o.sent.Add(1)
	}
	return nil
}

// offer sends until its standard input ends. Records are those that were acknowledged.
func offer(ctx context.Context, j job) (measurement, error) {
	starts, _, err := j.ranges(ctx)
	if err != nil {
		return measurement{}, err
	}
	o, err := j.offering(len(starts))
	if err != nil {
		return measurement{}, err
	}
	began := time.Now()
	err = o.send(ctx)
	return measurement{Records: o.acked.Load(), Window: time.Since(began), CPU: cpuTime()}, errors.Join(err, closing(o.producer))
}

// live sends and consumes in one process. What was sent is consumed to the last record,
// and the sums have to agree.
func live(ctx context.Context, j job) (measurement, error) {
	_, ends, err := j.ranges(ctx)
	if err != nil {
		return measurement{}, err
	}
	o, err := j.offering(len(ends))
	if err != nil {
		return measurement{}, err
	}
	c, err := j.consumer(ends)
	if err != nil {
		return measurement{}, errors.Join(err, closing(o.producer))
	}
	var consumed atomic.Int64
	o.consumed = consumed.Load
	sending, stopSending := context.WithCancel(ctx)
	defer stopSending()
	sent := make(chan error, 1)
	go func() { sent <- o.send(sending) }()

	a := newAccount(ends)
	a.delays = &latency.Recorder{}
	w := newWindow(j, a.delays)
	handle := func(b client.Batch) {
		a.batch(b)
		consumed.Store(a.records)
	}
	var idle stall
	for !w.over(a.records) {
		if err := errors.Join(c.Poll(ctx, handle), idle.check(a.records), ctx.Err()); err != nil {
			return measurement{}, err
		}
	}
	stopSending()
	for done := false; !done || a.records < o.sent.Load(); {
		if err := errors.Join(c.Poll(ctx, handle), idle.check(a.records), ctx.Err()); err != nil {
			return measurement{}, err
		}
		select {
		case err := <-sent:
			if err != nil {
				return measurement{}, err
			}
			done = true
		default:
		}
	}
	if a.records != o.sent.Load() || a.sum != o.sum {
		return measurement{}, fmt.Errorf("%d records with the sum %x were sent, %d with %x consumed", o.sent.Load(), o.sum, a.records, a.sum)
	}
	return w.result, errors.Join(a.check(), closing(o.producer), closing(c))
}

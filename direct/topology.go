package direct

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// refreshEvery is the least time between two questions about who leads what.
const refreshEvery = 100 * time.Millisecond

// mostPartitions bounds what a broker can make us believe of a topic.
const mostPartitions = 1 << 20

// leadership says who leads a partition: broker is -1 where nobody does, and err then
// why.
type leadership struct {
	broker, epoch int32
	err           error
}

// view is a topic as metadata showed it at one time.
type view struct {
	topicID    [16]byte
	partitions []leadership     // by number
	brokers    map[int32]string // node id to host:port
}

// noTopicID is that of a topic whose broker tells none, as those before Kafka 2.8.
var noTopicID [16]byte

// topology asks who leads a topic's partitions. Those who ask at the same time share a
// question.
type topology struct {
	client *kgo.Client
	topic  string

	asking sync.Mutex // held by who asks
	asked  time.Time
	id     [16]byte // the last that was told

	mu   sync.Mutex
	last *view
}

func newTopology(cl *kgo.Client, topic string) *topology {
	return &topology{client: cl, topic: topic}
}

// latest is the last view, nil before the first.
func (t *topology) latest() *view {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// refresh returns a view newer than the one given. It is an error that nobody can go on
// from when the topic is not the one that was there before.
func (t *topology) refresh(ctx context.Context, than *view) (*view, error) {
	t.asking.Lock()
	defer t.asking.Unlock()
	if last := t.latest(); last != nil && last != than {
		return last, nil
	}
	wait := time.NewTimer(max(refreshEvery-time.Since(t.asked), atOnce))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	t.asked = time.Now()
	v, err := t.ask(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot find out who leads topic %q: %w", t.topic, err)
	}
	if err := t.same(v); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = v
	return v, nil
}

// same checks that a view is not of a namesake, as far as ids are told; t.asking is held.
func (t *topology) same(v *view) error {
	if v.topicID == noTopicID {
		return nil
	}
	if t.id != noTopicID && t.id != v.topicID {
		return &gone{fmt.Errorf("topic %q was deleted, and one of the same name made anew: its records are others, start anew for them", t.topic)}
	}
	t.id = v.topicID
	return nil
}

func (t *topology) ask(ctx context.Context) (*view, error) {
	request := kmsg.NewPtrMetadataRequest()
	named := kmsg.NewMetadataRequestTopic()
	named.Topic = &t.topic
	request.Topics = append(request.Topics, named)
	request.AllowAutoTopicCreation = false
	answer, err := request.RequestWith(ctx, t.client)
	if err != nil {
		return nil, err
	}
	if len(answer.Topics) != 1 {
		return nil, fmt.Errorf("the broker told of %d topics where one was asked for", len(answer.Topics))
	}
	topic := &answer.Topics[0]
	if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
		return nil, err
	}
	return read(topic, answer.Brokers)
}

// read turns what a broker answered into a view, as far as it can be.
func read(topic *kmsg.MetadataResponseTopic, brokers []kmsg.MetadataResponseBroker) (*view, error) {
	v := &view{topicID: topic.TopicID, brokers: map[int32]string{}}
	for _, b := range brokers {
		v.brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	if len(topic.Partitions) == 0 || len(topic.Partitions) > mostPartitions {
		return nil, fmt.Errorf("the broker told of %d partitions", len(topic.Partitions))
	}
	v.partitions = make([]leadership, len(topic.Partitions))
	for i := range v.partitions {
		v.partitions[i] = leadership{broker: -1, epoch: -1, err: kerr.LeaderNotAvailable}
	}
	for _, p := range topic.Partitions {
		if p.Partition < 0 || int(p.Partition) >= len(v.partitions) {
			return nil, errors.New("the broker told of partitions whose numbers have holes")
		}
		at := &v.partitions[p.Partition]
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil && !errors.Is(err, kerr.ReplicaNotAvailable) {
			at.err = err
			continue
		}
		if _, known := v.brokers[p.Leader]; known {
			*at = leadership{broker: p.Leader, epoch: p.LeaderEpoch}
		}
	}
	return v, nil
}

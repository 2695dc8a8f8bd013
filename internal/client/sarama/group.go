package sarama

import (
	"errors"
	"sync"

	"github.com/IBM/sarama"

	"redline/internal/client"
)

// member is the consumer as one of a group; sarama calls it of its sessions.
type member struct {
	*consumer
	group sarama.ConsumerGroup
	told  chan struct{} // nobody tells of errors any more

	mu     sync.Mutex
	holds  map[int32]bool // partitions whose assignment was told
	undone []error        // what went wrong while leaving
}

var _ sarama.ConsumerGroupHandler = (*member)(nil)

func (c *consumer) join(group string) error {
	made, err := sarama.NewConsumerGroupFromClient(group, c.sarama)
	if err != nil {
		return err
	}
	c.member = &member{consumer: c, group: made, told: make(chan struct{}), holds: make(map[int32]bool)}
	go c.member.hear()
	c.working.Go(c.member.takePart)
	return nil
}

// takePart is in the group, in one session after the other, until it is stopped.
func (m *member) takePart() {
	for m.life.Err() == nil {
		err := m.group.Consume(m.life, []string{m.topic}, m)
		if err == nil || m.life.Err() != nil {
			continue
		}
		m.trouble(err)
		client.Pause(m.life, retryBackoff)
	}
}

// hear is told of errors beside the sessions, until the group is closed.
func (m *member) hear() {
	defer close(m.told)
	for err := range m.group.Errors() {
		if !m.ending.Load() {
			m.trouble(err)
			continue
		}
		m.mu.Lock()
		m.undone = append(m.undone, err)
		m.mu.Unlock()
	}
}

// leave comes after the last session.
func (m *member) leave() error {
	err := m.group.Close()
	<-m.told
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Join(append(m.undone, err)...)
}

// Setup begins a session; no record of it has been asked for yet.
func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.watch.worked()
	m.found()
	m.gain(session)
	return nil
}

// Cleanup ends a session. What was handed out is marked; sarama commits it after
// this, if it commits by itself.
func (m *member) Cleanup(session sarama.ConsumerGroupSession) error {
	if !m.draft.config.Consumer.Offsets.AutoCommit.Enable {
		session.Commit()
	}
	m.mu.Lock()
	lost := make([]int32, 0, len(m.holds))
	for partition := range m.holds {
		lost = append(lost, partition)
	}
	m.mu.Unlock()
	m.lose(lost...)
	return nil
}

// ConsumeClaim reads one partition until it is taken away. The workload is done with
// what it was handed when this returns, so that what is committed is exactly that.
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	partition := claim.Partition()
	m.gain(session)
	r := newReading(session.Context(), partition, func(next int64) { session.MarkOffset(m.topic, partition, next, "") })
	r.collect(claim.Messages(), m.full)
	m.finish(r)
	if session.Context().Err() == nil { // taken away alone, the session goes on
		if !m.draft.config.Consumer.Offsets.AutoCommit.Enable {
			session.Commit()
		}
		m.lose(partition)
	}
	return nil
}

// gain tells of the partitions of a session that were not held before.
func (m *member) gain(session sarama.ConsumerGroupSession) {
	var gained []int32
	m.mu.Lock()
	defer m.mu.Unlock() // also while telling: no other claim begins before that
	for _, partition := range session.Claims()[m.topic] {
		if !m.holds[partition] {
			m.holds[partition] = true
			gained = append(gained, partition)
		}
	}
	if m.events != nil && len(gained) > 0 {
		m.events.Assigned(gained)
	}
}

func (m *member) lose(partitions ...int32) {
	m.mu.Lock()
	for _, partition := range partitions {
		delete(m.holds, partition)
	}
	m.mu.Unlock()
	if m.events != nil && len(partitions) > 0 {
		m.events.Revoked(partitions)
	}
}

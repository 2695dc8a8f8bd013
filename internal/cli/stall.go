package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"redline/internal/cluster"
)

// How long a run may wait for its next record before the cluster is asked why.
const (
	stallLook = 4 * time.Second // then the topic and the brokers are looked at
	stallTell = 10 * time.Second
	stallEnd  = 2 * time.Minute  // then a produce is given up: Kafka's delivery.timeout.ms
	stallRead = 30 * time.Second // then a bounded consume is: no election takes so long
)

// stall watches a run that waits for the cluster: a client library retries for
// minutes, or for ever, where a person wants to know what is wrong.
type stall struct {
	session *session
	topic   string
	id      [16]byte // of the topic when the run began
	what    string   // what does not come: "acknowledgement", "record"
	end     time.Duration
	hint    string // what else it may be, when the cluster answers
	talk    io.Writer

	count, failed int64
	since         time.Time
	told          bool
	looked        time.Time // when the topic was last seen to be the same
}

func (s *session) produceStall(topic cluster.Topic, talk io.Writer) *stall {
	return &stall{
		session: s, topic: topic.Name, id: topic.ID, what: "acknowledgement", end: stallEnd, talk: talk, since: time.Now(), looked: time.Now(),
		hint: "look into the brokers' logs, and at \"redline topic describe\"",
	}
}

func (s *session) consumeStall(topic cluster.Topic, talk io.Writer) *stall {
	return &stall{
		session: s, topic: topic.Name, id: topic.ID, what: "record", end: stallRead, talk: talk, since: time.Now(), looked: time.Now(),
		hint: "the offsets up to the end may hold no record for a reader (transaction markers), or an open transaction holds them back",
	}
}

// look is called now and then with what has come so far, whether more is to come,
// and how much has failed, with the first reason. It returns an error when the
// run waits in vain, or does nothing but fail.
func (s *stall) look(ctx context.Context, count int64, waiting bool, failed int64, reason error) error {
	if time.Since(s.looked) >= stallLook {
		s.looked = time.Now()
		if err := s.changed(ctx); err != nil {
			return err
		}
	}
	if count != s.count || !waiting {
		s.count, s.failed, s.since, s.told = count, failed, time.Now(), false
		return nil
	}
	quiet := time.Since(s.since)
	if quiet < stallLook {
		return nil
	}
	if err := s.diagnose(ctx, quiet); err != nil {
		return err
	}
	if failed > s.failed && reason != nil {
		return fmt.Errorf("no %s came for %v, and records fail: %w", s.what, quiet.Round(time.Second), cluster.Classify(reason))
	}
	if quiet >= s.end {
		return fmt.Errorf("no %s came for %v, though the cluster answers: %s", s.what, s.end, s.hint)
	}
	if quiet >= stallTell && !s.told {
		s.told = true
		fmt.Fprintf(s.talk, "no %s for %v: still waiting, the cluster answers\n", s.what, stallTell)
	}
	return nil
}

// diagnose asks the cluster: a topic that has gone, and a cluster that no broker
// of which can be reached, end the run. One dead broker of several does not.
func (s *stall) diagnose(ctx context.Context, quiet time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	c, err := cluster.Connect(ctx, s.session.look())
	if err != nil {
		if quiet < stallTell-4*time.Second && !errors.Is(err, cluster.ErrNotAllowed) || errors.Is(err, context.Canceled) {
			return nil // it may be on its way back; one that refuses us is there
		}
		return fmt.Errorf("no %s came for %v: %w%s", s.what, quiet.Round(time.Second), err, s.session.logs())
	}
	defer c.Close()
	return s.changedIn(ctx, c)
}

// changed says that the topic is not the one any more that the run began with: a
// client library may go on with a topic made anew under the same name, by itself
// even, and the offsets of the two are no account of one run. What cannot be
// found out at once is no change.
func (s *stall) changed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	return s.changedIn(ctx, s.session.Cluster)
}

func (s *stall) changedIn(ctx context.Context, c *cluster.Cluster) error {
	topic, err := c.DescribeTopic(ctx, s.topic)
	if errors.Is(err, cluster.ErrUnknownTopic) {
		return fmt.Errorf("topic %s was deleted under the run: create it again, and run again", s.topic)
	}
	if err == nil && topic.ID != s.id {
		return fmt.Errorf("topic %s was deleted under the run and created anew: run again", s.topic)
	}
	return nil
}

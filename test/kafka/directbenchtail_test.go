package kafka_test

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkDirectTail reads the end of 2,000 partitions, to which one producer, the same
// for both, writes 50,000 records/s: what a record costs the consumer, and how long it takes
// from when it was due. Ten records go to a partition before it is the turn of the next, as
// with a sticky partitioner: 50,000 batches/s of one record each are more than a broker
// takes on two CPUs, and what is waited for is then the broker alone.
//
//	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$' -bench DirectTail -benchtime 1x -timeout 30m
func BenchmarkDirectTail(b *testing.B) { measure(b, (*scene).measureTail) }

func (s *scene) measureTail() {
	partitions, offered := number(s.tb, "REDLINE_PARTITIONS", 2000), number(s.tb, "REDLINE_RATE", 50_000)
	s.topic("tail", int32(partitions), nil)
	s.where(fmt.Sprintf("%d partitions, 100 B, %d records/s of one franz-go producer, by tens to the next partition, %v", partitions, offered, producing))
	producer := s.begin(job{Work: "offer", Client: "franz", Topic: "tail", Rate: float64(offered), Turn: 10}, nil)
	j := windowed(s.tb, job{Work: "tail", Topic: "tail"})
	s.settle(j)
	d := s.fight("tail", j, nil)
	if err := producer.stdin.Close(); err != nil {
		s.tb.Fatal(err)
	}
	if kept := s.outcome(producer); kept.rate() < 0.98*float64(offered) {
		s.tb.Errorf("the producer kept %.0f records/s of %d that were asked of it: the figures are of another load", kept.rate(), offered)
	}
	d.tell(cost, p99, p50, rate)
}

// settle waits until what is offered is read soon: at first the broker makes the files of
// each partition, and the producer is behind.
func (s *scene) settle(j job) {
	s.tb.Helper()
	const most = 20
	j.Client = "direct"
	for n := range most {
		m := s.outcome(s.begin(j, nil))
		say("  settling, %d: %s", n+1, m)
		if m.P50 < time.Second {
			return
		}
	}
	s.tb.Fatalf("after %d looks records are still read later than a second after they were due", most)
}

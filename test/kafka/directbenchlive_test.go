package kafka_test

import (
	"fmt"
	"testing"
)

// What keeps little of what was written, which nobody reads twice.
var passing = map[string]string{"retention.bytes": "67108864", "segment.bytes": "33554432"}

// liveBound is how many records may be on their way from producer to consumer in the
// closed loop: at a few million a second the time of each is tens of milliseconds, most
// of it spent in the queue that keeps all of them busy.
const liveBound = 100_000

// BenchmarkDirectLive has producer and consumer of one client in one process: as fast as
// it goes with a bounded number of records on their way, and at 200,000 records/s.
//
//	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$' -bench DirectLive -benchtime 1x -timeout 30m
func BenchmarkDirectLive(b *testing.B) { measure(b, (*scene).measureLive) }

func (s *scene) measureLive() {
	s.topic("live", 8, passing)
	bound := number(s.tb, "REDLINE_IN_FLIGHT", liveBound)
	s.where(fmt.Sprintf("8 partitions, 100 B, producer and consumer in one process, %v", producing))
	closed := s.fight("closed loop", windowed(s.tb, job{Work: "live", Topic: "live", Turn: 16, InFlight: int64(bound)}), nil)
	paced := s.fight("200 k/s", windowed(s.tb, job{Work: "live", Topic: "live", Turn: 16, Rate: 200_000}), nil)
	say("closed loop: at most %d records on their way", bound)
	closed.tell(rate, cost, p50, p99)
	paced.tell(p50, p99, cost)
}

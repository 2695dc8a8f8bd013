package kafka_test

import (
	"testing"
	"time"
)

// BenchmarkDirectGroup reads a backlog as a member of a group, which commits, and as who was
// assigned all partitions; each reads the whole topic once.
//
//	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$' -bench DirectGroup -benchtime 1x -timeout 30m
func BenchmarkDirectGroup(b *testing.B) { measure(b, (*scene).measureGroup) }

func (s *scene) measureGroup() {
	s.topic("group", 8, nil)
	s.fill("group", number(s.tb, "REDLINE_RECORDS", 60_000_000))
	s.where("8 partitions, 100 B, direct")
	window := span(s.tb, "REDLINE_WINDOW", time.Second)
	assigned := job{Work: "once", Client: "direct", Topic: "group", Warmup: window / 4, Window: window}
	member := assigned
	member.Group = "direct"
	d := s.alternate(duel{name: "group", a: "group", b: "assigned"}, member, assigned, nil)
	d.agree(s.tb)
	d.tell(rate, cost, peak)
}

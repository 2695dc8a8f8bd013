package kafka_test

import (
	"testing"
	"time"
)

// BenchmarkDirectGroup reads a backlog as a member of a group, which commits, and as who was
// assigned all partitions; each reads the whole topic once.
//
//	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$' -bench DirectGroup -benchtime 1x -timeout 30m
func BenchmarkDirectGroup(b *testing.B) {
	s := newScene(b)
	s.topic("group", 8, nil)
	s.fill("group", number(b, "REDLINE_RECORDS", 60_000_000))
	for b.Loop() {
		s.where("8 partitions, 100 B, direct")
		assigned := job{Work: "once", Client: "direct", Topic: "group", Warmup: 300 * time.Millisecond, Window: span(b, "REDLINE_WINDOW", time.Second)}
		member := assigned
		member.Group = "direct"
		d := s.alternate(duel{name: "group", a: "group", b: "assigned"}, member, assigned, nil)
		d.agree(b)
		d.tell(rate, cost, peak)
		b.ReportMetric(0, "ns/op")
	}
}

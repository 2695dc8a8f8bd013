package kafka_test

import (
	"fmt"
	"strings"
	"testing"

	"redline/internal/broker"
	"redline/result"
)

// loop is the article's loop with n partitions and consumers, bounded.
func loop(t *testing.T, b *broker.Broker, topic string, n, records int, client ...string) {
	t.Helper()
	run(t, b, "topic", "create", "--topic", topic, "--partitions", fmt.Sprint(n))
	produced := decode[result.ProduceReport](t, run(t, b, append([]string{
		"produce", "--topic", topic, "--num-records", fmt.Sprint(records), "--threads", "2", "-o", "json"}, client...)...))
	if produced.Account.Acked != int64(records) || produced.Account.Books == nil || !produced.Account.Books.Balanced {
		t.Fatalf("produce: %+v", produced.Account)
	}
	consumed := decode[result.ConsumeReport](t, run(t, b, append([]string{
		"consume", "--topic", topic, "--consumers", fmt.Sprint(n), "--group", topic, "--until-end", "-o", "json"}, client...)...))
	a := consumed.Account
	if a.Once != int64(records) || a.Lost+a.Duplicated+a.Corrupt+a.Reordered+a.Foreign+a.Unread != 0 || !a.Books.Balanced {
		t.Fatalf("consume: %+v", a)
	}
	for _, line := range strings.Split(run(t, b, "group", "describe", "--group", topic), "\n") {
		if fields := strings.Fields(line); len(fields) == 9 && fields[0] == topic && fields[5] != "0" {
			t.Errorf("lag is left: %s", line)
		}
	}
}

// Every client goes through the loop, several at once; then, alone, the broker's limit is
// looked for.
func TestLoopOnKafka(t *testing.T) {
	b := start(t, broker.Config{})
	t.Run("clients", func(t *testing.T) {
		for _, client := range []string{"franz", "confluent", "sarama", "segmentio"} {
			for _, profile := range []string{"tuned", "defaults"} {
				name := client + "-" + profile
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					loop(t, b, "loop-"+name, 3, 100_000, "--client", client, "--profile", profile)
				})
			}
		}
	})
	t.Run("limit", func(t *testing.T) {
		report := decode[result.LimitReport](t, run(t, b, "limit", "-b", b.Addrs()[0], "--time", "15s", "-o", "json"))
		if report.Limit.Consume == nil || report.Limit.Produce == nil || report.Limit.Consume.RecordsPerSecond.N < 8 {
			t.Errorf("%+v", report)
		}
		if left := run(t, b, "topic", "list"); strings.Contains(left, "redline-") {
			t.Errorf("topics are left over: %s", left)
		}
	})
	t.Run("limit of a topic writes and commits nothing", func(t *testing.T) {
		before := run(t, b, "topic", "list") + run(t, b, "group", "list")
		report := decode[result.LimitReport](t, run(t, b, "limit", "-b", b.Addrs()[0], "--topic", "loop-franz-tuned", "--time", "15s", "-o", "json"))
		if report.Limit.Produce != nil || report.Limit.Consume == nil || report.Account.Acked != 0 {
			t.Errorf("%+v", report)
		}
		if after := run(t, b, "topic", "list") + run(t, b, "group", "list"); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

func TestLoopOnKafka39(t *testing.T) {
	beside(t)
	loop(t, start(t, broker.Config{Version: "3.9.2"}), "loop39", 2, 100_000)
}

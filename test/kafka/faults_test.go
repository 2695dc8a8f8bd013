package kafka_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"redline/internal/broker"
	"redline/result"
)

// TestKillOfOneNodeLosesNothing kills a node of three with SIGKILL while records
// are written, and another time while they are read.
func TestKillOfOneNodeLosesNothing(t *testing.T) {
	beside(t)
	b := start(t, broker.Config{Nodes: 3})
	run(t, b, "topic", "create", "--topic", "safe", "--partitions", "6")

	produced := produceOverAKill(t, b, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := b.Restart(ctx, 1); err != nil {
		t.Fatal(err)
	}
	awaitInSync(t, b, "safe")

	// The consumer follows a paced producer, so that the kill meets it at work however
	// fast the machine reads.
	consumer := begin(t, b, "consume", "--topic", "safe", "--group", "safe", "--consumers", "2", "--duration", "30s", "-o", "json")
	await(t, "a first line of consume", func() bool { return strings.Contains(consumer.talk(), "Messages/sec") })
	followed := produceOverAKill(t, b, 2)
	consumer.end(t, 0)
	consumed := decode[result.ConsumeReport](t, consumer.out())
	a, acked := consumed.Account, produced.Account.Acked+followed.Account.Acked
	if a.Once != acked || a.Lost+a.Duplicated+a.Corrupt+a.Unread != 0 {
		t.Errorf("consume: of %d acked: %+v", acked, a)
	}
	t.Logf("produce: %d acked, longest wait %.0f and %.0f ms; consume: %d once, %d redelivered, %d lost, %d duplicated, %d errors gone on from, %.1f s",
		acked, produced.Latency.Max, followed.Latency.Max, a.Once, a.Redelivered, a.Lost, a.Duplicated, consumed.Errors, consumed.WallSeconds)
}

// produceOverAKill writes at a steady pace and kills a node in the middle of it. Every
// record has to be acknowledged, and one at least to have waited for the fault.
func produceOverAKill(t *testing.T, b *broker.Broker, node int) result.ProduceReport {
	t.Helper()
	const records, rate = 300_000, 60_000
	producer := begin(t, b, "produce", "--topic", "safe", "--num-records", fmt.Sprint(records),
		"--throughput", fmt.Sprint(rate), "--reporting-interval", "500", "-o", "json")
	await(t, "a first line of produce", func() bool { return strings.Contains(producer.talk(), "records sent") })
	if err := b.Kill(node); err != nil {
		t.Fatal(err)
	}
	producer.end(t, 0)
	produced := decode[result.ProduceReport](t, producer.out())
	if produced.Account.Acked != records || produced.Account.Failed+produced.Account.Indeterminate != 0 {
		t.Fatalf("produce: %+v", produced.Account)
	}
	if produced.Latency.Max < 100 {
		t.Errorf("no record waited over 100 ms (max %.0f ms): the fault did not bite", produced.Latency.Max)
	}
	return produced
}

// awaitInSync waits until every partition has all its replicas in sync.
func awaitInSync(t *testing.T, b *broker.Broker, topic string) {
	t.Helper()
	await(t, "all replicas in sync", func() bool {
		for _, line := range strings.Split(run(t, b, "topic", "describe", "--topic", topic), "\n") {
			if _, isr, ok := strings.Cut(line, "Isr: "); ok && strings.Count(strings.Fields(isr)[0], ",") != 2 {
				return false
			}
		}
		return true
	})
}

// TestTopicDeletedUnderTheRun wants a sentence, not a hang.
func TestTopicDeletedUnderTheRun(t *testing.T) {
	beside(t)
	b := start(t, broker.Config{})
	for _, tt := range []struct {
		topic, first string // and the first sign that the command is at work on it
		args         []string
	}{
		{"gone-consumed", "Total: 1000", []string{"consume", "--group", "gone"}},
		{"gone-produced", "records sent", []string{"produce", "--num-records", "100000000", "--throughput", "5000", "--reporting-interval", "500"}},
	} {
		t.Run(tt.topic, func(t *testing.T) {
			run(t, b, "topic", "create", "--topic", tt.topic, "--partitions", "2")
			run(t, b, "produce", "--topic", tt.topic, "--num-records", "1000")
			c := begin(t, b, append(tt.args, "--topic", tt.topic)...)
			await(t, "a line of "+tt.args[0], func() bool { return strings.Contains(c.out(), tt.first) })
			run(t, b, "topic", "delete", "--topic", tt.topic)
			began := time.Now()
			c.end(t, 1)
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("it ended %v after its topic", took)
			}
			if !strings.Contains(c.talk(), tt.topic) {
				t.Error(c.talk())
			}
		})
	}
}

// TestDiskFull leaves a broker 40 MiB of a tmpfs and writes more than that.
func TestDiskFull(t *testing.T) {
	beside(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a small tmpfs")
	}
	folder := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=1100m", "tmpfs", folder).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a tmpfs here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.Background(), "umount", "-l", folder).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	b := start(t, broker.Config{DataDir: folder, Properties: map[string]string{"log.retention.bytes": "-1"}})
	if b.Storage() != "tmpfs" {
		t.Errorf("storage %q", b.Storage())
	}
	// Leave the broker 40 MiB.
	filler := filepath.Join(folder, "filler")
	if err := os.WriteFile(filler, make([]byte, 1050<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, b, "topic", "create", "--topic", "full", "--partitions", "1")
	c := begin(t, b, "produce", "--topic", "full", "--num-records", "2000000", "-X", "delivery.timeout.ms=8000")
	began := time.Now()
	c.end(t, 4) // a broker whose only disk is full stops
	t.Logf("ended after %.1f s: %s", time.Since(began).Seconds(), lastLine(c.talk()))
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	if !strings.Contains(c.talk(), "not acknowledged") {
		t.Errorf("it does not say what became of the records: %s", c.talk())
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

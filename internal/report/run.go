package report

import (
	"fmt"
	"slices"
	"strings"

	"redline/internal/term"
	"redline/result"
)

// Consumed gives the final statistics of a consume: the article's lines first,
// then what it lacked.
func Consumed(r result.ConsumeReport) []string {
	lines := []string{
		"Final Statistics:",
		fmt.Sprintf("  Total messages consumed: %d", r.Records),
		fmt.Sprintf("  Total errors: %d", r.Errors),
		"  Consumer group: " + r.Group,
	}
	say := func(format string, args ...any) { lines = append(lines, "  "+fmt.Sprintf(format, args...)) }
	if r.Records > 0 {
		say("First record after: %.1f s (joining the group, first fetch)", r.FirstRecordSeconds)
		say("%s", steady(r))
	}
	if r.RecordsPerFetch > 0 {
		say("Records per fetch: %s", digits(r.RecordsPerFetch, 3))
	}
	if r.Rebalances > 0 {
		say("Rebalances: %d", r.Rebalances)
	}
	say("Account: %s", Account(r.Account))
	for _, line := range Usage(r.Usage, r.Records) {
		say("%s", line)
	}
	say("Client: %s, %s, %d consumer%s", r.Client.Version, r.Client.Profile, r.Client.Instances, plural(r.Client.Instances))
	say("Kafka: %s", kafkaName(r.Environment))
	return lines
}

// shortest is the span below which a rate says more about where the samples fell
// than about the client, in seconds.
const shortest = 0.4

func steady(r result.ConsumeReport) string {
	s := r.Steady
	span := s.ToSeconds - s.FromSeconds
	if s.Cut == "whole" && span < shortest {
		return fmt.Sprintf("Rate: too short to say (%s records within %.1f s)", term.Count(s.Records), max(0.1, span))
	}
	rate := fmt.Sprintf("%s msg/sec, %s MB/s", term.Rate(s.RecordsPerSecond), digits(s.MegabytesPerSecond, 3))
	switch s.Cut {
	case "bursts":
		return fmt.Sprintf("Rate: %s over %.1f s, from burst to burst (the client pauses between)", rate, span)
	case "whole":
		return fmt.Sprintf("Rate: %s from the first record to the last (%.1f s; it never settled)", rate, span)
	}
	return fmt.Sprintf("Steady rate: %s over %.1f s (warm-up of %.1f s apart)",
		rate, span, s.FromSeconds-max(0, r.FirstRecordSeconds))
}

// Sent gives what a produce came to, beside the perf-test lines.
func Sent(r result.ProduceReport) []string {
	lines := []string{"Account: " + Account(r.Account)}
	reasons := make([]string, 0, len(r.Errors))
	for reason, n := range r.Errors {
		reasons = append(reasons, fmt.Sprintf("not acknowledged: %s records: %s", term.Count(n), reason))
	}
	slices.Sort(reasons)
	lines = append(lines, reasons...)
	lines = append(lines, Usage(r.Usage, r.Records)...)
	lines = append(lines, "Client: "+r.Client.Version+", "+r.Client.Profile+", "+settings(r.Client.Settings))
	if r.Environment.Kafka != "" {
		lines = append(lines, "Kafka: "+kafkaName(r.Environment))
	}
	return lines
}

// settings names those that decide how fast producing goes.
func settings(all map[string]string) string {
	var parts []string
	for _, key := range []string{"acks", "enable.idempotence", "linger.ms", "batch.size", "compression.type", "max.in.flight.requests.per.connection"} {
		if v, ok := all[key]; ok {
			parts = append(parts, key+"="+v)
		}
	}
	return strings.Join(parts, " ")
}

package report

import (
	"fmt"
	"time"

	"redline/internal/latency"
)

// mebibyte is the MB of Kafka's own tools.
const mebibyte = 1024 * 1024

// PerfWindow is the line that kafka-producer-perf-test prints while it runs:
// what was acknowledged in elapsed.
func PerfWindow(records, bytes int64, elapsed, sum, longest time.Duration) string {
	return fmt.Sprintf("%d records sent, %.1f records/sec (%.2f MB/sec), %.1f ms avg latency, %.1f ms max latency.",
		records, float64(records)/elapsed.Seconds(), float64(bytes)/elapsed.Seconds()/mebibyte,
		mean(sum, records), ms(longest))
}

// PerfTotal is the last line of kafka-producer-perf-test in the form of Kafka
// 4.1. phase is "" or " steady state".
func PerfTotal(phase string, records, bytes int64, elapsed, sum time.Duration, h *latency.Histogram) string {
	if elapsed <= 0 {
		elapsed = time.Millisecond
	}
	return fmt.Sprintf("%d%s records sent, %.1f records/sec (%.2f MB/sec), %.2f ms avg latency, %.2f ms max latency, %d ms 50th, %d ms 95th, %d ms 99th, %d ms 99.9th.",
		records, phase, float64(records)/elapsed.Seconds(), float64(bytes)/elapsed.Seconds()/mebibyte,
		mean(sum, records), ms(h.Max()),
		h.Quantile(0.5).Milliseconds(), h.Quantile(0.95).Milliseconds(), h.Quantile(0.99).Milliseconds(), h.Quantile(0.999).Milliseconds())
}

func mean(sum time.Duration, n int64) float64 {
	if n == 0 {
		return 0
	}
	return ms(sum) / float64(n)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"redline/internal/latency"
	"redline/result"
)

var update = flag.Bool("update", false, "write golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
	}
}

func estimate(low, median, high float64) result.Estimate {
	return result.Estimate{Low: low, Median: median, High: high, Confidence: 0.992, N: 8}
}

func exampleLimit() result.LimitReport {
	usage := result.Usage{Wall: 8 * time.Second, CPUs: 2, ClientCPU: 5.5, BrokerCPU: 10.3, HostCPU: 15.8, StealCPU: 0.1,
		ClientPeakRSS: 120 << 20, BrokerPeakRSS: 1300 << 20, GCShare: 0.081, WireRead: 4 << 30, WireWritten: 1 << 20}
	return result.LimitReport{
		Header: result.Header{Warnings: []string{"the embedded broker is kfake, not Apache Kafka: its limit is not Kafka's. On real Kafka: redline limit --kafka local"}},
		Limit: result.Limit{
			Consume: &result.Reached{Client: "franz", RecordsPerSecond: estimate(4.1e6, 4.72e6, 5.0e6),
				MegabytesPerSecond: estimate(410, 472, 500), CPUNsPerRecord: estimate(110, 118.4, 130), Rewinds: 3,
				Settings: result.ClientSetting{Connections: 2, Properties: map[string]string{"fetch.max.bytes": "4194304", "max.partition.fetch.bytes": "1048576"}},
				RunnerUp: &result.RunnerUp{Settings: result.ClientSetting{Connections: 1, Properties: map[string]string{"fetch.max.bytes": "1048576"}}, Ratio: estimate(0.81, 0.84, 0.9)}},
			Produce: &result.Reached{Client: "franz", RecordsPerSecond: estimate(3.0e6, 3.1e6, 3.2e6),
				MegabytesPerSecond: estimate(300, 310, 320), CPUNsPerRecord: estimate(270, 279, 290),
				Settings: result.ClientSetting{Connections: 1, Properties: map[string]string{"acks": "all", "batch.size": "1000000", "linger.ms": "5"}},
				RunnerUp: &result.RunnerUp{Settings: result.ClientSetting{Connections: 2}, Ratio: estimate(0.95, 0.99, 1.02)}},
		},
		Usage:   result.LimitUsage{Consume: &usage, Produce: &usage},
		Account: result.Account{Acked: 60_000_000, Once: 80_000_000},
	}
}

func TestLimitReadsLikeThis(t *testing.T) {
	var b bytes.Buffer
	head := LimitHead(result.Environment{Kafka: "embedded broker (kfake, not Apache Kafka)", Nodes: 1, CPUs: 2, Storage: "memory"},
		result.Workload{RecordBytes: 100, Partitions: 8})
	b.WriteString(head + "\n")
	Limit(&b, exampleLimit())
	golden(t, "limit.txt", b.String())
	for _, line := range strings.Split(b.String(), "\n") {
		if utf8.RuneCountInString(line) > 80 {
			t.Errorf("wider than 80 columns: %q", line)
		}
	}
}

func TestLimitWithTooFewRoundsClaimsNoInterval(t *testing.T) {
	r := exampleLimit()
	r.Limit.Produce = nil
	r.Limit.Consume.RecordsPerSecond = result.Estimate{Low: 1, Median: 1, High: 1, N: 3}
	r.Limit.Consume.RunnerUp.Ratio = result.Estimate{Median: 1, N: 3}
	var b bytes.Buffer
	Limit(&b, r)
	if !strings.Contains(b.String(), "n=3, no interval") || !strings.Contains(b.String(), "could not tell a difference") {
		t.Error(b.String())
	}
}

func TestConsumeEndsLikeThis(t *testing.T) {
	r := result.ConsumeReport{
		Header: result.Header{Environment: result.Environment{Kafka: "Apache Kafka 4.3.1", Nodes: 1, Storage: "disk (ext4)"}},
		Topic:  "test-topic", Group: "t4", Records: 3_000_000, Bytes: 300_000_000, FirstRecordSeconds: 3.1,
		Client:          result.Client{Version: "franz-go v1.22.3", Profile: "tuned", Instances: 4},
		Steady:          result.Rate{FromSeconds: 3.6, ToSeconds: 4.2, Records: 2_500_000, RecordsPerSecond: 4_166_666, MegabytesPerSecond: 416.7, Cut: "settled"},
		RecordsPerFetch: 9412.3, Rebalances: 3,
		Account: result.Account{Once: 3_000_000, Redelivered: 12, Books: &result.Books{Offsets: 3_000_000, Records: 3_000_000, Balanced: true}},
		Usage: result.Usage{Wall: time.Second, CPUs: 2, ClientCPU: 0.7, BrokerCPU: -1, HostCPU: 1.9, StealCPU: 0.02,
			ClientPeakRSS: 111 << 20, GCShare: 0.137, WireRead: 417 << 20, WireWritten: 24 << 10, Missing: []string{"broker CPU (not ours)"}},
	}
	golden(t, "consume.txt", strings.Join(Consumed(r), "\n")+"\n")
	r.Steady.Cut = "whole"
	if text := strings.Join(Consumed(r), "\n"); !strings.Contains(text, "it never settled") {
		t.Error(text)
	}
}

func TestPerfTestLinesAreKafkas(t *testing.T) {
	var recorder latency.Recorder
	for range 1000 {
		recorder.Observe(20 * time.Millisecond)
	}
	recorder.Observe(250 * time.Millisecond)
	got := PerfTotal("", 1_000_000, 100_000_000, 1177*time.Millisecond, 189_720*time.Second, recorder.Read())
	want := "1000000 records sent, 849617.7 records/sec (81.03 MB/sec), 189.72 ms avg latency, 250.00 ms max latency, 20 ms 50th, 20 ms 95th, 20 ms 99th, 20 ms 99.9th."
	if got != want {
		t.Errorf("\n%s\n%s", got, want)
	}
	got = PerfWindow(9_984_679, 998_467_900, 5*time.Second, 3_993_871*time.Millisecond, 137*time.Millisecond)
	want = "9984679 records sent, 1996935.8 records/sec (190.44 MB/sec), 0.4 ms avg latency, 137.0 ms max latency."
	if got != want {
		t.Errorf("\n%s\n%s", got, want)
	}
	if got := PerfTotal("", 0, 0, 0, 0, latency.Empty()); !strings.HasPrefix(got, "0 records sent, 0.0 records/sec") {
		t.Error(got)
	}
}

func TestDigitsBearNoMoreThanAsked(t *testing.T) {
	for _, c := range []struct {
		v    float64
		n    int
		want string
	}{{0, 3, "0"}, {118.4, 3, "118"}, {9.876, 3, "9.88"}, {0.01234, 2, "0.012"}, {27522.9, 3, "27500"}, {999.6, 3, "1000"}} {
		if got := digits(c.v, c.n); got != c.want {
			t.Errorf("digits(%v, %d) = %s, want %s", c.v, c.n, got, c.want)
		}
	}
}

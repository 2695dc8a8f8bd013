package monitor

import (
	"maps"
	"runtime"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// desc is a metric with the labels it has beside run and role.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("redline_"+name, help, append([]string{"run", "role"}, labels...), nil)
}

var (
	buildInfo = prometheus.NewDesc("redline_build_info", "The redline that runs; always 1.", []string{"version", "commit", "goversion"}, nil)
	runInfo   = desc("run_info", "Settings of the run; always 1. Join by run.", "topic", "group", "client", "cluster_id", "acks", "compression", "profile")

	producedRecords = desc("produced_records_total", "Records acknowledged by the broker.", "topic", "client")
	producedBytes   = desc("produced_bytes_total", "Bytes of key, value and headers of acknowledged records.", "topic", "client")
	produceErrors   = desc("produce_errors_total", "Records not acknowledged, by error.", "error")
	produceLatency  = desc("produce_latency_seconds", "Time from the intended send to the acknowledgement.", "topic", "client")

	consumedRecords = desc("consumed_records_total", "Records decoded, each once.", "topic", "group", "client")
	consumedBytes   = desc("consumed_bytes_total", "Bytes of key, value and headers of decoded records.", "topic", "group", "client")
	consumeErrors   = desc("consume_errors_total", "Errors while consuming, by error.", "error")
	endToEnd        = desc("end_to_end_latency_seconds", "Time from the intended send to decoded by a consumer.", "topic", "group", "client")
	consumerLag     = desc("consumer_lag_records", "End offsets minus what was consumed.", "topic", "group")
	rebalances      = desc("group_rebalances_total", "Rebalances of the group that our members saw.", "group")

	lost       = desc("records_lost_total", "Records below the highest one seen that never came.")
	duplicated = desc("records_duplicated_total", "Records that the producer wrote twice.")
	reordered  = desc("records_reordered_total", "Records that came after a later one of their producer and partition.")

	requests    = desc("requests_total", "Requests to brokers.", "api")
	wireRead    = desc("broker_read_bytes_total", "Bytes read from broker connections.")
	wireWritten = desc("broker_written_bytes_total", "Bytes written to broker connections.")
	throttled   = desc("request_throttled_seconds_total", "Time that brokers told us to wait.")
)

// collector turns a snapshot into metrics at each scrape.
type collector struct {
	run, version, commit string
	source               Source
}

var _ prometheus.Collector = (*collector)(nil)

// Describe names every metric there may be, so that the registry can refuse what
// does not agree.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		buildInfo, runInfo,
		producedRecords, producedBytes, produceErrors, produceLatency,
		consumedRecords, consumedBytes, consumeErrors, endToEnd, consumerLag, rebalances,
		lost, duplicated, reordered,
		requests, wireRead, wireWritten, throttled,
	} {
		out <- d
	}
}

// Collect asks the source once.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.source.Snapshot()
	e := emitter{out: out, common: []string{text(c.run), text(s.Role)}}
	out <- prometheus.MustNewConstMetric(buildInfo, prometheus.GaugeValue, 1, c.version, c.commit, runtime.Version())
	e.gauge(runInfo, 1, s.Topic, s.Group, s.Client, s.ClusterID, s.Acks, s.Compression, s.Profile)
	if s.Role != Consume {
		e.produced(s)
	}
	if s.Role != Produce {
		e.consumed(s)
	}
	e.wire(s)
}

// emitter writes metrics that share run and role.
type emitter struct {
	out    chan<- prometheus.Metric
	common []string
}

func (e emitter) produced(s Snapshot) {
	e.counter(producedRecords, float64(s.ProducedRecords), s.Topic, s.Client)
	e.counter(producedBytes, float64(s.ProducedBytes), s.Topic, s.Client)
	e.byName(produceErrors, s.ProduceErrors)
	if s.ProduceLatency != nil {
		e.out <- newHistogram(produceLatency, s.ProduceLatency, e.labels(s.Topic, s.Client))
	}
}

func (e emitter) consumed(s Snapshot) {
	e.counter(consumedRecords, float64(s.ConsumedRecords), s.Topic, s.Group, s.Client)
	e.counter(consumedBytes, float64(s.ConsumedBytes), s.Topic, s.Group, s.Client)
	e.byName(consumeErrors, s.ConsumeErrors)
	if s.EndToEnd != nil {
		e.out <- newHistogram(endToEnd, s.EndToEnd, e.labels(s.Topic, s.Group, s.Client))
	}
	if s.Lag >= 0 {
		e.gauge(consumerLag, float64(s.Lag), s.Topic, s.Group)
	}
	e.counter(rebalances, float64(s.Rebalances), s.Group)
	e.counter(lost, float64(s.Lost))
	e.counter(duplicated, float64(s.Duplicated))
	e.counter(reordered, float64(s.Reordered))
}

func (e emitter) wire(s Snapshot) {
	e.byName(requests, s.Requests)
	if s.WireRead >= 0 {
		e.counter(wireRead, float64(s.WireRead))
	}
	if s.WireWritten >= 0 {
		e.counter(wireWritten, float64(s.WireWritten))
	}
	e.counter(throttled, s.Throttled.Seconds())
}

func (e emitter) byName(d *prometheus.Desc, counts map[string]int64) {
	sums := make(map[string]int64, len(counts))
	for name, n := range counts {
		sums[text(name)] += n
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		e.counter(d, float64(sums[name]), name)
	}
}

func (e emitter) counter(d *prometheus.Desc, v float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, e.labels(labels...)...)
}

func (e emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, e.labels(labels...)...)
}

func (e emitter) labels(more ...string) []string {
	all := slices.Clone(e.common)
	for _, v := range more {
		all = append(all, text(v))
	}
	return all
}

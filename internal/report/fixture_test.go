package report

import (
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"time"

	"redline/internal/stats"
	"redline/result"
)

// began is when all that is invented here began.
var began = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// invented makes reports as an experiment would: the same ones every time.
type invented struct {
	rng    *rand.Rand
	report result.ExperimentReport
	// compared says which rows are held against the arm that their plan names; nil for
	// each with the first.
	compared func(result.Row) bool
}

func invent(name, question, answer string, rounds int, axes ...result.Axis) *invented {
	environment := result.Environment{
		Redline: "0.2.0", Go: "go1.26.8", OS: "linux/amd64", CPUs: 2, CPU: "AMD EPYC 7B13", Kernel: "6.1.0", Memory: 24 << 30,
		Kafka: "Apache Kafka 4.3.1", Nodes: 1, Storage: "disk (ext4)", ClusterID: "4L6g3nShT-eMCtK--X86sw",
		Clients: map[string]string{"confluent": "confluent-kafka-go v2.11.1 (librdkafka 2.11.1)", "franz": "franz-go v1.22.3"},
	}
	return &invented{rng: rand.New(rand.NewPCG(1, 2)), report: result.ExperimentReport{
		Header: result.Header{Schema: result.ExperimentSchema, Version: "0.2.0", Warnings: []string{}, Environment: environment},
		Run:    "20261124-120000-" + name, Name: name, Question: question, Answer: answer,
		Plan: result.Plan{
			Schema: result.PlanSchema, Run: "20261124-120000-" + name, Name: name, Question: question, Kind: result.Rounds, Created: began,
			Seed: 7, Kafka: "local", Command: []string{"run", name}, Axes: axes, Combine: "product", Rounds: rounds,
			RoundsWhy: "5 comparisons need at least 8 pairs for p < 0.05 after Holm, and 2 are spare",
			Timing:    result.Timing{Settle: 30 * time.Second, Warmup: 3 * time.Second, Window: 10 * time.Second},
			FillBytes: 400e6, Margin: 0.03, Seconds: 1100, Disk: 1_200_000_000,
		},
		Sessions: []result.Session{{Began: began, Environment: environment}},
	}}
}

func setting(consumers, partitions int) result.Setting {
	return result.Setting{Instances: consumers, Partitions: partitions, RecordBytes: 100, Payload: "random", Keys: "none",
		Compression: "none", Acks: "all", Handler: "none"}
}

// arm adds an arm and the trials that it came to, around a rate.
func (f *invented) arm(a result.Arm, rate, noise, clientCPU, brokerCPU float64) {
	r := result.Row{Arm: a, InForce: map[string]string{"auto.offset.reset": "earliest", "fetch.min.bytes": "1",
		"consumers": strconv.Itoa(a.Setting.Instances)}, Warnings: []string{}}
	f.report.Plan.Arms = append(f.report.Plan.Arms, a)
	for round := range f.report.Plan.Rounds {
		r.Trials = append(r.Trials, f.trial(round, rate*math.Exp(noise*f.rng.NormFloat64()), clientCPU))
	}
	r.Usage = result.Usage{Wall: 100 * time.Second, CPUs: 2, ClientCPU: 100 * clientCPU, BrokerCPU: 100 * brokerCPU, HostCPU: 100 * (clientCPU + brokerCPU + 0.05)}
	f.report.Rows = append(f.report.Rows, r)
	f.settle(len(f.report.Rows)-1, clientCPU, brokerCPU)
}

func (f *invented) trial(round int, rate, clientCPU float64) result.RowTrial {
	t := result.RowTrial{
		Number: round, Attempt: 1, Round: round, RecordsPerSecond: rate, MegabytesPerSecond: rate * 1e-4, CPUNsPerRecord: 1e9 * clientCPU / rate,
		WarmupSeconds: 3 + math.Round(f.rng.Float64()*10)/10, WindowSeconds: 10, Cut: "settled", BinSeconds: 1,
		Conditions: result.Conditions{Steal: 0.001, Foreign: 0.02, CanaryBefore: 1, CanaryAfter: 1.01, Settled: true},
	}
	for at := 0.0; at < t.WarmupSeconds+10; at += t.BinSeconds {
		joining := 1 - math.Exp(-max(0, at-1))
		t.Rates = append(t.Rates, math.Round(rate*joining*math.Exp(0.04*f.rng.NormFloat64())))
	}
	return t
}

// settle computes a row's figures from its trials.
func (f *invented) settle(i int, clientCPU, brokerCPU float64) {
	r := &f.report.Rows[i]
	over := func(of func(result.RowTrial) float64) result.Estimate {
		var values []float64
		for _, t := range counting(*r) {
			values = append(values, of(t))
		}
		return stats.Median(values)
	}
	instances := float64(r.Setting.Instances)
	r.RecordsPerSecond = over(func(t result.RowTrial) float64 { return t.RecordsPerSecond })
	r.PerInstance = over(func(t result.RowTrial) float64 { return t.RecordsPerSecond / instances })
	r.MegabytesPerSecond = over(func(t result.RowTrial) float64 { return t.MegabytesPerSecond })
	r.CPUNsPerRecord = over(func(t result.RowTrial) float64 { return t.CPUNsPerRecord })
	r.ClientCPUs = over(func(t result.RowTrial) float64 { return clientCPU })
	r.BrokerCPUs = over(func(t result.RowTrial) float64 { return brokerCPU })
	r.CPUsBusy = over(func(t result.RowTrial) float64 { return clientCPU + brokerCPU + 0.05 })
}

// last is the row that was added last.
func (f *invented) last() *result.Row { return &f.report.Rows[len(f.report.Rows)-1] }

// cannot adds an arm that is not tried.
func (f *invented) cannot(a result.Arm, why string) {
	a.Cannot, a.Against = why, -1
	f.report.Plan.Arms = append(f.report.Plan.Arms, a)
	f.report.Rows = append(f.report.Rows, result.Row{Arm: a, InForce: map[string]string{}, Warnings: []string{}, Trials: []result.RowTrial{},
		RecordsPerSecond: stats.Median(nil)})
}

// waiting fills in where the time of the last row went: fetches (or produce requests)
// per second, the shares of the time of its connections, and its busiest thread.
// Negative figures are not known.
func (f *invented) waiting(perSecond float64, connections int64, waited, received, idle, thread float64) {
	r := f.last()
	wall := r.Usage.Wall.Seconds()
	of := func(v, by float64) float64 {
		if v < 0 {
			return -1
		}
		return v * by
	}
	all := float64(connections) * wall
	requests := int64(of(perSecond, wall))
	r.Waiting = &result.Waiting{Requests: requests, Fetches: requests, Produces: -1, Connections: connections,
		WaitedSeconds: of(waited, all), ReceivedSeconds: of(received, all), IdleSeconds: of(idle, all), BusiestThread: thread}
	bytes := int64(r.MegabytesPerSecond.Median * 1.12e6 * wall)
	r.Usage.GCShare, r.Usage.WireRead, r.Usage.WireWritten = 0.08, bytes, bytes/1000
	if r.Workload == result.Produce {
		r.Waiting.Fetches, r.Waiting.Produces = 0, requests
		r.Waiting.Connections, r.Waiting.WaitedSeconds, r.Waiting.ReceivedSeconds, r.Waiting.IdleSeconds = -1, -1, -1, -1
		r.Usage.WireRead, r.Usage.WireWritten = bytes/1000, bytes
	}
}

// done labels the rows, compares each with the one that it is held against, else with
// the first of its workload, and counts.
func (f *invented) done() result.ExperimentReport {
	r := &f.report
	for i, label := range result.Labels(r.Plan.Arms) {
		r.Rows[i].Label = label
	}
	var p []float64
	for _, rows := range byWorkload(r.Rows) {
		for _, a := range rows[1:] {
			if a.RecordsPerSecond.N == 0 || f.compared != nil && !f.compared(a.Row) {
				continue
			}
			rows := rows
			if f.compared != nil {
				rows = []row{{r.Rows[a.Against], a.Against}}
			}
			ratio := stats.Paired(ratesOf(a.Row), ratesOf(rows[0].Row)).Ratio
			r.Comparisons = append(r.Comparisons, result.Comparison{A: a.Label, B: rows[0].Label, ArmA: a.Index, ArmB: rows[0].Index,
				Measure: a.Workload + ".records_per_second", Ratio: ratio, Paired: true, P: 0.002, Margin: 0.03})
			p = append(p, 0.002)
		}
	}
	for i, adjusted := range stats.Holm(p) {
		r.Comparisons[i].Adjusted = adjusted
		r.Comparisons[i].Verdict = stats.Verdict(r.Comparisons[i].Ratio, adjusted, 0.03)
	}
	for round := range r.Plan.Rounds {
		for _, i := range f.rng.Perm(len(r.Rows)) {
			if r.Rows[i].Cannot != "" {
				continue
			}
			r.Plan.Trials = append(r.Plan.Trials, result.Planned{Arm: i, Round: round})
		}
	}
	for _, row := range r.Rows {
		r.Finished += len(counting(row))
	}
	r.Planned = len(r.Plan.Trials)
	r.Account = result.Account{Once: 412_345_678, Redelivered: 12}
	return *r
}

func ratesOf(r result.Row) []float64 {
	var all []float64
	for _, t := range counting(r) {
		all = append(all, t.RecordsPerSecond)
	}
	return all
}

// seedReport is the article's question, with a law and its figures beside.
func seedReport() result.ExperimentReport {
	values := []string{"1", "2", "3", "4", "6", "8"}
	f := invent("seed", "How does throughput grow with the number of consumers, each with a partition of its own?",
		"Consuming goes from 121 k records/s with one consumer to 688 k with eight. It grows in proportion up to 3 consumers; beyond, a law with contention fits the points best.",
		10, result.Axis{Name: "consumers", Values: values}, result.Axis{Name: "partitions", Values: values})
	f.report.Plan.Combine = "zip"
	article := map[string]float64{"1": 125e3, "2": 240e3, "4": 430e3, "8": 909e3}
	var points, curve []result.Point
	law := func(n float64) float64 { return 122e3 * n / (1 + 0.06*(n-1)) }
	for _, v := range values {
		n, _ := strconv.Atoi(v)
		a := result.Arm{Workload: result.Consume, Client: "confluent", Profile: "defaults", Setting: setting(n, n), Against: min(0, n-2),
			Values: map[string]string{"consumers": v, "partitions": v}}
		if rate, found := article[v]; found {
			a.Published = &result.Published{RecordsPerSecond: rate, Source: "Experiments With Kafka, iterations 2 to 5 (Apple M1, 10 CPUs)"}
		}
		rate := law(float64(n))
		f.arm(a, rate, 0.02, 0.18*float64(n)*(1-0.04*float64(n)), 0.05+0.03*float64(n))
		points = append(points, result.Point{N: float64(n), Rate: f.report.Rows[len(f.report.Rows)-1].RecordsPerSecond.Median})
	}
	for n := 1.0; n <= 8; n += 0.25 {
		curve = append(curve, result.Point{N: n, Rate: law(n)})
	}
	f.report.Fit = []result.Fit{{Workload: result.Consume, Axis: "consumers", Law: result.Saturating, Lambda: estimate(119e3, 122e3, 125.2e3), Sigma: estimate(0.048, 0.0603, 0.0712),
		AICc: map[string]float64{result.Linear: 120, result.Saturating: 88, result.Universal: 91}, LinearUpTo: 3, Points: points, Curve: curve}}
	f.report.Gates = []result.Gate{{Text: "consume.records_per_second >= 100000", Row: "consumers=1 partitions=1", Estimate: f.report.Rows[0].RecordsPerSecond, Result: result.Met}}
	f.report.Rows[5].Warnings = []string{"2 trials never became steady; their rate still grew by 4 % in the window"}
	last := &f.report.Rows[5]
	last.Trials[3].Invalid = []string{"foreign CPU 0.61 was beyond the calibration's 0.05"}
	last.Trials[3].RecordsPerSecond *= 0.7
	again := f.trial(3, 692e3, 0.98)
	again.Attempt, again.Notes = 2, []string{"the window held 1 burst more than the others"}
	last.Trials = slices.Insert(last.Trials, 4, again)
	f.settle(5, 0.98, 0.29)
	f.report.Excluded = 1
	r := f.done()
	r.Finished = r.Planned
	return r
}

// compressionReport has two workloads and an axis of names.
func compressionReport() result.ExperimentReport {
	values := []string{"none", "gzip", "snappy", "lz4", "zstd"}
	f := invent("compression", "What does compression cost, and what does it save?",
		"Consuming is fastest with lz4 by its median: 1.86 M records/s (1.81 M – 1.92 M). Producing is fastest with none: 924 k records/s; gzip halves it.",
		8, result.Axis{Name: "compression", Values: values})
	for _, workload := range []string{result.Consume, result.Produce} {
		for i, v := range values {
			s := setting(2, 8)
			s.Compression, s.Properties = v, map[string]string{"fetch.max.bytes": "52428800"}
			against := -1
			if i > 0 {
				against = len(f.report.Rows) - i
			}
			rate := map[string]float64{"none": 1.81e6, "gzip": 1.2e6, "snappy": 1.82e6, "lz4": 1.86e6, "zstd": 1.55e6}[v]
			if workload == result.Produce {
				rate = map[string]float64{"none": 924e3, "gzip": 410e3, "snappy": 880e3, "lz4": 905e3, "zstd": 700e3}[v]
			}
			f.arm(result.Arm{Workload: workload, Client: "franz", Profile: "tuned", Setting: s, Against: against, Values: map[string]string{"compression": v}},
				rate, 0.01+0.02*float64(i), 0.9, 0.7)
			if workload == result.Produce {
				f.report.Rows[len(f.report.Rows)-1].Latency = &result.Latency{Mean: 7.1, P50: 4.8, P95: 19.2, P99: 41.7, P999: 88.05, Max: 123.4, N: 27_123_456}
			}
		}
	}
	f.report.Plan.Axes = append(f.report.Plan.Axes, result.Axis{Name: "workload", Values: []string{"consume", "produce"}})
	return f.done()
}

// clientsReport has two axes, so that its charts have series.
func clientsReport() result.ExperimentReport {
	clients, consumers := []string{"confluent", "franz"}, []string{"1", "2", "4"}
	f := invent("clients", "Which client consumes fastest, and does it scale?", "Consuming is fastest with franz and 4 consumers: 4.1 M records/s.",
		8, result.Axis{Name: "client", Values: clients}, result.Axis{Name: "consumers", Values: consumers})
	for i, client := range clients {
		for j, v := range consumers {
			n, _ := strconv.Atoi(v)
			f.arm(result.Arm{Workload: result.Consume, Client: client, Profile: "tuned", Setting: setting(n, 4), Against: -1,
				Values: map[string]string{"client": client, "consumers": v}},
				[][]float64{{0.7e6, 1.2e6, 1.5e6}, {1.9e6, 3.1e6, 4.1e6}}[i][j], 0.05, 0.4+0.1*float64(n), 0.6)
		}
	}
	return f.done()
}

// troubledReport is a run that went badly: one row, no interval, attempts that
// were excluded, trials that failed.
func troubledReport() result.ExperimentReport {
	f := invent("broken broker", "Does it hold with 64 consumers?", "Consuming reaches 211 k records/s with franz (n=3, no interval).", 4)
	f.arm(result.Arm{Workload: result.Consume, Client: "franz", Profile: "tuned", Setting: setting(64, 64), Against: -1}, 211e3, 0.1, 1.1, 0)
	message := "the run ended early: broker 127.0.0.1:41231 did not answer for 30 s. Its log is kept; go on with \"redline run --resume 20261124-120000-broken\""
	f.report.Error = &message
	row := &f.report.Rows[0]
	row.Trials[1].Invalid = []string{"steal 0.09 was beyond the calibration's 0.02", "a rebalance happened in the window"}
	row.Trials[3].Error, row.Trials[3].Rates, row.Trials[3].RecordsPerSecond = "cannot fetch from 127.0.0.1:41231: connection refused", nil, 0
	f.settle(0, 1.1, 0)
	row.BrokerCPUs, row.Usage.BrokerCPU = result.Estimate{}, -1
	row.Lost, row.Errors = 17, 3
	f.report.Warnings = []string{"the machine was too noisy: 1 of 4 attempts were made invalid by what went on beside them (steal, rebalance), so believe the figures only as far as they repeat"}
	f.report.Plan.Command = []string{"run", "broken broker.yaml", "-b", "kafka-1:9092,kafka-2:9092"}
	f.report.Excluded, f.report.Failed = 1, 1
	f.report.Plan.Kafka = "kafka-1:9092,kafka-2:9092"
	r := f.done()
	r.Account.Lost = 17
	return r
}

// payloads are what somebody would write to get out of the place for text.
var payloads = []string{
	`<img src=x onerror="alert(1)">`, `</script><script>alert(2)</script>`, `]]>--><b onclick=alert(3)>`,
	"\x1b]0;title\x07\x1b[31m", `"'` + "`" + ` onmouseover=alert(4) x="`, "\u2028\u2029\u202e\r\nInjected: 1", `=HYPERLINK("http://x")`, `{{.}}${7*7}<%= 7 %>`,
	`</style><style>*{display:none}</style>`, `javascript:alert(5)`, `| a | b |[x](javascript:alert(6))`,
}

// hostileReport has a payload in every text, whatever it is.
func hostileReport() result.ExperimentReport {
	base, message := seedReport(), "the run ended early"
	base.Error, base.Warnings, base.Plan.Notes = &message, []string{"a warning"}, []string{"a note"}
	base.Plan.Thresholds = []string{"consume.records_per_second >= 1"}
	base.Rows[0].Trials[0].Error = "cannot fetch"
	r := hostile(reflect.ValueOf(base), map[string]string{}).Interface().(result.ExperimentReport)
	for i, name := range []string{"consumers", "partitions"} {
		r.Plan.Axes[i].Name = name + payloads[0] // as the values of the arms are named
	}
	r.Fit[0].Axis = r.Plan.Axes[0].Name
	return r
}

// hostile adds a payload to each text, the same to the same text, so that what
// belongs together stays together.
func hostile(v reflect.Value, seen map[string]string) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.String:
		if v.Len() == 0 {
			break // what is empty means something: a trial without an error counts
		}
		if seen[v.String()] == "" {
			seen[v.String()] = payloads[len(seen)%len(payloads)]
		}
		out.SetString(v.String() + seen[v.String()])
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(hostile(v.Elem(), seen))
		}
	case reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(hostile(v.Index(i), seen))
		}
	case reflect.Map:
		out.Set(reflect.MakeMap(v.Type()))
		values := byKey(v)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			out.SetMapIndex(reflect.ValueOf(key+payloads[0]), hostile(values[key], seen))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(hostile(v.Field(i), seen))
			}
		}
	}
	return out
}

func byKey(v reflect.Value) map[string]reflect.Value {
	all := map[string]reflect.Value{}
	for each := v.MapRange(); each.Next(); {
		all[each.Key().String()] = each.Value()
	}
	return all
}

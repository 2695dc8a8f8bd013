package report

import (
	"fmt"
	"strconv"
	"strings"

	"redline/result"
)

// pace is how fast an invented client is: records per second, how many processors it
// and the broker use, and where the time of its connections goes.
type pace struct {
	rate, client, broker      float64
	requests                  float64 // per second
	waited, received, idle    float64
	thread                    float64
	lighter, differs, warning []string
}

var (
	noCRC      = []string{"does not check the CRC of batches", "does not know transactions: it hands out aborted and control records like any other"}
	noRetry    = []string{"has no idempotence: a retry may append twice"}
	uncounted  = []string{"counts are its own: redline checked them against the offsets alone"}
	inBursts   = []string{"8 of 8 windows were cut from burst to burst: the client delivers in bursts"}
	profiles   = []string{"tuned", "defaults"}
	goClients  = []string{"franz", "confluent", "sarama", "segmentio"}
	allClients = append(goClients[:4:4], "java", "java-share")
)

var consumePaces = map[string]pace{
	"franz tuned":        {12.1e6, 1.42, 0.51, 1190, 0.21, 0.33, 0.45, 0.71, nil, nil, nil},
	"franz defaults":     {4.0e6, 1.24, 0.66, 1020, 0.48, 0.09, 0.42, 0.62, nil, nil, nil},
	"confluent tuned":    {1.5e6, 1.8, 0.12, 18.4, 0.02, 0.12, 0.86, 0.97, nil, nil, nil},
	"confluent defaults": {0.15e6, 0.22, 0.04, 3.2, 0.09, 0.03, 0.88, 0.11, nil, []string{"check.crcs is false, not true"}, inBursts},
	"sarama tuned":       {1.1e6, 1.31, 0.31, 140, 0.31, 0.11, 0.57, 0.9, nil, nil, nil},
	"sarama defaults":    {0.62e6, 1.52, 0.42, 690, 0.44, 0.05, 0.5, 0.88, nil, nil, nil},
	"segmentio tuned":    {2.2e6, 1.6, 0.25, 24, -1, -1, -1, 0.8, noCRC, []string{"isolation.level is read_committed, not read_uncommitted"}, nil},
	"segmentio defaults": {0.9e6, 1.2, 0.22, 60, -1, -1, -1, 0.7, noCRC, []string{"isolation.level is read_committed, not read_uncommitted"}, nil},
	"java tuned":         {6.3e6, 1.36, 0.49, 800, 0.4, 0.2, 0.39, 0.92, uncounted, nil, nil},
	"java defaults":      {3.3e6, 1.3, 0.61, 3100, 0.55, 0.08, 0.36, 0.9, uncounted, nil, nil},
	"java-share tuned":   {0.33e6, 0.9, 0.95, 410, -1, -1, -1, -1, uncounted, nil, []string{"3 of 8 windows were not steady all the time"}},
	"java-share defaults": {0.21e6, 0.8, 1.02, 480, -1, -1, -1, -1, uncounted, nil,
		[]string{"5 of 8 windows were not steady all the time"}},
}

var producePaces = map[string]pace{
	"franz tuned":        {3.7e6, 0.9, 1.0, 410, -1, -1, -1, 0.6, nil, nil, nil},
	"franz defaults":     {2.9e6, 0.9, 0.98, 1100, -1, -1, -1, 0.6, nil, []string{"linger.ms is 10, not 5", "batch.size is 1000012, not 1000000"}, nil},
	"confluent tuned":    {1.3e6, 1.3, 0.4, 160, -1, -1, -1, 0.98, nil, []string{"max.in.flight.requests.per.connection is 1000000, not 5"}, nil},
	"confluent defaults": {0.6e6, 1.4, 0.5, 1900, -1, -1, -1, 0.91, nil, []string{"enable.idempotence is false, not true", "batch.size is 1000000, not 1048576"}, nil},
	"sarama tuned":       {0.7e6, 1.5, 0.33, 190, -1, -1, -1, 0.7, nil, []string{"max.in.flight.requests.per.connection is 1, not 5"}, nil},
	"sarama defaults":    {0.2e6, 1.4, 0.5, 21400, -1, -1, -1, 0.7, nil, []string{"linger.ms is 0, not 5", "enable.idempotence is false, not true", "acks is 1, not all"}, []string{"2 of 8 windows were not steady all the time"}},
	"segmentio tuned":    {1.8e6, 1.2, 0.4, 220, -1, -1, -1, 0.66, noRetry, []string{"enable.idempotence is false, not true"}, nil},
	"segmentio defaults": {0.008e6, 0.03, 0.01, 8, -1, -1, -1, 0.02, noRetry, []string{"enable.idempotence is false, not true", "linger.ms is 1000, not 5", "batch.size is 1048576, not 1000000"}, inBursts},
	"java tuned":         {3.1e6, 1.1, 0.8, 390, -1, -1, -1, 0.9, uncounted, nil, nil},
	"java defaults":      {1.4e6, 1.2, 0.7, 8900, -1, -1, -1, 0.9, uncounted, []string{"linger.ms is 0, not 5", "batch.size is 16384, not 1000000"}, []string{"4 of 8 windows were not steady all the time"}},
}

// goes adds an arm and what it came to.
func (f *invented) goes(a result.Arm, p pace) {
	f.arm(a, p.rate, 0.02, p.client, p.broker)
	f.waiting(p.requests, int64(max(1, a.Setting.Instances)), p.waited, p.received, p.idle, p.thread)
	r := f.last()
	r.Differs, r.Warnings = p.differs, append(r.Warnings, p.warning...)
	if a.Client == "confluent" {
		r.InForce["fetch.queue.backoff.ms"] = map[string]string{"tuned": "0", "defaults": "1000"}[a.Profile]
	}
}

func armOf(workload, client, profile string, s result.Setting, values ...string) result.Arm {
	a := result.Arm{Workload: workload, Client: client, Profile: profile, Setting: s, Against: -1,
		Values: map[string]string{"client": client, "profile": profile}}
	for i := 0; i < len(values); i += 2 {
		a.Values[values[i]] = values[i+1]
	}
	return a
}

// everyClientReport is six clients, tuned and at their defaults, that consume and
// produce; one of them cannot produce.
func everyClientReport() result.ExperimentReport {
	f := invent("every-client", "How fast is each client, tuned and at its defaults, and what does a record cost it?",
		"Consuming is fastest with franz, tuned: 12.1 M records/s. Producing is fastest with franz, tuned: 3.7 M records/s.",
		8, result.Axis{Name: "client", Values: allClients}, result.Axis{Name: "profile", Values: profiles})
	for _, workload := range []string{result.Consume, result.Produce} {
		for _, client := range allClients {
			for _, profile := range profiles {
				a := armOf(workload, client, profile, setting(1, 8))
				p, known := consumePaces[client+" "+profile], true
				if workload == result.Produce {
					p, known = producePaces[client+" "+profile]
				}
				if a.Lighter = p.lighter; !known {
					f.cannot(a, "java-share cannot produce: it reads share groups alone; take java")
					continue
				}
				f.goes(a, p)
			}
		}
	}
	f.report.Rows[6].Errors = 2
	return f.done()
}

// scaleReport is clients with more and more consumers, each tuned arm held against
// its own at the defaults.
func scaleReport() result.ExperimentReport {
	consumers := []string{"1", "2", "4", "8"}
	f := invent("scale", "What does tuning bring each client, with one consumer and with several?",
		"Consuming is fastest with franz, tuned, and 2 consumers: 12.9 M records/s.",
		8, result.Axis{Name: "client", Values: goClients}, result.Axis{Name: "consumers", Values: consumers}, result.Axis{Name: "profile", Values: profiles})
	for _, client := range goClients {
		for _, v := range consumers {
			n, _ := strconv.Atoi(v)
			for _, profile := range profiles {
				a := armOf(result.Consume, client, profile, setting(n, 8), "consumers", v)
				p := consumePaces[client+" "+profile]
				a.Lighter = p.lighter
				grown := 1 + 0.2*float64(n-1)
				p.rate, p.requests = p.rate*grown, p.requests*grown
				if p.client < 0.5 {
					p.client *= 1 + 0.1*float64(n-1)
				}
				if profile == "tuned" {
					a.Against = len(f.report.Rows) + 1
				}
				f.goes(a, p)
			}
		}
	}
	f.compared = func(r result.Row) bool { return r.Against >= 0 }
	return f.done()
}

// climb adds the rungs of a ladder, named and told as "name: what it adds", each a
// little slower than the one before.
func (f *invented) climb(workload string, from float64, rungs ...string) {
	for i, text := range rungs {
		name, adds, _ := strings.Cut(text, ": ")
		a := armOf(workload, "rung:"+name, "tuned", setting(1, 8))
		a.Adds = adds
		f.arm(a, from*(1-0.04*float64(i)), 0.012, 0.75+0.06*float64(i), 0.9-0.03*float64(i))
		if name == "socket" {
			f.last().BrokerCPUs = result.Estimate{}
		}
	}
}

// zippedClients are the axes of a ladder, whose arms hold a client and a profile.
func (f *invented) zippedClients() {
	axes := []result.Axis{{Name: "client"}, {Name: "profile"}}
	for _, a := range f.report.Plan.Arms {
		axes[0].Values, axes[1].Values = append(axes[0].Values, a.Client), append(axes[1].Values, a.Profile)
	}
	f.report.Plan.Axes, f.report.Plan.Combine = axes, "zip"
}

// ladderReport is the ladder of consuming, with clients above it and the socket beside.
func ladderReport() result.ExperimentReport {
	f := invent("ladder", "Which step between the socket and the handler takes the rate?",
		"Consuming is fastest with fetch responses read: 30.0 M records/s.", 10)
	f.climb(result.Consume, 30e6, "fetch: fetch responses read", "crc: + CRC-32C of each batch", "decompress: + batches decompressed",
		"decode: + records decoded", "account: + account of every record", "group: + membership of a group, with commits")
	f.climb(result.Consume, 38e6, "socket: the same bytes over a bare loopback socket")
	for _, client := range goClients {
		for _, profile := range profiles {
			p := consumePaces[client+" "+profile]
			a := armOf(result.Consume, client, profile, setting(1, 8))
			a.Lighter = p.lighter
			f.goes(a, p)
		}
	}
	f.zippedClients()
	return f.done()
}

// ladderProduceReport has no comparison with intervals, as too few rounds were made.
func ladderProduceReport() result.ExperimentReport {
	f := invent("ladder-produce", "Which step between a record and its acknowledgement takes the rate?",
		"Producing is fastest with sealed batches: 9.1 M records/s.", 8)
	f.climb(result.Produce, 9.1e6, "resend: sealed batches sent again and again", "build: + batches built",
		"stamp: + values stamped, acknowledgements accounted", "compress: + batches compressed", "idempotent: + producer id and sequences", "all: + acks=all")
	for _, client := range goClients {
		for _, profile := range profiles {
			p := producePaces[client+" "+profile]
			a := armOf(result.Produce, client, profile, setting(1, 8))
			a.Lighter = p.lighter
			if client == "sarama" {
				f.cannot(a, fmt.Sprintf("%s cannot produce to %d partitions of a topic that is not there", client, 8))
				continue
			}
			f.goes(a, p)
		}
	}
	f.zippedClients()
	f.compared = func(result.Row) bool { return false }
	return f.done()
}

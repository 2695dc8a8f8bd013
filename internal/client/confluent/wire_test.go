//go:build cgo

package confluent

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"redline/internal/client"
	"redline/internal/client/clienttest"
)

// sample is what librdkafka 2.11.1 said of a consumer at its defaults, reading 8
// partitions of Apache Kafka 4.3.1.
func sample(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/statistics.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheStatisticsOfLibrdkafkaAreRead(t *testing.T) {
	s, ok := statisticsOf(sample(t))
	var want struct {
		TS      int64 `json:"ts"`
		RX      int64 `json:"rx"`
		Read    int64 `json:"rx_bytes"`
		Written int64 `json:"tx_bytes"`
		Brokers map[string]struct {
			RTT struct {
				Sum int64 `json:"sum"`
			} `json:"rtt"`
			Req map[string]int64 `json:"req"`
		} `json:"brokers"`
	}
	if err := json.Unmarshal([]byte(sample(t)), &want); err != nil || !ok {
		t.Fatal(err, ok)
	}
	var read, written, requests int64
	trips := time.Duration(0)
	for _, b := range s.brokers {
		its, found := want.Brokers[b.name]
		if !found || b.trips != time.Duration(its.RTT.Sum)*time.Microsecond || b.fetches != its.Req["Fetch"] || b.produces != its.Req["Produce"] {
			t.Errorf("%+v, want %+v", b, its)
		}
		trips += b.trips
		read, written, requests = read+b.read, written+b.written, requests+b.requests
	}
	if s.at != time.Duration(want.TS)*time.Microsecond || read != want.Read || written != want.Written || requests != want.RX || len(s.brokers) != len(want.Brokers) {
		t.Errorf("%+v, want %+v", s, want)
	}
	if trips == 0 || read == 0 {
		t.Errorf("the sample shows nothing: %+v", s)
	}
}

// What the statistics say is added up to what the connections did.
func TestTheTimeBetweenRoundTripsIsIdle(t *testing.T) {
	const ms = time.Millisecond
	said := func(at time.Duration, fetches int, trips time.Duration) string {
		const broker = `"b/1": {"rtt": {"cnt": 1, "sum": %d}, "req": {"Fetch": %d}}, "GroupCoordinator": {"rtt": {"sum": 5000}, "req": {"Fetch": 0}}`
		return fmt.Sprintf(`{"ts": %d, "brokers": {`+broker+`}, "topics": {}}`, at.Microseconds(), trips.Microseconds(), fetches)
	}
	var count client.Wire
	w := newWire(&count, map[string]string{"statistics.interval.ms": "200"})
	w.take(said(1000*ms, 0, 40*ms)) // no fetch yet
	w.take(said(1200*ms, 3, 90*ms)) // somewhere in here it began to fetch
	before := count.Snapshot()
	w.take(said(1400*ms, 5, 150*ms))
	w.take("{")
	w.take(said(1800*ms, 6, 30*ms))
	w.take(said(2000*ms, 6, 210*ms)) // a fetch that began in the time before
	got := count.Snapshot().Sub(before)
	if got.Waited != 390*ms || got.Idle != 410*ms || got.Received != 0 || got.Fetching != 1 || got.Fetches != 3 || !got.Together {
		t.Errorf("%+v", got)
	}
	if count.Tells(1999*ms) || !count.Tells(2000*ms) {
		t.Error("counts of each 200 ms hold from 2 s on")
	}
}

// FuzzMembers holds the reader of members against encoding/json.
func FuzzMembers(f *testing.F) {
	f.Add(sample(f))
	for _, text := range []string{`{}`, ` {"a" : 1 , "b":"}\"{" ,"c":[1,{"d":[]}]} x`, `{"a":1,}`, `{"a"}`, `{"a":{]}`, `{"":0}`, `{"a":"\`, "{"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := make(map[string]string)
		ok := members(text, func(key, value string) bool {
			got[key] = value
			return true
		})
		_, _ = statisticsOf(text)
		var want map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &want) != nil || want == nil {
			return
		}
		for key, value := range want {
			if name, _ := json.Marshal(key); string(name) != `"`+key+`"` || strings.Count(text, `"`+key+`"`) == 0 {
				return // its spelling has escapes, which we do not read
			}
			if got[key] != string(value) {
				t.Errorf("%q is %q, want %q", key, got[key], value)
			}
		}
		if !ok || len(got) < len(want) {
			t.Errorf("%v, %d members of %d", ok, len(got), len(want))
		}
	})
}

func BenchmarkStatistics(b *testing.B) {
	text := sample(b)
	for b.Loop() {
		if _, ok := statisticsOf(text); !ok {
			b.Fatal("it does not parse")
		}
	}
}

// A consumer that has enough queued pauses for fetch.queue.backoff.ms before it
// fetches again, a second by default: that is plain to see.
func TestABackOffIsSeenAsIdleTime(t *testing.T) {
	t.Parallel()
	address := clienttest.Broker(t, map[string]int32{"topic": 1})
	var wire client.Wire
	o := client.Options{Brokers: []string{address}, Profile: client.Defaults, Wire: &wire, Properties: map[string]string{
		"queued.min.messages": "100", "max.partition.fetch.bytes": "20000", "fetch.queue.backoff.ms": "400", "statistics.interval.ms": "50",
	}}
	fill(t, o.Brokers, 20_000)
	c, err := Library.Consumer(client.ConsumeOptions{Options: o, Topic: "topic", Assign: map[int32]int64{0: 0}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	var from client.Counts
	records := 0
	for began := time.Now(); time.Since(began) < 2500*time.Millisecond; {
		if err := c.Poll(t.Context(), func(b client.Batch) { records += b.Len() }); err != nil {
			t.Fatal(err)
		}
		if from.Fetches == 0 && time.Since(began) > 500*time.Millisecond {
			from = wire.Snapshot()
		}
	}
	told := wire.Snapshot().Sub(from)
	t.Logf("%d records, %+v", records, told)
	if idle := float64(told.Idle) / float64(told.Waited+told.Idle); idle < 0.8 || told.Fetches < 2 || told.Fetches > 20 {
		t.Errorf("idle for %.2f of the time, with %d fetches", idle, told.Fetches)
	}
}

// fill writes records to partition 0.
func fill(t *testing.T, brokers []string, records int) {
	t.Helper()
	p, err := Library.Producer(client.ProduceOptions{
		Options: client.Options{Brokers: brokers, Properties: map[string]string{"batch.num.messages": "100"}}, Topic: "topic", RecordSize: 100,
		Acked: func(_ *client.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range records {
		r := p.Record()
		r.Time = time.Now()
		if err := p.Send(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

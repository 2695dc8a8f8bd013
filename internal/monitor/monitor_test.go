package monitor

import (
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"runtime/trace"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"redline/internal/latency"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source shows what was put into it and counts how often it was asked.
type source struct {
	shown atomic.Pointer[Snapshot]
	asked atomic.Int64
}

func show(s Snapshot) *source {
	f := &source{}
	f.shown.Store(&s)
	return f
}

func (f *source) Snapshot() Snapshot {
	f.asked.Add(1)
	return *f.shown.Load()
}

// serve starts a server on a free port and ends it with the test.
func serve(t *testing.T, s Source) *Server {
	t.Helper()
	m, err := Serve(t.Context(), ":0", "r1", s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func get(t *testing.T, m *Server, path string, change func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+m.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// samples are the lines of a scrape that are redline's, by series.
func samples(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		series, value, ok := cutLast(strings.TrimSpace(line))
		if ok && strings.HasPrefix(series, "redline_") && !strings.HasPrefix(series, "redline_build_info") && !strings.Contains(series, "_bucket{") {
			out[series] = value
		}
	}
	return out
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, ' ')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func consuming() Snapshot {
	var r latency.Recorder
	r.ObserveN(2*time.Millisecond, 3)
	r.Observe(time.Second)
	return Snapshot{
		Role: Consume, Topic: "t", Group: "g", Client: "franz",
		ClusterID: "c1", Acks: "all", Compression: "none", Profile: "tuned",
		ConsumedRecords: 1 << 40, ConsumedBytes: 100, ConsumeErrors: map[string]int64{"timeout": 2, "bad\xff": 1, "bad\xfe": 1},
		Rebalances: 3, Lag: 0, Lost: 4, Duplicated: 5, Reordered: 6,
		Requests: map[string]int64{"Fetch": 7, "Metadata": 8},
		WireRead: 9, WireWritten: 10, Throttled: 1500 * time.Millisecond,
		EndToEnd: r.Read(),
	}
}

func TestAScrapeShowsTheValuesOfTheSnapshot(t *testing.T) {
	src := show(consuming())
	m := serve(t, src)
	code, body := get(t, m, "/metrics", nil)
	if code != http.StatusOK {
		t.Fatal(code, body)
	}
	sum := 1.006
	got := samples(body)
	var read float64
	series := `redline_end_to_end_latency_seconds_sum{client="franz",group="g",role="consume",run="r1",topic="t"}`
	if read = parse(t, got[series]); math.Abs(read-sum) > sum*0.005 {
		t.Errorf("sum %v, want %v", read, sum)
	}
	delete(got, series)
	want := map[string]string{
		`redline_run_info{acks="all",client="franz",cluster_id="c1",compression="none",group="g",profile="tuned",role="consume",run="r1",topic="t"}`: "1",
		`redline_consumed_records_total{client="franz",group="g",role="consume",run="r1",topic="t"}`:                                                 "1.099511627776e+12",
		`redline_consumed_bytes_total{client="franz",group="g",role="consume",run="r1",topic="t"}`:                                                   "100",
		`redline_consume_errors_total{error="timeout",role="consume",run="r1"}`:                                                                      "2",
		"redline_consume_errors_total{error=\"bad\uFFFD\",role=\"consume\",run=\"r1\"}":                                                              "2",
		`redline_end_to_end_latency_seconds_count{client="franz",group="g",role="consume",run="r1",topic="t"}`:                                       "4",
		`redline_consumer_lag_records{group="g",role="consume",run="r1",topic="t"}`:                                                                  "0",
		`redline_group_rebalances_total{group="g",role="consume",run="r1"}`:                                                                          "3",
		`redline_records_lost_total{role="consume",run="r1"}`:                                                                                        "4",
		`redline_records_duplicated_total{role="consume",run="r1"}`:                                                                                  "5",
		`redline_records_reordered_total{role="consume",run="r1"}`:                                                                                   "6",
		`redline_requests_total{api="Fetch",role="consume",run="r1"}`:                                                                                "7",
		`redline_requests_total{api="Metadata",role="consume",run="r1"}`:                                                                             "8",
		`redline_broker_read_bytes_total{role="consume",run="r1"}`:                                                                                   "9",
		`redline_broker_written_bytes_total{role="consume",run="r1"}`:                                                                                "10",
		`redline_request_throttled_seconds_total{role="consume",run="r1"}`:                                                                           "1.5",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, line := range []string{
		`redline_end_to_end_latency_seconds_bucket{client="franz",group="g",role="consume",run="r1",topic="t",le="0.0018"} 0`,
		`redline_end_to_end_latency_seconds_bucket{client="franz",group="g",role="consume",run="r1",topic="t",le="0.0032"} 3`,
		`redline_end_to_end_latency_seconds_bucket{client="franz",group="g",role="consume",run="r1",topic="t",le="60"} 4`,
		`redline_end_to_end_latency_seconds_bucket{client="franz",group="g",role="consume",run="r1",topic="t",le="+Inf"} 4`,
		`redline_build_info{commit="`, "go_goroutines ", "process_cpu_seconds_total ",
	} {
		if !strings.Contains(body, line) {
			t.Errorf("not there: %s", line)
		}
	}
	next := consuming()
	next.ConsumedRecords, next.Lag, next.WireRead = 1<<40+1, -1, -1
	src.shown.Store(&next)
	_, body = get(t, m, "/metrics", nil)
	got = samples(body)
	if v := got[`redline_consumed_records_total{client="franz",group="g",role="consume",run="r1",topic="t"}`]; v != "1.099511627777e+12" {
		t.Errorf("the second scrape shows %s", v)
	}
	for series := range got {
		if strings.HasPrefix(series, "redline_consumer_lag_records") || strings.HasPrefix(series, "redline_broker_read") {
			t.Errorf("shown though not known: %s", series)
		}
	}
	if n := src.asked.Load(); n != 2 {
		t.Errorf("the source was asked %d times in 2 scrapes", n)
	}
}

func parse(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAProducerShowsNothingOfConsuming(t *testing.T) {
	s := Snapshot{Role: Produce, Topic: "t", Client: "confluent", ProducedRecords: 11, ProducedBytes: 12, ProduceErrors: map[string]int64{"too large": 13}, ProduceLatency: latency.Empty(), WireRead: -1, WireWritten: -1}
	_, body := get(t, serve(t, show(s)), "/metrics", nil)
	want := map[string]string{
		`redline_run_info{acks="",client="confluent",cluster_id="",compression="",group="",profile="",role="produce",run="r1",topic="t"}`: "1",
		`redline_produced_records_total{client="confluent",role="produce",run="r1",topic="t"}`:                                            "11",
		`redline_produced_bytes_total{client="confluent",role="produce",run="r1",topic="t"}`:                                              "12",
		`redline_produce_errors_total{error="too large",role="produce",run="r1"}`:                                                         "13",
		`redline_produce_latency_seconds_count{client="confluent",role="produce",run="r1",topic="t"}`:                                     "0",
		`redline_produce_latency_seconds_sum{client="confluent",role="produce",run="r1",topic="t"}`:                                       "0",
		`redline_request_throttled_seconds_total{role="produce",run="r1"}`:                                                                "0",
	}
	if diff := cmp.Diff(want, samples(body)); diff != "" {
		t.Error(diff)
	}
}

func TestEveryMetricPassesThePedanticRegistry(t *testing.T) {
	s := consuming()
	s.Role, s.ProduceLatency, s.ProduceErrors = "limit", s.EndToEnd, s.ConsumeErrors
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(&collector{run: "r1", version: "devel", source: show(s)})
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) != 19 {
		t.Errorf("%d metrics", len(families))
	}
}

func TestLatencyIsClassicAndNative(t *testing.T) {
	var rec latency.Recorder
	for _, d := range []time.Duration{0, 50 * time.Microsecond, time.Millisecond + 50*time.Microsecond, 70 * time.Second} {
		rec.Observe(d)
	}
	var out dto.Metric
	if err := newHistogram(produceLatency, rec.Read(), []string{"r1", Produce, "t", "c"}).Write(&out); err != nil {
		t.Fatal(err)
	}
	h := out.GetHistogram()
	if h.GetSchema() != 3 || h.GetZeroCount() != 1 || h.GetSampleCount() != 4 {
		t.Errorf("%v", h)
	}
	total := h.GetZeroCount()
	running := int64(0)
	for _, delta := range h.GetPositiveDelta() {
		running += delta
		total += uint64(running)
	}
	if total != 4 {
		t.Errorf("native buckets hold %d of 4", total)
	}
	// The first native bucket of all is the one that holds 50 µs.
	first := float64(h.GetPositiveSpan()[0].GetOffset())
	if low, high := math.Exp2((first-1)/8), math.Exp2(first/8); low >= 51e-6 || high <= 49e-6 {
		t.Errorf("the first native bucket is (%v, %v]", low, high)
	}
	last := uint64(0)
	for i, b := range h.GetBucket() {
		if b.GetUpperBound() != bounds[i] || b.GetCumulativeCount() < last {
			t.Errorf("bucket %d: %v", i, b)
		}
		last = b.GetCumulativeCount()
	}
	if len(h.GetBucket()) != len(bounds) || last != 3 || h.GetBucket()[0].GetCumulativeCount() != 2 {
		t.Errorf("classic buckets %v", h.GetBucket())
	}
}

func TestForeignHostsAndSitesAreRefused(t *testing.T) {
	m := serve(t, show(Snapshot{}))
	for host, want := range map[string]int{
		"evil.example": 403, "evil.example:9095": 403, "localhost.evil.example": 403, "10.0.0.1": 403, "127.0.0.1.evil.example:1": 403,
		"localhost": 200, "LOCALHOST:1": 200, "127.0.0.1:9095": 200, "[::1]:9095": 200, "127.8.9.1": 200,
	} {
		for _, path := range []string{"/metrics", "/debug/pprof/"} {
			if code, _ := get(t, m, path, func(r *http.Request) { r.Host = host }); code != want {
				t.Errorf("Host %s, %s: %d, want %d", host, path, code, want)
			}
		}
	}
	for site, want := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200} {
		if code, _ := get(t, m, "/metrics", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", site) }); code != want {
			t.Errorf("%s: %d, want %d", site, code, want)
		}
	}
}

func TestOnlyReadingIsAllowedAndArgumentsStayInside(t *testing.T) {
	m := serve(t, show(Snapshot{}))
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		if code, _ := get(t, m, "/metrics", func(r *http.Request) { r.Method = method }); code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, code)
		}
	}
	for path, want := range map[string]int{"/": 200, "/nothing": 404, "/debug/pprof/cmdline": 404, "/debug/pprof/goroutine?debug=1": 200, "/debug/pprof/profile?seconds=1": 200} {
		code, body := get(t, m, path, nil)
		if code != want || body == "" {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
}

func TestItListensOnLoopbackUnlessToldOtherwise(t *testing.T) {
	m := serve(t, show(Snapshot{}))
	if host, port, err := net.SplitHostPort(m.Addr()); err != nil || host != "127.0.0.1" || port == "0" {
		t.Error(m.Addr())
	}
	open, err := Serve(t.Context(), "0.0.0.0:0", "r1", show(Snapshot{}))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	_, port, _ := net.SplitHostPort(open.Addr())
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/metrics", nil)
	req.Host, req.Close = "redline.example", true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("a server for all answers its own name with %d", res.StatusCode)
	}
}

func TestAnAddressThatCannotBeHadIsOneSentence(t *testing.T) {
	m := serve(t, show(Snapshot{}))
	for addr, want := range map[string]string{
		m.Addr():          "address already in use",
		"9095":            "not HOST:PORT",
		"":                "not HOST:PORT",
		"127.0.0.1:x":     "cannot listen on 127.0.0.1:x",
		"127.0.0.1:70000": "invalid port",
		"203.0.113.9:0":   "cannot assign requested address",
	} {
		s, err := Serve(t.Context(), addr, "r1", show(Snapshot{}))
		if err == nil {
			s.Close()
			t.Errorf("%s was taken", addr)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

func TestTheEndOfTheContextOrCloseFreesThePort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m, err := Serve(ctx, "127.0.0.1:0", "r1", show(Snapshot{}))
	if err != nil {
		t.Fatal(err)
	}
	// A profile that would take a minute ends with the server.
	running := make(chan error, 1)
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+m.Addr()+"/debug/pprof/trace?seconds=60", nil)
		req.Close = true
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		running <- err
	}()
	waitFor(t, trace.IsEnabled)
	cancel()
	<-running //nolint:errcheck // that the request ends is all
	<-m.done
	m.Close()
	m.Close()
	waitFor(t, func() bool { return !trace.IsEnabled() })
	again, err := Serve(t.Context(), m.Addr(), "r1", show(Snapshot{}))
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("waited 10 s in vain")
		}
	}
}

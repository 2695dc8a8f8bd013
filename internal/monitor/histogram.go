package monitor

import (
	"math"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"redline/internal/latency"
)

// bounds are the classic buckets in seconds: 100 µs … 60 s, four to a decade in
// steps near 10^(1/4), in numbers that can be read in a query.
var bounds = []float64{
	100e-6, 180e-6, 320e-6, 560e-6,
	1e-3, 1.8e-3, 3.2e-3, 5.6e-3,
	10e-3, 18e-3, 32e-3, 56e-3,
	100e-3, 180e-3, 320e-3, 560e-3,
	1, 1.8, 3.2, 5.6,
	10, 18, 32, 60,
}

const (
	// schema 3 of native histograms: eight buckets to a power of two, the upper
	// bound of bucket i is 2^(i/8) seconds.
	schema = 3
	// zeroBelow is where native buckets end: what is shorter counts as zero.
	zeroBelow = time.Microsecond
)

// histogram is one metric in both forms. Prometheus takes the native one when it
// scrapes with protobuf; the text format shows the classic one.
type histogram struct {
	classic, native prometheus.Metric
}

// newHistogram counts each bucket of h where its middle belongs; a duration
// within 0.4 % of a bound may therefore stand on its other side.
func newHistogram(d *prometheus.Desc, h *latency.Histogram, labels []string) prometheus.Metric {
	classic := make(map[float64]uint64, len(bounds))
	native := map[int]int64{}
	var zero uint64
	h.Each(func(middle time.Duration, n int64) {
		s := middle.Seconds()
		for i := len(bounds) - 1; i >= 0 && s <= bounds[i]; i-- {
			classic[bounds[i]] += uint64(n)
		}
		if middle < zeroBelow {
			zero += uint64(n)
		} else {
			native[int(math.Ceil(math.Log2(s)*(1<<schema)))] += n
		}
	})
	for _, b := range bounds {
		classic[b] += 0 // an empty bucket is a bucket
	}
	count, sum := uint64(h.Count()), h.Sum()
	n, err := prometheus.NewConstNativeHistogram(d, count, sum, native, nil, zero, schema, zeroBelow.Seconds(), time.Time{}, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(d, err)
	}
	return &histogram{classic: prometheus.MustNewConstHistogram(d, count, sum, classic, labels...), native: n}
}

func (h *histogram) Desc() *prometheus.Desc { return h.classic.Desc() }

func (h *histogram) Write(out *dto.Metric) error {
	if err := h.native.Write(out); err != nil {
		return err
	}
	var classic dto.Metric
	if err := h.classic.Write(&classic); err != nil {
		return err
	}
	out.Histogram.Bucket = classic.Histogram.Bucket
	out.Histogram.CreatedTimestamp = nil // when the run began is in process_start_time_seconds
	return nil
}

// text makes a label's value of what came from outside: valid UTF-8, and short.
func text(s string) string {
	const longest = 256
	if len(s) > longest {
		s = s[:longest]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

package latency

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHistogramSurvivesItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Recorder
		for _, d := range rapid.SliceOf(rapid.Int64Range(0, int64(time.Hour))).Draw(t, "durations") {
			r.Observe(time.Duration(d))
		}
		h := r.Read()
		text, err := h.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if back.Count() != h.Count() || back.Max() < h.Max()*99/100 {
			t.Fatalf("%d up to %v, was %d up to %v", back.Count(), back.Max(), h.Count(), h.Max())
		}
		for _, q := range []float64{0.5, 0.99, 0.999} {
			if a, b := h.hdr.ValueAtPercentile(100*q), back.hdr.ValueAtPercentile(100*q); a != b {
				t.Fatalf("quantile %v: %d, was %d", q, b, a)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	var r Recorder
	r.Observe(time.Millisecond)
	text, err := r.Read().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("HISTFAAAAB542pNpmSzMwMDAxAABzFAaAAAc")
	f.Fuzz(func(_ *testing.T, text string) {
		if h, err := Decode(text); err == nil {
			h.Quantile(0.5)
		}
	})
}

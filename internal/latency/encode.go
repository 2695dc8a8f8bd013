package latency

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Encode writes the histogram in the V2 format of HdrHistogram, compressed, in
// base64, as its log files hold it. An empty one is the empty text.
func (h *Histogram) Encode() (string, error) {
	if h == nil || h.Count() == 0 {
		return "", nil
	}
	text, err := h.hdr.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return "", fmt.Errorf("cannot write a histogram of %d latencies: %w", h.Count(), err)
	}
	return string(text), nil
}

// maxEncoded bounds the text that Decode takes: one of ours is a few kilobytes.
const maxEncoded = 1 << 20

// Decode reads what Encode wrote. The exact maximum is not in the format: Max is
// then the upper edge of the highest bucket, at most 0.8 % above. Text that is no
// histogram, or one of other bounds than ours, is an error.
func Decode(text string) (h *Histogram, err error) {
	if text == "" {
		return Empty(), nil
	}
	if len(text) > maxEncoded {
		return nil, fmt.Errorf("a histogram of %d bytes is longer than any of ours", len(text))
	}
	// The library trusts the lengths inside.
	defer func() {
		if p := recover(); p != nil {
			h, err = nil, fmt.Errorf("the text is no histogram in HdrHistogram's V2 format: %v", p)
		}
	}()
	hdr, err := hdrhistogram.Decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("the text is no histogram in HdrHistogram's V2 format: %w", err)
	}
	if hdr.LowestTrackableValue() != 1 || hdr.HighestTrackableValue() != int64(longest) || hdr.SignificantFigures() != digits {
		return nil, fmt.Errorf("the histogram has other bounds than ours (%d to %d, %d digits)",
			hdr.LowestTrackableValue(), hdr.HighestTrackableValue(), hdr.SignificantFigures())
	}
	counts := make([]int64, buckets)
	copy(counts, hdr.Export().Counts)
	return fromCounts(counts, time.Duration(hdr.Max())), nil
}

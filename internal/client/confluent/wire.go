//go:build cgo

package confluent

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"redline/internal/client"
)

// statistics is what of librdkafka's JSON is counted; all but the throttle
// window count from the client's start.
type statistics struct {
	Read     int64 `json:"rx_bytes"`
	Written  int64 `json:"tx_bytes"`
	Requests int64 `json:"rx"`
	Brokers  map[string]struct {
		ReadErrors  int64 `json:"rxerrs"`
		WriteErrors int64 `json:"txerrs"`
		Timeouts    int64 `json:"req_timeouts"`
		Throttle    struct {
			Sum int64 `json:"sum"` // ms
		} `json:"throttle"`
		Requests map[string]int64 `json:"req"`
	} `json:"brokers"`
}

// wire adds to a client.Wire what each new statistics object has more than the
// one before.
type wire struct {
	count *client.Wire
	last  struct{ read, written, requests, fetches, produces, errors int64 }
}

// newWire counts into count, which may be nil, as often as the client of these
// properties makes statistics.
func newWire(count *client.Wire, set map[string]string) wire {
	if count != nil {
		every := time.Duration(math.MaxInt64 / 10) // without statistics the counts are never right
		if ms, err := strconv.ParseFloat(set["statistics.interval.ms"], 64); err == nil && ms > 0 {
			every = time.Duration(ms * float64(time.Millisecond))
		}
		count.Every.Store(int64(every))
	}
	return wire{count: count}
}

// take reads one statistics object. One that does not parse is passed over; the
// next one makes up for it.
func (w *wire) take(text string) {
	var s statistics
	if w.count == nil || json.Unmarshal([]byte(text), &s) != nil {
		return
	}
	now := w.last
	now.read, now.written, now.requests = s.Read, s.Written, s.Requests
	now.fetches, now.produces, now.errors = 0, 0, 0
	for _, broker := range s.Brokers {
		now.fetches += broker.Requests["Fetch"]
		now.produces += broker.Requests["Produce"]
		now.errors += broker.ReadErrors + broker.WriteErrors + broker.Timeouts
		w.count.Throttled.Add(broker.Throttle.Sum * int64(time.Millisecond))
	}
	w.count.Read.Add(now.read - w.last.read)
	w.count.Written.Add(now.written - w.last.written)
	w.count.Requests.Add(now.requests - w.last.requests)
	w.count.Fetches.Add(now.fetches - w.last.fetches)
	w.count.Produces.Add(now.produces - w.last.produces)
	w.count.RequestErrors.Add(now.errors - w.last.errors)
	w.last = now
}

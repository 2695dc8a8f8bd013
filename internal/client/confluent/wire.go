//go:build cgo

package confluent

import (
	"math"
	"strconv"
	"time"

	"redline/internal/client"
)

// statistics is what of librdkafka's JSON is counted.
type statistics struct {
	at      time.Duration // on librdkafka's clock
	brokers []brokerStatistics
}

// brokerStatistics count from the client's start, but for the two times, which are of
// the time since the statistics before.
type brokerStatistics struct {
	name                                                 string
	read, written, requests, fetches, produces, failures int64
	// throttled is what the broker asked us to wait. trips are the round trips of all
	// requests that were answered, from written to answered whole, added up.
	throttled, trips time.Duration
}

// statisticsOf reads one statistics object, up to its brokers: the topics behind them
// are most of it.
func statisticsOf(text string) (s statistics, ok bool) {
	members(text, func(key, value string) bool {
		switch key {
		case "ts":
			s.at = lasting(whole(value), time.Microsecond)
		case "brokers":
			ok = members(value, func(name, value string) bool {
				s.brokers = append(s.brokers, brokerOf(name, value))
				return true
			})
		}
		return key != "brokers"
	})
	return s, ok && s.at > 0
}

func brokerOf(name, text string) brokerStatistics {
	b := brokerStatistics{name: name}
	members(text, func(key, value string) bool {
		switch key {
		case "rxbytes":
			b.read = whole(value)
		case "txbytes":
			b.written = whole(value)
		case "rx":
			b.requests = whole(value)
		case "rxerrs", "txerrs", "req_timeouts":
			b.failures += whole(value)
		case "throttle":
			b.throttled = lasting(inside(value, "sum"), time.Millisecond)
		case "rtt":
			b.trips = lasting(inside(value, "sum"), time.Microsecond)
		case "req":
			b.fetches, b.produces = inside(value, "Fetch"), inside(value, "Produce")
		}
		return true
	})
	return b
}

func lasting(n int64, unit time.Duration) time.Duration {
	return time.Duration(min(n, math.MaxInt64/int64(unit)) * int64(unit))
}

// wire adds to a client.Wire what each new statistics object has more than the
// one before.
type wire struct {
	count *client.Wire
	last  counted
	// fetching are the brokers that had been fetched from by the last statistics.
	fetching map[string]bool
}

type counted struct {
	at                                                   time.Duration
	read, written, requests, fetches, produces, failures int64
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
		count.Together.Store(true)
	}
	return wire{count: count, fetching: make(map[string]bool)}
}

// take reads one statistics object. One that does not parse is passed over; the
// next one makes up for it.
func (w *wire) take(text string) {
	if w.count == nil {
		return
	}
	s, ok := statisticsOf(text)
	if !ok {
		return
	}
	now := counted{at: s.at}
	for _, b := range s.brokers {
		now.read += b.read
		now.written += b.written
		now.requests += b.requests
		now.fetches += b.fetches
		now.produces += b.produces
		now.failures += b.failures
		w.count.Throttled.Add(int64(b.throttled))
		w.fetched(b, now.at-w.last.at)
	}
	w.count.Read.Add(now.read - w.last.read)
	w.count.Written.Add(now.written - w.last.written)
	w.count.Requests.Add(now.requests - w.last.requests)
	w.count.Fetches.Add(now.fetches - w.last.fetches)
	w.count.Produces.Add(now.produces - w.last.produces)
	w.count.RequestErrors.Add(now.failures - w.last.failures)
	w.last = now
}

// fetched says where the time since the last statistics went on the connection to a
// broker that is fetched from. librdkafka has one fetch at a time under way with each
// broker, and members of a group talk to their coordinator over a connection of its
// own, so the round trips are those of fetches, but for a few. What they leave is idle:
// the client worked on what it had, had enough queued (queued.min.messages), or was in
// its pause after that (fetch.queue.backoff.ms). A fetch is booked when it ends: idle
// time taken too early is given back.
func (w *wire) fetched(b brokerStatistics, span time.Duration) {
	switch {
	case w.fetching[b.name]:
		w.count.Waited.Add(int64(b.trips))
		w.count.Idle.Add(int64(span - b.trips))
	case b.fetches > 0:
		w.fetching[b.name] = true
		w.count.Fetching.Add(1)
	}
}

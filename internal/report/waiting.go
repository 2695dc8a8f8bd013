package report

import (
	"fmt"
	"slices"
	"strings"

	"redline/result"
)

// timeSpent says where the time of a row's client went. What is not known is negative.
type timeSpent struct {
	CPUs    float64 // busy with the client
	Thread  float64 // the busiest, as a share of a processor
	GC      float64 // share of the client's CPU
	Handler float64 // share of the time of all instances
	// Requests are fetches or produce requests per second, Records and Bytes what each
	// of them carried.
	Requests, Records, Bytes float64
	// Waited, Received and Idle are shares of the time of the connections that fetch.
	Waited, Received, Idle float64
	// Free is the share of the host's processors that nobody used.
	Free float64
}

func timeOf(r result.Row) timeSpent {
	t := timeSpent{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}
	wall := r.Usage.Wall.Seconds()
	if r.ClientCPUs.N > 0 {
		t.CPUs = r.ClientCPUs.Median
	}
	if wall <= 0 {
		return t
	}
	t.GC = r.Usage.GCShare
	if r.CPUsBusy.N > 0 && r.Usage.CPUs > 0 {
		t.Free = 1 - r.CPUsBusy.Median/float64(r.Usage.CPUs)
	}
	w := r.Waiting
	if w == nil {
		return t
	}
	t.Thread, t.Handler = w.BusiestThread, w.HandlerSeconds/wall/float64(max(1, r.Setting.Instances))
	requests, bytes := w.Fetches, r.Usage.WireRead
	if r.Workload == result.Produce {
		requests, bytes = w.Produces, r.Usage.WireWritten
	}
	if requests >= 0 {
		t.Requests = float64(requests) / wall
	}
	if requests > 0 {
		t.Records = r.RecordsPerSecond.Median / t.Requests
		t.Bytes = float64(bytes) / float64(requests)
	}
	if all := float64(w.Connections) * wall; all > 0 {
		t.Waited, t.Received, t.Idle = w.WaitedSeconds/all, w.ReceivedSeconds/all, w.IdleSeconds/all
	}
	return t
}

// idles is the share of its connections' time, and the use of a processor, at which a
// client neither works nor waits for the broker.
const idles = 0.5

// free is the share of the processors that somebody could have used: on a full machine a
// client that does little may be waiting for one.
const free = 0.2

// waits says whether a row's client waits by itself.
func (t timeSpent) waits() bool {
	return t.Idle > idles && t.CPUs >= 0 && t.CPUs < idles && t.Handler < 1-idles && (t.Free < 0 || t.Free > free)
}

// reading is a column of where the time goes.
type reading struct {
	field string // in JSON, of what is not computed here
	head  string // over a column of text; a line break parts it
	long  string // where there is room
	of    func(timeSpent) float64
	write func(v float64, n int) string // with at most n significant digits
}

// readingsOf are those that at least one row knows.
func readingsOf(rows []row) []reading {
	request, requests := "fetch", "fetches"
	if rows[0].Workload == result.Produce {
		request, requests = "req.", "requests"
	}
	all := []reading{
		{"client_cpus.median", "CPUs", "client CPUs", func(t timeSpent) float64 { return t.CPUs }, hundredths},
		{"waiting.busiest_thread", "top\nthr\n%", "busiest thread, %", func(t timeSpent) float64 { return t.Thread }, percent},
		{"usage.gc_share", "GC\n%", "GC, %", func(t timeSpent) float64 { return t.GC }, percent},
		{"", request + "\n/s", requests + "/s", func(t timeSpent) float64 { return t.Requests }, amount},
		{"", "rec.\neach", "records each", func(t timeSpent) float64 { return t.Records }, amount},
		{"", "bytes\neach", "bytes each", func(t timeSpent) float64 { return t.Bytes }, amount},
		{"", "broker\n%", "broker's turn, %", func(t timeSpent) float64 { return t.Waited }, percent},
		{"", "wire\n%", "transfer, %", func(t timeSpent) float64 { return t.Received }, percent},
		{"", "client\n%", "client's turn, %", func(t timeSpent) float64 { return t.Idle }, percent},
	}
	if slices.ContainsFunc(rows, func(r row) bool { return timeOf(r.Row).Handler > 0 }) {
		all = append(all, reading{"", "hand-\nler %", "in the handler, %", func(t timeSpent) float64 { return t.Handler }, percent})
	}
	return slices.DeleteFunc(all, func(c reading) bool {
		return !slices.ContainsFunc(rows, func(r row) bool { return c.of(timeOf(r.Row)) >= 0 })
	})
}

// cell writes what a row has, with at most n significant digits.
func (c reading) cell(r row, n int) string {
	v := c.of(timeOf(r.Row))
	if v < 0 {
		return unknown
	}
	return c.write(v, n)
}

func hundredths(v float64, _ int) string { return fmt.Sprintf("%.2f", v) }

// percent writes a share in whole percent.
func percent(share float64, _ int) string {
	if share > 0 && share < 0.005 {
		return "<1"
	}
	return fmt.Sprintf("%.0f", 100*share)
}

// amount writes a number, thousands and more with their unit.
func amount(v float64, n int) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if v >= 0.9995*unit.size {
			return brief(v/unit.size, n) + unit.name
		}
	}
	return brief(v, n)
}

// waiting are the rows of a table that tell where the time goes: when they tell
// clients apart, or when one row alone has something to say.
func waiting(rows []row) []row {
	known := those(rows, func(r row) bool { return r.Waiting != nil && r.RecordsPerSecond.N > 0 })
	switch {
	case len(known) == 0:
		return nil
	case len(rows) == 1:
		if t := timeOf(rows[0].Row); !t.waits() && t.Handler < 0.1 && t.Thread < 0.9 {
			return nil
		}
	case !varies(rows, client) && !varies(rows, func(r row) string { return r.Profile }):
		return nil
	}
	return those(rows, func(r row) bool { return r.RecordsPerSecond.N > 0 && (r.Waiting != nil || r.Adds == "") })
}

// aboutTime explains the columns of where the time goes.
func aboutTime(rows []row) string {
	request := "fetch"
	if rows[0].Workload == result.Produce {
		request = "request"
	}
	text := "CPUs of the client, its busiest thread, GC in % of its CPU; what a " + request + " carried"
	if slices.ContainsFunc(rows, func(r row) bool { return timeOf(r.Row).Idle >= 0 }) {
		text += "; in % of the connections' time: the broker's turn (fetch sent, no answer yet), the answer on the wire, the client's turn (until its next fetch)"
	}
	return text
}

// waitNotes say which clients wait by themselves: what the figures say, and the
// setting in force that may be why.
func waitNotes(rows []row) []string {
	by := map[string][]row{}
	var order []string
	for _, r := range rows {
		if t := timeOf(r.Row); r.RecordsPerSecond.N > 0 && t.waits() {
			who := r.Client + "\x00" + r.Profile
			if by[who] == nil {
				order = append(order, who)
			}
			by[who] = append(by[who], r)
		}
	}
	var notes []string
	for _, who := range order {
		notes = append(notes, whoAre(by[who], rows)+": "+waitsBecause(by[who]))
	}
	return notes
}

// backoff is librdkafka's pause while its queue is full.
const backoff = "fetch.queue.backoff.ms"

func waitsBecause(rows []row) string {
	var shares, cpus []float64
	var pauses []string
	for _, r := range rows {
		t := timeOf(r.Row)
		shares, cpus = append(shares, t.Idle), append(cpus, t.CPUs)
		if pause, told := r.InForce[backoff]; told && !slices.Contains(pauses, pause) {
			pauses = append(pauses, pause)
		}
	}
	text := fmt.Sprintf("between an answer and the next fetch pass %s %% of its connections' time, while it uses %s of a processor: it waits by itself",
		between(shares, percent), between(cpus, hundredths))
	if len(pauses) > 0 {
		text += fmt.Sprintf(" (in force: %s=%s)", backoff, strings.Join(pauses, ", "))
	}
	return text
}

// between writes the least and the greatest of some values, or the one there is.
func between(values []float64, write func(float64, int) string) string {
	low, high := write(slices.Min(values), 3), write(slices.Max(values), 3)
	if low == high {
		return low
	}
	return low + " to " + high
}

// workers name the rows of where the time goes in few letters: rungs as a question
// names them.
func workers(p result.Plan, rows []row) (head string, cells []string) {
	head, cells = names(p, rows)
	for i, r := range rows {
		cells[i] = shortened(cells[i], r.Arm)
	}
	return head, cells
}

// shortened is a name in which a rung is called as a question calls it.
func shortened(name string, a result.Arm) string {
	if a.Adds == "" {
		return name
	}
	return strings.Replace(name, a.Adds, a.Client, 1)
}

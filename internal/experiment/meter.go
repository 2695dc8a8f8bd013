package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"redline/internal/client"
	"redline/internal/observe"
	"redline/internal/stats"
	"redline/internal/workload"
	"redline/result"
)

// errEnded says that a workload stopped in the middle of its trial.
var errEnded = errors.New("the workload ended before its window did")

// running is a workload that goes on, seen from the trial that measures it.
type running interface {
	// Records and Bytes count what the workload has done so far.
	Records() int64
	Bytes() int64
	// Done is closed when it ends by itself.
	Done() <-chan struct{}
}

// reporter is a workload that counts for itself, and marks each of its reports.
type reporter interface{ Reported() <-chan struct{} }

// sample is what a workload had done at a moment, and what was used by then.
type sample struct {
	at             time.Duration // from the start of the trial
	records, bytes int64
	rewinds        int64
	wire           client.Counts
	handling       int64
	usage          observe.Reading
}

// meter watches one workload from its start, a bin at a time.
type meter struct {
	work     work
	watch    *observe.Watch
	wire     *client.Wire
	handling *handling
	// now, if not nil, is told the rate of each bin.
	now func(recordsPerSecond float64)

	timing result.Timing
	bin    time.Duration
	began  time.Time
	counts []int64 // of records, at the end of each bin
	window []sample
	// early is what a client that reads once told before the window opened.
	early []sample
	// opening and closing are the client's threads at the window's edges.
	opening, closing observe.ThreadReading
}

// Bins are as wide as those of a single run, narrower in short windows.
const narrowestBin = 10 * time.Millisecond

func newMeter(w work, timing result.Timing, watch *observe.Watch, wire *client.Wire, h *handling) *meter {
	return &meter{
		work: w, watch: watch, wire: wire, handling: h, timing: timing,
		bin:   max(narrowestBin, min(workload.Bin, timing.Window/10)),
		began: time.Now(),
	}
}

// warm waits until the rate is steady by the rule of quick trials: at least the
// warm-up, and until two successive halves of it agree within 10 %. A rate that
// never settles is measured all the same after two warm-ups: its spread shows in
// the interval.
func (m *meter) warm(ctx context.Context) error {
	const first = 10 * time.Second // to the first record, or nothing comes at all
	for m.work.Records() == 0 {
		if time.Since(m.began) > first {
			return fmt.Errorf("no record came through in %v", first)
		}
		if err := pause(ctx, m.work, 5*time.Millisecond); err != nil {
			return err
		}
	}
	m.forget()
	// The bins of the wait hold nothing.
	m.counts = append(m.counts, make([]int64, int(time.Since(m.began)/m.bin))...)
	last, previous := m.work.Records(), int64(-1)
	for i := 1; i <= 4; i++ {
		if err := m.pass(ctx, m.timing.Warmup/2, m.takeEarly()); err != nil {
			return err
		}
		now := m.work.Records()
		delta := now - last
		if i >= 2 && agree(previous, delta) {
			return nil
		}
		last, previous = now, delta
	}
	return nil
}

// forget takes the mark of a report that came while nobody looked: what is counted from
// is the next one, at its moment.
func (m *meter) forget() {
	if reporter, counts := m.work.(reporter); counts {
		select {
		case <-reporter.Reported():
		default:
		}
	}
}

func agree(a, b int64) bool {
	if a > b {
		a, b = b, a
	}
	return a > 0 && float64(b-a) <= 0.10*float64(b)
}

// pass lets d go by, bin by bin, and calls each at the end of every bin.
func (m *meter) pass(ctx context.Context, d time.Duration, each func()) error {
	end := time.Now().Add(d)
	for left := d; left > 0; left = time.Until(end) {
		before, began := m.work.Records(), time.Now()
		if err := m.step(ctx, left); err != nil {
			return err
		}
		records := m.work.Records()
		m.counts = append(m.counts, records)
		if m.now != nil {
			m.now(float64(records-before) / time.Since(began).Seconds())
		}
		if each != nil {
			each()
		}
	}
	return nil
}

// step waits for the end of a bin, or for the next report of a client that counts for
// itself, however long that takes: in between its counts stand still.
func (m *meter) step(ctx context.Context, left time.Duration) error {
	reporter, counts := m.work.(reporter)
	if !counts {
		step := min(left, m.bin)
		if left-step < m.bin/2 {
			step = left // no crumb of a bin at the end
		}
		return pause(ctx, m.work, step)
	}
	const silence = 10 * time.Second
	timer := time.NewTimer(silence)
	defer timer.Stop()
	select {
	case <-reporter.Reported():
		return nil
	case <-timer.C:
		return fmt.Errorf("the client told nothing in %v", silence)
	case <-m.work.Done():
		return ended(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ended is why a workload that goes no further does not.
func ended(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errEnded
}

// pause waits for d. It fails when ctx or the workload ends meanwhile.
func pause(ctx context.Context, w running, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-w.Done():
		return ended(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take notes where the workload stands. Readings of a bin's edge cost a tenth of a
// millisecond: in bins of 10 ms only the window's own edges are read.
func (m *meter) take(edge bool) { m.window = append(m.window, m.sample(edge)) }

func (m *meter) sample(edge bool) sample {
	s := sample{
		at: time.Since(m.began), records: m.work.Records(), bytes: m.work.Bytes(), rewinds: m.work.Rewinds(),
		wire: m.wire.Snapshot(), handling: m.handling.nanoseconds.Load(),
	}
	if edge || m.bin >= workload.Bin/2 {
		s.usage = m.watch.Split()
	}
	return s
}

// measure waits until the rate is warm and counts for the length of the window. A
// window without a record is a trial like any other, with a rate of 0.
func (m *meter) measure(ctx context.Context, trial *result.Trial, opened, closed func()) error {
	opened()
	err := m.warm(ctx)
	if err == nil {
		opened()
		m.opening = m.watch.Threads()
		m.take(true)
		end := m.window[0].at + m.timing.Window
		err = m.pass(ctx, m.timing.Window, func() { m.take(time.Since(m.began) >= end) })
	}
	if err != nil && !m.readAll(err, trial) {
		return err
	}
	if last := len(m.window) - 1; m.window[last].usage.At.IsZero() {
		m.window[last].usage = m.watch.Split()
	}
	m.closing = m.watch.Threads()
	closed()
	m.report(trial)
	return nil
}

// once is the work of a client that reads its topic once, and cannot begin anew.
func (m *meter) once() bool {
	external, ok := m.work.(externalWork)
	return ok && external.workload == result.Consume
}

// takeEarly notes, for such a client, where it stands before the window opens.
func (m *meter) takeEarly() func() {
	if !m.once() {
		return nil
	}
	return func() { m.early = append(m.early, m.sample(true)) }
}

// readAll says whether such a client has read all that there is, and enough was told for
// a figure: half of the window, or else all of its time, which is noted.
func (m *meter) readAll(err error, trial *result.Trial) bool {
	const fewest = 3 // tellings
	if !m.once() || !errors.Is(err, errEnded) {
		return false
	}
	if n := len(m.window); n > 0 && m.window[n-1].at-m.window[0].at >= m.timing.Window/2 {
		return true
	}
	m.window = append(m.early, m.window...)
	trial.Notes = append(trial.Notes, "the topic was read to its end before the window was over: its warm-up is in the figure")
	return len(m.window) >= fewest
}

// report fills in what the window came to: all of it, or for a client that
// delivers in bursts the part from the start of its first burst to the start of its
// last, so that each counts with the pause behind it.
func (m *meter) report(trial *result.Trial) {
	var from int
	to := len(m.window) - 1
	trial.Cut = string(workload.Settled)
	counts := make([]int64, len(m.window))
	for i, s := range m.window {
		counts[i] = s.records
	}
	starts, bursty := workload.BurstStarts(counts)
	if bursty && len(starts) > 1 && m.bin >= workload.Bin/2 {
		from, to = starts[0], starts[len(starts)-1]
		trial.Cut = string(workload.Bursts)
	} else {
		var notes []string
		from, notes = m.steady(counts)
		trial.Notes = append(trial.Notes, notes...)
	}
	a, b := m.window[from], m.window[to]
	trial.Warmup, trial.Window = a.at, b.at-a.at
	trial.Records, trial.Bytes, trial.Rewinds = b.records-a.records, b.bytes-a.bytes, b.rewinds-a.rewinds
	trial.Usage = observe.Between(a.usage, b.usage)
	wire := b.wire.Sub(a.wire)
	told := m.wire.Tells(trial.Window) && b.wire.Requests > 0
	if told {
		trial.Usage.WireRead, trial.Usage.WireWritten = wire.Read, wire.Written
	}
	trial.Waiting = m.waiting(wire, told, trial.Window, time.Duration(b.handling-a.handling))
	trial.BinWidth, trial.Bins = m.bin, increments(m.counts)
}

// waiting says where the client's time went in a window.
func (m *meter) waiting(wire client.Counts, told bool, window, handled time.Duration) *result.Waiting {
	w := &result.Waiting{Requests: -1, Fetches: -1, Produces: -1, WaitedSeconds: -1, ReceivedSeconds: -1, IdleSeconds: -1, HandlerSeconds: handled.Seconds()}
	w.BusiestThread, _ = observe.Busiest(m.opening, m.closing)
	if !told {
		return w
	}
	w.Requests, w.Fetches, w.Produces, w.ThrottledSeconds = wire.Requests, wire.Fetches, wire.Produces, wire.Throttled.Seconds()
	// A client may have fetched over connections that are no more: those that were there
	// have the window's length each.
	w.Connections = int64(math.Round((wire.Waited + wire.Received + wire.Idle).Seconds() / window.Seconds()))
	if w.Connections > 0 {
		// A library that tells of a fetch when it ends may tell a little too much.
		w.WaitedSeconds, w.IdleSeconds = max(0, wire.Waited.Seconds()), max(0, wire.Idle.Seconds())
		if !wire.Together {
			w.ReceivedSeconds = wire.Received.Seconds()
		}
	}
	return w
}

// steady looks at the bins of a long window: what MSER-5 takes for the rest of a
// warm-up is left out of it, and what a reader has to know of the rest is noted. A
// window with too few bins was judged by the rule of quick trials alone.
func (m *meter) steady(counts []int64) (from int, notes []string) {
	const change = 0.05 // of the rate, that is worth a note
	if len(counts) <= stats.SteadyBins {
		return 0, nil
	}
	bins := make([]float64, len(counts)-1)
	for i := range bins {
		bins[i] = float64(counts[i+1] - counts[i])
	}
	from, ok := stats.Steady(bins)
	if !ok {
		return 0, []string{"the rate did not become steady"}
	}
	for _, at := range stats.Changes(bins[from:], change) {
		notes = append(notes, fmt.Sprintf("the rate changed %.1f s into the window", (time.Duration(from+at)*m.bin).Seconds()))
	}
	return from, notes
}

// whole is what was used in all of the window, whatever part of it counts.
func (m *meter) whole() result.Usage {
	return observe.Between(m.window[0].usage, m.window[len(m.window)-1].usage)
}

// increments of counts that only grow.
func increments(counts []int64) []int64 {
	bins, last := make([]int64, len(counts)), int64(0)
	for i, n := range counts {
		bins[i], last = n-last, n
	}
	return bins
}

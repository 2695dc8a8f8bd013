package kafka_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"redline/internal/client"
	"redline/internal/client/libraries"
	"redline/internal/cluster"
	"redline/internal/latency"
)

// measuredVariable makes the test binary a measured client: its value is a job as JSON,
// and its standard output what that came to. It reads its standard input, whose end ends
// the jobs that last until then.
const measuredVariable = "REDLINE_TEST_MEASURED"

// job is what a measured client has to do.
type job struct {
	// Work is one of works.
	Work    string
	Client  string // direct or franz, at profile tuned
	Brokers []string
	Topic   string
	// Group is the group to be a member of, instead of reading all partitions.
	Group string
	// Warmup and Window begin with the first record that was consumed.
	Warmup, Window time.Duration
	// Rate is how many records/s fall due; 0: as many as go.
	Rate float64
	// Turn is how many records a partition gets before it is the turn of the next, which
	// have one stamp.
	Turn int64
	// InFlight is how many records may be sent and not consumed; 0: any number.
	InFlight int64
	// Buffer is the producer's buffer.memory in bytes; 0: as it is.
	Buffer int
	// Collect, above 0, is how often garbage is collected and given back, so that what
	// remains is what is in use.
	Collect time.Duration
}

// measurement is what a job came to.
type measurement struct {
	Records  int64         // within the window
	Window   time.Duration // as long as it was
	CPU      time.Duration // of the process, within the window
	P50, P99 time.Duration // from when a record was due until it was consumed
	// Passes are those over the whole of a backlog, each with the same sum of values.
	Passes  int64
	Sum     uint64
	PeakRSS int64 // in bytes
}

func (m measurement) rate() float64 { return float64(m.Records) / m.Window.Seconds() }

// cost is CPU ns a record.
func (m measurement) cost() float64 { return float64(m.CPU) / float64(m.Records) }

func (m measurement) String() string {
	text := fmt.Sprintf("%5.2f M/s, %5.1f ns", m.rate()/1e6, m.cost())
	if m.P99 > 0 {
		text += fmt.Sprintf(", p50 %.1f ms, p99 %.1f ms", 1e3*m.P50.Seconds(), 1e3*m.P99.Seconds())
	}
	return text
}

// works are what a measured client can do.
var works = map[string]func(context.Context, job) (measurement, error){"backlog": backlog, "once": once, "tail": tail, "offer": offer, "live": live}

// init comes before TestMain: a measured client is no test.
func init() {
	text := os.Getenv(measuredVariable)
	if text == "" {
		return
	}
	if err := work(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func work(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // who started us closes it, or is gone
		cancel()
	}()
	if j.Collect > 0 {
		go func() {
			for range time.Tick(j.Collect) {
				debug.FreeOSMemory()
			}
		}()
	}
	m, err := works[j.Work](ctx, j)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", j.Work, j.Client, err)
	}
	if m.PeakRSS, err = peakRSS(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(m)
}

func peakRSS() (int64, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Maxrss << 10, err // Linux counts in KiB
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// account is what is kept of the records that are consumed, for each client alike: how
// many, the sum of the first eight bytes of their values, and that every offset comes
// once and in turn.
type account struct {
	next    []int64 // offsets that have to come, by partition
	at      *int64  // that of the batch in hand
	records int64
	sum     uint64
	strays  int64 // offsets that came out of turn: something before was lost, or came twice
	each    func(offset int64, key, value []byte)

	// stamps, where they are looked at, are when records were due, in Unix nanoseconds.
	delays *latency.Recorder
	stamp  uint64 // the last one
	now    uint64
}

// newAccount is one of records from these offsets on.
func newAccount(starts map[int32]int64) *account {
	a := &account{next: make([]int64, len(starts))}
	a.each = a.record
	a.begin(starts)
	return a
}

// begin begins anew.
func (a *account) begin(starts map[int32]int64) {
	for p, at := range starts {
		a.next[p] = at
	}
	a.records, a.sum = 0, 0
}

func (a *account) batch(b client.Batch) {
	a.at = &a.next[b.Partition()]
	if a.delays != nil {
		a.now = uint64(time.Now().UnixNano())
	}
	b.Each(a.each)
}

func (a *account) record(offset int64, _, value []byte) {
	if offset != *a.at {
		a.strays++
	}
	*a.at = offset + 1
	a.records++
	first := binary.LittleEndian.Uint64(value)
	a.sum += first
	if a.delays != nil && first != a.stamp { // records of one turn have one stamp
		a.stamp = first
		a.delays.Observe(time.Duration(a.now - first))
	}
}

func (a *account) check() error {
	if a.strays > 0 {
		return fmt.Errorf("%d of %d records came at an offset that was not the next one", a.strays, a.records)
	}
	return nil
}

// window cuts out the part of a job that counts. Its clock begins with the first record.
type window struct {
	warmup, length time.Duration
	delays         *latency.Recorder

	opens, began time.Time
	from         int64
	cpu          time.Duration
	before       *latency.Histogram
	result       measurement
}

func newWindow(j job, delays *latency.Recorder) *window {
	return &window{warmup: j.Warmup, length: j.Window, delays: delays}
}

// over is asked again and again, with the records that have been consumed.
func (w *window) over(records int64) bool {
	now := time.Now()
	switch {
	case records == 0:
	case w.opens.IsZero():
		w.opens = now.Add(w.warmup)
	case w.began.IsZero():
		if now.Before(w.opens) {
			return false
		}
		w.began, w.from, w.cpu = now, records, cpuTime()
		if w.delays != nil {
			w.before = w.delays.Read()
		}
	case now.Sub(w.began) >= w.length:
		w.result.Records, w.result.Window, w.result.CPU = records-w.from, now.Sub(w.began), cpuTime()-w.cpu
		if w.delays != nil {
			h := w.delays.Read().Since(w.before)
			w.result.P50, w.result.P99 = h.Quantile(0.5), h.Quantile(0.99)
		}
		return true
	}
	return false
}

// errStalled is of a job whose records stay away.
var errStalled = errors.New("no record came for 20 s")

// stall notices that.
type stall struct {
	records int64
	since   time.Time
}

func (s *stall) check(records int64) error {
	if now := time.Now(); records != s.records || s.since.IsZero() {
		s.records, s.since = records, now
	} else if now.Sub(s.since) > 20*time.Second {
		return errStalled
	}
	return nil
}

// ranges are where the partitions of the job's topic begin and end.
func (j job) ranges(ctx context.Context) (starts, ends map[int32]int64, err error) {
	c, err := cluster.Connect(ctx, cluster.Config{Brokers: j.Brokers, Timeout: 10 * time.Second})
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	all, err := c.Offsets(ctx, j.Topic)
	starts, ends = map[int32]int64{}, map[int32]int64{}
	for p, r := range all {
		starts[p], ends[p] = r.Start, r.End
	}
	return starts, ends, err
}

// consumer reads all partitions: from these offsets, or a member of a group from the start.
func (j job) consumer(from map[int32]int64) (client.Consumer, error) {
	library, err := libraries.Open(j.Client)
	if err != nil {
		return nil, err
	}
	o := client.ConsumeOptions{
		Options: client.Options{Brokers: j.Brokers, Profile: client.Tuned, Wire: &client.Wire{}}, Topic: j.Topic, Assign: from,
	}
	if j.Group != "" {
		o.Group, o.Assign = j.Group, nil
	}
	return library.Consumer(o)
}

// producing are the properties of producers, those of the tuned profile of franz-go.
var producing = map[string]string{"acks": "1", "linger.ms": "5", "batch.size": "1000000", "compression.type": "none"}

// properties are those of the job's producer.
func (j job) properties() map[string]string {
	all := maps.Clone(producing)
	if j.Buffer > 0 {
		all["buffer.memory"] = fmt.Sprint(j.Buffer)
	}
	return all
}

// closing ends a client without waiting for long.
func closing(c interface{ Close(context.Context) error }) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return c.Close(ctx)
}

package kafka_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"redline/internal/stats"
)

// Direct's memory stays as it is while it produces and consumes as fast as it goes: for
// ten seconds with small buffers, which are soon in use, or for as long as REDLINE_MEMORY
// says with those it has by itself ("make direct-memory": ten minutes). What is looked at is
// what stays when garbage is collected; a tenth of the time, a minute at most, is left to
// the buffers to come to their size.
func TestDirectsMemoryIsFlat(t *testing.T) {
	s := newScene(t)
	s.topic("memory", 8, passing)
	const short = 10 * time.Second
	length := span(t, "REDLINE_MEMORY", short)
	j := job{Work: "live", Client: "direct", Topic: "memory", Turn: 16, InFlight: liveBound, Warmup: min(time.Minute, max(length/10, 3*time.Second)), Window: length}
	if length <= short {
		j.InFlight, j.Buffer = 20_000, 8<<20
	}
	every := min(10*time.Second, length/50)
	j.Collect = every
	c := s.begin(j, nil)
	var sizes []float64
	began := time.Now()
	for tick := time.Tick(every); time.Since(began) < j.Warmup+j.Window; {
		<-tick
		size, err := residentSet(c.Process.Pid)
		if err != nil {
			t.Fatalf("%v; the client said: %s", err, c.stderr.String())
		}
		if since := time.Since(began); since > j.Warmup {
			sizes = append(sizes, size)
		}
		if every >= time.Second {
			t.Logf("%4.0f s: RSS %.1f MB", time.Since(began).Seconds(), size/1e6)
		}
	}
	m := s.outcome(c)
	third := len(sizes) / 3
	first, last := stats.Median(sizes[:third]).Median, stats.Median(sizes[len(sizes)-third:]).Median
	found := fmt.Sprintf("%s over %v: RSS %.1f MB in the first third, %.1f MB in the last (%+.1f %%), peak %.1f MB", m, length, first/1e6, last/1e6, 100*(last/first-1), float64(m.PeakRSS)/1e6)
	if last > 1.05*first {
		t.Fatal(found)
	}
	t.Log(found)
}

// residentSet is what a process has in memory, in bytes.
func residentSet(pid int) (float64, error) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%d/statm is empty: the process has ended", pid)
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	return pages * float64(os.Getpagesize()), err
}

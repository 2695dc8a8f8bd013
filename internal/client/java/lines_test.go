package java

import (
	"errors"
	"math"
	"os"
	"strings"
	"testing"
)

// golden reads a file of output of a real tool.
func golden(t *testing.T, name string, r reader) (reports int) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		told, err := r.take(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if told {
			reports++
		}
	}
	return reports
}

// The files of 4.3.1 are what the tools printed, that of a stopped share consumer put
// together; those of 4.1 are written after the format strings of that version.
func TestWhatKafkasToolsPrintIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		r       reader
		reports int
		want    counts
	}{
		"consume-4.3.1.txt":       {&consumed{}, 10, counts{records: 2766524, bytes: mb(263.8363), rate: 2766524 / 1.975}},
		"consume-4.1.txt":         {&consumed{}, 2, counts{records: 200500, bytes: mb(19.1212), rate: 200500 / 10.004, short: true}},
		"share-4.3.1.txt":         {newShared(1), 4, counts{records: 2923234, bytes: mb(278.7813), rate: 197649.3577}},
		"share-stopped-4.3.1.txt": {newShared(2), 2, counts{records: 1777 + 4000, bytes: mb(0.1695) + mb(0.4), rate: 5777 / 5.4}},
		"share-4.1.txt":           {newShared(2), 3, counts{records: 1000, bytes: mb(0.0954), rate: 191.9755}},
		"produce-4.3.1.txt":       {&produced{size: 100}, 4, counts{records: 2000000, bytes: 200000000, rate: 233399.463181}},
		"produce-4.1.txt":         {&produced{size: 100}, 3, counts{records: 153321, bytes: 15332100, rate: 10221.4}},
	} {
		t.Run(name, func(t *testing.T) {
			if n := golden(t, name, c.r); n != c.reports {
				t.Errorf("%d reports, want %d", n, c.reports)
			}
			got := c.r.counts()
			if math.Abs(got.rate-c.want.rate) > 1e-6*c.want.rate {
				t.Errorf("rate %f, want %f", got.rate, c.want.rate)
			}
			if got.rate = c.want.rate; got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func mb(f float64) int64 { return int64(math.Round(f * mebibyte)) }

func TestWindowsOfAProducerAddUp(t *testing.T) {
	p := &produced{size: 10}
	for range 3 {
		if _, err := p.take("500 records sent, 1000.0 records/sec (0.01 MB/sec), NaN ms avg latency, 1.0 ms max latency."); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.counts(); got != (counts{records: 1500, bytes: 15000, rate: 1000}) {
		t.Errorf("got %+v", got)
	}
}

func TestAnEndWithoutComplaintTellsTheRest(t *testing.T) {
	const detail = "2026-11-26 22:30:26:470, 0, 1.0000, 1.0000, 95, 1.0000, 0, 1000, 1.0000, 1.0000"
	for asked, want := range map[int64]counts{
		100: {records: 100, bytes: mebibyte, rate: 95},
		110: {records: 110, bytes: mebibyte}, // the lines leave out too much for a rate
		90:  {records: 95, bytes: mebibyte, rate: 95},
	} {
		c := &consumed{asked: asked}
		if _, err := c.take(detail); err != nil {
			t.Fatal(err)
		}
		if got := c.end(); got != want {
			t.Errorf("of %d: got %+v, want %+v", asked, got, want)
		}
		if _, err := c.take(gaveUp + "messages: timeout (10000 ms) exceeded."); err != nil {
			t.Fatal(err)
		}
		if got := c.end(); got.records != 95 {
			t.Errorf("of %d, given up: got %+v", asked, got)
		}
	}
}

func TestReportsThatMakeNoSenseAreErrors(t *testing.T) {
	const stamp = "2026-11-26 22:30:26:470, "
	for _, c := range []struct {
		r     reader
		lines []string
	}{
		{&consumed{}, []string{stamp + "0, 1.0000, 1.0000, 10, 1.0000, 0, 100, 1.0000, 1.0000", stamp + "0, 1.0000, 1.0000, 9, 1.0000, 0, 100, 1.0000, 1.0000"}},
		{&consumed{}, []string{stamp + "0, 1.0000, 1.0000, 10, 1.0000, 0, 100, 1.0000, 1.0000", stamp + "0, 0.9000, 1.0000, 11, 1.0000, 0, 100, 1.0000, 1.0000"}},
		{&consumed{}, []string{stamp + "0, 1,0000, 1,0000, 10, 1,0000, 0, 100, 1,0000, 1,0000"}},
		{&consumed{}, []string{stamp + "0, 1.0000, 1.0000, -10, 1.0000, 0, 100, 1.0000, 1.0000"}},
		{&consumed{}, []string{stamp + "0, 1.0000, 1.0000, 99999999999999999999, 1.0000, 0, 100, 1.0000, 1.0000"}},
		{&consumed{}, []string{stamp + "0, 9999999999999999.0000, 1.0000, 1, 1.0000, 0, 100, 1.0000, 1.0000"}},
		{&consumed{}, []string{stamp + "0, 1.0000, 1.0000, 10, 1.0000, -100, 0, 1.0000, 1.0000"}},
		{newShared(1), []string{stamp + stamp + "1.0000, 1.0000, 1.0000, 1, 1 for share consumer 2"}},
		{newShared(1), []string{stamp + stamp + "1.0000, 1.0000, 1.0000, -1, 1 for share consumer 1"}},
		{newShared(1), []string{stamp + stamp + "1.0000, 1.0000, 1.0000, 5, 1 for share consumer 1", stamp + stamp + "1.0000, 1.0000, 1.0000, 4, 1"}},
		{newShared(1), []string{stamp + "2026-13-26 22:30:26:470, 1.0000, 1.0000, 1.0000, 5, 1 for share consumer 1"}},
		{newShared(1), []string{stamp + "nothing"}},
		{&produced{}, []string{"-1 records sent, 1.0 records/sec (1.00 MB/sec), 1.0 ms avg latency, 1.0 ms max latency."}},
		{&produced{}, []string{"1 records sent, 1,0 records/sec (1,00 MB/sec), 1,0 ms avg latency, 1,0 ms max latency."}},
		{&produced{size: math.MaxInt64}, []string{"2 records sent, 1.0 records/sec (1.00 MB/sec), 1.0 ms avg latency, 1.0 ms max latency."}},
		{&produced{}, []string{
			"2 records sent, 1.0 records/sec (1.00 MB/sec), 1.0 ms avg latency, 1.0 ms max latency.",
			"1 records sent, 1.000000 records/sec (1.00 MB/sec), 1.00 ms avg latency, 1.00 ms max latency, 1 ms 50th, 1 ms 95th, 1 ms 99th, 1 ms 99.9th.",
		}},
	} {
		for i, line := range c.lines {
			_, err := c.r.take(line)
			if last := i+1 == len(c.lines); last != errors.Is(err, errNonsense) {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
}

// FuzzLines holds the readers to their promises, whatever is printed: counts never go
// back and are never negative, and a rate is a number.
func FuzzLines(f *testing.F) {
	for _, name := range []string{"consume-4.3.1.txt", "consume-4.1.txt", "share-4.3.1.txt", "share-stopped-4.3.1.txt", "share-4.1.txt", "produce-4.3.1.txt", "produce-4.1.txt"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range []reader{&consumed{asked: 5}, newShared(3), &produced{size: 1000}} {
			before := counts{}
			for line := range strings.Lines(text) {
				_, err := r.take(strings.TrimSuffix(line, "\n"))
				now := r.counts()
				if now.records < before.records || math.IsNaN(now.rate) || math.IsInf(now.rate, 0) || now.rate < 0 || now.bytes < 0 {
					t.Fatalf("%T: %+v after %+v, at %q", r, now, before, line)
				}
				if before = now; err != nil {
					break
				}
			}
		}
		var w words
		for line := range strings.Lines(text) {
			w.add(line)
		}
		if len(w.last) > mostWords || len(w.why()) > 2*longestWord {
			t.Fatalf("%d lines are kept, and %q", len(w.last), w.why())
		}
	})
}

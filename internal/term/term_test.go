package term

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

// env is an environment as pairs NAME=VALUE.
func env(pairs ...string) func(string) string {
	return func(name string) string {
		for _, p := range pairs {
			if k, v, _ := strings.Cut(p, "="); k == name {
				return v
			}
		}
		return ""
	}
}

// clock is a time that only the test moves.
type clock struct{ t time.Time }

func (c *clock) now() time.Time            { return c.t }
func (c *clock) pass(d time.Duration)      { c.t = c.t.Add(d) }
func newClock() *clock                     { return &clock{time.Unix(1_700_000_000, 0)} }
func (c *clock) drive(d *Display) *Display { d.now = c.now; return d }

// run is a display's whole life as limit has it.
func run(d *Display, c *clock) {
	fill := d.Phase("Fill", "4,000,000 records", 4_000_000)
	c.pass(50 * time.Millisecond)
	fill.Set(1, "too early to be drawn")
	for i := range int64(4) {
		c.pass(5 * time.Second)
		fill.Set((i+1)*900_000, "3.4 M/s")
	}
	d.Print("Topic redline-fill was there already")
	fill.Set(4_000_000, "3.4 M/s")
	fill.End("3.4 M/s")
	rounds := d.Phase("Rounds", "0 of 8", 8)
	c.pass(12 * time.Second)
	rounds.SetWhat("3 of 8", 3, "0:41")
	rounds.End("interrupted")
	drain := d.Phase("Drain", "unknown number", 0)
	c.pass(11 * time.Second)
	drain.Set(1_234_567, "11.8 M/s")
	d.Print("the display closes before the phase ends")
	d.Close()
	drain.Set(9, "after the end")
	drain.End("after the end")
	d.Close()
}

func TestPicturesAreTheGoldenOnes(t *testing.T) {
	const utf8, c = "LANG=de_DE.UTF-8", "LC_ALL=C"
	for name, x := range map[string]struct {
		style Style
		env   []string
	}{
		"terminal-80":     {Style{Bars: true}, []string{utf8, "COLUMNS=80"}},
		"terminal-40":     {Style{Bars: true}, []string{utf8, "COLUMNS=40"}},
		"terminal-60":     {Style{Bars: true}, []string{utf8, "COLUMNS=60"}},
		"terminal-12":     {Style{Bars: true}, []string{utf8, "COLUMNS=12"}},
		"terminal-colour": {Style{Bars: true, Colour: true}, []string{utf8}},
		"terminal-ascii":  {Style{Bars: true}, []string{utf8, c}},
		"file":            {Style{}, []string{utf8}},
		"silent":          {Style{Bars: true, Silent: true}, []string{utf8}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			clock := newClock()
			run(clock.drive(New(&out, x.style, env(x.env...))), clock)
			golden(t, name, visible(out.String()))
		})
	}
}

// visible writes control characters so that a golden file can be read.
func visible(s string) string {
	return strings.NewReplacer("\r", "<CR>\n", "\x1b[K", "<EL>", "\x1b[36m", "<CYAN>", "\x1b[2m", "<DIM>", "\x1b[0m", "<NORMAL>").Replace(s)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

var escapes = regexp.MustCompile("\x1b\\[[0-9]*[mK]")

func TestNoLineIsEverWiderThanTheTerminal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringOfN(rapid.RuneFrom([]rune("ab 9µ…\x1b\n\t")), 0, 60, -1)
		locale := rapid.SampledFrom([]string{"LANG=C", "LANG=C.UTF-8"}).Draw(t, "locale")
		wide := rapid.IntRange(2, 200).Draw(t, "columns")
		var out bytes.Buffer
		c := newClock()
		d := c.drive(New(&out, Style{Bars: true}, env(locale)))
		d.width = func() int { return wide }
		p := d.Phase(word.Draw(t, "name"), word.Draw(t, "what"), rapid.Int64().Draw(t, "total"))
		for range 3 {
			c.pass(time.Second)
			p.Set(rapid.Int64().Draw(t, "done"), word.Draw(t, "note"))
		}
		p.End(word.Draw(t, "end"))
		for _, line := range strings.FieldsFunc(escapes.ReplaceAllString(out.String(), ""), func(r rune) bool { return r == '\r' || r == '\n' }) {
			if n := utf8.RuneCountInString(line); n >= wide {
				t.Fatalf("%d of %d columns: %q", n, wide, line)
			}
			if strings.ContainsRune(line, '\x1b') {
				t.Fatalf("an escape came through: %q", line)
			}
			if locale == "LANG=C" && len(line) != utf8.RuneCountInString(line) {
				t.Fatalf("not ASCII: %q", line)
			}
		}
	})
}

func TestAtMostEightPicturesASecond(t *testing.T) {
	var out bytes.Buffer
	c := newClock()
	d := c.drive(New(&out, Style{Bars: true}, env()))
	p := d.Phase("Fill", "x", 1000)
	out.Reset()
	for i := range int64(1000) {
		c.pass(time.Millisecond)
		p.Set(i, "")
	}
	if n := strings.Count(out.String(), "\r"); n != 8 {
		t.Errorf("%d pictures in a second", n)
	}
}

func TestTheNewestOpenPhaseIsOnTheLine(t *testing.T) {
	var out bytes.Buffer
	c := newClock()
	d := c.drive(New(&out, Style{Bars: true}, env()))
	outer := d.Phase("Outer", "", 2)
	inner := d.Phase("Inner", "", 2)
	c.pass(time.Second)
	out.Reset()
	outer.Set(1, "")
	if out.Len() != 0 {
		t.Errorf("the outer phase drew over the inner: %q", out.String())
	}
	inner.End("")
	if s := out.String(); !strings.Contains(s, "Inner") || !strings.HasPrefix(s[strings.LastIndexByte(s, '\r'):], "\rOuter") {
		t.Errorf("%q", s)
	}
}

func TestManyMayReportAtOnce(t *testing.T) {
	var out bytes.Buffer
	d := New(&out, Style{Bars: true}, env())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			p := d.Phase("P", "x", 100)
			for i := range int64(100) {
				p.Set(i, "")
				d.Print("line")
			}
			p.End("done")
		})
	}
	wg.Wait()
	d.Close()
	if n := strings.Count(out.String(), "line\n"); n != 400 {
		t.Errorf("%d of 400 lines", n)
	}
}

func TestLocaleAndWidthFollowTheEnvironment(t *testing.T) {
	for _, x := range []struct {
		env     []string
		unicode bool
	}{
		{nil, false},
		{[]string{"LANG=en_US.utf8"}, true},
		{[]string{"LC_CTYPE=UTF-8", "LANG=C"}, true},
		{[]string{"LC_ALL=POSIX", "LC_CTYPE=C.UTF-8"}, false},
	} {
		if d := New(&bytes.Buffer{}, Style{}, env(x.env...)); d.unicode != x.unicode {
			t.Errorf("%q: unicode %v", x.env, d.unicode)
		}
	}
	for columns, want := range map[string]int{"": 80, "x": 80, "-3": 80, "132": 132} {
		if got := New(&bytes.Buffer{}, Style{}, env("COLUMNS="+columns)).width(); got != want {
			t.Errorf("COLUMNS=%s: %d", columns, got)
		}
	}
}

func TestNumbersReadAsPeopleWriteThem(t *testing.T) {
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	check(Count(0), "0")
	check(Count(999), "999")
	check(Count(-1000), "-1,000")
	check(Count(4_000_000), "4,000,000")
	check(Count(math.MinInt64), "-9,223,372,036,854,775,808")

	check(Rate(0), "0")
	check(Rate(50), "50")
	check(Rate(0.5), "0.5")
	check(Rate(149_499), "149 k")
	check(Rate(999.4), "999")
	check(Rate(999.6), "1 k")
	check(Rate(999_600), "1 M")
	check(Rate(3_400_000), "3.4 M")
	check(Rate(11_840_000), "11.8 M")
	check(Rate(-1500), "-1.5 k")
	check(Rate(math.NaN()), "-")
	check(Rate(math.Inf(1)), "-")

	check(Bytes(0), "0 B")
	check(Bytes(1023), "1023 B")
	check(Bytes(1024), "1 KiB")
	check(Bytes(1_048_575), "1 MiB")
	check(Bytes(3<<29), "1.5 GiB")
	check(Bytes(math.MaxInt64), "8 EiB")

	check(Duration(0), "0 ns")
	check(Duration(58_200), "58.2 µs")
	check(Duration(999_999), "1 ms")
	check(Duration(999_999_999), "1 s")
	check(Duration(12_340*time.Millisecond), "12.3 s")
	check(Duration(59_940*time.Millisecond), "59.9 s")
	check(Duration(59_960*time.Millisecond), "1:00")
	check(Duration(65*time.Second), "1:05")
	check(Duration(3725*time.Second), "1:02:05")
	check(Duration(-65*time.Second), "-1:05")
}

func TestRatesHaveAtMostThreeDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Float64Range(0.01, 9e20).Draw(t, "v")
		number, _, _ := strings.Cut(Rate(v), " ")
		digits := strings.TrimLeft(strings.ReplaceAll(number, ".", ""), "0")
		if len(digits) > 3 {
			t.Fatalf("%v is written %q", v, Rate(v))
		}
	})
}

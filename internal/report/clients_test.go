package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"redline/result"
)

func TestABarIsAsLongAsItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Float64Range(1e-9, 3).Draw(t, "share")
		length := 0.0
		for i, block := range []rune(bar(share)) {
			eighths := strings.IndexRune(" ▏▎▍▌▋▊▉█", block)
			if eighths = utf8.RuneCountInString(" ▏▎▍▌▋▊▉█"[:max(0, eighths)]); eighths < 1 {
				t.Fatalf("column %d is %q", i, block)
			}
			length += float64(eighths) / 8
		}
		want := barWidth * min(1, share)
		if off := math.Abs(length - want); off > 1.0/16+1e-9 && length != 1.0/8 {
			t.Fatalf("%v: %v columns, want %v", share, length, want)
		}
	})
	for _, share := range []float64{0, -1, math.NaN()} {
		if text := bar(share); text != "" {
			t.Errorf("%v has the bar %q", share, text)
		}
	}
}

// told is a row in a table of its own making.
func told(index int, client, profile string) row {
	return row{result.Row{Arm: result.Arm{Workload: result.Consume, Client: client, Profile: profile, Setting: setting(1, 8), Against: -1,
		Values: map[string]string{"client": client, "profile": profile}}, Label: client + ", " + profile}, index}
}

func TestNotesNameRowsInFewWords(t *testing.T) {
	all := []row{told(0, "a", "tuned"), told(1, "a", "defaults"), told(2, "b", "tuned"), told(3, "b", "defaults"),
		told(4, "c", own), told(5, "d", "tuned"), told(6, "e", "tuned"), told(7, "f", "tuned"), told(8, "g", "tuned")}
	for _, c := range []struct {
		some []int
		want string
	}{
		{[]int{0, 1}, "a"},
		{[]int{1, 2, 3}, "a, defaults; b"},
		{[]int{2, 4}, "b, tuned; c, own"},
		{[]int{0, 1, 2, 3, 4, 5, 6, 7, 8}, "each"},
		{[]int{4, 5, 6, 7, 8}, "c, own; d, tuned; e, tuned; f, tuned; g, tuned"},
		{[]int{0, 4, 5, 6, 7, 8}, "a, tuned; c, own; d, tuned; e, tuned; and 2 more"},
	} {
		var some []row
		for _, i := range c.some {
			some = append(some, all[i])
		}
		if got := whoAre(some, all); got != c.want {
			t.Errorf("%v are %q, want %q", c.some, got, c.want)
		}
	}
	if got := whoAre(all[:1], all[:1]); got != "a, tuned" {
		t.Errorf("a row alone is %q", got)
	}
}

func TestRowsAreNamedByWhatVaries(t *testing.T) {
	arm := func(client, profile, consumers string) result.Arm {
		return result.Arm{Workload: result.Consume, Client: client, Profile: profile, Values: map[string]string{"client": client, "profile": profile, "consumers": consumers}}
	}
	for _, c := range []struct {
		arms       []result.Arm
		head       string
		cells      []string
		full       string // of the last
		fieldNames []string
	}{
		{[]result.Arm{arm("franz", "tuned", "1"), arm("sarama", "tuned", "1")}, "client", []string{"franz", "sarama"}, "sarama", []string{"client"}},
		{[]result.Arm{arm("franz", "tuned", "1"), arm("franz", "defaults", "1")}, "profile", []string{"tuned", "defaults"}, "defaults", []string{"profile"}},
		{[]result.Arm{arm("franz", "tuned", "1"), arm("mine", own, "1"), arm("franz", "defaults", "1")}, "client", []string{"franz, tuned", "mine", "franz, defaults"}, "franz, defaults", []string{"client", "profile"}},
		{[]result.Arm{arm("franz", "tuned", "1"), arm("sarama", "defaults", "8")}, "client, consumers", []string{"franz, tuned, 1", "sarama, defaults, 8"}, "sarama, defaults, consumers=8", []string{"client", "profile", "consumers"}},
		{[]result.Arm{arm("franz", "tuned", "1"), arm("franz", "defaults", "8")}, "setting", []string{"consumers=1 tuned", "consumers=8 defaults"}, "consumers=8 defaults", []string{"profile", "consumers"}},
	} {
		var p result.Plan
		for _, name := range c.fieldNames {
			p.Axes = append(p.Axes, result.Axis{Name: name})
		}
		p.Arms = c.arms
		rows := armsOf(p)
		head, cells := names(p, byWorkload(rows)[0])
		if head != c.head || !slices.Equal(cells, c.cells) || rows[len(rows)-1].Label != c.full {
			t.Errorf("%s: %q, the last %q; want %s: %q, %q", head, cells, rows[len(rows)-1].Label, c.head, c.cells, c.full)
		}
	}
}

func TestLesserNotesAreCountedWhereThereAreMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var notes []note
		graves := 0
		for i := range rapid.IntRange(0, 25).Draw(t, "notes") {
			lesser := rapid.Bool().Draw(t, "lesser")
			if !lesser {
				graves++
			}
			notes = append(notes, note{fmt.Sprintf("%d is said", i), lesser})
		}
		var b bytes.Buffer
		writeNotes(&b, "a run", notes)
		shown, left := 0, 0
		for i, n := range notes {
			if strings.Contains(b.String(), fmt.Sprintf(" %d is said\n", i)) {
				shown++
			} else if !n.lesser {
				t.Fatalf("note %d is grave and was left out", i)
			}
		}
		if i := strings.Index(b.String(), "and "); i >= 0 {
			if _, err := fmt.Sscanf(b.String()[i:], "and %d more: redline report 'a run' -o md", &left); err != nil {
				t.Fatal(err)
			}
		}
		if shown+left != len(notes) || left == 1 && graves <= mostNotes || shown > max(graves, mostNotes+1) {
			t.Fatalf("%d notes, %d grave: %d shown, %d counted", len(notes), graves, shown, left)
		}
	})
}

func TestOnlyWhoNeitherWorksNorIsServedWaitsByItself(t *testing.T) {
	for _, c := range []struct {
		what      string
		cpus      float64
		idle      float64 // seconds of 100
		handler   float64
		busy      float64 // processors of the host's two; 0: not known
		inForce   string
		want      bool
		wantWords string
	}{
		{what: "a pause", cpus: 0.12, idle: 88, inForce: "1000", want: true, wantWords: "(in force: fetch.queue.backoff.ms=1000)"},
		{what: "a pause of a client that has no such setting", cpus: 0.12, idle: 88, want: true},
		{what: "work between fetches", cpus: 0.95, idle: 88},
		{what: "a slow broker", cpus: 0.12, idle: 12},
		{what: "a machine that is full", cpus: 0.12, idle: 88, busy: 1.9},
		{what: "a handler that sleeps", cpus: 0.12, idle: 88, handler: 85},
		{what: "nothing known of connections", cpus: 0.12, idle: -1},
	} {
		r := told(0, "confluent", "defaults")
		r.RecordsPerSecond = estimate(1, 2, 3)
		r.ClientCPUs = estimate(c.cpus, c.cpus, c.cpus)
		r.Usage.Wall, r.Usage.CPUs = 50*time.Second, 2
		if c.busy > 0 {
			r.CPUsBusy = estimate(c.busy, c.busy, c.busy)
		}
		r.Waiting = &result.Waiting{Fetches: 10, Connections: 2, WaitedSeconds: 1, ReceivedSeconds: 1, IdleSeconds: c.idle, HandlerSeconds: c.handler / 2}
		if c.inForce != "" {
			r.InForce = map[string]string{backoff: c.inForce}
		}
		notes := waitNotes([]row{r})
		if (len(notes) > 0) != c.want || c.want && !strings.Contains(notes[0], "pass 88 % of its connections' time, while it uses 0.12 of a processor") {
			t.Errorf("%s: %q", c.what, notes)
		}
		if c.want && (!strings.Contains(notes[0], c.wantWords) || strings.Contains(notes[0], backoff) != (c.inForce != "")) {
			t.Errorf("%s: %q", c.what, notes)
		}
	}
}

func TestWhatIsNotKnownOfTimeIsNoFigure(t *testing.T) {
	r := told(0, "segmentio", "tuned")
	r.RecordsPerSecond = estimate(1, 2, 3)
	unknownTime := timeSpent{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}
	if got := timeOf(r.Row); got != unknownTime {
		t.Errorf("of nothing: %+v", got)
	}
	r.Usage = result.Usage{Wall: time.Second, GCShare: -1, WireRead: -1, WireWritten: -1}
	r.Waiting = &result.Waiting{Requests: -1, Fetches: -1, Produces: -1, Connections: -1, WaitedSeconds: -1, ReceivedSeconds: -1, IdleSeconds: -1, BusiestThread: -1}
	for _, reading := range readingsOf([]row{r}) {
		t.Errorf("there is a column of %s", reading.long)
	}
	if cells := rowCells(r.Row); strings.Join(cells, "") != "0" { // the time in the handler is known: none
		t.Errorf("CSV has %q", cells)
	}
	r.Waiting.Fetches, r.Waiting.Connections, r.Waiting.WaitedSeconds, r.Waiting.IdleSeconds = 4, 2, 0.5, 1
	if got := timeOf(r.Row); got.Requests != 4 || got.Records != 0.5 || got.Bytes >= 0 || got.Waited != 0.25 || got.Idle != 0.5 || got.Received >= 0 {
		t.Errorf("%+v", got)
	}
}

func TestSharesOfALadderArePairedWhereTheyWereCompared(t *testing.T) {
	r := named(clean(ladderReport()))
	ladders := laddersOf(r, byWorkload(r.Rows)[0])
	if len(ladders) != 1 || len(ladders[0].beside) != 1 || len(ladders[0].rungs) != 14 || ladders[0].rungs[0].share.Median != 1 {
		t.Fatalf("%+v", ladders)
	}
	for _, one := range ladders[0].all()[2:] {
		if want := r.Comparisons[one.index]; one.compared == nil || one.share.Median != want.Ratio.Median || want.A != one.Label {
			t.Errorf("%s: %+v, compared: %+v", one.name, one.share, one.compared)
		}
	}
	if left := outsideLadders(r); len(left) > 0 {
		t.Errorf("%d comparisons are shown twice", len(left))
	}
	r = named(clean(ladderProduceReport()))
	for _, one := range laddersOf(r, byWorkload(r.Rows)[0])[0].rungs {
		want := one.RecordsPerSecond.Median / r.Rows[0].RecordsPerSecond.Median
		if one.Cannot == "" && (one.share.Median != want || one.share.Confidence != 0 || one.span() != unknown) {
			t.Errorf("%s: %+v, want %v and no interval", one.name, one.share, want)
		}
		if one.Cannot != "" && (one.ofFirst() != unknown || one.picture() != "") {
			t.Errorf("%s has the share %q %q", one.name, one.ofFirst(), one.picture())
		}
	}
}

func TestALadderStandsForEachOtherSetting(t *testing.T) {
	f := invent("twice", "?", "!", 3, result.Axis{Name: "client", Values: []string{"rung:fetch", "franz"}}, result.Axis{Name: "consumers", Values: []string{"1", "2"}})
	for _, client := range []string{"rung:fetch", "franz"} {
		for n := 1; n <= 2; n++ {
			a := armOf(result.Consume, client, "tuned", setting(n, 8), "consumers", fmt.Sprint(n))
			if a.Against = -1; client == "rung:fetch" {
				a.Adds = "fetch responses read"
			}
			f.arm(a, 1e6*float64(n), 0, 1, 1)
		}
	}
	r := named(f.done())
	var heads []string
	for _, l := range laddersOf(r, byWorkload(r.Rows)[0]) {
		heads = append(heads, l.head)
		if len(l.rungs) != 2 || math.Abs(l.rungs[1].share.Median-1) > 1e-9 {
			t.Errorf("%s: %+v", l.head, l.rungs)
		}
	}
	if diff := cmp.Diff([]string{"consume consumers=1", "consume consumers=2"}, heads); diff != "" {
		t.Error(diff)
	}
}

func TestComparisonsWithOthersEachAreOneTable(t *testing.T) {
	c := func(a, b string) result.Comparison { return result.Comparison{A: a, B: b, Measure: "m"} }
	for _, k := range []struct {
		all  []result.Comparison
		want []string
	}{
		{[]result.Comparison{c("b", "a"), c("c", "a")}, []string{"with a: b c"}},
		{[]result.Comparison{c("a, tuned, n=1", "a, defaults, n=1"), c("b, tuned, n=1", "b, defaults, n=1")}, []string{"each with defaults, all else the same: a, tuned, n=1 b, tuned, n=1"}},
		{[]result.Comparison{c("b", "a"), c("c", "b"), c("d", "c")}, []string{"each with another: b with a c with b d with c"}},
		{[]result.Comparison{c("b x", "a"), c("c x", "a"), c("e x", "d"), c("f x", "d")}, []string{"with a: b x c x", "with d: e x f x"}},
	} {
		var got []string
		for _, group := range together(k.all) {
			text := group.with + ":"
			for _, c := range group.all {
				text += " " + group.name(c.A, c)
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(k.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestCSVTellsWhatWasNotTried(t *testing.T) {
	r := everyClientReport()
	lines, err := csv.NewReader(strings.NewReader(written(t, r, "csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := func(name string) int { return slices.Index(lines[0], name) }
	last := lines[len(lines)-1]
	if last[column("client")] != "java-share" || last[column("records_per_second")] != "" || !strings.Contains(last[column("cannot")], "cannot produce") {
		t.Errorf("%q", last)
	}
	if first := lines[1]; first[column("idle_share")] != "0.45" || first[column("requests_per_second")] != "1190" || first[column("handler_share")] != "0" {
		t.Errorf("%q", first)
	}
}

// Commands, refusals and notes of clients come from outside, too.
func TestTextOfClientsSteersNothing(t *testing.T) {
	for _, base := range []result.ExperimentReport{everyClientReport(), ladderReport(), scaleReport()} {
		base.Plan.Arms[0].Command = "./mine"
		r := hostile(reflect.ValueOf(base), map[string]string{}).Interface().(result.ExperimentReport)
		for _, form := range []string{"txt", "plan.txt", "md", "csv", "bench", "html"} {
			text := bulk.ReplaceAllString(written(t, r, form), "$1$2")
			if i := strings.IndexFunc(text, func(c rune) bool {
				return unicode.IsControl(c) && c != '\n' || unicode.Is(unicode.Bidi_Control, c) || c == '\u2028'
			}); i >= 0 {
				t.Errorf("%s: %q came through", form, text[i:i+1])
			}
			if form == "html" && (strings.Contains(text, "<img") || strings.Contains(text, "<b ") || strings.Count(text, "<script") != 3) {
				t.Error("an element came through")
			}
		}
	}
}

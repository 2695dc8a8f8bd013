package plan

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"redline/result"
)

func TestSecondsAddUp(t *testing.T) {
	trial := 0.3 + 1.2*0.5 + 2 + 0.35
	for _, tt := range []struct {
		yaml string
		w    Want
		want float64
	}{
		// Nothing is filled, on a cluster that is there.
		{"measure: produce", Want{Kafka: "x:9092", External: true}, calibrating + creating + 2*trial},
		{"measure: produce", Want{}, calibrating + embedded + creating + 2*trial},
		{"measure: produce\nkafka: local", Want{}, calibrating + 5 + creating + 2*trial},
		{"measure: produce\nkafka: local:3", Want{}, calibrating + 10 + creating + 2*trial},
		// 100 MB of values, at 100 MB a second; ten million of 1 B at a million a second.
		{"fill: 100000000\nbase: {record-size: 1000}", Want{Kafka: "x:9092", External: true}, calibrating + creating + 1 + 2*trial},
		{"fill: 10000000\nbase: {record-size: 1}", Want{Kafka: "x:9092", External: true}, calibrating + creating + 10 + 2*trial},
		// 1 node, 3 nodes | 3 nodes, 1 node: three starts, topics made anew each time.
		{"measure: produce\nkafka: local\naxes: {nodes: [1, 3]}", Want{}, calibrating + 5 + 10 + 5 + 3*creating + 4*trial},
	} {
		tt.w.Rounds = 2
		p := plan(t, parse(t, "question: ?\n"+tt.yaml), tt.w)
		if p.Arms[p.Trials[0].Arm].Setting.Nodes == 3 { // 3, 1 | 1, 3
			tt.want += 10 - 5
		}
		if math.Abs(p.Seconds-tt.want) > 1e-6 {
			t.Errorf("%s: %v s, want %v", tt.yaml, p.Seconds, tt.want)
		}
	}
}

func TestATimeCutsFillsRoundsWindowsWarmUps(t *testing.T) {
	const yaml = "question: ?\nkafka: local\nbase: {%s}\naxes: {partitions: [1, 2, 3, 4, 6, 8]}\n"
	franz := parse(t, strings.Replace(yaml, "%s", "client: franz", 1))
	confluent := parse(t, strings.Replace(yaml, "%s", "client: confluent, profile: defaults", 1))
	tuned := parse(t, strings.Replace(yaml, "%s", "client: confluent, profile: defaults, fetch.queue.backoff.ms: 10", 1))
	for _, tt := range []struct {
		q    *Question
		time time.Duration
		note string
	}{
		{franz, 10 * time.Minute, ""},
		{franz, 4 * time.Minute, "--time 4m affords fills of 512 MiB a topic instead of 1 GiB and 9 rounds of 10"},
		{franz, 3 * time.Minute, "--time 3m affords fills of 256 MiB a topic instead of 1 GiB and 7 rounds of 10"},
		{franz, 100 * time.Second, "--time 1m40s affords fills of 128 MiB a topic instead of 1 GiB, 6 rounds of 10, windows of 1 s instead of 2 s and warm-ups of 400 ms instead of 500 ms"},
		{franz, 75 * time.Second, "--time 1m15s affords fills of 128 MiB a topic instead of 1 GiB, 4 rounds of 10 and windows of 1 s instead of 2 s"},
		{tuned, 3 * time.Minute, "--time 3m affords fills of 256 MiB a topic instead of 1 GiB and 7 rounds of 10"},
		{confluent, 10 * time.Minute, "--time 10m affords 6 rounds of 10"},
		{confluent, 330 * time.Second, "--time 5m30s affords fills of 512 MiB a topic instead of 1 GiB, 6 rounds of 10, windows of 5 s instead of 10 s and warm-ups of 1.5 s instead of 2 s"},
	} {
		p := plan(t, tt.q, Want{Time: tt.time})
		got := ""
		if len(p.Notes) > 0 {
			got = p.Notes[0]
		}
		if got != tt.note {
			t.Errorf("%v: %v\n got %q\nwant %q", tt.time, p.Timing, got, tt.note)
		}
	}
	p := plan(t, franz, Want{Time: 75 * time.Second})
	if len(p.Notes) != 2 || !strings.Contains(p.Notes[1], "4 of the 6 rounds that intervals need") {
		t.Errorf("%q", p.Notes)
	}
}

func TestAPlanKeepsWithinItsTimeOrNamesTheLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := questions.Draw(t, "question")
		if rapid.Bool().Draw(t, "bursts") {
			if err := q.Set("client=confluent", "profile=defaults"); err != nil {
				t.Fatal(err)
			}
		}
		w := Want{
			Time: time.Duration(rapid.Int64Range(int64(time.Second), int64(2*time.Hour)).Draw(t, "time")),
			Seed: rapid.Uint64().Draw(t, "seed"),
		}
		p, err := Make(q, w)
		if err != nil {
			_, rest, found := strings.Cut(err.Error(), "the least is ")
			text, _, _ := strings.Cut(rest, ":")
			least, parseErr := time.ParseDuration(text)
			if !found || parseErr != nil || least <= w.Time {
				t.Fatalf("%v: %v", w.Time, err)
			}
			w.Time = least
			p = plan(t, q, w)
		}
		needed := plan(t, q, Want{Seed: w.Seed})
		switch {
		case p.Seconds > w.Time.Seconds():
			t.Fatalf("%v s of %v", p.Seconds, w.Time)
		case p.Rounds < 1 || p.Rounds > 2*needed.Rounds || len(p.Trials) != p.Rounds*len(p.Arms):
			t.Fatalf("%d rounds, %d needed", p.Rounds, needed.Rounds)
		case p.Timing.Window < needed.Timing.Window && p.Rounds > leastRounds:
			t.Fatalf("windows cut before rounds: %v in %d rounds", p.Timing.Window, p.Rounds)
		case p.Timing.Warmup < needed.Timing.Warmup && p.Timing.Window > q.leastWindow():
			t.Fatalf("warm-ups cut before windows: %+v", p.Timing)
		case len(p.Notes) == 0 && (p.Rounds < needed.Rounds || p.Timing != needed.Timing || p.FillBytes != needed.FillBytes):
			t.Fatal("a cut without a note")
		}
	})
}

// leastWindow is the shortest that a time may cut to.
func (q *Question) leastWindow() time.Duration {
	for _, arm := range q.arms {
		if !bursty(arm) {
			return leastWindow
		}
	}
	return leastBursts
}

func TestFillsFitIntoMemoryAndDisk(t *testing.T) {
	const two = "question: ?\naxes: {partitions: [1, 2]}"
	const disk = 2_480_343_613 // 2 x 1.1 x 1.05 x 1 GiB
	for _, tt := range []struct {
		yaml string
		w    Want
		fill int64
		fail string
	}{
		{two, Want{}, 1 << 30, ""},
		{two, Want{MaxFill: 512 << 20}, 256 << 20, ""},
		{two, Want{MaxFill: 1 << 20}, leastFill, ""},
		{two + "\nfill: 8MiB", Want{MaxFill: 1 << 20}, 8 << 20, ""},
		{two, Want{FreeDisk: 2*disk + 100}, 1 << 30, ""},
		{two, Want{FreeDisk: disk}, 512 << 20, ""},
		{two, Want{FreeDisk: 100 << 20}, 0, "the topics need 148 MiB of the disk at once, and half of the 100 MiB that are free is 50 MiB: make room, lower fill (64 MiB a topic now), or ask for fewer values"},
		{two + "\nfill: 1GiB", Want{FreeDisk: disk}, 0, "lower fill (1 GiB a topic now)"},
		{two + "\nmeasure: produce", Want{FreeDisk: 1 << 30}, 0, "make room, ask for fewer values"},
		{two + "\nmeasure: produce", Want{FreeDisk: 4 << 30}, 0, ""},
	} {
		p, err := Make(parse(t, tt.yaml), tt.w)
		if (err == nil) != (tt.fail == "") || err != nil && !strings.Contains(err.Error(), tt.fail) || p.FillBytes != tt.fill {
			t.Errorf("%s %+v: fill %d, %v", tt.yaml, tt.w, p.FillBytes, err)
		}
		if err == nil && (p.FillBytes < DefaultFill && p.FillBytes > 8<<20) != (len(p.Notes) > 0) {
			t.Errorf("%s %+v: %q", tt.yaml, tt.w, p.Notes)
		}
	}
}

func TestDiskCountsTopicsThatAreThereAtOnce(t *testing.T) {
	const one = 77_510_853 // 671,088 records of 100 and 10 bytes, and 5 %
	for yaml, want := range map[string]int64{
		"fill: 64MiB":                                                               one,
		"fill: 64MiB\naxes: {consumers: [1, 2]}":                                    one,
		"fill: 64MiB\naxes: {partitions: [1, 2]}":                                   2 * one,
		"fill: 64MiB\nbase: {keys: uniform}":                                        one * 118 / 110,
		"fill: 64MiB\nkafka: local\naxes: {nodes: [1, 2]}":                          one,
		"fill: 64MiB\nkafka: local\naxes: {nodes: [1, 3]}":                          3 * one,
		"fill: 64MiB\nkafka: local:3":                                               3 * one,
		"measure: produce\naxes: {record-size: [10, 100]}":                          8*writtenRest + writtenSoon,
		"fill: 64MiB\nmeasure: [consume, produce]\naxes: {record-size: [100, 200]}": one + one*210/220 + 8*writtenRest + writtenSoon,
	} {
		got := plan(t, parse(t, "question: ?\n"+yaml), Want{}).Disk
		if d := got - want; d < -3000 || d > 3000 {
			t.Errorf("%s: %d, want %d", yaml, got, want)
		}
	}
}

func TestShortWindowsOfABurstyClientAreDoubted(t *testing.T) {
	q := parse(t, "question: ?\nbase: {client: confluent, profile: defaults}\ntiming: {window: 500ms}")
	if p := plan(t, q, Want{}); len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "one burst a second") {
		t.Errorf("%q", p.Notes)
	}
	if p := plan(t, parse(t, "question: ?\nbase: {client: confluent, profile: defaults}"), Want{}); p.Timing != (result.Timing{Settle: 2 * time.Second, Warmup: 2 * time.Second, Window: 10 * time.Second}) || len(p.Notes) != 0 {
		t.Errorf("%+v %q", p.Timing, p.Notes)
	}
}

// Whose size is stated is filled for longer, where there is no time to keep within.
func TestAStatedFillTakesItsTime(t *testing.T) {
	const read = "measure: [consume]\nquestion: x\naxes: {consumers: [1, 2]}\n"
	for _, tt := range []struct {
		yaml string
		w    Want
		want time.Duration
	}{
		{read, Want{}, 0},
		{read + "fill: 64MiB", Want{}, time.Minute},
		{read + "fill: 64MiB", Want{Time: 5 * time.Minute}, 0},
		{read + "fill: 64MiB\ntime: 5m", Want{}, 0},
	} {
		p, err := Make(parse(t, tt.yaml), tt.w)
		if err != nil || p.FillTime != tt.want {
			t.Errorf("%q %+v: %v, %v", tt.yaml, tt.w, p.FillTime, err)
		}
	}
}

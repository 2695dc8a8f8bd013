package plan

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"redline/internal/stats"
	"redline/result"
)

// parse reads a question that must be right.
func parse(t interface {
	Helper()
	Fatal(...any)
}, yaml string) *Question {
	t.Helper()
	q, err := Parse("some/dir/test.yaml", []byte(yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// plan makes a plan that must be possible.
func plan(t interface {
	Helper()
	Fatal(...any)
}, q *Question, w Want) result.Plan {
	t.Helper()
	p, err := Make(q, w)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlanOfAFileIsAsRecorded(t *testing.T) {
	data, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	q, err := Parse("testdata/full.yaml", data, asked)
	if err != nil {
		t.Fatal(err)
	}
	p := plan(t, q, Want{Seed: 7, Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Time: 20 * time.Minute, FreeDisk: 100 << 30})
	text, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/full.golden.json", append(text, '\n'))
}

func TestAQuestionInWordsIsEnough(t *testing.T) {
	q := parse(t, "question: How fast?")
	p := plan(t, q, Want{})
	want := result.Arm{
		Workload: result.Consume, Client: "franz", Profile: "tuned", Values: map[string]string{}, Against: -1,
		Setting: result.Setting{Instances: 1, Partitions: 8, RecordBytes: 100, Payload: "random", Keys: "none", Compression: "none", Acks: "all", Handler: "none"},
	}
	if d := cmp.Diff([]result.Arm{want}, p.Arms); d != "" {
		t.Error(d)
	}
	rounds, why := stats.Rounds(0)
	if p.Name != "test" || p.Kafka != "embedded" || p.Rounds != rounds || p.RoundsWhy != why || len(p.Trials) != rounds || p.Margin != DefaultMargin || p.FillBytes != DefaultFill {
		t.Errorf("%+v", p)
	}
}

func TestLastAxisOfAProductVariesFirst(t *testing.T) {
	q := parse(t, "question: ?\nmeasure: [produce, consume]\naxes: {partitions: [1, 2], record-size: [10, 1KiB]}")
	var got []string
	for _, arm := range plan(t, q, Want{}).Arms {
		got = append(got, arm.Workload+" "+arm.Values["partitions"]+" "+arm.Values["record-size"])
	}
	want := []string{
		"produce 1 10", "produce 1 1KiB", "produce 2 10", "produce 2 1KiB",
		"consume 1 10", "consume 1 1KiB", "consume 2 10", "consume 2 1KiB",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestEachArmIsHeldAgainstTheFirstOfItsWorkload(t *testing.T) {
	q := parse(t, "question: ?\nmeasure: [consume, produce]\naxes: {partitions: [1, 2, 4]}")
	var got []int
	p := plan(t, q, Want{})
	for _, arm := range p.Arms {
		got = append(got, arm.Against)
	}
	if d := cmp.Diff([]int{-1, 0, 0, -1, 3, 3}, got); d != "" {
		t.Error(d)
	}
	if rounds, why := stats.Rounds(4); p.Rounds != rounds || p.RoundsWhy != why {
		t.Errorf("%d rounds (%s) for 4 comparisons", p.Rounds, p.RoundsWhy)
	}
}

func TestPropertiesGoToTheWorkloadThatHasThem(t *testing.T) {
	q, err := Parse("f.yaml", []byte("question: ?\nmeasure: [consume, produce]\nbase: {properties: {fetch.min.bytes: 5, batch.size: 1000, request.timeout.ms: 9000}}"), asked)
	if err != nil {
		t.Fatal(err)
	}
	arms := plan(t, q, Want{}).Arms
	want := []map[string]string{
		{"fetch.min.bytes": "5", "request.timeout.ms": "9000"},
		{"batch.size": "1000", "request.timeout.ms": "9000"},
	}
	if d := cmp.Diff(want, []map[string]string{arms[0].Setting.Properties, arms[1].Setting.Properties}); d != "" {
		t.Error(d)
	}
}

func TestAxisWinsOverTheBase(t *testing.T) {
	q := parse(t, "question: ?\nmeasure: produce\nbase: {linger: 7ms, producers: 9, properties: {batch.size: 64KiB}}\naxes: {linger.ms: [1s], instances: [2], batch: [1MiB]}")
	s := plan(t, q, Want{}).Arms[0].Setting
	if d := cmp.Diff(map[string]string{"linger.ms": "1000", "batch.size": "1048576"}, s.Properties); d != "" || s.Instances != 2 {
		t.Error(s.Instances, d)
	}
}

// questions draws small questions whose arms may need several brokers.
var questions = rapid.Custom(func(t *rapid.T) *Question {
	draw := func(name string, all ...string) string {
		return strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, len(all), rapid.ID).Draw(t, name), ", ")
	}
	return parse(t, "question: ?\nkafka: local\nmeasure: ["+draw("measure", "consume", "produce")+"]"+
		"\naxes: {partitions: ["+draw("partitions", "1", "2", "4")+"], nodes: ["+draw("nodes", "1", "2", "3")+
		"], broker.num.io.threads: ["+draw("threads", "2", "8")+"]}")
})

func TestRoundsHoldEveryArmOnceForthAndBackInBlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := questions.Draw(t, "question")
		rounds := rapid.IntRange(1, 7).Draw(t, "rounds")
		p := plan(t, q, Want{Seed: rapid.Uint64().Draw(t, "seed"), Rounds: rounds})
		byRound := make([][]int, rounds)
		for _, trial := range p.Trials {
			byRound[trial.Round] = append(byRound[trial.Round], trial.Arm)
		}
		if !slices.IsSortedFunc(p.Trials, func(a, b result.Planned) int { return a.Round - b.Round }) {
			t.Fatal("rounds are not one after the other")
		}
		keys := map[string]bool{}
		for _, arm := range p.Arms {
			keys[BrokerKey(arm)] = true
		}
		for round, arms := range byRound {
			sorted, blocks := slices.Sorted(slices.Values(arms)), 0
			for i := range p.Arms {
				if len(sorted) != len(p.Arms) || sorted[i] != i {
					t.Fatalf("round %d holds %v", round, arms)
				}
				if i == 0 || BrokerKey(p.Arms[arms[i]]) != BrokerKey(p.Arms[arms[i-1]]) {
					blocks++
				}
			}
			if blocks != len(keys) {
				t.Fatalf("round %d changes brokers %d times for %d kinds", round, blocks, len(keys))
			}
			if round%2 == 1 {
				slices.Reverse(arms)
				if !slices.Equal(arms, byRound[round-1]) {
					t.Fatalf("round %d is not the one before it backwards", round)
				}
			}
		}
	})
}

func TestSameSeedSamePlanAndMoreRoundsBeginAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := questions.Draw(t, "question")
		seed, rounds := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 6).Draw(t, "rounds")
		p := plan(t, q, Want{Seed: seed, Rounds: rounds})
		if d := cmp.Diff(p, plan(t, q, Want{Seed: seed, Rounds: rounds})); d != "" {
			t.Fatal(d)
		}
		longer := plan(t, q, Want{Seed: seed, Rounds: rounds + 3})
		if !slices.Equal(p.Trials, longer.Trials[:len(p.Trials)]) {
			t.Fatal("a plan of more rounds begins otherwise")
		}
	})
	q := parse(t, "question: ?\naxes: {partitions: [1, 2, 3, 4, 5, 6, 7, 8]}")
	if cmp.Equal(plan(t, q, Want{Seed: 1}).Trials, plan(t, q, Want{Seed: 2}).Trials) {
		t.Error("the order does not depend on the seed")
	}
}

// Every arm must stand in every place equally often, or a drift within rounds
// would favour some: chi-squared over places, with a bound that one seed in
// 10,000 exceeds.
func TestEveryOrderIsAsLikely(t *testing.T) {
	q := parse(t, "question: ?\naxes: {partitions: [1, 2, 3, 4]}")
	const rounds = 4000
	var times [4][4]float64
	p := plan(t, q, Want{Seed: 11, Rounds: rounds})
	for i, trial := range p.Trials {
		times[trial.Arm][i%4]++
	}
	var chi float64
	for _, places := range times {
		for _, n := range places {
			chi += (n - rounds/4) * (n - rounds/4) / (rounds / 4)
		}
	}
	// Pairs of rounds are not drawn apart: the variance doubles, 9 degrees of freedom.
	if chi > 2*33.7 || math.IsNaN(chi) {
		t.Errorf("chi² = %.1f of %v", chi, times)
	}
}

func TestRoundsFollowTheWishTheQuestionOrTheComparisons(t *testing.T) {
	asking := parse(t, "question: ?\nrounds: 7\naxes: {partitions: [1, 2]}")
	open := parse(t, "question: ?\naxes: {partitions: [1, 2]}")
	for _, tt := range []struct {
		q    *Question
		w    Want
		want int
		why  string
	}{
		{asking, Want{}, 7, "asked for in the question"},
		{asking, Want{Rounds: 3}, 3, "asked for"},
		{asking, Want{Effect: 0.05, Noise: 0.05, Power: 0.9}, stats.PairsFor(0.05, 0.05, 0.9), "5 % in 90 % of all runs, when one pair scatters by 5 %"},
		{open, Want{}, 10, "1 comparison needs"},
		{asking, Want{Time: time.Hour}, 7, "asked for in the question"},
		{open, Want{Time: time.Hour}, 20, "--time 1h affords 20; 1 comparison needs"},
	} {
		if p := plan(t, tt.q, tt.w); p.Rounds != tt.want || !strings.Contains(p.RoundsWhy, tt.why) {
			t.Errorf("%+v: %d rounds, %s", tt.w, p.Rounds, p.RoundsWhy)
		}
	}
	if _, err := Make(asking, Want{Rounds: 60_000}); err == nil || !strings.Contains(err.Error(), "120,000 trials; at most 100,000") {
		t.Error(err)
	}
	if _, err := Make(asking, Want{Effect: 1e-9, Noise: 1, Power: 0.9}); err == nil || !strings.Contains(err.Error(), "at most 100,000") {
		t.Error(err)
	}
}

func TestTopicsAreSharedByArmsThatNeedTheSame(t *testing.T) {
	q := parse(t, `question: ?
measure: [consume, produce]
axes: {consumers: [1, 2], record-size: [10, 100], topic.segment.bytes: [1, 2]}`)
	shapes := map[string]map[Shape]bool{result.Consume: {}, result.Produce: {}}
	for _, arm := range plan(t, q, Want{}).Arms {
		shapes[arm.Workload][ShapeOf(arm)] = true
	}
	// What is read differs by size and property; what is written to, by property.
	if len(shapes[result.Consume]) != 4 || len(shapes[result.Produce]) != 2 {
		t.Errorf("%d shapes to read, %d to write to", len(shapes[result.Consume]), len(shapes[result.Produce]))
	}
}

func TestRecordsOfATopicAreBounded(t *testing.T) {
	for _, tt := range []struct {
		workload string
		size     int
		fill     int64
		want     int64
	}{
		{result.Consume, 100, 1 << 30, 10_737_418},
		{result.Consume, 0, 1 << 30, maxRecords},
		{result.Consume, 10, 1 << 30, maxRecords},
		{result.Consume, 1_000_000, 100, 1},
		{result.Produce, 100, 1 << 30, 0},
	} {
		if got := (Shape{Workload: tt.workload, RecordBytes: tt.size}).Records(tt.fill); got != tt.want {
			t.Errorf("%+v: %d", tt, got)
		}
	}
}

func TestBrokerKeyTellsBrokersApart(t *testing.T) {
	arm := func(nodes int, properties map[string]string) result.Arm {
		return result.Arm{Setting: result.Setting{Nodes: nodes, Broker: properties}}
	}
	if key := BrokerKey(arm(0, nil)); key != "" {
		t.Errorf("a cluster that stays as it is: %q", key)
	}
	keys := map[string]bool{}
	for _, a := range []result.Arm{
		arm(0, nil), arm(1, nil), arm(3, nil), arm(0, map[string]string{"a": "1"}), arm(0, map[string]string{"a": "2"}),
		arm(0, map[string]string{"a": "1", "b": "2"}), arm(0, map[string]string{"a": "1\n\"b\"=\"2\""}),
	} {
		keys[BrokerKey(a)] = true
	}
	if len(keys) != 7 {
		t.Errorf("%d of 7 differ", len(keys))
	}
	if BrokerKey(arm(3, map[string]string{"x": "1", "y": "2"})) != BrokerKey(arm(3, map[string]string{"y": "2", "x": "1"})) {
		t.Error("the order of properties counts")
	}
}

func TestBrokersOfOthersCannotBeSet(t *testing.T) {
	q := parse(t, "question: ?\nkafka: local\nbase:\n  nodes: 3\naxes:\n  broker.num.io.threads: [1, 2]\n  partitions: [1]")
	plan(t, q, Want{})
	plan(t, q, Want{Kafka: "local:3"})
	for _, w := range []Want{{Kafka: "embedded"}, {Kafka: "kafka-1:9092", External: true}} {
		_, err := Make(q, w)
		want := "some/dir/test.yaml:4: nodes is of brokers that redline starts as Apache Kafka, and this is " + w.Kafka +
			": ask with --kafka local, or leave it out\nsome/dir/test.yaml:6: broker.num.io.threads is of"
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v", w, err)
		}
	}
	if _, err := Make(q, Want{Kafka: "lokal"}); err == nil || !strings.Contains(err.Error(), "local:N") {
		t.Error(err)
	}
}

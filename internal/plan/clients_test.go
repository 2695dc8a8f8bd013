package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"redline/internal/client"
	"redline/result"
)

// lame cannot produce as "lame", and only "able" has the property x.y.
func lame(arm result.Arm) error {
	switch {
	case arm.Client == "lame" && arm.Workload == result.Produce:
		return client.Cannot("lame", "produce", "take able")
	case arm.Client != "able" && arm.Setting.Properties["x.y"] != "":
		return client.UnknownProperty(arm.Client, "x.y", nil)
	}
	return nil
}

func lameQuestion(t *testing.T, yaml string) *Question {
	t.Helper()
	q, err := Parse("asked.yaml", []byte("question: ?\n"+yaml), lame)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestWhatOneOfSeveralClientsCannotDoIsSaidInItsRow(t *testing.T) {
	q := lameQuestion(t, "measure: [consume, produce]\nbase: {x.y: 1}\naxes: {client: [able, lame]}")
	p := plan(t, q, Want{})
	var cannot []string
	for i, arm := range p.Arms {
		if arm.Cannot != "" {
			cannot = append(cannot, fmt.Sprint(arm.Workload, " ", arm.Client))
			if slices.ContainsFunc(p.Trials, func(t result.Planned) bool { return t.Arm == i }) {
				t.Errorf("%s is tried", arm.Cannot)
			}
		}
	}
	if want := []string{"consume lame", "produce lame"}; !slices.Equal(cannot, want) {
		t.Errorf("%v", cannot)
	}
	if len(p.Trials) != 2*p.Rounds {
		t.Errorf("%d trials in %d rounds", len(p.Trials), p.Rounds)
	}
}

func TestWhatNoClientCanDoIsAMistake(t *testing.T) {
	for _, yaml := range []string{
		"base: {client: lame, x.y: 1}",
		"base: {x.y: 1}\naxes: {client: [lame, lame2]}",
		"measure: produce\nbase: {client: lame}",
	} {
		if _, err := Parse("asked.yaml", []byte("question: ?\n"+yaml), lame); err == nil {
			t.Errorf("%q is taken", yaml)
		}
	}
}

func TestProgramsAreClientsWithoutProfiles(t *testing.T) {
	q := lameQuestion(t, "axes: {client: [able, lame], profile: [tuned, defaults]}")
	if err := q.Clients([]string{"able"}, []Program{{"mine", "./mine -x"}}); err != nil {
		t.Fatal(err)
	}
	p := plan(t, q, Want{})
	if got := strings.Join(result.Labels(p.Arms), ", "); got != "able tuned, able defaults, mine" {
		t.Error(got)
	}
	if mine := p.Arms[2]; mine.Command != "./mine -x" || mine.Profile != "own" || mine.Against != 0 {
		t.Errorf("%+v", mine)
	}
	for _, wrong := range []struct {
		only     []string
		programs []Program
	}{{[]string{"nobody"}, nil}, {nil, []Program{{"able", "./x"}}}, {nil, []Program{{"a b", "./x"}}}} {
		if err := lameQuestion(t, "axes: {client: [able, lame]}").Clients(wrong.only, wrong.programs); err == nil {
			t.Errorf("%v is taken", wrong)
		}
	}
}

func TestAProgramJoinsAQuestionWithOneClient(t *testing.T) {
	q := lameQuestion(t, "base: {client: able}\naxes: {consumers: [1, 2]}")
	if err := q.Clients(nil, []Program{{"mine", "./mine"}}); err != nil {
		t.Fatal(err)
	}
	if p := plan(t, q, Want{}); len(p.Arms) != 4 || p.Arms[3].Command == "" || p.Arms[2].Client != "able" {
		t.Errorf("%+v", p.Arms)
	}
}

func TestRungsStayWhenClientsAreChosen(t *testing.T) {
	q := lameQuestion(t, "combine: zip\naxes:\n  client: [rung:fetch, able, able, lame]\n  profile: [tuned, tuned, defaults, tuned]")
	if err := q.Clients([]string{"lame"}, []Program{{"mine", "./mine"}}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(result.Labels(plan(t, q, Want{}).Arms), ", "); got != "rung:fetch, lame tuned, mine" {
		t.Error(got)
	}
}

func TestArmsAreComparedWithWhatTheQuestionSays(t *testing.T) {
	q := lameQuestion(t, "axes: {client: [able, lame], profile: [tuned, defaults], consumers: [1, 2]}\nagainst: {profile: defaults}")
	p := plan(t, q, Want{})
	for i, arm := range p.Arms {
		if arm.Profile == "defaults" {
			if arm.Against != -1 {
				t.Errorf("%d is compared with %d", i, arm.Against)
			}
			continue
		}
		other := p.Arms[arm.Against]
		if other.Client != arm.Client || other.Profile != "defaults" || other.Setting.Instances != arm.Setting.Instances {
			t.Errorf("%+v is compared with %+v", arm.Values, other.Values)
		}
	}
	if _, err := Parse("asked.yaml", []byte("question: ?\naxes: {consumers: [1, 2]}\nagainst: {consumers: 3}"), nil); err == nil {
		t.Error("a value that no arm has is taken")
	}
}

func TestAClientThatNeedsLongerWindowsGetsThem(t *testing.T) {
	q := parse(t, "question: ?\naxes: {client: [franz, confluent, java], profile: [tuned, defaults]}")
	p := plan(t, q, Want{})
	for _, arm := range p.Arms {
		want := p.Timing
		if arm.Client == "confluent" && arm.Profile == "defaults" {
			want.Warmup, want.Window = time.Second, leastBursts
		}
		if got := TimingOf(arm, p.Timing); got != want {
			t.Errorf("%s %s: %+v", arm.Client, arm.Profile, got)
		}
	}
	if len(p.Notes) != 1 {
		t.Errorf("%q", p.Notes)
	}
}

func TestHandlersAreRead(t *testing.T) {
	for text, want := range map[string]Handler{
		"": {Kind: HandleNone}, "none": {Kind: HandleNone}, "json": {Kind: HandleJSON},
		"burn=2us": {Kind: HandleBurn, Nanoseconds: 2000}, "burn=7.25ns": {Kind: HandleBurn, Nanoseconds: 7.25}, "burn=0ns": {Kind: HandleBurn},
		"sleep=50us": {Kind: HandleSleep, Nanoseconds: 50_000}, "alloc=1KiB": {Kind: HandleAlloc, Bytes: 1024},
	} {
		if got, err := ParseHandler(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"burn", "burn=", "burn=-1us", "burn=1h", "burn=NaNs", "burn=2s", "json=1", "alloc=0", "alloc=1GiB", "sleep=1", "nap=1ms"} {
		if _, err := ParseHandler(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

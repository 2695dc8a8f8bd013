package client

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"
)

type drafted struct {
	size int
	wait time.Duration
	on   bool
}

var table = Table[drafted]{Library: "library", Rows: []Property[drafted]{
	Number("batch.size", Producing, 1, 100, "a whole number from 1 to 100", func(d *drafted) *int { return &d.size }, "batch.bytes").Unless("0"),
	Span("linger.ms", Both, 0, 1000, func(d *drafted) *time.Duration { return &d.wait }),
	Flag("enable.auto.commit", Grouping, func(d *drafted) *bool { return &d.on }),
}}

func TestWhatTheUserAsksWinsOverTheProfile(t *testing.T) {
	var d drafted
	profile := []Preset{{Key: "batch.size", Value: "10"}, {Key: "linger.ms", Value: "5"}}
	asked, err := table.Apply(&d, Producing, profile, map[string]string{"batch.bytes": "20"})
	if err != nil {
		t.Fatal(err)
	}
	if want := (drafted{20, 5 * time.Millisecond, false}); d != want || !maps.Equal(asked, map[string]string{"batch.size": "20"}) {
		t.Errorf("%+v, asked %v", d, asked)
	}
	if got := table.Settings(&d, Producing); !maps.Equal(got, map[string]string{"batch.size": "20", "linger.ms": "5"}) {
		t.Errorf("in force are %v", got)
	}
	if got := table.Settings(&drafted{}, Producing); !maps.Equal(got, map[string]string{"linger.ms": "0"}) {
		t.Errorf("in force are %v", got)
	}
}

func TestAProfileLeavesOutWhatAClientHasNot(t *testing.T) {
	var d drafted
	if _, err := table.Apply(&d, Consuming, []Preset{{Key: "batch.size", Value: "10"}, {Key: "linger.ms", Value: "0.5"}}, nil); err != nil || d != (drafted{wait: 500 * time.Microsecond}) {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := table.Apply(&d, Consuming, []Preset{{Key: "batch.sise", Value: "10"}}, nil); !errors.Is(err, ErrUnknownProperty) {
		t.Errorf("a profile with a key of nobody: %v", err)
	}
}

func TestPropertiesThatCannotBeTakenAreRefused(t *testing.T) {
	for _, tt := range []struct {
		side Side
		user map[string]string
		want error
		text string
	}{
		{Producing, map[string]string{"batch.sise": "1"}, ErrUnknownProperty, `the nearest that it has is "batch.size"`},
		{Consuming, map[string]string{"batch.bytes": "1"}, ErrUnknownProperty, `library cannot use "batch.bytes" here: it is a property of producers`},
		{Consuming, map[string]string{"enable.auto.commit": "true"}, ErrUnknownProperty, "of members of a consumer group"},
		{Producing, map[string]string{"group.id": "g"}, ErrProperty, "--group"},
		{Producing, map[string]string{"batch.bytes": "0"}, ErrProperty, `library cannot take batch.bytes="0": it wants a whole number from 1 to 100`},
		{Producing, map[string]string{"batch.size": "9e9"}, ErrProperty, "batch.size"},
		{Producing, map[string]string{"linger.ms": "NaN"}, ErrProperty, "milliseconds from 0 to 1000"},
		{Producing, map[string]string{"linger.ms": "1000.1"}, ErrProperty, "linger.ms"},
		{Consuming | Grouping, map[string]string{"enable.auto.commit": "yes"}, ErrProperty, "true or false"},
		{Producing, map[string]string{"batch.bytes": "1", "batch.size": "1"}, nil, "batch.bytes and batch.size are two spellings of one property"},
	} {
		_, err := table.Apply(new(drafted), tt.side, nil, tt.user)
		if err == nil || !strings.Contains(err.Error(), tt.text) || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%v: %v", tt.user, err)
		}
	}
}

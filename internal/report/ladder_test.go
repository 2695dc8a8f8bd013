package report

import (
	"bytes"
	"strings"
	"testing"

	"redline/result"
)

// aheadReport is clients each at its own best, with more consumers here and more
// connections there, and a rung for two of them: a plan of zipped axes.
func aheadReport() result.ExperimentReport {
	f := invent("ahead", "How far ahead is direct of the other clients, and how near to what the socket gives?",
		"Consuming is fastest with direct, tuned: 27.0 M records/s.", 10)
	axes := []result.Axis{{Name: "client"}, {Name: "profile"}, {Name: "consumers"}, {Name: "connections"}}
	for i, k := range []struct {
		client, profile, consumers, connections string
		rate                                    float64
	}{
		{"direct", "tuned", "1", "1", 22e6}, {"direct", "tuned", "1", "2", 27e6},
		{"rung:fetch", "tuned", "1", "own", 24e6}, {"rung:fetch", "tuned", "2", "own", 30e6},
		{"franz", "tuned", "1", "own", 9e6}, {"franz", "tuned", "2", "own", 12e6},
		{"confluent", "tuned", "4", "own", 1.6e6}, {"confluent", "defaults", "1", "own", 0.16e6},
	} {
		a := armOf(result.Consume, k.client, k.profile, setting(int(k.consumers[0]-'0'), 8), "consumers", k.consumers, "connections", k.connections)
		if a.Against = 0; i == 0 {
			a.Against = -1
		}
		if k.client == "rung:fetch" {
			a.Adds = "fetch responses read"
		}
		for j, value := range []string{k.client, k.profile, k.consumers, k.connections} {
			axes[j].Values = append(axes[j].Values, value)
		}
		f.goes(a, pace{rate: k.rate, client: 1.2, broker: 0.7, requests: 600, waited: 0.3, received: 0.3, idle: 0.4, thread: 0.8})
	}
	f.report.Plan.Axes, f.report.Plan.Combine = axes, "zip"
	return f.done()
}

func TestALadderOfClientsWithSettingsOfTheirOwnIsOne(t *testing.T) {
	r := aheadReport()
	for _, form := range []string{"txt", "md"} {
		golden(t, "experiment-ahead."+form, written(t, r, form))
	}
	ladders := laddersOf(r, byWorkload(r.Rows)[0])
	if len(ladders) != 1 || len(ladders[0].rungs) != len(r.Rows) {
		t.Fatalf("%d ladders", len(ladders))
	}
	names := map[string]bool{}
	for _, one := range ladders[0].rungs {
		if names[one.name] {
			t.Errorf("two rows are called %q", one.name)
		}
		names[one.name] = true
	}
}

func TestALongHeadingStandsAboveWhatItHeads(t *testing.T) {
	for head, want := range map[string]string{
		"consume":               "\nCONSUME  medians",
		"consume connections=1": "\nCONSUME CONNECTIONS=1\n         medians",
	} {
		var b bytes.Buffer
		r := ladderReport()
		ladderText(&b, newLadder(head, byWorkload(r.Rows)[0], r.Comparisons))
		if !strings.HasPrefix(b.String(), want) {
			t.Errorf("%q begins with %q", head, b.String()[:60])
		}
	}
}

// A rung is told of no fetch size: its name has none.
func TestANameLeavesOutWhatARowHasNot(t *testing.T) {
	p := result.Plan{Axes: []result.Axis{{Name: "connections"}, {Name: "fetch.max.bytes"}}}
	var rows []row
	for _, arm := range []result.Arm{
		{Client: "direct", Values: map[string]string{"connections": "1", "fetch.max.bytes": "1048576"}},
		{Client: "direct", Values: map[string]string{"connections": "8", "fetch.max.bytes": "4194304"}},
		{Client: "franz", Values: map[string]string{"connections": "2"}},
	} {
		rows = append(rows, row{Row: result.Row{Arm: arm}})
	}
	if name := fullName(p, rows, rows[2]); name != "franz, connections=2" {
		t.Error(name)
	}
	if name := fullName(p, rows, rows[1]); name != "direct, connections=8, fetch.max.bytes=4194304" {
		t.Error(name)
	}
}

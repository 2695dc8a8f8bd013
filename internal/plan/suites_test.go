package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"redline/internal/client/libraries"
	"redline/result"
)

func TestClientsTakeEverySuite(t *testing.T) {
	want := []string{"acks", "batch", "clients", "clients-scale", "clients-shapes", "compression", "consumers", "direct-ahead", "direct-codecs", "direct-growth-consumers", "direct-growth-partitions", "direct-growth-size", "direct-produce", "fetch", "ladder", "ladder-produce", "partitions", "record-size", "seed"}
	var got []string
	for _, suite := range Suites() {
		got = append(got, suite.Name)
		q, err := Parse(suite.Name+".yaml", suite.YAML, func(arm result.Arm) error {
			if _, left := libraries.Missing()[arm.Client]; left {
				return nil // this build has not the library
			}
			if _, outside := libraries.External(arm.Client); outside || strings.HasPrefix(arm.Client, RungPrefix) {
				return nil // package experiment holds them to it
			}
			return asked(arm)
		})
		if err != nil {
			t.Error(err)
			continue
		}
		if q.Kafka != "local" || q.Question != suite.Question || !strings.HasSuffix(q.Question, "?") {
			t.Errorf("%s on %s: %s", suite.Name, q.Kafka, q.Question)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestEverySuiteFitsIntoThreeMinutes(t *testing.T) {
	for _, suite := range Suites() {
		q := parse(t, string(suite.YAML))
		p := plan(t, q, Want{Time: 3 * time.Minute, FreeDisk: 20 << 30})
		large := suite.Name == "seed" || strings.HasPrefix(suite.Name, "clients") || strings.HasPrefix(suite.Name, "ladder") || strings.HasPrefix(suite.Name, "direct")
		if p.Seconds > 180 || !large && p.Rounds < leastRounds {
			t.Errorf("%s: %.0f s, %d rounds: %q", suite.Name, p.Seconds, p.Rounds, p.Notes)
		}
		open := plan(t, q, Want{FreeDisk: 20 << 30})
		for _, note := range open.Notes {
			if !strings.HasPrefix(note, "windows of ") {
				t.Errorf("%s is cut without being asked to: %s", suite.Name, note)
			}
		}
		if open.Seconds > 25*60 {
			t.Errorf("%s takes %.0f s", suite.Name, open.Seconds)
		}
	}
}

func TestSeedIsTheArticle(t *testing.T) {
	suite, err := FindSuite("seed")
	if err != nil {
		t.Fatal(err)
	}
	p := plan(t, parse(t, string(suite.YAML)), Want{})
	if p.Seconds > 19*60 || p.Rounds != 10 || p.Timing.Window < 10*time.Second {
		t.Errorf("%.0f s, %d rounds, %+v", p.Seconds, p.Rounds, p.Timing)
	}
	published := map[int]float64{1: 125_000, 2: 240_000, 4: 430_000, 8: 909_000}
	var counts []int
	for _, arm := range p.Arms {
		n := arm.Setting.Instances
		counts = append(counts, n)
		if arm.Client != "confluent" || arm.Profile != "defaults" || arm.Setting.Partitions != n {
			t.Errorf("%+v", arm)
		}
		if rate := published[n]; rate == 0 != (arm.Published == nil) || arm.Published != nil && arm.Published.RecordsPerSecond != rate {
			t.Errorf("%d consumers: published %+v", n, arm.Published)
		}
	}
	if d := cmp.Diff([]int{1, 2, 3, 4, 6, 8}, counts); d != "" {
		t.Error(d)
	}
}

func TestUnknownSuiteNamesTheNearest(t *testing.T) {
	if _, err := FindSuite("partition"); err == nil || err.Error() != `there is no suite "partition"; the nearest is "partitions"` {
		t.Error(err)
	}
	if _, err := FindSuite("x"); err == nil || !strings.HasSuffix(err.Error(), "take acks, batch, clients, clients-scale, clients-shapes, compression, consumers, direct-ahead, direct-codecs, direct-growth-consumers, direct-growth-partitions, direct-growth-size, direct-produce, fetch, ladder, ladder-produce, partitions, record-size or seed") {
		t.Error(err)
	}
}

// A client that this binary has can be asked about.
func TestEveryClientIsInTheTable(t *testing.T) {
	row, _ := find("client")
	for _, name := range libraries.Names() {
		if _, ok := row.read(name); !ok {
			t.Errorf("the client %q is in no question", name)
		}
	}
}

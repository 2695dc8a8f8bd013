package gate

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"redline/result"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Gate{
		"consume.records_per_second < -5%":           {Workload: "consume", Measure: "records_per_second", Op: "<", Value: 0.95, Relative: true},
		"records_per_second>=100000":                 {Measure: "records_per_second", Op: ">=", Value: 1e5},
		"  produce.megabytes_per_second >= 1.5k ":    {Workload: "produce", Measure: "megabytes_per_second", Op: ">=", Value: 1500},
		"records_per_second_per_instance > 1.2e5":    {Measure: "records_per_second_per_instance", Op: ">", Value: 1.2e5},
		"consume.records_per_second >= 2M":           {Workload: "consume", Measure: "records_per_second", Op: ">=", Value: 2e6},
		"cpu_ns_per_record > +3 %":                   {Measure: "cpu_ns_per_record", Op: ">", Value: 1.03, Relative: true},
		"cpu_ns_per_record <= 2us":                   {Measure: "cpu_ns_per_record", Op: "<=", Value: 2000},
		"p99_ms < 20 ms":                             {Measure: "p99_ms", Op: "<", Value: 20},
		"produce.p50_ms < 500us":                     {Workload: "produce", Measure: "p50_ms", Op: "<", Value: 0.5},
		"p999_ms <= 1s":                              {Measure: "p999_ms", Op: "<=", Value: 1000},
		"consume.records_per_second_per_instance<0%": {Workload: "consume", Measure: "records_per_second_per_instance", Op: "<", Value: 1, Relative: true},
	} {
		want.Text = text
		got, err := Parse(text)
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-12, 0)); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "it must be a measure, one of < <= > >=, and a figure",
		"records_per_second = 5":         "it must be a measure",
		"records_per_second <":           "it must be a measure",
		"records_per_second < 5 < 6":     "it must be a measure",
		"consume.x.y < 5":                "it must be a measure",
		"consume.record_per_second < 5%": "there is no measure \"record_per_second\" (did you mean records_per_second?); there are records_per_second, megabytes_per_second,",
		"zebra < 5":                      "there is no measure \"zebra\"; there are records_per_second",
		"search.records_per_second < 5":  `there is no workload "search"; it is consume or produce`,
		"records_per_second < 1.2.3":     `"1.2.3" is no figure`,
		"records_per_second < 1e999":     `"1e999" is no figure`,
		"records_per_second < 1e308G":    "is never 1e308",
		"records_per_second < -5":        "records_per_second is never -5; a change ends in %",
		"records_per_second < 5ms":       `records_per_second is not measured in "ms"; leave the unit out, or take k, M, G, %`,
		"p99_ms < 5k":                    `leave the unit out, or take us, ms, s, %`,
		"p999_ms < 5%":                   "p999_ms has no relative change; give it in milliseconds",
		"records_per_second < -100%":     "a change of -100% leaves nothing; it must be above -100%",
	} {
		g, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "gate \""+text+"\": ") {
			t.Errorf("%q: %+v %v, want %q", text, g, err, want)
		}
	}
}

func TestHolds(t *testing.T) {
	of := func(low, high float64) result.Estimate {
		return result.Estimate{Low: low, Median: (low + high) / 2, High: high, Confidence: 0.97, N: 8}
	}
	for _, c := range []struct {
		text     string
		estimate result.Estimate
		want     Answer
	}{
		{"records_per_second < -5%", of(0.90, 0.94), Yes},
		{"records_per_second < -5%", of(0.90, 0.96), CannotTell},
		{"records_per_second < -5%", of(0.96, 1.02), No},
		{"records_per_second < 5", of(4, 5), CannotTell}, // 5 itself does not hold it
		{"records_per_second <= 5", of(4, 5), Yes},
		{"records_per_second < 5", of(5, 6), No},
		{"records_per_second > 5", of(5, 6), CannotTell},
		{"records_per_second >= 5", of(5, 6), Yes},
		{"records_per_second > 5", of(4, 5), No},
		{"records_per_second >= 5", of(1, 4.9), No},
		{"records_per_second >= 5", result.Estimate{Low: 9, Median: 9, High: 9, N: 3}, CannotTell},
		{"records_per_second >= 5", result.Estimate{}, CannotTell},
		{"records_per_second >= 5", of(math.NaN(), 9), CannotTell},
	} {
		g, err := Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Holds(c.estimate); got != c.want {
			t.Errorf("%s of %v…%v: %v, want %v", c.text, c.estimate.Low, c.estimate.High, got, c.want)
		}
		outcomes := map[Answer][2]string{
			Yes:        {result.Met, result.NotMet},
			No:         {result.NotMet, result.Met},
			CannotTell: {result.Undecided, result.Undecided},
		}
		if got, want := [2]string{g.Require(c.estimate), g.Forbid(c.estimate)}, outcomes[c.want]; got != want {
			t.Errorf("%s of %v…%v: required and forbidden %q, want %q", c.text, c.estimate.Low, c.estimate.High, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"consume.records_per_second < -5%", "p99_ms<=20ms", "cpu_ns_per_record > 1e3us", "x < 5", "p999_ms < 1.%", "records_per_second < .", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := Parse(text)
		if err != nil {
			return
		}
		if math.IsNaN(g.Value) || math.IsInf(g.Value, 0) || g.Value < 0 || g.Text != text {
			t.Fatalf("%q became %+v", text, g)
		}
		// Figures well below and well above it lie on different sides.
		at := func(x float64) Answer {
			return g.Holds(result.Estimate{Low: x, Median: x, High: x, Confidence: 1})
		}
		below, above := at(g.Value/2-1), at(g.Value*2+1)
		if below == above || below == CannotTell || above == CannotTell {
			t.Fatalf("%q: below %v, above %v", text, below, above)
		}
		if reparsed, err := Parse(strings.TrimSpace(text)); err != nil || reparsed.Value != g.Value {
			t.Fatalf("%q: %v %+v", text, err, reparsed)
		}
	})
}

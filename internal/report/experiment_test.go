package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/perf/benchfmt"
	"pgregory.net/rapid"

	"redline/result"
)

var reports = map[string]func() result.ExperimentReport{
	"seed": seedReport, "compression": compressionReport, "clients": clientsReport, "troubled": troubledReport, "hostile": hostileReport,
	"every-client": everyClientReport, "scale": scaleReport, "ladder": ladderReport, "ladder-produce": ladderProduceReport,
}

// written is what a report comes to in one form.
func written(t *testing.T, r result.ExperimentReport, form string) string {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch form {
	case "txt":
		Experiment(&b, r)
	case "plan.txt":
		ExperimentPlan(&b, r.Plan)
	case "md":
		ExperimentMarkdown(&b, r)
	case "csv":
		err = ExperimentCSV(&b, r)
	case "bench":
		err = Benchfmt(&b, r)
	case "html":
		err = HTML(&b, r)
	case "json":
		err = json.NewEncoder(&b).Encode(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// bulk is what of a page is the same in all: styles and scripts.
var bulk = regexp.MustCompile(`(?s)(<style>|<script>).*?(</style>|</script>)|<meta http-equiv="[^>]*>`)

func TestExperimentsReadLikeThis(t *testing.T) {
	for name, make := range reports {
		forms := []string{"json", "txt", "plan.txt", "md", "csv", "bench", "html"}
		if name == "clients" { // is there for the charts of the page, which only a browser shows
			forms = forms[:2]
		}
		for _, form := range forms {
			text := written(t, make(), form)
			if form == "html" {
				text = bulk.ReplaceAllString(text, "$1$2")
			}
			golden(t, "experiment-"+name+"."+form, text)
		}
	}
}

func TestTextFitsTheTerminal(t *testing.T) {
	for name, make := range reports {
		for _, form := range []string{"txt", "plan.txt"} {
			for line := range strings.Lines(written(t, make(), form)) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width && name != "hostile" {
					t.Errorf("%s.%s: %d columns: %s", name, form, n, line)
				}
			}
		}
	}
}

func TestTextFromOutsideSteersNothing(t *testing.T) {
	r := hostileReport()
	for _, form := range []string{"txt", "plan.txt", "md", "csv", "bench"} {
		for _, c := range written(t, r, form) {
			if unicode.IsControl(c) && c != '\n' || unicode.Is(unicode.Bidi_Control, c) || c == '\u2028' {
				t.Fatalf("%s: %q came through", form, c)
			}
		}
	}
	page := bulk.ReplaceAllString(written(t, r, "html"), "$1$2")
	for _, c := range page {
		if unicode.IsControl(c) && c != '\n' || unicode.Is(unicode.Bidi_Control, c) || c == '\u2028' {
			t.Fatalf("%q came through", c)
		}
	}
	if n := strings.Count(page, "<script"); n != 3 { // the data, the plot library, the page's own
		t.Errorf("%d scripts in the page", n)
	}
	if n := strings.Count(page, "<style"); n != 2 {
		t.Errorf("%d styles in the page", n)
	}
	if strings.Contains(page, "<img") || strings.Contains(page, "<b ") {
		t.Error("an element came through")
	}
	if markdown := written(t, r, "md"); strings.Contains(markdown, "<img") || regexp.MustCompile(`[^\\]\]\(java`).MatchString(markdown) {
		t.Error("Markdown took text for its own")
	}
}

func TestCSVIsTidyAndHoldsNoFormula(t *testing.T) {
	for name, make := range reports {
		r := make()
		lines, err := csv.NewReader(strings.NewReader(written(t, r, "csv"))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		trials := 0
		for _, row := range r.Rows {
			trials += max(1, len(row.Trials))
		}
		if len(lines) != 1+trials {
			t.Errorf("%s: %d lines for %d attempts", name, len(lines), trials)
		}
		for _, cell := range lines[len(lines)-1] {
			if _, err := strconv.ParseFloat(cell, 64); err != nil && strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r") {
				t.Errorf("%s: a spreadsheet runs %q", name, cell)
			}
		}
	}
	for in, want := range map[string]string{
		"": "", "a=1": "a=1", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx", "＝1": "'＝1", "'=": "'=", "é": "é",
	} {
		if got := cell(in); got != want {
			t.Errorf("cell(%q) = %q, want %q", in, got, want)
		}
	}
	if cells := trialCells(result.RowTrial{Round: -1, RecordsPerSecond: -2.5}); cells[0] != "-1" || cells[4] != "-2.5" {
		t.Errorf("a number below zero is %q", cells)
	}
}

// benchLine is a result line as it is read back, in the units of the file.
type benchLine struct {
	Name   string
	Values map[string]float64
}

func readBench(t *testing.T, text string) (lines []benchLine, config map[string]string, better map[string]string) {
	t.Helper()
	reader := benchfmt.NewReader(strings.NewReader(text), "test")
	config, better = map[string]string{}, map[string]string{}
	for reader.Scan() {
		switch rec := reader.Result().(type) {
		case *benchfmt.Result:
			line := benchLine{string(rec.Name.Full()), map[string]float64{}}
			for _, v := range rec.Values {
				unit, value := v.Unit, v.Value
				if v.OrigUnit != "" {
					unit, value = v.OrigUnit, v.OrigValue
				}
				line.Values[unit] = value
			}
			lines = append(lines, line)
			if _, parts := rec.Name.Parts(); strings.HasPrefix(string(parts[len(parts)-1]), "-") {
				t.Errorf("%s is taken to end with GOMAXPROCS", rec.Name)
			}
			for _, c := range rec.Config {
				config[c.Key] = string(c.Value)
			}
		case *benchfmt.UnitMetadata:
			better[rec.OrigUnit] = rec.Value
		case *benchfmt.SyntaxError:
			t.Fatal(rec)
		}
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	return lines, config, better
}

func TestBenchstatReadsWhatWasMeasured(t *testing.T) {
	for name, make := range reports {
		r := clean(make())
		var want []benchLine
		for _, row := range r.Rows {
			for _, trial := range counting(row) {
				want = append(want, benchLine{benchName(r.Plan, row),
					map[string]float64{"records/s": trial.RecordsPerSecond, "MB/s": trial.MegabytesPerSecond, "ns/record": trial.CPUNsPerRecord}})
			}
		}
		got, config, better := readBench(t, written(t, r, "bench"))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if len(config) < 8 || better["records/s"] != "higher" || better["ns/record"] != "lower" {
			t.Errorf("%s: %v %v", name, config, better)
		}
	}
}

func TestBenchmarkNamesKeepApartWhatDiffers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringOf(rapid.RuneFrom([]rune("ab-1/= %\t")))
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		if (benchWord(a) == benchWord(b)) != (a == b) {
			t.Fatalf("%q and %q are %q", a, b, benchWord(a))
		}
		if strings.ContainsAny(benchWord(a), " \t/=") {
			t.Fatalf("%q is %q", a, benchWord(a))
		}
	})
	r := result.Row{Arm: result.Arm{Workload: result.Consume, Client: "franz", Profile: "tuned", Values: map[string]string{"batch": "lz4-1"}}}
	name := benchfmt.Name(benchName(result.Plan{Axes: []result.Axis{{Name: "batch"}}}, r))
	if _, parts := name.Parts(); string(parts[len(parts)-1]) != "/batch=lz4%2D1" {
		t.Errorf("%q", parts)
	}
}

func TestFiguresBearNoMoreDigitsThanTheirInterval(t *testing.T) {
	for _, c := range []struct {
		e            result.Estimate
		kind         kind
		middle, span string
	}{
		{estimate(121e3, 123456, 125e3), rate, "123 k", "121 – 125 k"},
		{estimate(100e3, 123456, 150e3), rate, "120 k", "100 – 150 k"},
		{estimate(10e3, 123456, 300e3), rate, "100 k", "0 – 300 k"},
		{estimate(0.98e6, 1.02e6, 1.05e6), rate, "1.02 M", "0.98 – 1.05 M"},
		{estimate(999_000, 999_700, 1_000_300), rate, "1.00 M", "1.00 – 1.00 M"},
		{estimate(1480, 1502.7, 1510), plain, "1500", "1480 – 1510"},
		{estimate(0.0481, 0.0603, 0.0712), plain, "0.060", "0.048 – 0.071"},
		{estimate(-0.02, 0, 0.01), plain, "0.00", "−0.02 – 0.01"},
		{estimate(0.0612, 0.0634, 0.0641), processors, "0.06", "0.06 – 0.06"},
		{estimate(0, 0, 0), plain, "0", "0 – 0"},
		{result.Estimate{Low: 123456, Median: 123456, High: 123456, N: 3}, rate, "120 k", "n=3, none"},
		{result.Estimate{}, rate, "-", "no trial counts"},
	} {
		if got := median(c.e, c.kind); got != c.middle {
			t.Errorf("%+v: median %q, want %q", c.e, got, c.middle)
		}
		if got := interval(c.e, c.kind); got != c.span {
			t.Errorf("%+v: interval %q, want %q", c.e, got, c.span)
		}
	}
}

func TestWhatIsWrittenIsWithinHalfAStepOfTheFigure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Float64Range(1e-6, 1e12).Draw(t, "v")
		e := result.Estimate{Median: v, Confidence: 0.95, N: 8}
		share := rapid.Float64Range(0, 0.9).Draw(t, "share")
		e.Low, e.High = v*(1-share), v*(1+share)
		s := newScale(e, rapid.SampledFrom([]kind{plain, rate}).Draw(t, "kind"))
		number := s.number(v)
		back, err := strconv.ParseFloat(number, 64)
		if err != nil {
			t.Fatal(err)
		}
		if off := back*s.divisor/v - 1; off > 0.051 || off < -0.051 || (share < 0.09 && (off > 0.0051 || off < -0.0051)) {
			t.Fatalf("%v ± %v %% is written %q %s", v, 100*share, number, s.unit)
		}
		if digits := strings.Trim(strings.Replace(number, ".", "", 1), "0"); len(digits) > 3 {
			t.Fatalf("%v is written %q", v, number)
		}
	})
}

func TestComparisonsSayWhatTheyCan(t *testing.T) {
	ratio := func(low, median, high float64) result.Estimate {
		return result.Estimate{Low: low, Median: median, High: high, Confidence: 0.978, N: 10}
	}
	all := []result.Comparison{
		{A: "lz4", B: "none", Measure: "consume.records_per_second", Ratio: ratio(0.81, 0.84, 0.9), Paired: true, Adjusted: 0.0123, Verdict: result.Lower, Margin: 0.03},
		{A: "zstd", B: "none", Measure: "consume.records_per_second", Ratio: ratio(0.992, 1.001, 1.009), Paired: true, Adjusted: 1, Verdict: result.NoDifference, Margin: 0.03},
		{A: "snappy", B: "none", Measure: "consume.records_per_second", Ratio: ratio(0.98, 1.02, 1.06), Paired: true, Adjusted: 0.4, Verdict: result.CouldNotTell, Margin: 0.03},
		{A: "gzip", B: "none", Measure: "consume.records_per_second", Ratio: ratio(3.3, 3.41, 3.52), Paired: true, Adjusted: 0.0001, Verdict: result.Higher, Margin: 0.03},
		{A: "zero", B: "none", Measure: "consume.records_per_second", Ratio: ratio(1e9, 1e9, 1e9), Paired: true, Adjusted: 0.0001, Verdict: result.Higher, Margin: 0.03},
		{A: "run B", B: "run A", Measure: "produce.cpu_ns_per_record", Ratio: result.Estimate{Low: 1.1, Median: 1.1, High: 1.1, N: 3}, Adjusted: 1, Verdict: result.CouldNotTell, Margin: 0.03},
		{A: "run C", B: "run A", Measure: "produce.cpu_ns_per_record", Verdict: result.CouldNotTell, Margin: 0.03},
	}
	warnings := []string{"the runs were made on different machines: 2 CPUs and 8 CPUs"}
	var text, markdown bytes.Buffer
	Comparisons(&text, all, warnings)
	ComparisonsMarkdown(&markdown, all, warnings)
	golden(t, "comparisons.txt", text.String())
	golden(t, "comparisons.md", markdown.String())
}

func TestChartsFollowTheAxes(t *testing.T) {
	for name, want := range map[string][]string{
		"seed":        {"consume: records/s over consumers = partitions|1"},
		"compression": {"consume: records/s over compression|1", "produce: records/s over compression|1"},
		"clients": {
			"consume: records/s over client|3", "consume: CPU ns/record of the client over client|3",
			"consume: records/s over consumers|2", "consume: CPU ns/record of the client over consumers|2",
		},
		"troubled": nil,
	} {
		r := reports[name]()
		var got []string
		for _, rows := range byWorkload(r.Rows) {
			for _, c := range charts(r, rows) {
				got = append(got, c.Title+"|"+strconv.Itoa(len(c.Series)))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	seed := seedReport()
	c := charts(seed, byWorkload(seed.Rows)[0])[0]
	if len(c.Curve) != len(seed.Fit[0].Curve) || !c.Published || !c.Excluded || len(c.Series[0].Points[5].Trials) != 10 {
		t.Errorf("law %d, published %v, excluded %v, points %+v", len(c.Curve), c.Published, c.Excluded, c.Series[0].Points[5])
	}
}

func TestPlacesOnAnAxisAreReadable(t *testing.T) {
	for _, c := range []struct {
		labels []string
		want   []float64
		number bool
	}{
		{[]string{"1", "2", "3", "4", "6", "8"}, []float64{1, 2, 3, 4, 6, 8}, true},
		{[]string{"16", "64", "1024"}, []float64{4, 6, 10}, true},
		{[]string{"0", "5", "1000"}, []float64{0, 1, 2}, false},
		{[]string{"none", "1", "NaN"}, []float64{0, 1, 2}, false},
	} {
		got, number := positions(c.labels)
		if diff := cmp.Diff(c.want, got); diff != "" || (number != nil) != c.number {
			t.Errorf("%v: %s, a number has a place: %v", c.labels, diff, number != nil)
		}
	}
}

func TestCommandsRepeatTheRun(t *testing.T) {
	r := troubledReport()
	want := []string{
		"redline run 'broken broker.yaml' -b kafka-1:9092,kafka-2:9092 --seed 7",
		"redline run --resume '20261124-120000-broken broker'", "redline report '20261124-120000-broken broker'",
	}
	if diff := cmp.Diff(want, repeated(r)); diff != "" {
		t.Error(diff)
	}
	if got := quoted("it's; rm -rf /"); got != `'it'\''s; rm -rf /'` {
		t.Error(got)
	}
}

func TestAPageOfNoNumbersIsRefused(t *testing.T) {
	r := seedReport()
	zero := 0.0
	r.Rows[0].RecordsPerSecond.Median = zero / zero
	var unsupported *json.UnsupportedValueError
	if err := HTML(io.Discard, r); !errors.As(err, &unsupported) {
		t.Error(err)
	}
}

func TestSmallValuesBesideLargeOnesAreDrawnByTheirLogarithm(t *testing.T) {
	of := func(rates ...float64) []series {
		var points []point
		for _, v := range rates {
			points = append(points, point{Median: v, Trials: []float64{v}})
		}
		return []series{{Points: points}}
	}
	for _, c := range []struct {
		series []series
		want   bool
	}{
		{of(100e6, 3e3), true},
		{of(10e6, 1e6), false},
		{of(10e6, 0), false}, // which has no logarithm
		{append(of(10e6), series{Points: []point{{}}}), false},
		{nil, false},
	} {
		if got := isSteep(c.series); got != c.want {
			t.Errorf("%+v is steep: %v", c.series, got)
		}
	}
}

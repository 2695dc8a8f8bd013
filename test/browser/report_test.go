package browser_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"redline/internal/report"
	"redline/result"
)

// golden are the reports that the golden files of the report package hold.
const golden = "../../internal/report/testdata/experiment-*.json"

// source is the pattern of the reports that are looked at: the golden ones, or those
// that REDLINE_REPORTS names, which "redline report -o json" wrote.
func source() string {
	if named := os.Getenv("REDLINE_REPORTS"); named != "" {
		return named
	}
	return golden
}

// pages writes each report as a page.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(source())
	if err != nil || len(files) < 5 {
		t.Fatalf("%d reports in %s: %v", len(files), source(), err)
	}
	written := map[string]string{}
	for _, file := range files {
		before, after, _ := strings.Cut(filepath.Base(source()), "*")
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), before), after)
		written[name] = write(t, render(t, load(t, file)))
	}
	return written
}

func load(t *testing.T, file string) result.ExperimentReport {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r result.ExperimentReport
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func render(t *testing.T, r result.ExperimentReport) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func write(t *testing.T, html string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(html), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// unfold opens what is folded and waits for a frame, so that all is drawn.
const unfold = `new Promise(done => {
	document.querySelectorAll("details").forEach(d => d.open = true);
	setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(() => done(true))), 50);
})`

// blank counts the places for charts in which nothing has a colour of data; axes
// and attempts that were left out are grey.
const blank = `(() => {
	const root = getComputedStyle(document.documentElement);
	const colours = [0, 1, 2, 3, 4, 5].map(i => parseInt(root.getPropertyValue("--c" + i).trim().slice(1), 16))
		.map(c => [c >> 16, c >> 8 & 255, c & 255]);
	const times = JSON.parse(document.getElementById("data").textContent).times;
	const grey = box => box.dataset.trial !== undefined && !times[box.dataset.row][box.dataset.trial].counts;
	return [...document.querySelectorAll(".plot")].filter(box => {
		const canvas = box.querySelector("canvas");
		if (!canvas || !canvas.width) return true;
		const p = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
		const drawn = c => { for (let i = 0; i < p.length; i += 4) {
			if (p[i + 3] > 200 && Math.abs(p[i] - c[0]) + Math.abs(p[i + 1] - c[1]) + Math.abs(p[i + 2] - c[2]) < 24) return true;
		} return false; };
		return !grey(box) && !colours.slice(0, 5).some(drawn);
	}).length;
})()`

func TestPagesAreWholeOnEveryScreen(t *testing.T) {
	browser := start(t)
	for name, file := range pages(t) {
		for _, l := range looks {
			v := open(t, browser, file, l)
			ask[bool](t, v, unfold)
			if wide := ask[int64](t, v, "document.documentElement.scrollWidth"); wide > l.width {
				t.Errorf("%s %s: the page is %d pixels wide", name, l, wide)
			}
			plots := ask[int](t, v, `document.querySelectorAll(".plot").length`)
			if plots == 0 || plots != ask[int](t, v, `document.querySelectorAll("canvas").length`) {
				t.Errorf("%s %s: %d places for charts", name, l, plots)
			}
			if n := ask[int](t, v, blank); n > 0 {
				t.Errorf("%s %s: %d of %d charts are blank", name, l, n, plots)
			}
			if all := v.misdeeds(); all != "" {
				t.Errorf("%s %s: %s", name, l, all)
			}
			v.close()
		}
	}
}

// shown is a figure of the page as its attributes have it.
type shown struct{ Row, Comparison, Fit, Field, Value, Text string }

const figures = `[...document.querySelectorAll("[data-value]")].map(e => ({
	Row: e.dataset.row || "", Comparison: e.dataset.comparison || "", Fit: e.dataset.fit || "",
	Field: e.dataset.field, Value: e.dataset.value, Text: e.textContent,
}))`

func TestThePagesFiguresAreTheReports(t *testing.T) {
	browser := start(t)
	for name, file := range pages(t) {
		r := load(t, strings.Replace(source(), "*", name, 1))
		exact := numbers(t, r)
		all := ask[[]shown](t, open(t, browser, file, looks[2]), figures)
		seen := map[string]bool{}
		for _, s := range all {
			list, index := "rows", s.Row
			switch {
			case s.Comparison != "":
				list, index = "comparisons", s.Comparison
			case s.Fit != "":
				list, index = "fit", s.Fit
			}
			path := list + "." + index + "." + s.Field
			seen[path] = true
			if want := find(exact, path); s.Value != want {
				t.Errorf("%s: %s is %s in the page, %s in JSON", name, path, s.Value, want)
			}
			if s.Text == "" || !strings.ContainsAny(s.Text, "0123456789-(") {
				t.Errorf("%s: %s is shown as %q", name, path, s.Text)
			}
		}
		for i, row := range r.Rows {
			if row.Cannot != "" {
				continue
			}
			for _, field := range []string{"records_per_second.median", "megabytes_per_second.median", "cpu_ns_per_record.median", "cpus_busy.median", "trials.0.records_per_second"} {
				if path := "rows." + strconv.Itoa(i) + "." + field; !seen[path] {
					t.Errorf("%s: %s is not in the page", name, path)
				}
			}
		}
	}
}

// numbers is a report as JSON, its numbers spelled as there.
func numbers(t *testing.T, r result.ExperimentReport) any {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var all any
	if err := decoder.Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// find is the number at a path such as "rows.0.records_per_second.median".
func find(at any, path string) string {
	for step := range strings.SplitSeq(path, ".") {
		switch inner := at.(type) {
		case map[string]any:
			at = inner[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(inner) {
				return "beyond the list of " + path
			}
			at = inner[i]
		}
	}
	return fmt.Sprint(at)
}

func TestTextFromOutsideStaysText(t *testing.T) {
	browser := start(t)
	r := load(t, strings.Replace(golden, "*", "hostile", 1))
	v := open(t, browser, write(t, render(t, r)), looks[0])
	ask[bool](t, v, unfold)
	for _, forbidden := range []string{"img", "b", "iframe", "[onerror]", "[onclick]", "[onmouseover]", "[style*=none]", "a[href]"} {
		if n := ask[int](t, v, "document.body.querySelectorAll("+strconv.Quote(forbidden)+").length"); n > 0 {
			t.Errorf("%d of %s in the page", n, forbidden)
		}
	}
	if n := ask[int](t, v, `document.querySelectorAll("script").length`); n != 3 {
		t.Errorf("%d scripts in the page", n)
	}
	for _, text := range []string{`<img src=x onerror="alert(1)">`, "</script><script>alert(2)</script>"} {
		if !strings.Contains(ask[string](t, v, "document.body.textContent"), text) {
			t.Errorf("%s is not shown as text", text)
		}
	}
	if all := v.misdeeds(); all != "" {
		t.Error(all)
	}
}

// What the other tests look for must be seen when it is there.
func TestMisdeedsOfAPageAreSeen(t *testing.T) {
	browser := start(t)
	r := load(t, strings.Replace(golden, "*", "seed", 1))
	for _, c := range []struct{ what, put, want string }{
		{"a script that the policy does not know", "<script>console.log(1)</script>", "violates"},
		{"a style attribute", `<p style="color:red">x</p>`, "violates"},
		{"a picture from elsewhere", `<img src="http://127.0.0.1:9/x.png">`, "violates"},
	} {
		html := strings.Replace(render(t, r), "<main>", "<main>"+c.put, 1)
		v := open(t, browser, write(t, html), looks[2])
		ask[bool](t, v, unfold)
		if all := v.misdeeds(); !strings.Contains(all, c.want) {
			t.Errorf("%s was not seen: %q", c.what, all)
		}
	}
}

func TestFiguresNeedNoScript(t *testing.T) {
	browser := start(t)
	r := load(t, strings.Replace(golden, "*", "seed", 1))
	html := render(t, r)
	html = html[:strings.Index(html, "<script")] + "</body></html>"
	v := open(t, browser, write(t, html), looks[0])
	if n := len(ask[[]shown](t, v, figures)); n < 10*len(r.Rows) {
		t.Errorf("%d figures without script", n)
	}
}

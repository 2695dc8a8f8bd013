package report

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var cells = Table{
	Heads: []string{"NAME", "LOG-END-OFFSET", "REPLICAS", "SINCE", "NOTE"},
	Rows: [][]any{
		{"orders", int64(-1), []int32{1, 2}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)), "=HYPERLINK(1)"},
		{"a\x1b[2J\nb|c", nil, []int32{}, nil, nil},
		{"long", int64(1_000_000), []int32{3}, nil, 0.5},
	},
}

func TestATableIsPrintedInEachForm(t *testing.T) {
	var text, separated, markdown bytes.Buffer
	cells.Text(&text)
	if err := cells.CSV(&separated); err != nil {
		t.Fatal(err)
	}
	cells.Markdown(&markdown)
	for got, want := range map[string]string{
		text.String(): `NAME      LOG-END-OFFSET  REPLICAS  SINCE                 NOTE
orders                -1  1,2       2026-01-02T02:04:05Z  =HYPERLINK(1)
a[2J b|c               -            -                     -
long             1000000  3         -                     0.5
`,
		separated.String(): `name,log_end_offset,replicas,since,note
orders,-1,"1,2",2026-01-02T02:04:05Z,'=HYPERLINK(1)
a[2J b|c,,,,
long,1000000,3,,0.5
`,
		markdown.String(): `| NAME | LOG-END-OFFSET | REPLICAS | SINCE | NOTE |
|---|--:|---|---|---|
| orders | -1 | 1,2 | 2026-01-02T02:04:05Z | =HYPERLINK(1) |
| a\[2J b\|c | - |  | - | - |
| long | 1000000 | 3 | - | 0.5 |
`,
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAnObjectIsATableOfItsFields(t *testing.T) {
	table, err := Fields(map[string]any{
		"a": 1.5, "b": map[string]any{"c": []any{"x", map[string]any{"d": nil}}, "empty": []any{}}, "e": true,
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := table.CSV(&out); err != nil {
		t.Fatal(err)
	}
	want := "field,value\na,1.5\nb.c.0,x\nb.c.1.d,\ne,true\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// A row stays a row, and a cell a cell, whatever is in it.
func TestHostileCellsKeepTheShapeOfATable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := Table{Heads: []string{"A", "B"}}
		for range rapid.IntRange(0, 5).Draw(t, "rows") {
			table.Rows = append(table.Rows, []any{rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")})
		}
		var text, separated, markdown bytes.Buffer
		table.Text(&text)
		table.Markdown(&markdown)
		if err := table.CSV(&separated); err != nil {
			t.Fatal(err)
		}
		lines := len(table.Rows) + 1
		if n := strings.Count(text.String(), "\n"); n != lines {
			t.Fatalf("%d lines of text for %d", n, lines)
		}
		if n := strings.Count(markdown.String(), "\n"); n != lines+1 {
			t.Fatalf("%d lines of Markdown for %d", n, lines+1)
		}
		read, err := csv.NewReader(&separated).ReadAll()
		if err != nil || len(read) != lines {
			t.Fatalf("%d lines of CSV for %d: %v", len(read), lines, err)
		}
	})
}

package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Table is rows of cells under heads, for Text, CSV and Markdown. A cell is a string,
// a bool, a number, a time, a list of strings or of int32 (broker ids), or nil where
// there is no value.
type Table struct {
	// Heads are as Kafka's tools write them: CURRENT-OFFSET.
	Heads []string
	Rows  [][]any
}

// Text writes a line a row, each as wide as it comes: no cell is cut or folded.
func (t Table) Text(w io.Writer) {
	columns := make([]column, len(t.Heads))
	for i, head := range t.Heads {
		columns[i] = column{head: head, left: !t.numeric(i)}
		for _, row := range t.Rows {
			columns[i].cells = append(columns[i].cells, textCell(row[i]))
		}
	}
	for i := -1; i < len(t.Rows); i++ {
		var line []string
		for _, c := range columns {
			text := c.head
			if i >= 0 {
				text = c.cells[i]
			}
			line = append(line, pad(text, c.width(), c.left))
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(line, "  "), " "))
	}
}

// CSV writes a line a row, under heads as JSON has them: current_offset. What has no
// value is empty. An error is of writing.
func (t Table) CSV(w io.Writer) error {
	lines := make([][]string, 0, len(t.Rows)+1)
	heads := make([]string, len(t.Heads))
	for i, head := range t.Heads {
		heads[i] = strings.ReplaceAll(strings.ToLower(head), "-", "_")
	}
	lines = append(lines, heads)
	for _, row := range t.Rows {
		line := make([]string, len(row))
		for i, c := range row {
			switch {
			case c == nil: // stays empty
			case isNumeric(c):
				line[i] = textCell(c)
			default:
				line[i] = cell(textCell(c))
			}
		}
		lines = append(lines, line)
	}
	return csv.NewWriter(w).WriteAll(lines)
}

// Markdown writes a table that pastes into a pull request; columns of numbers are
// aligned to the right.
func (t Table) Markdown(w io.Writer) {
	align := make([]bool, len(t.Heads))
	for i := range t.Heads {
		align[i] = t.numeric(i)
	}
	lines := make([][]string, len(t.Rows))
	for i, row := range t.Rows {
		for _, c := range row {
			lines[i] = append(lines[i], textCell(c))
		}
	}
	writeMarkdown(w, t.Heads, lines, align)
}

// numeric says whether a column holds numbers and nothing else.
func (t Table) numeric(column int) bool {
	found := false
	for _, row := range t.Rows {
		if row[column] != nil && !isNumeric(row[column]) {
			return false
		}
		found = found || row[column] != nil
	}
	return found
}

func isNumeric(c any) bool {
	switch c.(type) {
	case int, int16, int32, int64, float64, json.Number:
		return true
	}
	return false
}

// textCell writes a cell on one line, without what could steer a terminal.
func textCell(c any) string {
	switch v := c.(type) {
	case nil:
		return "-"
	case string:
		return printable(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case []string:
		return printable(strings.Join(v, ","))
	case []int32:
		ids := make([]string, len(v))
		for i, id := range v {
			ids[i] = strconv.Itoa(int(id))
		}
		return strings.Join(ids, ",")
	}
	return fmt.Sprint(c)
}

// Fields is the table of a JSON object that is none by itself: a row for each value
// in it, named by the keys and places that lead there: "steady.records_per_second".
func Fields(v any) (Table, error) {
	t := Table{Heads: []string{"FIELD", "VALUE"}}
	text, err := json.Marshal(v)
	if err != nil {
		return t, fmt.Errorf("cannot write the result: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return t, t.flatten("", decoder)
}

// flatten adds the next value of a decoder, which stands at path.
func (t *Table) flatten(path string, decoder *json.Decoder) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	delim, nested := token.(json.Delim)
	if !nested {
		t.Rows = append(t.Rows, []any{path, token})
		return nil
	}
	for place := 0; decoder.More(); place++ {
		name := strconv.Itoa(place)
		if delim == '{' {
			key, err := decoder.Token()
			if err != nil {
				return err
			}
			name = fmt.Sprint(key)
		}
		if err := t.flatten(strings.TrimPrefix(path+"."+name, "."), decoder); err != nil {
			return err
		}
	}
	_, err = decoder.Token() // the bracket that closes it
	return err
}

package cli

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

func TestListsThatAreEmptyAreNoNullInJSON(t *testing.T) {
	type inner struct {
		List []int          `json:"list"`
		Map  map[string]int `json:"map"`
	}
	type outer struct {
		document
		inner
		At      time.Time `json:"at"`
		Inners  []inner   `json:"inners"`
		Known   *inner    `json:"known"`
		Unknown *[]int    `json:"unknown"`
		Left    []string  `json:"left,omitempty"`
	}
	var b bytes.Buffer
	if err := newLineWriter(&b).write(&outer{Inners: []inner{{}}, Known: &inner{}}); err != nil {
		t.Fatal(err)
	}
	want := `{"schema":"","version":"","error":null,"error_kind":null,"list":[],"map":{},"at":"0001-01-01T00:00:00Z",` +
		`"inners":[{"list":[],"map":{}}],"known":{"list":[],"map":{}},"unknown":null}` + "\n"
	if b.String() != want || !json.Valid(b.Bytes()) {
		t.Errorf("got  %swant %s", b.String(), want)
	}
}

package clienttest

import (
	"testing"

	"redline/internal/client"
)

// SpelledOnce wants no spelling to belong to two properties of a table.
func SpelledOnce[D any](t *testing.T, table client.Table[D]) {
	t.Helper()
	spelled := make(map[string]string)
	for _, row := range table.Rows {
		for _, key := range append([]string{row.Name}, row.Aliases...) {
			if other, twice := spelled[key]; twice {
				t.Errorf("%q belongs to %q and %q", key, other, row.Name)
			}
			spelled[key] = row.Name
		}
	}
}

package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"redline/internal/client/libraries"
	"redline/internal/observe"
	"redline/internal/report"
)

const versionSchema = "redline.version/v1"

// versionAnswer says of what this redline is made.
type versionAnswer struct {
	document
	Go string `json:"go"`
	OS string `json:"os"`
	// Clients are the client libraries of this build.
	Clients []clientVersion `json:"clients"`
	// LeftOut are those that it lacks.
	LeftOut []clientLeftOut `json:"left_out"`
}

type clientVersion struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type clientLeftOut struct {
	Name string `json:"name"`
	// Reason is why, and how to build with it.
	Reason string `json:"reason"`
}

// newVersionCommand is `redline version`; it never dials.
func newVersionCommand(p *Process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of redline, Go and the client libraries",
		Example: "  redline version\n  redline version -o json\n  redline version -o md",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			answer, err := versions()
			return printTable(p, output, err, view{
				text: answer.text, table: answer.table, object: answer,
			})
		},
	}
	addOutput(cmd, &output)
	return cmd
}

func versions() (versionAnswer, error) {
	e := observe.Environment()
	a := versionAnswer{Go: e.Go, OS: e.OS, Clients: []clientVersion{}, LeftOut: []clientLeftOut{}}
	missing := libraries.Missing()
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		a.LeftOut = append(a.LeftOut, clientLeftOut{name, missing[name]})
	}
	var failed error
	for _, name := range libraries.Names() {
		library, err := libraries.Open(name)
		if err != nil {
			failed = err
			continue
		}
		a.Clients = append(a.Clients, clientVersion{name, library.Version()})
	}
	a.document = newDocument(versionSchema, failed)
	return a, failed
}

func (a versionAnswer) text(w io.Writer) {
	fmt.Fprintf(w, "redline %s, %s, %s\n", a.Version, a.Go, a.OS)
	for _, c := range a.Clients {
		fmt.Fprintf(w, "  %-10s %s\n", c.Name, c.Version)
	}
	for _, c := range a.LeftOut {
		fmt.Fprintf(w, "  %-10s left out: %s\n", c.Name, c.Reason)
	}
}

func (a versionAnswer) table() report.Table {
	t := report.Table{Heads: []string{"NAME", "VERSION"}, Rows: [][]any{{"redline", a.Version}, {"go", a.Go}}}
	for _, c := range a.Clients {
		t.Rows = append(t.Rows, []any{c.Name, c.Version})
	}
	return t
}

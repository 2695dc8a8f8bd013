package cli

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"redline/internal/nearest"
	"redline/internal/plan"
	"redline/internal/report"
	"redline/internal/schema"
)

const schemasSchema = "redline.schemas/v1"

// schemasAnswer lists the schemas there are.
type schemasAnswer struct {
	document
	Names []string `json:"names"`
}

// questionSchema is the name of the schema of question files, which are read and not
// printed.
const questionSchema = "experiment"

func newSchemaCommand(p *Process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "schema [NAME]",
		Short: "Print the JSON Schema of what -o json prints, or of question files",
		Long: `Print the JSON Schema (2020-12) of what a command prints with -o json; its "schema"
names it: redline.topic/v1 is that of "redline schema topic". Without a name, list
all.

"redline schema experiment" is that of question files. Editors with a YAML
language server complete and check a file whose first line names it:
# yaml-language-server: $schema=redline.schema.json`,
		Example: `  redline schema
  redline schema topic
  redline schema experiment > redline.schema.json`,
		Args: oneArgumentAtMost,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return printTable(p, output, nil, schemasView())
			}
			text, err := findSchema(args[0])
			if err != nil {
				return err
			}
			_, err = p.Stdout.Write(text)
			return err
		},
		ValidArgsFunction: asArgument(schemas),
	}
	addOutput(cmd, &output)
	return cmd
}

func schemaNames() []string {
	names := append(schema.Names(), questionSchema)
	slices.Sort(names)
	return names
}

func findSchema(name string) ([]byte, error) {
	if name == questionSchema {
		return plan.Schema(), nil
	}
	if text, there := schema.Find(name); there {
		return text, nil
	}
	meant := ""
	if near := nearest.Name(name, schemaNames()); near != "" {
		meant = fmt.Sprintf(": the nearest is %q", near)
	}
	return nil, usagef("there is no schema %q%s; \"redline schema\" lists all", name, meant)
}

func schemasView() view {
	names := schemaNames()
	table := report.Table{Heads: []string{"NAME"}}
	for _, name := range names {
		table.Rows = append(table.Rows, []any{name})
	}
	return view{
		text: func(w io.Writer) {
			for _, name := range names {
				fmt.Fprintln(w, name)
			}
		},
		table:  func() report.Table { return table },
		object: schemasAnswer{newDocument(schemasSchema, nil), names},
	}
}

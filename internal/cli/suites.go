package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"redline/internal/plan"
)

const suitesSchema = "redline.suites/v1"

// suitesAnswer lists the built-in questions.
type suitesAnswer struct {
	document
	Suites []suiteAnswer `json:"suites"`
}

type suiteAnswer struct {
	Name     string `json:"name"`
	Question string `json:"question"`
	YAML     string `json:"yaml"`
}

func newSuitesCommand(p *Process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "suites",
		Short: "List the questions that redline brings along",
		Long: `List the questions that redline brings along, a line each. "redline suites show NAME"
prints one as YAML, to be changed and run as a question of your own.`,
		Example: "  redline suites\n  redline suites show seed > my-question.yaml",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			return printAnswer(p, output, suitesSchema, nil, listSuites, func(d document) any {
				answer := suitesAnswer{document: d}
				for _, s := range plan.Suites() {
					answer.Suites = append(answer.Suites, suiteAnswer{s.Name, s.Question, string(s.YAML)})
				}
				return answer
			})
		},
	}
	addOutput(cmd, &output)
	cmd.AddCommand(&cobra.Command{
		Use:     "show NAME",
		Short:   "Print a built-in question as YAML",
		Example: "  redline suites show compression",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			suite, err := plan.FindSuite(args[0])
			if err != nil {
				return usagef("%w", err)
			}
			_, err = p.Stdout.Write(suite.YAML)
			return err
		},
	})
	return cmd
}

func listSuites(w io.Writer) {
	for _, s := range plan.Suites() {
		fmt.Fprintf(w, "%-12s %s\n", s.Name, s.Question)
	}
}

func newSchemaCommand(p *Process) *cobra.Command {
	return &cobra.Command{
		Use:   "schema experiment",
		Short: "Print the JSON schema of question files, for editors",
		Long: `Print the JSON schema of question files. Editors with a YAML language server complete
and check a file whose first line names it:
# yaml-language-server: $schema=redline.schema.json`,
		Example: "  redline schema experiment > redline.schema.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if args[0] != "experiment" {
				return usagef("there is no schema %q: there is experiment", args[0])
			}
			_, err := p.Stdout.Write(plan.Schema())
			return err
		},
	}
}

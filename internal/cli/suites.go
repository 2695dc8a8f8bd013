package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"redline/internal/plan"
	"redline/internal/report"
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
		Example: `  redline suites
  redline suites -o json
  redline suites show seed > my-question.yaml`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			return printTable(p, output, nil, suitesView())
		},
	}
	addOutput(cmd, &output)
	cmd.AddCommand(newSuitesShow(p))
	return cmd
}

func newSuitesShow(p *Process) *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Print a built-in question as YAML",
		Example: `  redline suites show compression
  redline suites show seed > my-question.yaml
  redline suites show acks | grep question`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			suite, err := plan.FindSuite(args[0])
			if err != nil {
				return usagef("%w", err)
			}
			_, err = p.Stdout.Write(suite.YAML)
			return err
		},
		ValidArgsFunction: asArgument(suites),
	}
}

func suitesView() view {
	answer := suitesAnswer{document: newDocument(suitesSchema, nil)}
	table := report.Table{Heads: []string{"NAME", "QUESTION"}}
	for _, s := range plan.Suites() {
		answer.Suites = append(answer.Suites, suiteAnswer{s.Name, s.Question, string(s.YAML)})
		table.Rows = append(table.Rows, []any{s.Name, s.Question})
	}
	text := func(w io.Writer) {
		for _, s := range plan.Suites() {
			fmt.Fprintf(w, "%-12s %s\n", s.Name, s.Question)
		}
	}
	return view{text: text, table: func() report.Table { return table }, object: answer}
}

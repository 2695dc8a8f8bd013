package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"redline/internal/plan"
)

// run parses the arguments, runs the command and prints its error.
func run(ctx context.Context, p *Process) int {
	out := &outlet{to: p.Stdout}
	p.Stdout = out
	root := newRoot(p)
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := interrupted(ctx, root.ExecuteContext(ctx))
	if err == nil && out.err != nil {
		err = fmt.Errorf("cannot write the result: %w", out.err)
	}
	if err != nil {
		if !out.used && wantsJSON(p.Args) {
			err = errors.Join(err, printJSON(p.Stdout, newDocument(errorSchema, err)))
		}
		for _, line := range lines(err) {
			fmt.Fprintln(p.Stderr, "redline: "+line)
		}
	}
	return exitCode(ctx, err)
}

// lines are what is printed of an error: one, but for a file with many mistakes.
func lines(err error) []string {
	var problems *plan.Problems
	if !errors.As(err, &problems) {
		return []string{sentence(err)}
	}
	var all []string
	for line := range strings.Lines(problems.Error()) {
		all = append(all, sentence(errors.New(strings.TrimSuffix(line, "\n"))))
	}
	return all
}

// errorSchema is that of the one JSON object of a command that ended before it
// knew which of its own to print: a mistake in what was typed.
const errorSchema = "redline.error/v1"

// wantsJSON says whether -o json was typed, also where the flags around it are
// mistaken.
func wantsJSON(args []string) bool {
	for i, arg := range args {
		switch arg {
		case "-ojson", "-o=json", "--output=json":
			return true
		case "-o", "--output":
			if i+1 < len(args) && args[i+1] == "json" {
				return true
			}
		}
	}
	return false
}

// interrupted is err, or the signal in its place if a signal is its cause.
func interrupted(ctx context.Context, err error) error {
	var interrupt Interrupt
	if errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &interrupt) {
		return interrupt
	}
	return err
}

// outlet is standard output that remembers whether it was used, and the first
// failure to write: results that nobody gets are no success.
type outlet struct {
	to   io.Writer
	used bool
	err  error
}

func (o *outlet) Write(b []byte) (int, error) {
	o.used = true
	n, err := o.to.Write(b)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// newRoot builds the tree of commands. Without a subcommand it is `redline
// consume`, as the article types it; without anything at all it is help.
func newRoot(p *Process) *cobra.Command {
	var f consumeFlags
	root := &cobra.Command{
		Use:   "redline",
		Short: "How fast does a Kafka go, what holds it there, and which settings reach it",
		Long: `redline finds how fast a Kafka goes from here, and which settings reach it.

Flags without a command are those of "redline consume".`,
		Example: `  redline limit
  redline broker up --kafka local
  redline --topic=test-topic --consumers=4 --auto-offset-reset=earliest --group=t4`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(p.Args) == 0 {
				return cmd.Help()
			}
			return f.run(cmd.Context(), p)
		},
	}
	f.add(root)
	root.AddCommand(
		newLimitCommand(p), newRunCommand(p), newSuitesCommand(p), newReportCommand(p), newHistoryCommand(p),
		newCompareCommand(p), newAACommand(p), newTrialCommand(p), newCleanCommand(p),
		newSchemaCommand(p), newProduceCommand(p), newConsumeCommand(p),
		newTopicCommand(p), newGroupCommand(p), newBrokerCommand(p), newVersionCommand(p),
	)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%w", err) })
	return root
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"redline/internal/plan"
)

// run parses the arguments, runs the command and prints its error.
func run(ctx context.Context, p *Process) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := &outlet{to: p.Stdout, closed: func() { cancel(errClosed) }}
	p.Stdout = out
	stderr := p.Stderr // p.Stderr may become quiet
	root := newRoot(p)
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := interrupted(ctx, root.ExecuteContext(ctx))
	switch {
	case errors.Is(out.err, syscall.EPIPE):
		return ExitClosed // whoever closed it wants to hear no more
	case err == nil && out.err != nil:
		err = fmt.Errorf("cannot write the result: %w", out.err)
	}
	if err != nil {
		if format := typedFormat(p); !out.used && isObject(format) {
			err = errors.Join(err, show(p, format, view{object: newDocument(errorSchema, err)}))
		}
		for _, line := range lines(err) {
			fmt.Fprintln(stderr, "redline: "+line)
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

// typedFormat is what -o says, also where the flags around it are mistaken.
func typedFormat(p *Process) string {
	format := p.Getenv("REDLINE_OUTPUT")
	for i, arg := range p.Args {
		for _, flag := range []string{"-o", "--output"} {
			switch value, joined := strings.CutPrefix(arg, flag); {
			case arg == flag && i+1 < len(p.Args):
				format = p.Args[i+1]
			case joined && (flag == "-o" || strings.HasPrefix(value, "=")):
				format = strings.TrimPrefix(value, "=")
			}
		}
	}
	return format
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
	to     io.Writer
	used   bool
	err    error
	closed func() // called when the reader has gone
}

func (o *outlet) Write(b []byte) (int, error) {
	o.used = true
	n, err := o.to.Write(b)
	if err != nil && o.err == nil {
		o.err = err
		if errors.Is(err, syscall.EPIPE) {
			o.closed()
		}
	}
	return n, err
}

// Groups of commands in the help of redline itself.
const (
	measuring = "measure"
	kafkas    = "kafka"
	looking   = "runs"
	itself    = "redline"
)

// newRoot builds the tree of commands. Without a subcommand it is `redline
// consume`, as the article types it; without anything at all it is help.
func newRoot(p *Process) *cobra.Command {
	var f consumeFlags
	root := &cobra.Command{
		Use:   "redline",
		Short: "How fast does a Kafka go, what holds it there, and which settings reach it",
		Long: `redline finds how fast a Kafka goes from here, what holds it there, and which
settings reach it.

To reach a cluster, name it with -b; one that wants TLS or SASL also by the file
that Kafka's own tools use: -F client.properties. "redline help environment" and
"redline context --help" say how to name it once and for all. Without a cluster of
your own, "redline broker up" starts one.

Flags without a command are those of "redline consume".`,
		Example: `  redline limit
  redline topic list -b localhost:9092
  redline --topic=test-topic --consumers=4 --group=t4 --until-end`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := takeEnvironment(cmd, p.Getenv); err != nil {
				return err
			}
			return p.settle()
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(p.Args) == 0 {
				return cmd.Help()
			}
			return f.run(cmd.Context(), p)
		},
	}
	p.addFlags(root)
	f.add(root, p)
	root.AddGroup(
		&cobra.Group{ID: measuring, Title: "Measuring"}, &cobra.Group{ID: kafkas, Title: "Kafka"},
		&cobra.Group{ID: looking, Title: "What was measured"}, &cobra.Group{ID: itself, Title: "redline itself"},
	)
	for id, commands := range map[string][]*cobra.Command{
		measuring: {newLimitCommand(p), newRunCommand(p), newSuitesCommand(p), newAACommand(p), newProduceCommand(p), newConsumeCommand(p)},
		kafkas:    {newTopicCommand(p), newGroupCommand(p), newBrokerCommand(p), newContextCommand(p)},
		looking:   {newReportCommand(p), newHistoryCommand(p), newCompareCommand(p), newCleanCommand(p)},
		itself:    {newDoctorCommand(p), newSchemaCommand(p), newVersionCommand(p)},
	} {
		for _, cmd := range commands {
			cmd.GroupID = id
			root.AddCommand(cmd)
		}
	}
	root.AddCommand(newTrialCommand(p), newDocsCommand())
	root.AddCommand(helpTopics(root)...)
	takeWordsAsTyped(root)
	root.SetHelpCommand(newHelpCommand())
	root.SetHelpCommandGroupID(itself)
	root.SetCompletionCommandGroupID(itself)
	root.SetUsageFunc(usage)
	root.SetHelpFunc(help)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%w", err) })
	return root
}

// takeWordsAsTyped makes wrong words after a command a mistake in what was typed.
func takeWordsAsTyped(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			var failure *Failure
			if err != nil && !errors.As(err, &failure) {
				return usagef("%w: see `%s --help`", err, cmd.CommandPath())
			}
			return err
		}
	}
	for _, sub := range cmd.Commands() {
		takeWordsAsTyped(sub)
	}
}

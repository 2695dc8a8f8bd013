package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

// run parses the arguments, runs the command and prints its error.
func run(ctx context.Context, p *Process) int {
	root := newRoot(p)
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(p.Stderr, "redline: "+sentence(err))
	}
	return exitCode(ctx, err)
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
		newLimitCommand(p), newProduceCommand(p), newConsumeCommand(p),
		newTopicCommand(p), newGroupCommand(p), newBrokerCommand(p), newVersionCommand(p),
	)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%w", err) })
	return root
}

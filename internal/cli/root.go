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

// newRoot builds the tree of commands. Called without a subcommand but with
// flags it is `redline consume`, as the article types it.
func newRoot(p *Process) *cobra.Command {
	root := &cobra.Command{
		Use:           "redline",
		Short:         "How fast does a Kafka go, what holds it there, and which settings reach it",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	return root
}

package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"redline/internal/broker"
	"redline/internal/cluster"
	"redline/internal/plan"
	"redline/internal/runs"
)

// completionTime is how long a shell may wait for names from a cluster. A cluster that
// needs longer offers none: a line that is being typed is never held up by an error.
const completionTime = 300 * time.Millisecond

// completer offers what may stand at a place of the command line.
type completer = cobra.CompletionFunc

// complete offers words as values of a flag.
func complete(cmd *cobra.Command, flag string, words ...string) {
	completeBy(cmd, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// completeBy offers what a completer finds as values of a flag. A flag that the command
// does not have, or that has one already, is a mistake of ours.
func completeBy(cmd *cobra.Command, flag string, by completer) {
	if err := cmd.RegisterFlagCompletionFunc(flag, by); err != nil {
		panic(err)
	}
}

// asArgument offers names as the only argument.
func asArgument(by completer) completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return by(cmd, args, typed)
	}
}

// named turns a look-up into a completer that is silent on failure.
func named(find func(cmd *cobra.Command) ([]string, error)) completer {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		names, err := find(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for i, name := range names {
			names[i] = clean(name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// ofCluster looks names up in the cluster that the flags typed so far name, within
// completionTime in all: what cannot be stopped in time is left behind, as the process
// ends after its answer.
func (f *connectionFlags) ofCluster(p *Process, ask func(context.Context, *cluster.Cluster) ([]string, error)) completer {
	return named(func(cmd *cobra.Command) ([]string, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(commandContext(cmd)), completionTime)
		defer cancel()
		type answer struct {
			names []string
			err   error
		}
		answered := make(chan answer, 1)
		go func() {
			names, err := f.askCluster(ctx, cmd, p, ask)
			answered <- answer{names, err}
		}()
		select {
		case a := <-answered:
			return a.names, a.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}

func commandContext(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}

func (f *connectionFlags) askCluster(ctx context.Context, cmd *cobra.Command, p *Process, ask func(context.Context, *cluster.Cluster) ([]string, error)) ([]string, error) {
	if err := takeEnvironment(cmd, p.Getenv); err != nil {
		return nil, err
	}
	silent := *p
	silent.Stderr, silent.StderrTTY = io.Discard, false // no warning, and no prompt for a password
	reached, err := f.resolve(&silent)
	if err != nil {
		return nil, err
	}
	config := f.config(reached)
	config.Timeout, config.DialTimeout = completionTime, completionTime
	c, err := cluster.Connect(ctx, config)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return ask(ctx, c)
}

func (f *connectionFlags) topics(p *Process) completer {
	return f.ofCluster(p, func(ctx context.Context, c *cluster.Cluster) ([]string, error) { return c.ListTopics(ctx) })
}

func (f *connectionFlags) groups(p *Process) completer {
	return f.ofCluster(p, func(ctx context.Context, c *cluster.Cluster) ([]string, error) {
		groups, err := c.ListGroups(ctx)
		names := make([]string, len(groups))
		for i, g := range groups {
			names[i] = g.Name
		}
		return names, err
	})
}

// storedRuns offers the ids of stored runs, the newest first.
func (f *storeFlags) storedRuns(p *Process) completer {
	return named(func(cmd *cobra.Command) ([]string, error) {
		if err := takeEnvironment(cmd, p.Getenv); err != nil {
			return nil, err
		}
		folder, err := runs.Existing(f.folder(p))
		if err != nil {
			return nil, err
		}
		summaries, err := folder.List()
		var ids []string
		for _, s := range summaries {
			ids = append(ids, cobra.CompletionWithDesc(s.ID, s.Question))
		}
		return ids, err
	})
}

// runningBrokers offers the ids of the brokers that redline runs here.
func runningBrokers() completer {
	return named(func(*cobra.Command) ([]string, error) {
		states, err := broker.Status()
		var ids []string
		for _, s := range states {
			ids = append(ids, cobra.CompletionWithDesc(s.ID, s.Kafka))
		}
		return ids, err
	})
}

// suites offers the built-in questions; beside them a file may be meant.
func suites(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, s := range plan.Suites() {
		names = append(names, cobra.CompletionWithDesc(s.Name, s.Question))
	}
	return names, cobra.ShellCompDirectiveDefault
}

func schemas(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return schemaNames(), cobra.ShellCompDirectiveNoFileComp
}

// contextNames offers the contexts of the configuration file.
func contextNames(p *Process) completer {
	return named(func(*cobra.Command) ([]string, error) {
		file, err := readContexts(p)
		if err != nil {
			return nil, err
		}
		return file.Names(), nil
	})
}

package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"redline/internal/cluster"
	"redline/internal/connection"
)

// contextsSchema is that of what the context commands print as JSON.
const contextsSchema = "redline.contexts/v1"

// contextsDocument is what the context commands print as JSON.
type contextsDocument struct {
	document
	// File is where the contexts are.
	File string `json:"file"`
	// Contexts are all (list), or the one that the command is about.
	Contexts []contextJSON `json:"contexts"`
	// ClusterID is that of the cluster that check reached; else null.
	ClusterID *string `json:"cluster_id"`
}

type contextJSON struct {
	Name      string `json:"name"`
	Current   bool   `json:"current"`
	Protected bool   `json:"protected"`
	// Properties are as in the file; secrets are ****.
	Properties map[string]string `json:"properties"`
}

// newContextCommand is `redline context list|show|use|add|check`.
func newContextCommand(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "context",
		Short: "Name clusters, with what it takes to reach them",
		Long: `Name clusters, with what it takes to reach them.

A context is a client.properties with a name, kept in the configuration file
(redline/config.yaml in $XDG_CONFIG_HOME or ~/.config, or $REDLINE_CONFIG).
--context takes one; without it the current one counts. One that is protected gets no
load, and nothing is created or deleted there, unless --yes-on names it.`,
		Example: `  redline context add dev -b localhost:9092
  redline context list
  redline context show dev`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newContextList(p), newContextShow(p), newContextUse(p), newContextAdd(p), newContextCheck(p))
	return cmd
}

// contexts is a context command that goes on.
type contexts struct {
	p      *Process
	output string
	file   *connection.Config
	shown  []connection.Context
	id     *string
}

// subcommand builds a context command: work reads or changes the file.
func (c *contexts) subcommand(cmd *cobra.Command, work func(cmd *cobra.Command, args []string) error, text func(io.Writer)) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var err error
		if c.file, err = readContexts(c.p); err == nil {
			err = work(cmd, args)
		}
		return printAnswer(c.p, c.output, contextsSchema, err, text, c.document)
	}
	addOutput(cmd, &c.output)
	return cmd
}

// configFile is where the contexts are.
func configFile(p *Process) string {
	return cmp.Or(p.Getenv("REDLINE_CONFIG"), connection.ConfigPath(p.Getenv))
}

func readContexts(p *Process) (*connection.Config, error) {
	file, err := connection.ReadConfig(configFile(p))
	return file, settingsFailure(err)
}

func (c *contexts) document(d document) any {
	doc := contextsDocument{document: d, Contexts: []contextJSON{}, ClusterID: c.id}
	if c.file == nil {
		return doc
	}
	doc.File = c.file.Path()
	for _, context := range c.shown {
		j := contextJSON{Name: context.Name, Current: context.Name == c.file.Current, Protected: context.Protected, Properties: map[string]string{}}
		for _, property := range context.Properties {
			j.Properties[property.Key] = property.Shown()
		}
		doc.Contexts = append(doc.Contexts, j)
	}
	return doc
}

func newContextList(p *Process) *cobra.Command {
	c := &contexts{p: p}
	return c.subcommand(&cobra.Command{
		Use: "list", Short: "List the contexts; the current one has a star", Args: noArguments,
		Example: `  redline context list
  redline context list -o csv
  redline context list -o json`,
	}, func(*cobra.Command, []string) error {
		c.shown = c.file.Contexts
		return nil
	}, func(w io.Writer) {
		if len(c.shown) == 0 {
			fmt.Fprintf(w, "There is no context in %s yet: \"redline context add NAME -b HOST:PORT\" makes one.\n", c.file.Path())
		}
		for _, context := range c.shown {
			star, protected := " ", ""
			if context.Name == c.file.Current {
				star = "*"
			}
			if context.Protected {
				protected = "  protected"
			}
			fmt.Fprintf(w, "%s %s  %s%s\n", star, context.Name, clean(brokersOf(context)), protected)
		}
	})
}

// brokersOf are the addresses of a context, as they are written there.
func brokersOf(c connection.Context) string {
	for _, property := range c.Properties {
		if connection.Canonical(property.Key) == "bootstrap.servers" {
			return property.Shown()
		}
	}
	return "-"
}

func newContextShow(p *Process) *cobra.Command {
	c := &contexts{p: p}
	return c.subcommand(&cobra.Command{
		Use: "show [NAME]", Short: "Print the properties of a context (default: the current one)", Args: oneArgumentAtMost,
		Example: `  redline context show
  redline context show dev
  redline context show dev -o json`,
		ValidArgsFunction: asArgument(contextNames(p)),
	}, func(_ *cobra.Command, args []string) error { return c.pick(args) },
		func(w io.Writer) {
			for _, property := range c.shown[0].Properties {
				fmt.Fprintf(w, "%s=%s\n", clean(property.Key), clean(property.Shown()))
			}
		})
}

// pick takes the context named, or the current one.
func (c *contexts) pick(args []string) error {
	name := append(args, c.file.Current)[0]
	if name == "" {
		return usagef("which context? Type its name, or choose one with \"redline context use NAME\"")
	}
	context, err := c.file.Get(name)
	if err != nil {
		return settingsFailure(err)
	}
	c.shown = []connection.Context{context}
	return nil
}

func newContextUse(p *Process) *cobra.Command {
	c := &contexts{p: p}
	return c.subcommand(&cobra.Command{
		Use: "use NAME", Short: "Make a context the current one", Args: oneName,
		Example: `  redline context use dev
  redline context use prod -o json
  redline context use dev && redline topic list`,
		ValidArgsFunction: asArgument(contextNames(p)),
	}, func(_ *cobra.Command, args []string) error {
		if err := c.pick(args); err != nil {
			return err
		}
		return c.file.Use(args[0])
	}, func(w io.Writer) { fmt.Fprintf(w, "Commands without an address reach %s now.\n", c.shown[0].Name) })
}

// oneName wants exactly one word.
func oneName(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("the name is missing: `%s`", cmd.UseLine())
	}
	return noArguments(cmd, args[1:])
}

func newContextAdd(p *Process) *cobra.Command {
	c := &contexts{p: p}
	var f connectionFlags
	var protected bool
	cmd := c.subcommand(&cobra.Command{
		Use: "add NAME", Short: "Add a context with what the flags, -X and -F say", Args: oneName,
		Long: `Add a context with what the flags, -X and -F say; the environment and other contexts
have no part in it. A password is not copied into the file: it is written there as
the reference that was given, such as ${file:/run/secrets/kafka}.`,
		Example: `  redline context add dev -b localhost:9092
  redline context add prod -F client.properties --protected
  redline context add bench -b localhost:9092 --client-id bench`,
	}, func(_ *cobra.Command, args []string) error {
		if err := connection.CheckContextName(args[0]); err != nil {
			return settingsFailure(err)
		}
		made, err := f.asContext(p)
		if err != nil {
			return err
		}
		made.Name, made.Protected = args[0], protected
		if err := c.file.Add(args[0], made); err != nil {
			return settingsFailure(err)
		}
		c.shown = []connection.Context{made}
		return nil
	}, func(w io.Writer) { fmt.Fprintf(w, "Added %s to %s.\n", c.shown[0].Name, c.file.Path()) })
	f.add(cmd, p)
	cmd.Flags().BoolVar(&protected, "protected", false, "load, create and delete want --yes-on NAME")
	return cmd
}

// asContext gathers what was typed and what stands in files, each value as it is
// written: a reference to a secret stays one.
func (f *connectionFlags) asContext(p *Process) (connection.Context, error) {
	if f.passwordFile == "-" {
		return connection.Context{}, usagef("--sasl-password-file -: a context cannot ask standard input each time; name a file")
	}
	in, err := f.inputs(p, nil)
	if err != nil {
		return connection.Context{}, err
	}
	in.Environment, in.NoContext = nil, true
	if f.passwordFile != "" {
		path, err := filepath.Abs(f.passwordFile)
		if err != nil {
			return connection.Context{}, usagef("--sasl-password-file %s: %w", f.passwordFile, err)
		}
		in.Flags = append(slices.DeleteFunc(in.Flags, func(g connection.Given) bool { return g.Key == "sasl.password" }),
			given("sasl.password", "${file:"+path+"}", "--sasl-password-file"))
	}
	made, err := connection.NewContext(in)
	return made, settingsFailure(err)
}

func newContextCheck(p *Process) *cobra.Command {
	c := &contexts{p: p}
	var f connectionFlags
	cmd := c.subcommand(&cobra.Command{
		Use: "check [NAME]", Short: "See whether the cluster of a context can be reached", Args: oneArgumentAtMost,
		Example: `  redline context check
  redline context check dev
  redline context check dev --timeout 3s -o json`,
		ValidArgsFunction: asArgument(contextNames(p)),
	}, func(cmd *cobra.Command, args []string) error {
		if err := c.pick(args); err != nil {
			return err
		}
		f.context = c.shown[0].Name
		return c.reach(cmd.Context(), &f)
	}, func(w io.Writer) { fmt.Fprintf(w, "%s answers: cluster %s.\n", c.shown[0].Name, clean(*c.id)) })
	f.add(cmd, p)
	return cmd
}

// reach connects to the cluster of the context.
func (c *contexts) reach(ctx context.Context, f *connectionFlags) error {
	reached, err := f.resolve(c.p)
	if err != nil {
		return err
	}
	if reached.Context != f.context {
		return usagef("flags say how to reach another cluster: leave them out to check context %s", f.context)
	}
	connected, err := cluster.Connect(ctx, f.config(reached))
	if err != nil {
		return err
	}
	id := connected.ID()
	c.id = &id
	connected.Close()
	return nil
}

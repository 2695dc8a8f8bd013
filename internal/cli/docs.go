package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newDocsCommand writes the manual out of the tree of commands, for packages and for
// the repository.
func newDocsCommand() *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:     "docs FOLDER",
		Short:   "Write the manual of all commands into a folder",
		Example: "  redline docs --type man man\n  redline docs --type markdown reference",
		Hidden:  true,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			switch kind {
			case "man":
				return writeMan(cmd.Root(), args[0])
			case "markdown":
				return writeReference(cmd.Root(), args[0])
			}
			return usagef("--type %s: choose man or markdown", kind)
		},
	}
	cmd.Flags().StringVar(&kind, "type", "man", "man pages, or markdown")
	complete(cmd, "type", "man", "markdown")
	return cmd
}

// writeMan writes a page a command. The date is that of SOURCE_DATE_EPOCH
// (reproducible-builds.org), so that the same tree gives the same pages.
func writeMan(root *cobra.Command, folder string) error {
	root.DisableAutoGenTag = true
	epoch := time.Unix(0, 0).UTC()
	header := &doc.GenManHeader{Title: "REDLINE", Section: "1", Source: "redline", Manual: "redline manual", Date: &epoch}
	if os.Getenv("SOURCE_DATE_EPOCH") != "" {
		header.Date = nil // the library reads it
	}
	return doc.GenManTree(root, header, folder)
}

// writeReference writes a Markdown file a command or topic of help, as --help has it,
// and one that lists them.
func writeReference(root *cobra.Command, folder string) error {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	var index strings.Builder
	fmt.Fprintf(&index, "# Reference\n\nWhat each command does and takes, as its `--help` says it.\n\n")
	err := walk(root, func(cmd *cobra.Command) error {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".md"
		fmt.Fprintf(&index, "- [%s](%s): %s\n", cmd.CommandPath(), name, cmd.Short)
		return os.WriteFile(filepath.Join(folder, name), []byte(page(cmd)), 0o644)
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "README.md"), []byte(index.String()), 0o644)
}

func page(cmd *cobra.Command) string {
	text := fmt.Sprintf("# %s\n\n```text\n%s\n", cmd.CommandPath(), about(cmd))
	if cmd.Runnable() || cmd.HasSubCommands() {
		text += "\n" + strings.TrimSpace(cmd.UsageString()) + "\n"
	}
	return text + "```\n"
}

// walk visits the commands and topics of help that a reader may meet, from the root on.
func walk(cmd *cobra.Command, visit func(*cobra.Command) error) error {
	if cmd.Parent() != nil && !cmd.IsAvailableCommand() && !cmd.IsAdditionalHelpTopicCommand() {
		return nil
	}
	if err := visit(cmd); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if err := walk(sub, visit); err != nil {
			return err
		}
	}
	return nil
}

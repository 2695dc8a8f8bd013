package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is what help is folded at: a terminal as it was first.
const helpWidth = 80

// Annotations of flags that redline reads: what a flag is for, and the flag that a
// hidden one is another spelling of.
const (
	groupAnnotation = "redline_group"
	aliasAnnotation = "redline_alias"
)

// everyCommand is the title of the flags that all commands have.
const everyCommand = "Every command"

// group says what flags of a command are for: help shows them together under the
// title. Groups come in the order in which they are made, after the flags that
// are in none. A name that is no flag of the command is a mistake of ours.
func group(cmd *cobra.Command, title string, names ...string) {
	groupFlags(cmd.Flags(), title, names...)
}

func groupFlags(flags *pflag.FlagSet, title string, names ...string) {
	for _, name := range names {
		if err := flags.SetAnnotation(name, groupAnnotation, []string{title}); err != nil {
			panic(fmt.Sprintf("group %s: %v", title, err))
		}
	}
}

// alias adds other spellings of a flag, which work and are not shown.
func alias(cmd *cobra.Command, name string, spellings ...string) {
	flags := cmd.Flags()
	of := flags.Lookup(name)
	for _, spelling := range spellings {
		flags.AddFlag(&pflag.Flag{
			Name: spelling, Usage: "the same as --" + name, Value: of.Value, DefValue: of.DefValue, NoOptDefVal: of.NoOptDefVal,
			Hidden: true, Annotations: map[string][]string{aliasAnnotation: {name}},
		})
	}
}

// help says what a command does, and how it is typed.
func help(cmd *cobra.Command, _ []string) {
	fmt.Fprintln(cmd.OutOrStdout(), about(cmd))
	if cmd.Runnable() || cmd.HasSubCommands() {
		fmt.Fprintf(cmd.OutOrStdout(), "\n%s", cmd.UsageString())
	}
}

// about is what a command does, folded at helpWidth.
func about(cmd *cobra.Command) string {
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	var paragraphs []string
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		// What is indented, or to be copied, stands as it was written.
		if !strings.Contains("\n"+paragraph, "\n ") && !strings.Contains("\n"+paragraph, "\n#") {
			paragraph = strings.Join(fold(paragraph, helpWidth), "\n")
		}
		paragraphs = append(paragraphs, paragraph)
	}
	return strings.Join(paragraphs, "\n\n")
}

// fold breaks text between words into lines of at most some columns.
func fold(text string, columns int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// hanging writes a name, padded to some columns, and text beside it.
func hanging(name string, columns int, text string) string {
	lines := fold(text, helpWidth-columns-3)
	return fmt.Sprintf("  %-*s %s", columns, name, strings.Join(lines, "\n"+strings.Repeat(" ", columns+3)))
}

// usage prints how a command is typed: its examples, its commands, and its flags
// by what they are for.
func usage(cmd *cobra.Command) error {
	w := cmd.OutOrStderr()
	fmt.Fprintln(w, "Usage:")
	if cmd.Runnable() && (!cmd.HasSubCommands() || cmd.HasAvailableLocalFlags()) {
		fmt.Fprintf(w, "  %s\n", cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s COMMAND\n", cmd.CommandPath())
	}
	if cmd.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	usageCommands(w, cmd)
	for _, section := range flagSections(cmd) {
		fmt.Fprintf(w, "\n%s:\n%s", section.title, section.flags.FlagUsagesWrapped(helpWidth))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n\"%s COMMAND --help\" says more about one.\n", cmd.CommandPath())
	}
	return nil
}

// usageCommands lists the commands below this one, by the groups of the command.
func usageCommands(w io.Writer, cmd *cobra.Command) {
	list := func(title string, belongs func(*cobra.Command) bool) {
		for _, sub := range cmd.Commands() {
			if !belongs(sub) {
				continue
			}
			if title != "" {
				fmt.Fprintf(w, "\n%s:\n", title)
				title = ""
			}
			fmt.Fprintln(w, hanging(sub.Name(), sub.NamePadding(), sub.Short))
		}
	}
	for _, g := range cmd.Groups() {
		list(g.Title, func(sub *cobra.Command) bool { return sub.GroupID == g.ID && sub.IsAvailableCommand() })
	}
	list("Commands", func(sub *cobra.Command) bool { return sub.GroupID == "" && sub.IsAvailableCommand() })
	list("Topics of help", (*cobra.Command).IsAdditionalHelpTopicCommand)
}

// flagSection is the flags of one group.
type flagSection struct {
	title string
	flags *pflag.FlagSet
}

// flagSections sorts the flags of a command by their groups. Those of every
// command come last.
func flagSections(cmd *cobra.Command) []flagSection {
	sections := []flagSection{{title: "Flags"}}
	last := flagSection{title: everyCommand}
	add := func(s *flagSection, f *pflag.Flag) {
		if s.flags == nil {
			s.flags = pflag.NewFlagSet(s.title, pflag.ContinueOnError)
			s.flags.SortFlags = false
		}
		s.flags.AddFlag(f)
	}
	place := func(f *pflag.Flag) {
		title := groupOf(f)
		switch {
		case f.Hidden:
			return
		case title == everyCommand:
			add(&last, f)
			return
		}
		for i := range sections {
			if sections[i].title == title {
				add(&sections[i], f)
				return
			}
		}
		sections = append(sections, flagSection{title: title})
		add(&sections[len(sections)-1], f)
	}
	cmd.InheritedFlags() // has cobra add them to the command's own
	inOrder(cmd.Flags(), place)
	var shown []flagSection
	for _, s := range append(sections, last) {
		if s.flags != nil {
			shown = append(shown, s)
		}
	}
	return shown
}

// inOrder visits flags in the order in which they were added: what belongs
// together stands together.
func inOrder(flags *pflag.FlagSet, visit func(*pflag.Flag)) {
	sorted := flags.SortFlags
	flags.SortFlags = false
	flags.VisitAll(visit)
	flags.SortFlags = sorted
}

func groupOf(f *pflag.Flag) string {
	if title := f.Annotations[groupAnnotation]; len(title) > 0 {
		return title[0]
	}
	return "Flags"
}

// newHelpCommand is `redline help`, which unlike cobra's own ends with an error
// when there is nothing of that name.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Say more about a command, or about one of the topics below",
		Example: "  redline help\n  redline help topic create\n  redline help exit-codes",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("there is no help on %q: \"redline help\" lists what there is", strings.Join(args, " "))
			}
			return found.Help()
		},
		ValidArgsFunction: completeCommands,
	}
}

// completeCommands offers the commands and help topics below those typed.
func completeCommands(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if found, _, err := cmd.Root().Find(args); err == nil {
		for _, sub := range found.Commands() {
			if sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
				names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

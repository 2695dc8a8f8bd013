package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// tree is the tree of commands, with those that cobra adds.
func tree(t *testing.T) *cobra.Command {
	t.Helper()
	root := newRoot(&Process{Getenv: func(string) string { return "" }})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

// each visits the commands and topics that a reader may meet.
func each(t *testing.T, visit func(*cobra.Command)) {
	t.Helper()
	if err := walk(tree(t), func(cmd *cobra.Command) error { visit(cmd); return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestNoHelpIsWiderThanATerminal(t *testing.T) {
	each(t, func(cmd *cobra.Command) {
		if isCobras(cmd) {
			return
		}
		var help bytes.Buffer
		cmd.SetOut(&help)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(help.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > helpWidth {
				t.Errorf("%s: %d columns: %s", cmd.CommandPath(), n, line)
			}
		}
	})
}

// isCobras says that a command is one that cobra wrote.
func isCobras(cmd *cobra.Command) bool {
	return strings.HasPrefix(cmd.CommandPath(), "redline completion")
}

func TestEveryFlagIsShownOnce(t *testing.T) {
	each(t, func(cmd *cobra.Command) {
		shown := map[string]string{}
		for _, section := range flagSections(cmd) {
			inOrder(section.flags, func(f *pflag.Flag) {
				if shown[f.Name] != "" {
					t.Errorf("%s: --%s is among %s and %s", cmd.CommandPath(), f.Name, shown[f.Name], section.title)
				}
				shown[f.Name] = section.title
			})
		}
		check := func(f *pflag.Flag) {
			if shown[f.Name] == "" && !f.Hidden {
				t.Errorf("%s: --%s is not shown", cmd.CommandPath(), f.Name)
			}
		}
		cmd.LocalFlags().VisitAll(check)
		cmd.InheritedFlags().VisitAll(check)
	})
}

func TestHelpOnNothingIsAMistake(t *testing.T) {
	for args, says := range map[string]string{
		"help nothing":         `there is no help on "nothing"`,
		"help topic nothing":   `there is no help on "topic nothing"`,
		"frobnicate":           `"frobnicate" is one word too many`,
		"topik":                `did you mean "topic"`,
		"topic lst":            `did you mean "list"`,
		"compare":              "accepts between 1 and 2 arg(s)",
		"topic list -o xml":    "choose text, wide, json, jsonl, csv or md",
		"topic list --color x": "choose auto, always or never",
		"version -q -v":        "contradict",
	} {
		got := adminTyped(t, nil, strings.Fields(args)...)
		if got.code != ExitUsage || !strings.Contains(got.stderr, says) || got.stdout != "" {
			t.Errorf("%s: %+v, want %q", args, got, says)
		}
	}
}

func TestTheReferenceIsCurrent(t *testing.T) {
	folder := filepath.Join("..", "..", "docs", "reference")
	fresh := t.TempDir()
	if *update {
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := writeReference(tree(t), folder); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeReference(tree(t), fresh); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(contents(t, fresh), contents(t, folder)); diff != "" {
		t.Errorf("\"make reference\" writes it anew:\n%s", diff)
	}
}

// contents are the files of a folder.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = string(text)
	}
	return all
}

func TestEveryCommandHasAManPage(t *testing.T) {
	folder := t.TempDir()
	if got := adminTyped(t, nil, "docs", "--type", "man", folder); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	pages := contents(t, folder)
	each(t, func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		if page := pages[name]; !cmd.IsAdditionalHelpTopicCommand() && !strings.Contains(page, ".SH NAME") {
			t.Errorf("%s: %q", name, page)
		}
	})
}

package cli

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"redline/internal/term"
)

// Manners are how a command talks beside its result, on standard error.
type Manners struct {
	// Quiet leaves only errors and warnings, Verbose adds where settings come from.
	Quiet, Verbose bool
	// Progress is auto, bar, plain or none.
	Progress choice
	// Color is auto, always or never.
	Color choice
}

// choice is a flag that takes one of a few words.
type choice struct {
	word  string
	words []string
}

func (c *choice) String() string { return c.word }
func (c *choice) Type() string   { return strings.Join(c.words, "|") }

func (c *choice) Set(word string) error {
	if !slices.Contains(c.words, word) {
		return fmt.Errorf("choose %s", oneOf(c.words))
	}
	c.word = word
	return nil
}

// oneOf lists words as in "a, b or c".
func oneOf(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// addFlags gives root the flags of every command.
func (m *Manners) addFlags(root *cobra.Command) {
	m.Progress = choice{"auto", []string{"auto", "bar", "plain", "none"}}
	m.Color = choice{"auto", []string{"auto", "always", "never"}}
	flags := root.PersistentFlags()
	flags.BoolVarP(&m.Quiet, "quiet", "q", false, "on standard error, only errors and warnings")
	flags.BoolVarP(&m.Verbose, "verbose", "v", false, "say where each setting comes from")
	flags.Var(&m.Progress, "progress", "how progress is shown; auto is a bar on a terminal, else a line now and then")
	flags.Var(&m.Color, "color", "when to use colour; auto is on a terminal, unless NO_COLOR is set")
	flags.BoolP("help", "h", false, "say what a command does and takes")
	groupFlags(flags, everyCommand, "quiet", "verbose", "progress", "color", "help")
	complete(root, "progress", m.Progress.words...)
	complete(root, "color", m.Color.words...)
}

// settle makes what was asked for hold from here on.
func (p *Process) settle() error {
	if p.Quiet && p.Verbose {
		return usagef("--quiet and --verbose contradict each other: leave one of them out")
	}
	if p.Quiet {
		p.Progress.word = "none"
		p.Stderr = &warningsOnly{to: p.Stderr}
	}
	return nil
}

// colour says whether a stream is coloured; tty says whether it is a terminal.
// NO_COLOR (no-color.org) and CLICOLOR_FORCE (bixense.com/clicolors) count when they
// are not empty, and CLICOLOR_FORCE not when it is 0.
func (p *Process) colour(tty bool) bool {
	force := p.Getenv("CLICOLOR_FORCE")
	switch {
	case p.Color.word == "always":
		return true
	case p.Color.word == "never", p.Getenv("NO_COLOR") != "":
		return false
	case force != "" && force != "0":
		return true
	}
	return tty && p.Getenv("TERM") != "dumb"
}

// display shows work on standard error.
func (p *Process) display() *term.Display {
	style := term.Style{Colour: p.colour(p.StderrTTY)}
	switch p.Progress.word {
	case "bar":
		style.Bars = true
	case "plain":
	case "none":
		style.Silent = true
	default:
		style.Bars = p.StderrTTY && p.Getenv("TERM") != "dumb"
	}
	return term.New(p.Stderr, style, p.Getenv)
}

// warningsOnly lets through the lines that --quiet leaves: by our convention those
// that begin with "warning:". Errors do not pass here.
type warningsOnly struct {
	to   io.Writer
	line []byte // the beginning of one that has no end yet
}

func (w *warningsOnly) Write(b []byte) (int, error) {
	rest := append(w.line, b...)
	for {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if !whole {
			w.line = append([]byte(nil), line...)
			return len(b), nil
		}
		if bytes.HasPrefix(line, []byte("warning:")) {
			if _, err := w.to.Write(append(append([]byte(nil), line...), '\n')); err != nil {
				return 0, err
			}
		}
		rest = after
	}
}

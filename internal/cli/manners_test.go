package cli

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// env is an environment as pairs NAME=VALUE.
func env(pairs ...string) func(string) string {
	return func(name string) string {
		for _, pair := range pairs {
			if key, value, _ := strings.Cut(pair, "="); key == name {
				return value
			}
		}
		return ""
	}
}

func TestColourFollowsTheFlagThenTheEnvironmentThenTheTerminal(t *testing.T) {
	for _, c := range []struct {
		flag string
		env  []string
		tty  bool
		want bool
	}{
		{"auto", nil, true, true},
		{"auto", nil, false, false},
		{"auto", []string{"NO_COLOR=1"}, true, false},
		{"auto", []string{"NO_COLOR="}, true, true},
		{"auto", []string{"TERM=dumb"}, true, false},
		{"auto", []string{"CLICOLOR_FORCE=1"}, false, true},
		{"auto", []string{"CLICOLOR_FORCE=0"}, false, false},
		{"auto", []string{"CLICOLOR_FORCE=1", "NO_COLOR=1"}, true, false},
		{"always", []string{"NO_COLOR=1"}, false, true},
		{"never", []string{"CLICOLOR_FORCE=1"}, true, false},
	} {
		p := Process{Getenv: env(c.env...)}
		p.Color.word = c.flag
		if got := p.colour(c.tty); got != c.want {
			t.Errorf("--color %s, %q, terminal %v: %v", c.flag, c.env, c.tty, got)
		}
	}
}

func TestProgressIsDrawnAsAsked(t *testing.T) {
	const bar, line = "\r", "Fill: 0 %"
	for _, c := range []struct {
		word string
		tty  bool
		term string
		want string
	}{
		{"auto", true, "xterm", bar}, {"auto", true, "dumb", line}, {"auto", false, "xterm", line},
		{"bar", false, "", bar}, {"plain", true, "xterm", line}, {"none", true, "xterm", ""},
	} {
		var out bytes.Buffer
		p := Process{Getenv: env("TERM=" + c.term), Stderr: &out, StderrTTY: c.tty}
		p.Progress.word, p.Color.word = c.word, "never"
		d := p.display()
		d.Phase("Fill", "", 10).End("")
		d.Close()
		if got := out.String(); !strings.Contains(got, c.want) || (c.want == "") != (got == "") || strings.Contains(got, bar) != (c.want == bar) {
			t.Errorf("--progress %s on a terminal %v (%s): %q", c.word, c.tty, c.term, got)
		}
	}
}

func TestQuietLeavesWarnings(t *testing.T) {
	var out bytes.Buffer
	w := &warningsOnly{to: &out}
	for _, part := range []string{"run x\nwarn", "ing: the clock ", "stepped\n", "a warning: in the middle\n", "warning: no end"} {
		if n, err := io.WriteString(w, part); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if diff := cmp.Diff("warning: the clock stepped\n", out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestQuietLeavesErrors(t *testing.T) {
	loud := adminTyped(t, nil, "suites", "show", "nothing", "-q")
	if loud.code != ExitUsage || !strings.Contains(loud.stderr, "nothing") {
		t.Errorf("%+v", loud)
	}
}

func TestTheEnvironmentStandsInForFlags(t *testing.T) {
	runs := t.TempDir()
	for _, c := range []struct {
		env        []string
		args       string
		code       int
		out, error string
	}{
		{nil, "suites", 0, "compression  ", ""},
		{[]string{"REDLINE_OUTPUT=csv"}, "suites", 0, "name,question\n", ""},
		{[]string{"REDLINE_OUTPUT=csv"}, "suites -o md", 0, "| NAME | QUESTION |\n", ""},
		{[]string{"REDLINE_OUTPUT=xml"}, "suites", ExitUsage, "", "REDLINE_OUTPUT is no value for --output: choose text, wide"},
		{[]string{"REDLINE_QUIET=perhaps"}, "suites", ExitUsage, "", "REDLINE_QUIET is no value for --quiet"},
		{[]string{"REDLINE_RUNS=" + runs}, "history", 0, "No run is stored yet", ""},
		// What is typed in another tool's spelling is typed.
		{[]string{"REDLINE_BOOTSTRAP_SERVER=127.0.0.1:1"}, "topic list --brokers 127.0.0.1:2", ExitUnreachable, "", "cannot reach 127.0.0.1:2"},
		{[]string{"REDLINE_BOOTSTRAP_SERVER=127.0.0.1:1"}, "topic list", ExitUnreachable, "", "cannot reach 127.0.0.1:1"},
		// These mean something only where they are typed, or something else.
		{[]string{"REDLINE_HELP=true", "REDLINE_TARGET=x", "REDLINE_YES_ON=x"}, "version", 0, "redline ", ""},
		{[]string{"REDLINE_CONFIG=" + filepath.Join(runs, "none.yaml")}, "topic create x -b 127.0.0.1:1", ExitUnreachable, "", "cannot reach"},
		{[]string{"REDLINE_TOPIC=named-there"}, "topic describe -b 127.0.0.1:1", ExitUnreachable, "", "cannot reach"},
	} {
		all := map[string]string{"REDLINE_STATE": t.TempDir()}
		for _, pair := range c.env {
			key, value, _ := strings.Cut(pair, "=")
			all[key] = value
		}
		t.Setenv("REDLINE_STATE", all["REDLINE_STATE"])
		got := adminTyped(t, all, strings.Fields(c.args)...)
		if got.code != c.code || !strings.Contains(got.stdout, c.out) || !strings.Contains(got.stderr, c.error) {
			t.Errorf("%q %s: %+v", c.env, c.args, got)
		}
	}
}

// brokenPipe is a standard output that nobody reads any more.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestAClosedPipeEndsACommandWithoutAWord(t *testing.T) {
	for _, args := range []string{"suites", "suites -o json", "version", "schema topic", "help", "history -o csv"} {
		var stderr bytes.Buffer
		p := &Process{Args: strings.Fields(args), Getenv: env("REDLINE_RUNS=" + t.TempDir()), Stdout: brokenPipe{}, Stderr: &stderr}
		if code := run(t.Context(), p); code != ExitClosed || stderr.Len() > 0 {
			t.Errorf("%s: exit code %d, %q", args, code, stderr.String())
		}
	}
}

func TestEveryExitCodeIsExplainedOnce(t *testing.T) {
	seen := map[int]bool{}
	for _, row := range exitCodes {
		if seen[row.code] || row.means == "" || (row.kind == "") != (row.code == ExitOK) {
			t.Errorf("%+v", row)
		}
		seen[row.code] = true
	}
	for _, code := range []int{ExitOK, ExitFailed, ExitUsage, ExitGate, ExitUnreachable, ExitUndecided, ExitAccount, ExitInterrupted, ExitClosed, ExitTerminated} {
		if !seen[code] {
			t.Errorf("%d is not explained", code)
		}
	}
}

func TestErrorsHaveAKindForPrograms(t *testing.T) {
	for args, kind := range map[string]string{
		"topic list -b 127.0.0.1:1 -o json": "refused",
		"topic describe -o json":            "usage",
		"suites -o json --no-such-flag":     "usage",
		"report no-such-run -o json":        "failed",
	} {
		t.Setenv("REDLINE_STATE", t.TempDir())
		object := asJSON(t, adminTyped(t, nil, strings.Fields(args)...))
		if object["error_kind"] != kind {
			t.Errorf("%s: %v", args, object)
		}
	}
	if object := asJSON(t, adminTyped(t, nil, "suites", "-o", "json")); object["error_kind"] != nil {
		t.Errorf("without an error: %v", object["error_kind"])
	}
}

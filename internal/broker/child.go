package broker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// What a child process is, in the environment variable childVariable. Its
// standard input carries one JSON line of what to do, then commands, a line each,
// and its end means that the owner is dead. Its standard output carries reports.
const (
	childVariable = "REDLINE_CHILD"
	childEmbedded = "embedded"
	childGuard    = "guard"
	childKeeper   = "keeper"
	childNull     = "null"
	childSocket   = "socket"
)

// Commands to a child, after its first line.
const (
	commandStart = "start" // guard: start the process again
	commandKill  = "kill"  // guard: SIGKILL the process
	commandEnd   = "end"   // the end of input that follows is a wish, not a death
	commandKeep  = "keep"  // keeper: the starter has heard, and leaves
)

// report is what a child tells its owner.
type report struct {
	// PID is set when a broker process runs, with its addresses if the child chose
	// them.
	PID   int      `json:"pid,omitempty"`
	Addrs []string `json:"addrs,omitempty"`
	// Exit is how a broker process ended.
	Exit string `json:"exit,omitempty"`
	// Say, Error and State are a keeper's: progress, failure, success.
	Say   string `json:"say,omitempty"`
	Error string `json:"error,omitempty"`
	State *State `json:"state,omitempty"`
}

// MaybeChild returns at once, unless this process was started as one of a
// broker's own children (environment variable REDLINE_CHILD): then it does the
// child's work and ends the process. Call it first in main and in TestMain.
func MaybeChild() {
	role := os.Getenv(childVariable)
	if role == "" {
		return
	}
	_ = os.Unsetenv(childVariable)
	// The terminal's signals are the owner's business. A broken pipe to a dead
	// owner must not end us before the data is removed.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	os.Exit(runChild(role, os.Stdin, os.Stdout)) //nolint:forbidigo // a child never comes to main, which would end it
}

func runChild(role string, in io.Reader, out io.Writer) int {
	run, known := map[string]func(*childPipe) error{
		childEmbedded: runEmbedded,
		childGuard:    runGuard,
		childKeeper:   runKeeper,
		childNull:     runNull,
		childSocket:   runSocket,
	}[role]
	if !known {
		fmt.Fprintf(os.Stderr, "%s=%q is no child of redline\n", childVariable, role)
		return 2
	}
	if err := run(newChildPipe(in, out)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// childPipe is the child's end of the two pipes.
type childPipe struct {
	// lines is what the owner says; closed when it is dead or done.
	lines chan string
	// term delivers SIGTERM.
	term chan os.Signal
	out  *json.Encoder
}

func newChildPipe(in io.Reader, out io.Writer) *childPipe {
	p := &childPipe{lines: make(chan string), term: make(chan os.Signal, 1), out: json.NewEncoder(out)}
	signal.Notify(p.term, syscall.SIGTERM)
	go func() {
		defer close(p.lines)
		input := bufio.NewReader(in)
		for {
			line, err := input.ReadString('\n')
			if err != nil {
				return
			}
			p.lines <- line[:len(line)-1]
		}
	}()
	return p
}

// order reads the first line into v.
func (p *childPipe) order(v any) error {
	line, ok := <-p.lines
	if !ok {
		return errors.New("the owner ended before it said what to do")
	}
	return json.Unmarshal([]byte(line), v)
}

// report tells the owner; if it is dead, nobody needs to know.
func (p *childPipe) report(r report) { _ = p.out.Encode(r) }

// awaitEnd returns when the child is to end, and calls do at every tick until then; both
// may be nil. When the owner has died it removes home.
func (p *childPipe) awaitEnd(home string, tick <-chan time.Time, do func()) error {
	for {
		select {
		case <-tick:
			do()
		case line, open := <-p.lines:
			if !open {
				return os.RemoveAll(home)
			}
			if line == commandEnd {
				return nil
			}
		case <-p.term:
			if p.orphaned() {
				return os.RemoveAll(home)
			}
			return nil
		}
	}
}

// orphaned waits a moment for the rest of the owner's words and says whether it
// died: its words ended without commandEnd. Pdeathsig comes when the owner's
// thread ends, a little before its pipes close.
func (p *childPipe) orphaned() bool {
	patience := time.After(time.Second)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return true
			}
			if line == commandEnd {
				return false
			}
		case <-patience:
			return false
		}
	}
}

// child is a running child process, as its owner sees it.
type child struct {
	cmd *exec.Cmd
	// life is the child's standard input: it lives as long as this is open.
	life *os.File
	// gone is closed when the process has ended and all reports are handled; how
	// says how it ended.
	gone chan struct{}
	how  string
}

// startChild starts ourselves in a role, with its standard error appended to the
// file log, and calls hear for every report from one goroutine.
func startChild(s *spawner, role string, order any, log string, hear func(report), ended func(how string)) (*child, error) {
	line, err := json.Marshal(order)
	if err != nil {
		return nil, fmt.Errorf("start a child process: %w", err)
	}
	cmd, err := selfCommand(role)
	if err != nil {
		return nil, err
	}
	logFile, err := openLog(log)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	cmd.Stderr = logFile
	life, reports, err := startPiped(cmd, s.start)
	if err != nil {
		return nil, fmt.Errorf("start a child process: %w", err)
	}
	c := &child{cmd: cmd, life: life, gone: make(chan struct{})}
	go func() {
		defer close(c.gone)
		hearAll(reports, hear)
		c.how = exitText(cmd.Wait())
		if ended != nil {
			ended(c.how)
		}
	}()
	if err := c.tell(string(line)); err != nil {
		c.destroy()
		return nil, fmt.Errorf("start a child process: %w", err)
	}
	return c, nil
}

// hearAll reads reports until the child closes its output.
func hearAll(reports *os.File, hear func(report)) {
	defer reports.Close()
	in := bufio.NewScanner(reports)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var r report
		if json.Unmarshal(in.Bytes(), &r) == nil {
			hear(r)
		}
	}
}

// selfCommand is this program again, as a child.
func selfCommand(role string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find our own program to start it again: %w", err)
	}
	if _, err := os.Stat(self); err != nil {
		// A rebuilt or deleted program can still be reached this way on Linux.
		self = "/proc/self/exe"
	}
	cmd := exec.Command(self) //nolint:noctx // a child lives as long as its pipe, and cleans up after it
	cmd.Env = append(childEnvironment(os.Environ()), childVariable+"="+role)
	return cmd, nil
}

// childEnvironment leaves out what tunes the Go runtime: it is meant for the
// client under test, and must not change the broker it is measured against.
func childEnvironment(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return slices.Contains([]string{"GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG"}, name)
	})
}

// tell writes one line to the child.
func (c *child) tell(line string) error {
	_, err := io.WriteString(c.life, line+"\n")
	return err
}

// end asks the child to end, and kills it when ctx is over or patience runs out.
func (c *child) end(ctx context.Context, patience time.Duration) {
	_ = c.tell(commandEnd)
	_ = c.life.Close()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.gone:
		return
	case <-timer.C:
	case <-ctx.Done():
	}
	c.destroy()
}

// destroy kills the child and waits until it is gone.
func (c *child) destroy() {
	_ = c.life.Close()
	_ = c.cmd.Process.Kill()
	<-c.gone
}

// exitText says how a process ended, in words.
func exitText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

func openLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open a log file: %w", err)
	}
	return f, nil
}

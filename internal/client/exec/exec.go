// Package exec measures a client that is somebody else's program, in any language.
//
// A name and a command enter; a client.External leaves. The program works in a process
// of its own and talks with redline in JSON, a line each: docs/exec-client.md is the
// whole of it, protocol.go its grammar, account.go what is held against what it tells,
// process.go its life. It is not trusted: whatever it prints, counts or forgets ends in
// one sentence, and no process of its group outlives it.
package exec

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"time"

	"redline/internal/client"
)

// limits bound the waits for a child that says nothing.
type limits struct {
	// hello is from its start to its first words, silence between two of them after
	// that.
	hello, silence time.Duration
}

var patient = limits{hello: 30 * time.Second, silence: 10 * time.Second}

type program struct {
	name   string
	path   string
	args   []string
	limits limits
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)

// New makes a client called name of a command: a program with its arguments, split as a
// shell splits words (quotes and backslashes), without a shell: nothing in it is
// expanded. A program without a slash is looked for in PATH. The error says what is
// wrong with either.
func New(name, command string) (client.External, error) {
	if !nameForm.MatchString(name) {
		return nil, fmt.Errorf("%q cannot be the name of a client: take 1 to 40 letters, digits, dots, dashes and underscores", name)
	}
	words, err := splitWords(command)
	if err != nil {
		return nil, fmt.Errorf("the command of the client %s cannot be read: %w", name, err)
	}
	if len(words) == 0 || words[0] == "" {
		return nil, fmt.Errorf("the client %s has no command: write %[1]s=exec:COMMAND", name)
	}
	path, err := exec.LookPath(words[0])
	if err != nil {
		return nil, fmt.Errorf("the program of the client %s cannot be started: %w; give its path, such as ./%s", name, err, words[0])
	}
	return &program{name: name, path: path, args: words[1:], limits: patient}, nil
}

func (p *program) Name() string { return p.name }

// Version is the path of the program. What it says itself that it is comes with its hello:
// the processes that Start returns have a Version, too.
func (p *program) Version() string { return p.path }

// maxVariable is how long Linux lets one variable of the environment be, in bytes.
const maxVariable = 128 << 10

func (p *program) Check(task client.Task) error {
	if task.Workload != consume && task.Workload != produce {
		return client.Cannot(p.name, fmt.Sprintf("do the workload %q", task.Workload), "it can consume and produce")
	}
	if err := task.Security.CheckJava(); err != nil {
		return client.Unsupported(p.name, "be told how to connect", err.Error())
	}
	for _, variable := range variables(task) {
		if len(variable) >= maxVariable {
			return client.Cannot(p.name, fmt.Sprintf("be told of %d partitions, which do not fit into its environment", len(task.Starts)), "take a topic with fewer")
		}
	}
	return nil
}

// Lighter says that nobody else has counted.
func (p *program) Lighter(string) []string {
	return []string{"counts are its own: redline checked them against the offsets alone"}
}

// The two workloads, as client.Task names them.
const (
	consume = "consume"
	produce = "produce"
)

// Start starts the program and returns when it has said hello and was told to start, or
// with the reason why it did not: within 30 s.
func (p *program) Start(ctx context.Context, task client.Task) (client.Process, error) {
	if err := p.Check(task); err != nil {
		return nil, err
	}
	child, err := p.launch(ctx, task)
	if err != nil {
		return nil, fmt.Errorf("the client %s could not be started: %w", p.name, err)
	}
	select {
	case <-child.greeted:
		child.say("start")
	case <-child.done:
		if _, err := child.Stop(ctx); err != nil {
			return nil, err
		}
	}
	return child, nil
}

var _ client.External = (*program)(nil)

package security

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// commandLimit bounds one call of a token command.
	commandLimit = 10 * time.Second
	// maxComplaint bounds what is kept of a failed command's standard error.
	maxComplaint = 300
)

// TokenCommand runs command with sh -c at each call and takes the token from its
// standard output: the token alone, or the JSON of kafkactl's token plugins,
// {"token": "…", "extensions": {…}}; at most 64 KiB. The command has 10 s, and
// ends with ctx, with every process that it started. An error shows the last line
// of its standard error, and never the command, in which a password may stand.
func TokenCommand(command string) TokenSource {
	return func(ctx context.Context) (Token, error) {
		printed, err := run(ctx, command)
		if err != nil {
			return Token{}, fmt.Errorf("the token command %w", err)
		}
		parse := parseToken
		if printed = bytes.TrimSpace(printed); bytes.HasPrefix(printed, []byte("{")) {
			parse = parseTokenJSON
		}
		token, err := parse(printed)
		if err != nil {
			return Token{}, fmt.Errorf("what the token command printed is no token: %w", err)
		}
		return token, nil
	}
}

func run(ctx context.Context, command string) ([]byte, error) {
	bounded, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	var out capped
	var complaint tail
	cmd := exec.CommandContext(bounded, "sh", "-c", command)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// A process that left the group may hold the output open; it is not waited for.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("was ended: %w", ctx.Err())
	case out.full:
		return nil, fmt.Errorf("printed more than %d KiB", maxToken>>10)
	case bounded.Err() != nil:
		return nil, fmt.Errorf("did not end within %v", commandLimit)
	case err != nil && complaint.line() != "":
		return nil, fmt.Errorf("failed (%w): %s", err, complaint.line())
	case err != nil:
		return nil, fmt.Errorf("failed: %w", err)
	}
	return out.kept, nil
}

// capped takes the first maxToken bytes and refuses more.
type capped struct {
	kept []byte
	full bool
}

func (c *capped) Write(p []byte) (int, error) {
	if len(c.kept)+len(p) > maxToken {
		c.full = true
		return 0, errors.New("too much output")
	}
	c.kept = append(c.kept, p...)
	return len(p), nil
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	t.kept = t.kept[max(0, len(t.kept)-maxComplaint):]
	return len(p), nil
}

func (t *tail) line() string {
	lines := strings.Split(strings.TrimSpace(string(t.kept)), "\n")
	return strings.TrimSpace(strings.ToValidUTF8(lines[len(lines)-1], ""))
}

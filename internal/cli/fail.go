package cli

import (
	"context"
	"errors"
	"fmt"

	"redline/internal/client"
	"redline/internal/cluster"
	"redline/internal/term"
)

// Exit codes of the built binary. `go run` turns each but 0 into 1.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitGate        = 3 // a gate was not met
	ExitUnreachable = 4 // cannot reach, or not allowed
	ExitUndecided   = 5
	ExitAccount     = 6 // records lost or doubled
	ExitInterrupted = 130
	ExitClosed      = 141 // who read standard output has gone
	ExitTerminated  = 143
)

// exitCodes say what each means. Kind is the word for it in JSON, where nothing more
// precise is known.
var exitCodes = []struct {
	code        int
	kind, means string
}{
	{ExitOK, "", "all went well"},
	{ExitFailed, "failed", "it failed, or a part of it did"},
	{ExitUsage, "usage", "what was typed, or a file or a variable, is mistaken"},
	{ExitGate, "gate", "a threshold was not met"},
	{ExitUnreachable, "unreachable", "the cluster cannot be reached, or does not allow it"},
	{ExitUndecided, "undecided", "the intervals are too wide to tell"},
	{ExitAccount, "account", "records were lost or doubled"},
	{ExitInterrupted, "interrupted", "interrupted by Ctrl-C; what was measured is kept"},
	{ExitClosed, "closed", "who read the result has gone, such as head"},
	{ExitTerminated, "terminated", "ended by SIGTERM; what was measured is kept"},
}

// errClosed is the cause of a context that ended because nobody reads standard output
// any more.
var errClosed = errors.New("standard output was closed")

// kindOf is the kind of an error, for programs: the cluster's where it is one of the
// cluster, else that of its exit code.
func kindOf(err error) string {
	if kind := cluster.KindOf(err); kind != "" {
		return kind
	}
	code := exitCode(context.Background(), err)
	for _, row := range exitCodes {
		if row.code == code {
			return row.kind
		}
	}
	return ""
}

// Failure is an error with the exit code it deserves.
type Failure struct {
	Code int
	Err  error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// usagef is a mistake in what was typed.
func usagef(format string, args ...any) error {
	return &Failure{ExitUsage, fmt.Errorf(format, args...)}
}

// exitCode says how a command that returned err ends.
func exitCode(ctx context.Context, err error) int {
	var interrupt Interrupt
	var failure *Failure
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, errClosed):
		return ExitClosed
	case errors.As(err, &failure):
		return failure.Code
	case errors.As(err, &interrupt):
		return signalExit(interrupt.Signal)
	case errors.As(context.Cause(ctx), &interrupt) && errors.Is(err, context.Canceled):
		return signalExit(interrupt.Signal)
	case errors.Is(err, client.ErrProperty):
		return ExitUsage
	case errors.Is(err, cluster.ErrUnreachable), errors.Is(err, cluster.ErrNotAllowed):
		return ExitUnreachable
	}
	return ExitFailed
}

// sentence makes an error one printable line: control characters from outside
// must not reach a terminal.
func sentence(err error) string { return term.Printable(err.Error()) }

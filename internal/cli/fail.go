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
	ExitTerminated  = 143
)

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

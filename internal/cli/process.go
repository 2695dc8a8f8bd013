// Package cli is redline's command line: arguments, environment and streams
// enter, one call into a package below is made, and its result is printed.
//
// There is a file per command; process.go gathers what a command may touch of
// the world outside, so that every command runs inside a test; fail.go turns
// errors into text and exit codes.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

// Process is the world outside as a command sees it.
type Process struct {
	// Args are the arguments after the program's name.
	Args []string
	// Getenv looks up the environment.
	Getenv func(string) string
	Stdin  io.Reader
	// Stdout takes results, Stderr everything else.
	Stdout, Stderr io.Writer
	// StdoutTTY and StderrTTY say whether the stream is a terminal.
	StdoutTTY, StderrTTY bool
	// Signals delivers what the process is sent; nil means none.
	Signals <-chan os.Signal

	// Manners are how a command talks, by the flags of every command.
	Manners
}

// OSProcess is the process that we are.
func OSProcess() Process {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// Without this a closed pipe would end us on the spot, and leave behind what we
	// started; with it, writing fails. Ignoring it would be passed on to our children.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return Process{
		Args:      os.Args[1:],
		Getenv:    os.Getenv,
		Stdin:     os.Stdin,
		Stdout:    os.Stdout,
		Stderr:    os.Stderr,
		StdoutTTY: term.IsTerminal(int(os.Stdout.Fd())),
		StderrTTY: term.IsTerminal(int(os.Stderr.Fd())),
		Signals:   signals,
	}
}

// Interrupt is the cause of a context that ended because a signal came.
type Interrupt struct{ Signal os.Signal }

func (i Interrupt) Error() string { return fmt.Sprintf("interrupted by signal %v", i.Signal) }

// Main runs one command and returns its exit code. The first signal ends the
// command's context with an Interrupt as cause; the second ends Main at once. What
// comes within sameSignal of the first is the same one: timeout(1) signals its
// child and then the group of both.
func Main(p Process) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	done := make(chan int, 1)
	go func() { done <- run(ctx, &p) }()
	const sameSignal = 50 * time.Millisecond
	var first time.Time
	for {
		select {
		case code := <-done:
			return code
		case s := <-p.Signals:
			switch {
			case first.IsZero():
				first = time.Now()
				cancel(Interrupt{s})
			case time.Since(first) > sameSignal:
				return signalExit(s)
			}
		}
	}
}

func signalExit(s os.Signal) int {
	if s == syscall.SIGTERM {
		return ExitTerminated
	}
	return ExitInterrupted
}

package broker

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// guardOrder is what a guard is told: which process to run and what to remove.
type guardOrder struct {
	// Prepare runs before Command, once: not when the file Prepared exists.
	Prepare  []string
	Prepared string
	Command  []string
	// Dir is the working folder, Log the file for the output of both.
	Dir, Log string
	// Data is removed at the end. Home is the broker's folder; the guard of the
	// last node removes it when the owner died.
	Data, Home string
	Grace      time.Duration
}

// guard runs one process for an owner that may die: whatever happens to the
// owner, the process ends and its data goes. It is a process of its own because
// Java knows nothing of our pipe.
type guard struct {
	guardOrder
	pipe *childPipe
	// running is the process that runs now, exited its end; nil when none does.
	running *exec.Cmd
	exited  chan error
	// next are the commands to run after this one.
	next [][]string
}

// runGuard is the guard's life. It stays on one thread, which the process's
// parent-death signal is bound to.
func runGuard(pipe *childPipe) error {
	runtime.LockOSThread()
	g := &guard{pipe: pipe}
	if err := pipe.order(&g.guardOrder); err != nil {
		return err
	}
	g.start()
	for {
		select {
		case line, open := <-pipe.lines:
			switch {
			case !open:
				g.end()
				return g.remove(true)
			case line == commandEnd:
				g.end()
				return g.remove(false)
			case line == commandStart && g.running == nil:
				g.start()
			case line == commandKill && g.running != nil:
				g.next = nil
				_ = syscall.Kill(-g.running.Process.Pid, syscall.SIGKILL)
			}
		case <-pipe.term:
			g.end()
			return g.remove(pipe.orphaned())
		case err := <-g.exited:
			g.ended(err)
		}
	}
}

// start runs Prepare if it is due, then Command.
func (g *guard) start() {
	g.next = [][]string{g.Command}
	if _, err := os.Stat(g.Prepared); g.Prepare != nil && err != nil {
		g.next = [][]string{g.Prepare, g.Command}
	}
	g.runNext()
}

func (g *guard) runNext() {
	command := g.next[0]
	g.next = g.next[1:]
	log, err := openLog(g.Log)
	if err != nil {
		g.pipe.report(report{Exit: err.Error()})
		return
	}
	defer log.Close()
	cmd := exec.Command(command[0], command[1:]...) //nolint:noctx // its end is SIGTERM and patience, see end
	cmd.Dir = g.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = guardedAttributes()
	if err := cmd.Start(); err != nil {
		g.pipe.report(report{Exit: err.Error()})
		return
	}
	g.running, g.exited = cmd, make(chan error, 1)
	go func(exited chan<- error) { exited <- cmd.Wait() }(g.exited)
	if len(g.next) == 0 {
		g.pipe.report(report{PID: cmd.Process.Pid})
	}
}

// ended goes on with the next command, or tells the owner that there is none.
func (g *guard) ended(err error) {
	g.sweepGroup()
	g.running, g.exited = nil, nil
	if err == nil && len(g.next) > 0 {
		g.runNext()
		return
	}
	g.next = nil
	g.pipe.report(report{Exit: exitText(err)})
}

// end ends the process: SIGTERM, and SIGKILL after the time of grace.
func (g *guard) end() {
	if g.running == nil {
		return
	}
	group := -g.running.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM)
	select {
	case <-g.exited: //nolint:errcheck // how it ends when asked to tells nothing
	case <-time.After(g.Grace):
		_ = syscall.Kill(group, syscall.SIGKILL)
		<-g.exited //nolint:errcheck // it was killed
	}
	g.sweepGroup()
}

// sweepGroup kills what the process itself may have started.
func (g *guard) sweepGroup() { _ = syscall.Kill(-g.running.Process.Pid, syscall.SIGKILL) }

// remove removes the node's data, and the broker's whole folder when the owner
// is dead and no other guard is left to need it.
func (g *guard) remove(orphaned bool) error {
	if err := os.RemoveAll(g.Data); err != nil {
		return fmt.Errorf("remove the data: %w", err)
	}
	if !orphaned {
		return nil
	}
	parent := filepath.Dir(g.Data)
	if err := os.Remove(parent); err != nil {
		return nil //nolint:nilerr // the data of other nodes is still there
	}
	return os.RemoveAll(g.Home)
}

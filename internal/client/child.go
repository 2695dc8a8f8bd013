package client

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// drain is how long what a child printed is read after its end. It is there already; only
// a process that left the group could hold the pipes open.
const drain = time.Second

// Child is somebody else's program that runs in a process group of its own, of which
// nothing outlives it, nor, on Linux, us. Its fields are set before Start.
type Child struct {
	// Cmd is the program, with standard output and error left to Start.
	Cmd *exec.Cmd
	// Orders asks for a standard input, which In then writes to; else it is empty.
	Orders bool
	In     *os.File
	// Listen and Overhear read its standard output and error, each in a goroutine of its
	// own, to the end.
	Listen, Overhear func(io.Reader)
	// Begun, if not nil, is called when the process has been started; its error ends it,
	// and Start.
	Begun func() error
	// Ended is called once, when nothing of the group is left and all that it printed was
	// read; how is what Cmd.Wait returned. It is not called when Start fails.
	Ended func(how error)

	out, complaints *os.File
	reading         sync.WaitGroup
	exited          chan struct{}
	mu              sync.Mutex
	gone            bool // its process id may be another's
}

// Start starts the program.
func (c *Child) Start() error {
	c.exited = make(chan struct{})
	c.Cmd.SysProcAttr = childAttributes()
	started := make(chan error)
	go c.life(started)
	return <-started
}

// life is all that a child's is, from its start until nothing of it is left. Linux sends
// the parent-death signal when the thread that started a process ends, so this one stays
// and waits for it.
func (c *Child) life(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.begin()
	started <- err
	if err != nil {
		return
	}
	how := c.Cmd.Wait()
	c.sweep()
	close(c.exited)
	c.hearOut()
	c.Ended(how)
}

// begin makes the pipes, starts the process and has what it prints read.
func (c *Child) begin() error {
	var ours, theirs [3]*os.File
	for i := range ours {
		if i == 0 && !c.Orders {
			continue
		}
		read, write, err := os.Pipe()
		if err != nil {
			closeAll(ours[:]...)
			closeAll(theirs[:]...)
			return err
		}
		ours[i], theirs[i] = read, write
	}
	if c.Orders {
		ours[0], theirs[0] = theirs[0], ours[0]
		c.Cmd.Stdin = theirs[0]
	}
	c.In, c.out, c.complaints = ours[0], ours[1], ours[2]
	// As files, so that Wait does not wait for whoever else holds them.
	c.Cmd.Stdout, c.Cmd.Stderr = theirs[1], theirs[2]
	err := c.Cmd.Start()
	closeAll(theirs[:]...)
	if err == nil && c.Begun != nil {
		if err = c.Begun(); err != nil {
			_ = c.Cmd.Process.Kill()
			_ = c.Cmd.Wait()
		}
	}
	if err != nil {
		closeAll(ours[:]...)
		return err
	}
	c.reading.Go(func() { c.Listen(c.out) })
	c.reading.Go(func() { c.Overhear(c.complaints) })
	return nil
}

// closeAll closes files; a nil one is none.
func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close() // of a nil one an error, of a pipe none that matters
	}
}

// sweep kills what the process itself may have started.
func (c *Child) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	_ = syscall.Kill(-c.Cmd.Process.Pid, syscall.SIGKILL)
}

// hearOut reads the rest of what the process printed, and closes its streams.
func (c *Child) hearOut() {
	until := time.Now().Add(drain)
	_, _ = c.out.SetReadDeadline(until), c.complaints.SetReadDeadline(until)
	c.reading.Wait()
	closeAll(c.In, c.out, c.complaints)
}

// Signal sends a signal to the whole group, unless the process has ended already; it
// says whether it did.
func (c *Child) Signal(s syscall.Signal) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return false
	}
	_ = syscall.Kill(-c.Cmd.Process.Pid, s)
	return true
}

// Exited is closed when the process has ended, and all of its group; Ended comes after.
func (c *Child) Exited() <-chan struct{} { return c.exited }

// PID of the process.
func (c *Child) PID() int { return c.Cmd.Process.Pid }

package exec

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"redline/internal/client"
)

const (
	// drain is how long what a child printed is read after its end. It is there already;
	// only a process that left the group could hold the pipes open.
	drain = time.Second
	// writing bounds one order to a child. Its pipe has room for all there are.
	writing = time.Second
	// looks is how often silence is looked for.
	looks = 100 * time.Millisecond
)

// child is a program that runs. life starts it and waits for its end, listen and overhear
// read what it prints, watch ends it when it is silent or its context is over.
type child struct {
	program *program
	cmd     *exec.Cmd
	// in, out and complaints are our ends of its standard streams.
	in, out, complaints *os.File
	reading             sync.WaitGroup // listen and overhear
	words               lastWords      // of complaints
	folder              string         // of the connection's file; "" if there is none

	greeted  chan struct{}
	reported chan struct{}
	exited   chan struct{}
	done     chan struct{}
	stopping sync.Once

	mu       sync.Mutex
	account  *account
	version  string
	settings map[string]string
	heard    time.Time // of the last message
	stopped  bool      // it was told to stop
	gone     bool      // its process id may be another's
	// failure is what went wrong first; it completes "the client NAME ".
	failure error

	// What Stop returns, from when done is closed.
	told client.Told
	err  error
}

// launch starts the program, which ends with ctx at the latest.
func (p *program) launch(ctx context.Context, task client.Task) (*child, error) {
	folder, connection, err := writeConnection(task.Security)
	if err != nil {
		return nil, err
	}
	c := &child{
		program: p, folder: folder, account: newAccount(task), heard: time.Now(),
		greeted: make(chan struct{}), reported: make(chan struct{}, 1), exited: make(chan struct{}), done: make(chan struct{}),
	}
	c.cmd = exec.Command(p.path, p.args...) //nolint:noctx // watch ends it, with its whole group
	c.cmd.Env = environment(os.Environ(), task, connection)
	c.cmd.SysProcAttr = childAttributes()
	started := make(chan error)
	go c.life(started)
	if err := <-started; err != nil {
		_ = os.RemoveAll(folder)
		return nil, err
	}
	go c.watch(ctx)
	return c, nil
}

// life is all that a child's is, from its start until nothing of it is left. Linux sends
// the parent-death signal when the thread that started a process ends, so this one stays
// and waits for it.
func (c *child) life(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.start()
	started <- err
	if err != nil {
		return
	}
	how := c.cmd.Wait()
	c.sweep()
	close(c.exited)
	c.hearOut()
	_ = os.RemoveAll(c.folder)
	c.finish(how)
	close(c.done)
}

// start makes the pipes, starts the process and reads what it prints.
func (c *child) start() error {
	var ends [6]*os.File
	for i := 0; i < len(ends); i += 2 {
		var err error
		if ends[i], ends[i+1], err = os.Pipe(); err != nil {
			closeAll(ends[:i]...)
			return err
		}
	}
	c.out, c.in, c.complaints = ends[2], ends[1], ends[4]
	// As files, so that Wait does not wait for whoever else holds them.
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = ends[0], ends[3], ends[5]
	err := c.cmd.Start()
	closeAll(ends[0], ends[3], ends[5])
	if err != nil {
		closeAll(c.in, c.out, c.complaints)
		return err
	}
	c.reading.Go(c.listen)
	c.reading.Go(c.overhear)
	return nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// sweep kills what the process itself may have started.
func (c *child) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	c.kill()
}

// kill ends the process group. The caller holds mu.
func (c *child) kill() { _ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) }

// hearOut reads the rest of what the process printed, and closes its streams.
func (c *child) hearOut() {
	until := time.Now().Add(drain)
	_, _ = c.out.SetReadDeadline(until), c.complaints.SetReadDeadline(until)
	c.reading.Wait()
	closeAll(c.in, c.out, c.complaints)
}

// fail keeps what went wrong first, and ends the process.
func (c *child) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure == nil {
		c.failure = err
	}
	if !c.gone {
		c.kill()
	}
}

// listen reads messages until the process closes its output, or one is wrong.
func (c *child) listen() {
	lines := bufio.NewScanner(c.out)
	lines.Buffer(nil, maxLine)
	lines.Split(linesWithEnds)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if err := c.hear(line); err != nil {
			// Half a line is all that a dying process could print. Its death is the news.
			if bytes.HasSuffix(lines.Bytes(), []byte("\n")) {
				c.fail(err)
			}
			return
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		c.fail(fmt.Errorf("printed a line of more than %d KiB", maxLine>>10))
	}
}

// linesWithEnds is a bufio.SplitFunc that leaves the end of each line that has one.
func linesWithEnds(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i+1], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

func (c *child) hear(line []byte) error {
	m, err := parseLine(line)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.account.take(m); err != nil {
		return err
	}
	c.heard = time.Now()
	switch m.Type {
	case "hello":
		c.version, c.settings = m.Client+" "+m.Version, m.settings
		close(c.greeted)
	case "end":
		if !c.stopped && !c.account.task.Once {
			return errors.New("ended by itself, and was to go on until it is told to stop")
		}
		c.report()
	case "count":
		c.report()
	}
	return nil
}

func (c *child) report() {
	select {
	case c.reported <- struct{}{}:
	default: // a mark is there already
	}
}

// overhear keeps the last of what the process complains of.
func (c *child) overhear() { _, _ = io.Copy(&c.words, c.complaints) }

// watch ends the process when ctx is over, and when it is silent for too long.
func (c *child) watch(ctx context.Context) {
	tick := time.NewTicker(looks)
	defer tick.Stop()
	for {
		select {
		case <-c.exited:
			return
		case <-ctx.Done():
			c.fail(fmt.Errorf("was ended before its work was: %w", context.Cause(ctx)))
			return
		case <-tick.C:
			if err := c.silence(); err != nil {
				c.fail(err)
				return
			}
		}
	}
}

// silence says whether it lasts too long.
func (c *child) silence() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	patience := c.program.limits
	since := time.Since(c.heard)
	switch {
	case !c.account.greeted && since > patience.hello:
		return fmt.Errorf("said no hello within %v of its start", patience.hello)
	case c.account.ended && since > patience.silence:
		return fmt.Errorf("did not exit within %v of its last message", patience.silence)
	case c.account.greeted && since > patience.silence:
		return fmt.Errorf("was silent for %v", patience.silence)
	}
	return nil
}

// say gives an order. A child that cannot be told has gone, or does not read; either is
// seen elsewhere.
func (c *child) say(what string) {
	line, _ := json.Marshal(order{what}) // a text alone
	_ = c.in.SetWriteDeadline(time.Now().Add(writing))
	_, _ = c.in.Write(append(line, '\n'))
}

// Stop tells the child to stop and closes its standard input.
func (c *child) Stop(ctx context.Context) (client.Told, error) {
	c.stopping.Do(func() {
		c.mu.Lock()
		c.stopped = true
		c.mu.Unlock()
		c.say("stop")
		c.in.Close()
	})
	select {
	case <-c.done:
	case <-ctx.Done():
		c.fail(fmt.Errorf("was told to stop and did not end in time: %w", context.Cause(ctx)))
		<-c.done
	}
	return c.told, c.err
}

// finish says what it all came to; how is how the process ended.
func (c *child) finish(how error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure == nil {
		c.failure = c.account.verdict(how)
	}
	c.told = c.account.told()
	if c.failure != nil {
		c.err = fmt.Errorf("the client %s %w%s", c.program.name, c.failure, c.lastWords())
	}
}

// lastWords are those of its standard error, else of the last error that it told.
func (c *child) lastWords() string {
	if said := c.words.String(); said != "" {
		return "; the last that it wrote to standard error: “" + said + "”"
	}
	if c.account.last != "" {
		return "; the last error that it told: “" + c.account.last + "”"
	}
	return ""
}

func (c *child) counts() counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.account.counts
}

func (c *child) Records() int64            { return c.counts().records }
func (c *child) Bytes() int64              { return c.counts().bytes }
func (c *child) Rewinds() int64            { return c.counts().rewinds }
func (c *child) Reported() <-chan struct{} { return c.reported }
func (c *child) Done() <-chan struct{}     { return c.done }
func (c *child) PID() int                  { return c.cmd.Process.Pid }

// Version is what it says that it is, such as "kafka-python 3.0.12".
func (c *child) Version() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version
}

func (c *child) Settings() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.settings)
}

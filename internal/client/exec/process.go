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
	"sync"
	"syscall"
	"time"

	"redline/internal/client"
)

const (
	// writing bounds one order to a child. Its pipe has room for all there are.
	writing = time.Second
	// looks is how often silence is looked for.
	looks = 100 * time.Millisecond
)

// child is a program that runs. listen and overhear read what it prints, watch ends it
// when it is silent or its context is over.
type child struct {
	program *program
	process client.Child
	words   lastWords // of its standard error

	greeted  chan struct{}
	reported chan struct{}
	done     chan struct{}
	stopping sync.Once

	mu       sync.Mutex
	account  *account
	version  string
	settings map[string]string
	heard    time.Time // of the last message
	stopped  bool      // it was told to stop
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
		program: p, account: newAccount(task), heard: time.Now(),
		greeted: make(chan struct{}), reported: make(chan struct{}, 1), done: make(chan struct{}),
	}
	cmd := exec.Command(p.path, p.args...) //nolint:noctx // watch ends it, with its whole group
	cmd.Env = environment(os.Environ(), task, connection)
	c.process = client.Child{Cmd: cmd, Orders: true, Listen: c.listen, Overhear: c.overhear, Ended: func(how error) {
		_ = os.RemoveAll(folder)
		c.finish(how)
		close(c.done)
	}}
	if err := c.process.Start(); err != nil {
		_ = os.RemoveAll(folder)
		return nil, err
	}
	go c.watch(ctx)
	return c, nil
}

// fail keeps what went wrong first, and ends the process.
func (c *child) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure == nil {
		c.failure = err
	}
	c.process.Signal(syscall.SIGKILL)
}

// listen reads messages until the process closes its output, or one is wrong.
func (c *child) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
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
func (c *child) overhear(complaints io.Reader) { _, _ = io.Copy(&c.words, complaints) }

// watch ends the process when ctx is over, and when it is silent for too long.
func (c *child) watch(ctx context.Context) {
	tick := time.NewTicker(looks)
	defer tick.Stop()
	for {
		select {
		case <-c.process.Exited():
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
	_ = c.process.In.SetWriteDeadline(time.Now().Add(writing))
	_, _ = c.process.In.Write(append(line, '\n'))
}

// Stop tells the child to stop and closes its standard input.
func (c *child) Stop(ctx context.Context) (client.Told, error) {
	c.stopping.Do(func() {
		c.mu.Lock()
		c.stopped = true
		c.mu.Unlock()
		c.say("stop")
		c.process.In.Close()
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
func (c *child) PID() int                  { return c.process.PID() }

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

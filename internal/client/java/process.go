package java

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"redline/internal/client"
	"redline/internal/security"
)

// grace is how long a tool may take to end after SIGTERM.
const grace = 5 * time.Second

// logging sends what Kafka's client says, from warnings on, where no reports are.
const logging = `status = error
appender.err.type = Console
appender.err.name = err
appender.err.target = SYSTEM_ERR
appender.err.layout.type = PatternLayout
appender.err.layout.pattern = %p %m (%c{1})%n
rootLogger.level = warn
rootLogger.appenderRef.err.ref = err
`

// process is a tool that runs. hear and overhear take what it prints.
type process struct {
	*draft
	child client.Child
	group *group
	watch *watch
	// folder has the tool's files.
	folder         string
	reported, done chan struct{}
	stopping       sync.Once

	mu     sync.Mutex
	reader reader
	words  words
	// failure is what went wrong first.
	failure error
	stopped bool

	// ended says that it ended by itself, and without complaint.
	ended bool
	// What Stop returns, from its end on.
	told client.Told
	err  error
}

// start prepares what the tool needs and starts it; the process ends with ctx.
func start(ctx context.Context, d *draft) (*process, error) {
	p := &process{
		draft: d, reader: d.tool.reader(d.task),
		reported: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if err := p.prepare(ctx); err != nil {
		return nil, errors.Join(err, p.undo(ctx))
	}
	if err := p.child.Start(); err != nil {
		return nil, errors.Join(err, p.undo(ctx))
	}
	go p.mind(ctx)
	return p, nil
}

// mind ends the process with its context.
func (p *process) mind(ctx context.Context) {
	select {
	case <-ctx.Done():
		p.fail(fmt.Errorf("%s was ended: %w", p.who(), context.Cause(ctx)))
	case <-p.done:
	}
}

// who begins a sentence about the tool.
func (p *process) who() string {
	return fmt.Sprintf("the client %s (Kafka's %s)", p.name, p.tool.class)
}

// prepare writes the files and makes the group.
func (p *process) prepare(ctx context.Context) error {
	var err error
	if p.folder, err = os.MkdirTemp("", "redline-java-"); err != nil {
		return fmt.Errorf("make a folder for its properties: %w", err)
	}
	properties, err := p.propertiesFor(p.folder)
	if err != nil {
		return err
	}
	config, log := filepath.Join(p.folder, "client.properties"), filepath.Join(p.folder, "log4j2.properties")
	if err := security.WriteJavaFile(config, properties); err != nil {
		return err
	}
	if err := os.WriteFile(log, []byte(logging), 0o600); err != nil {
		return fmt.Errorf("write its files: %w", err)
	}
	command := append([]string{}, p.java...)
	command = append(command, "-Dlog4j2.configurationFile="+log, "org.apache.kafka.tools."+p.tool.class)
	command = append(append(command, p.arguments...), "--command-config="+config)
	p.child = client.Child{
		Cmd:    exec.Command(command[0], command[1:]...), //nolint:noctx // it ends with its context, with its whole group
		Listen: func(out io.Reader) { eachLine(out, p.hear) }, Overhear: func(complaints io.Reader) { eachLine(complaints, p.overhear) },
		Begun: p.begun, Ended: p.end,
	}
	if p.groupID == "" {
		return nil
	}
	p.group, err = newGroup(ctx, p.draft)
	return err
}

// undo takes back what prepare has made.
func (p *process) undo(ctx context.Context) error {
	if p.folder != "" {
		_ = os.RemoveAll(p.folder)
	}
	return p.group.remove(ctx)
}

// begun starts the watch over the process.
func (p *process) begun() (err error) {
	p.watch, err = startWatch(p.child.PID(), p.folder)
	return err
}

// end is what is left to do when the process has ended.
func (p *process) end(how error) {
	_ = os.RemoveAll(p.folder)
	p.watch.end()
	p.finish(how)
	close(p.done)
}

// eachLine calls f for each line of in, of which it reads longestLine bytes at most.
func eachLine(in io.Reader, f func(string)) {
	lines := bufio.NewReaderSize(in, longestLine)
	for {
		line, more, err := lines.ReadLine()
		if err != nil {
			return
		}
		f(string(line))
		for more && err == nil {
			_, more, err = lines.ReadLine()
		}
	}
}

// hear takes a line of standard output.
func (p *process) hear(line string) {
	p.mu.Lock()
	told, err := p.reader.take(line)
	if !told {
		p.words.add(line)
	}
	p.mu.Unlock()
	switch {
	case err != nil:
		p.fail(fmt.Errorf("%s %w", p.who(), err))
	case told:
		select {
		case p.reported <- struct{}{}:
		default:
		}
	}
}

// overhear takes a line of standard error.
func (p *process) overhear(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.words.add(line)
}

// fail keeps what went wrong first, and kills the process.
func (p *process) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.child.Signal(syscall.SIGKILL) && p.failure == nil && !p.stopped {
		p.failure = err
	}
}

// finish says what it came to, when the process has ended.
func (p *process) finish(how error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.reader.counts()
	if p.ended = how == nil && !p.stopped && p.failure == nil; p.ended {
		now = p.reader.end()
	}
	p.told = client.Told{Records: now.records, Bytes: now.bytes, RecordsPerSecond: now.rate}
	if p.task.Workload == "produce" {
		// Each record that fails is a stack trace.
		p.told.Errors = p.words.exceptions
	}
	p.err = p.failure
	if p.err == nil && (!p.stopped || !asked(how)) {
		p.err = p.judge(how, now)
	}
	if p.err == nil && now.records == 0 && p.told.Errors > 0 {
		p.err = fmt.Errorf("%s sent nothing%s", p.who(), p.words.why())
	}
}

// asked says that an end is such as our signals bring about, or a good one. Java answers
// SIGTERM with an exit code.
func asked(how error) bool {
	var exit *exec.ExitError
	return !errors.As(how, &exit) || exit.ExitCode() == -1 || exit.ExitCode() == 128+int(syscall.SIGTERM)
}

// judge says what is wrong with an end that nobody asked for.
func (p *process) judge(how error, now counts) error {
	wanted := recordsOf(p.task)
	switch {
	case how != nil:
		return fmt.Errorf("%s ended by itself (%w)%s", p.who(), how, p.words.why())
	case p.task.Workload == "produce":
		return fmt.Errorf("%s ended by itself, though it was to send until it is stopped%s", p.who(), p.words.why())
	case now.short:
		return fmt.Errorf("%s read %d of %d records and gave up when none came for %v: look whether others write to or delete from %s", p.who(), now.records, wanted, silence, p.task.Topic)
	case now.records < wanted:
		return fmt.Errorf("%s ended after %d of %d records%s", p.who(), now.records, wanted, p.words.why())
	case now.records > wanted:
		return fmt.Errorf("%s counts %d records where there are %d: others write to %s, or records were delivered twice", p.who(), now.records, wanted, p.task.Topic)
	}
	return nil
}

func (p *process) counted() counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reader.counts()
}

func (p *process) Records() int64 { return p.counted().records }
func (p *process) Bytes() int64   { return p.counted().bytes }

// Rewinds is always 0: no tool can.
func (p *process) Rewinds() int64 { return 0 }

func (p *process) Reported() <-chan struct{}   { return p.reported }
func (p *process) Done() <-chan struct{}       { return p.done }
func (p *process) PID() int                    { return p.child.PID() }
func (p *process) Settings() map[string]string { return maps.Clone(p.settings) }

// Stop also deletes the group. That it could not be deleted is an error that wraps
// ErrGroupLeft, if nothing else went wrong.
func (p *process) Stop(ctx context.Context) (client.Told, error) {
	p.stopping.Do(func() {
		p.terminate(ctx)
		if p.ended && p.err == nil {
			p.err = p.group.check(ctx, p.draft)
		}
		if err := p.group.remove(ctx); p.err == nil {
			p.err = err
		}
	})
	return p.told, p.err
}

// terminate ends the process: SIGTERM, and SIGKILL after the time of grace, or when ctx
// ends.
func (p *process) terminate(ctx context.Context) {
	p.mu.Lock()
	if p.child.Signal(syscall.SIGTERM) {
		p.stopped = true
	}
	p.mu.Unlock()
	patience := time.NewTimer(grace)
	defer patience.Stop()
	select {
	case <-p.done:
		return
	case <-ctx.Done():
	case <-patience.C:
	}
	p.child.Signal(syscall.SIGKILL)
	<-p.done
}

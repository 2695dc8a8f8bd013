package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"redline/internal/journal"
)

// keeperPatience is how long Down waits for a keeper to end its broker.
const keeperPatience = 15 * time.Second

// keeperOrder is a Config as it travels to the keeper.
type keeperOrder struct {
	Kind       Kind
	Nodes      int
	Version    string
	Home       string
	DataDir    string
	Port       int
	Heap       string
	Secure     Secure
	Properties map[string]string
}

// StartDetached starts a Kafka that goes on when this process ends, until Down.
// It is held by a keeper: this program again, in a session of its own. What
// Start says of ctx and errors holds here.
func StartDetached(ctx context.Context, c Config) (State, error) {
	c, err := c.complete()
	if err != nil {
		return State{}, err
	}
	// Folders are resolved here: the keeper may live elsewhere.
	for _, path := range []*string{&c.Home, &c.DataDir} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return State{}, fmt.Errorf("find the folder: %w", err)
		}
	}
	k, err := startKeeper(keeperOrder{c.Kind, c.Nodes, c.Version, c.Home, c.DataDir, c.Port, c.Heap, c.Secure, c.Properties})
	if err != nil {
		return State{}, err
	}
	return k.await(ctx, c.Say)
}

// keeper is a keeper as its starter sees it.
type keeper struct {
	cmd           *exec.Cmd
	life, reports *os.File
	// log takes what the keeper says before its broker has a folder for logs.
	log string
}

func startKeeper(order keeperOrder) (*keeper, error) {
	line, err := json.Marshal(order)
	if err != nil {
		return nil, fmt.Errorf("start a keeper: %w", err)
	}
	dir, err := stateDir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder for the state of brokers: %w. Set REDLINE_STATE to a folder that can be written", err)
	}
	k := &keeper{}
	if k.cmd, err = selfCommand(childKeeper); err != nil {
		return nil, err
	}
	log, err := os.CreateTemp(dir, "keeper-*.log")
	if err != nil {
		return nil, fmt.Errorf("open a log file: %w", err)
	}
	defer log.Close()
	k.log = log.Name()
	k.cmd.Stderr = log
	k.cmd.Dir = dir
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if k.life, k.reports, err = startPiped(k.cmd, (*exec.Cmd).Start); err != nil {
		return nil, fmt.Errorf("start a keeper: %w", err)
	}
	if _, err := k.life.WriteString(string(line) + "\n"); err != nil {
		_ = k.cmd.Process.Kill()
		_ = k.leave()
		_ = os.Remove(k.log)
		return nil, fmt.Errorf("start a keeper: %w", err)
	}
	return k, nil
}

// await hears the keeper until its broker is ready, and lets it go.
func (k *keeper) await(ctx context.Context, say func(string)) (State, error) {
	stop := context.AfterFunc(ctx, func() { _ = k.cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	var state *State
	var failure error
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		hearAll(k.reports, func(r report) {
			switch {
			case r.Say != "":
				say(r.Say)
			case r.Error != "":
				failure = errors.New(r.Error)
			case r.State != nil:
				state = r.State
				// From here on the keeper lives by itself.
				_, _ = k.life.WriteString(commandKeep + "\n")
			}
		})
	}()
	// The keeper closes its reports when it has been let go, or has failed.
	<-heard
	if state != nil || failure != nil || ctx.Err() != nil {
		_ = os.Remove(k.log)
	}
	if state != nil && ctx.Err() == nil {
		_ = k.life.Close()
		return *state, k.cmd.Process.Release()
	}
	ended := k.leave()
	switch {
	case ctx.Err() != nil:
		return State{}, context.Cause(ctx)
	case failure != nil:
		return State{}, failure
	}
	return State{}, fmt.Errorf("the keeper of the broker ended (%s). Its log is %s", exitText(ended), k.log)
}

// leave waits for a keeper that ends.
func (k *keeper) leave() error {
	_ = k.life.Close()
	return k.cmd.Wait()
}

// runKeeper is a keeper's life: start, report, wait for SIGTERM, stop.
func runKeeper(pipe *childPipe) error {
	var o keeperOrder
	if err := pipe.order(&o); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		select {
		case <-pipe.term:
			cancel()
		case <-stopped:
		}
	}()
	defer close(stopped)
	b, err := start(ctx, Config{
		Kind: o.Kind, Nodes: o.Nodes, Version: o.Version, Home: o.Home, DataDir: o.DataDir,
		Port: o.Port, Heap: o.Heap, Secure: o.Secure, Properties: o.Properties,
		Say: func(s string) { pipe.report(report{Say: s}) },
	}, true)
	if err != nil {
		pipe.report(report{Error: err.Error()})
		return nil
	}
	if err := logTo(b.folder.logFile(childKeeper)); err != nil {
		return errors.Join(err, b.Stop(context.Background()))
	}
	state := b.State()
	pipe.report(report{State: &state})
	if line := <-pipe.lines; line != commandKeep {
		// The starter died while we started, and nobody would know of the broker.
		return b.Stop(context.Background())
	}
	_ = os.Stdout.Close()
	b.keep(ctx)
	return b.Stop(context.Background())
}

// keep waits until ctx ends, a node dies, or the state file is removed: then no
// Down would find this broker any more.
func (b *Broker) keep(ctx context.Context) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.Done():
			fmt.Fprintln(os.Stderr, b.Err())
			return
		case <-look.C:
			if _, err := os.Stat(filepath.Join(b.folder.dir, stateFile)); errors.Is(err, os.ErrNotExist) {
				return
			}
		}
	}
}

// logTo turns our standard error to a file.
func logTo(path string) error {
	log, err := openLog(path)
	if err != nil {
		return err
	}
	defer log.Close()
	return unix.Dup2(int(log.Fd()), int(os.Stderr.Fd()))
}

// Status lists the brokers that run on this machine for this user, those in the
// foreground of another terminal too, oldest first.
func Status() ([]State, error) {
	parent, err := brokersDir()
	if err != nil {
		return nil, err
	}
	folders, err := readFolders(parent)
	if err != nil {
		return nil, err
	}
	var states []State
	for _, f := range folders {
		if f.state.ID != "" && !f.kept() && f.state.Owner.Alive() {
			states = append(states, f.state)
		}
	}
	return states, nil
}

// Down ends every detached broker and returns those it ended. One that does not
// end within 15 s, or before ctx ends, is killed.
func Down(ctx context.Context) ([]State, error) {
	running, err := Status()
	if err != nil {
		return nil, err
	}
	return down(ctx, slices.DeleteFunc(running, func(s State) bool { return !s.Detached }))
}

// DownOne is Down for the one detached broker with this ID; that there is none is
// an error.
func DownOne(ctx context.Context, id string) ([]State, error) {
	running, err := Status()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(running, func(s State) bool { return s.ID == id })
	switch {
	case i < 0:
		return nil, fmt.Errorf("end the broker %s: none with this ID runs. `redline broker status` lists those that do", id)
	case !running[i].Detached:
		return nil, fmt.Errorf("end the broker %s: it is not detached. Ctrl-C in its own terminal ends it", id)
	}
	return down(ctx, running[i:i+1])
}

// down ends the brokers given and returns those it ended.
func down(ctx context.Context, detached []State) ([]State, error) {
	var ended []State
	for _, s := range detached {
		if err := syscall.Kill(s.Owner.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return ended, fmt.Errorf("end the broker %s: %w", s.ID, err)
		}
		if !awaitGone(ctx, s.Owner) {
			killProcess(s.Owner)
		}
		ended = append(ended, s)
	}
	// What a killed keeper left is an orphan like any other.
	return ended, sweep(context.WithoutCancel(ctx))
}

// awaitGone waits until a process that is not our child has ended.
func awaitGone(ctx context.Context, p journal.Process) bool {
	ctx, cancel := context.WithTimeout(ctx, keeperPatience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for p.Alive() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

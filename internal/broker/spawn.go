package broker

import (
	"os"
	"os/exec"
	"runtime"
)

// spawner starts processes from one goroutine locked to one thread. Linux sends
// the parent-death signal when the *thread* that started a process ends, and Go
// ends threads as it likes; this one lives until close.
type spawner struct {
	work chan func()
	end  chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func()), end: make(chan struct{})}
	go func() {
		defer close(s.end)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for do := range s.work {
			do()
		}
	}()
	return s
}

// start starts cmd in a process group of its own; where the system can, the
// process gets SIGTERM if we die.
func (s *spawner) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = childAttributes()
	result := make(chan error, 1)
	s.work <- func() { result <- cmd.Start() }
	return <-result
}

// startPiped starts cmd, by start, with pipes on its standard input and output.
func startPiped(cmd *exec.Cmd, start func(*exec.Cmd) error) (in, out *os.File, err error) {
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer childIn.Close()
	out, childOut, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, nil, err
	}
	defer childOut.Close()
	cmd.Stdin, cmd.Stdout = childIn, childOut
	if err := start(cmd); err != nil {
		in.Close()
		out.Close()
		return nil, nil, err
	}
	return in, out, nil
}

// close ends the thread; every process started must have ended before.
func (s *spawner) close() {
	close(s.work)
	<-s.end
}

package java

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// watch is a shell that waits for our death: then it kills the tool, and removes the
// folder with its properties, in which there may be secrets.
type watch struct {
	cmd *exec.Cmd
	// life is the watch's standard input. Its end without a line is our death.
	life *os.File
}

// onDeath is what the watch does; its arguments are a process group and a folder.
const onDeath = `read -r _ || { kill -s KILL -- "-$1"; rm -rf -- "$2"; }`

func startWatch(group int, folder string) (*watch, error) {
	in, life, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("watch over it: %w", err)
	}
	defer in.Close()
	w := &watch{cmd: exec.Command("/bin/sh", "-c", onDeath, "redline-watch", strconv.Itoa(group), folder), life: life} //nolint:noctx // it ends with the process that it watches over, see end
	w.cmd.Stdin = in
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it is there to outlive us
	if err := w.cmd.Start(); err != nil {
		life.Close()
		return nil, fmt.Errorf("watch over it: %w", err)
	}
	return w, nil
}

// end ends the watch. A nil one is none.
func (w *watch) end() {
	if w == nil {
		return
	}
	_, _ = w.life.WriteString("end\n")
	w.life.Close()
	_ = w.cmd.Wait() // the shell has nothing to say
}

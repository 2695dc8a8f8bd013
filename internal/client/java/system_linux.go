package java

import "syscall"

// childAttributes: own process group, and SIGKILL when the thread that started it ends.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// watchAttributes: own process group. A watch is there to outlive us.
func watchAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

//go:build unix && !linux

package java

import "syscall"

// childAttributes: own process group. Without Linux's parent-death signal the watch alone
// ends it when we die.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func watchAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

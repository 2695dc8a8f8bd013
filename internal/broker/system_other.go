//go:build unix && !linux

package broker

import "syscall"

// childAttributes: own process group. Without Linux's parent-death signal the
// pipe alone tells a child that we died.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func guardedAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// storageOf says what a folder lies on, as far as this system tells.
func storageOf(string) string { return "disk" }

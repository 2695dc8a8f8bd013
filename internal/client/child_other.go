//go:build unix && !linux

package client

import "syscall"

// childAttributes: own process group. Without Linux's parent-death signal the end of its
// standard input alone tells a child that we died.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

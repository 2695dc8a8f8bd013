//go:build !linux

package doctor

import "context"

func perf(context.Context, machine) finding { return notHere("only Linux has it") }

func tcpInfo(context.Context, machine) finding { return notHere("redline reads it on Linux alone") }

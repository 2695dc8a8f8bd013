package wire

import (
	"crypto/tls"
	"net"
	"runtime"
	"syscall"
	"time"
)

const (
	// eagerFor is how long more of a response is looked for before the goroutine sleeps: as
	// long as it may take a broker on the same machine, and not much longer than it takes
	// to be put to sleep and woken up.
	eagerFor = 20 * time.Microsecond
	// mostSlept bounds how many waits in a row are slept through after looking was in vain.
	mostSlept = 255
)

// eagerness looks for bytes that are about to come.
type eagerness struct {
	on    bool
	raw   syscall.RawConn // nil where the stream cannot be looked at
	look  func(fd uintptr)
	there bool
	// sleep is how many waits are not looked through any more, slept how many they were the
	// last time: twice as many after each time that looking was in vain, fewer when not.
	sleep, slept int
}

// SetEager makes Receive look for the rest of a response that has begun, for up to 20 µs,
// before it sleeps until more comes. Where broker and client share a machine this spares
// both of them most of their sleeps, at which each waits for the other one: one connection
// carries a fifth more, at no more CPU time. Where the rest comes more slowly, looking is
// soon given up. It needs a CPU that has nothing better to do. The default is off; it has
// no effect under TLS.
func (c *Conn) SetEager(on bool) {
	e := &c.eager
	if e.on == on {
		return
	}
	e.on = on
	if e.look == nil {
		e.raw = rawConn(c.stream)
		e.look = func(fd uintptr) { e.there = readable(fd) }
	}
}

// rawConn is the socket behind a stream; nil where what comes out of the stream is not what
// goes into the socket, or there is none.
func rawConn(stream net.Conn) syscall.RawConn {
	for {
		switch s := stream.(type) {
		case *tls.Conn:
			return nil
		case syscall.Conn:
			raw, err := s.SyscallConn()
			if err != nil {
				return nil
			}
			return raw
		case interface{ NetConn() net.Conn }:
			stream = s.NetConn()
		default:
			return nil
		}
	}
}

// await returns when there are bytes to be read, or it is time to sleep until there are.
func (e *eagerness) await() {
	if !e.on || e.raw == nil || e.seen() {
		return
	}
	if e.sleep > 0 {
		e.sleep--
		return
	}
	for began := time.Now(); time.Since(began) < eagerFor; {
		runtime.Gosched() // the one who handles what came may want this CPU
		if e.seen() {
			e.slept /= 2
			return
		}
	}
	e.slept = min(2*e.slept+1, mostSlept)
	e.sleep = e.slept
}

// seen says whether there are bytes to be read, or an error.
func (e *eagerness) seen() bool {
	e.there = true
	_ = e.raw.Control(e.look) // a connection that is closed says so when it is read
	return e.there
}

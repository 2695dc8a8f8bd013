package broker

import (
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// dropper gives a function that throws away the next n bytes of a connection without
// copying them out of the kernel; nil where the connection is of another kind.
func dropper(conn net.Conn) func(n int) error {
	raw := rawOf(conn)
	if raw == nil {
		return nil
	}
	var left int
	var failed error
	// One closure for the life of the connection.
	receive := func(fd uintptr) (done bool) {
		for left > 0 {
			n, _, errno := syscall.Syscall6(unix.SYS_RECVFROM, fd, 0, uintptr(left), unix.MSG_TRUNC, 0, 0)
			switch {
			case errno == unix.EINTR:
			case errno == unix.EAGAIN:
				return false
			case errno != 0:
				failed = errno
				return true
			case n == 0:
				failed = io.ErrUnexpectedEOF
				return true
			default:
				left -= int(n)
			}
		}
		return true
	}
	return func(n int) error {
		left, failed = n, nil
		if err := raw.Read(receive); err != nil {
			return err
		}
		return failed
	}
}

// rawOf is nil for a connection that is none of TCP.
func rawOf(conn net.Conn) syscall.RawConn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// hungUp says whether the client has closed the connection; what it has sent
// meanwhile stays to be read.
func (c *nullConn) hungUp() bool {
	raw := rawOf(c.conn)
	if raw == nil {
		return false
	}
	gone := false
	err := raw.Read(func(fd uintptr) bool {
		var one [1]byte
		n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		gone = n == 0 && err == nil || err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
		return true
	})
	return gone || err != nil
}

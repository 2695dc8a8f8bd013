package doctor

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"net"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"redline/internal/spin"
)

// perf counts the cycles of this thread in user space, which is what the kernel
// allows most readily (perf_event_open(2)).
func perf(_ context.Context, m machine) finding {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	attributes := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_HARDWARE, Config: unix.PERF_COUNT_HW_CPU_CYCLES,
		Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Bits: unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
	}
	fd, err := unix.PerfEventOpen(&attributes, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return perfRefused(m.root, err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	spin.Work(100_000).Do()
	var count [8]byte
	if n, err := unix.Read(fd, count[:]); err != nil || n != len(count) {
		return perfRefused(m.root, err)
	}
	if binary.NativeEndian.Uint64(count[:]) == 0 {
		return perfRefused(m.root, unix.ENOENT)
	}
	return yes("cycles of this process can be counted")
}

// perfRefused says why, and what would help.
func perfRefused(root fs.FS, err error) finding {
	paranoid := text(root, "proc/sys/kernel/perf_event_paranoid")
	var f finding
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		f = no("the kernel refuses (perf_event_paranoid is %s)", orUnnamed(paranoid))
		f.allow = "sudo sysctl kernel.perf_event_paranoid=2; a container also needs --cap-add PERFMON"
	case errors.Is(err, unix.ENOSYS):
		f = no("the kernel, or a sandbox around us, has no perf_event_open")
		f.allow = "run outside the sandbox, on a kernel with CONFIG_PERF_EVENTS"
	default:
		f = no("the processor shows no counters (perf_event_paranoid is %s)", orUnnamed(paranoid))
		f.allow = "a virtual machine needs a virtual PMU (libvirt: <pmu state='on'/>; in clouds, sizes of a whole host have one)"
	}
	return f
}

// tcpInfo asks for TCP_INFO (tcp(7)) of a connection on loopback.
func tcpInfo(ctx context.Context, _ machine) finding {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return unknown("cannot listen on loopback: %v", err)
	}
	defer listener.Close()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", listener.Addr().String())
	if err != nil {
		return unknown("cannot connect on loopback: %v", err)
	}
	defer conn.Close()
	info, err := infoOf(conn.(syscall.Conn))
	if err != nil {
		return no("the kernel refuses: %v", err)
	}
	return yes("round trip on loopback %v", time.Duration(info.Rtt)*time.Microsecond)
}

func infoOf(conn syscall.Conn) (info *unix.TCPInfo, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	return info, errors.Join(err, controlErr)
}

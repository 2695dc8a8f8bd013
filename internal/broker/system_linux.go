package broker

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes: own process group, and SIGTERM when we die. A child cleans up
// after itself on SIGTERM.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// guardedAttributes: own process group, and SIGKILL when the guard dies.
func guardedAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// startTime of a process in clock ticks since boot, or 0 if there is none: with
// the pid it names a process for good, while a pid alone is used again. A zombie
// counts as gone.
func startTime(pid int) uint64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, field 2, may hold spaces and brackets; what follows its last
	// bracket is state (field 3) and on.
	rest := string(data[strings.LastIndexByte(string(data), ')')+1:])
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return 0
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0
	}
	return start
}

// fileSystems names what a broker's data may lie on, by statfs's magic number.
var fileSystems = map[int64]string{
	unix.EXT4_SUPER_MAGIC:      "ext4",
	unix.XFS_SUPER_MAGIC:       "xfs",
	unix.BTRFS_SUPER_MAGIC:     "btrfs",
	unix.OVERLAYFS_SUPER_MAGIC: "overlay",
	unix.F2FS_SUPER_MAGIC:      "f2fs",
	unix.NFS_SUPER_MAGIC:       "nfs",
	0x2fc12fc1:                 "zfs",
}

// storageOf says what a folder lies on.
func storageOf(dir string) string {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return "disk"
	}
	//nolint:unconvert // the field's type differs between architectures
	magic := int64(fs.Type)
	if magic == unix.TMPFS_MAGIC || magic == unix.RAMFS_MAGIC {
		return "tmpfs"
	}
	if name, known := fileSystems[magic]; known {
		return "disk (" + name + ")"
	}
	return fmt.Sprintf("disk (file system %#x)", magic)
}

package broker

import (
	"fmt"
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

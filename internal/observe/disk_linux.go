package observe

import (
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// FreeDisk is how many bytes an ordinary user may still write below path. A path
// that does not exist yet is asked for by the nearest folder above that does.
func FreeDisk(path string) (int64, error) {
	path, err := existing(path)
	if err != nil {
		return 0, err
	}
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, fmt.Errorf("cannot see how full %s is: %w", path, err)
	}
	free := float64(s.Bavail) * float64(s.Bsize)
	return int64(min(free, math.MaxInt64/2)), nil
}

// Filesystem is the kind of file system that path is on, as mount calls it
// ("ext4", "tmpfs", "overlay"). A path that does not exist yet is asked for by the
// nearest folder above that does.
func Filesystem(path string) (string, error) {
	path, err := existing(path)
	if err != nil {
		return "", err
	}
	text, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("cannot see what file system %s is on: %w", path, err)
	}
	kind := mountOf(path, string(text))
	if kind == "" {
		return "", fmt.Errorf("cannot see what file system %s is on: no mount of this process holds it", path)
	}
	return kind, nil
}

// mountOf finds the file system of an absolute path without links: the mount
// point that is the longest part of it, the later of two at the same point.
func mountOf(path, mountinfo string) (kind string) {
	longest := -1
	for line := range strings.Lines(mountinfo) {
		f := strings.Fields(line)
		// id parent major:minor root POINT options optional… - KIND source options
		dash := -1
		for i := 6; i < len(f); i++ {
			if f[i] == "-" {
				dash = i
				break
			}
		}
		if dash < 0 || dash+1 >= len(f) {
			continue
		}
		point := unescape(f[4])
		if len(point) >= longest && below(path, point) {
			longest, kind = len(point), f[dash+1]
		}
	}
	return kind
}

func below(path, point string) bool {
	return point == "/" || path == point || strings.HasPrefix(path, point+"/")
}

// unescape undoes the kernel's \040 for a space in a path, and the like.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

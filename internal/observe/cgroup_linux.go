package observe

import (
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// CPUQuota is how many CPUs' time the cgroup of this process, or one above it,
// may use; 0 means that there is no quota. Go's own GOMAXPROCS follows a quota but
// never goes below 2, so it does not tell.
func CPUQuota() float64 { return cpuQuota(root) }

func cpuQuota(root fs.FS) float64 {
	least := 0.0
	keep := func(quota, period float64) {
		if quota > 0 && period > 0 && (least == 0 || quota/period < least) {
			least = quota / period
		}
	}
	for _, dir := range cgroups(root, "") {
		if f := strings.Fields(text(root, dir+"/cpu.max")); len(f) == 2 {
			keep(number(f[0]), number(f[1]))
		}
	}
	for _, dir := range cgroups(root, "cpu") {
		keep(number(text(root, dir+"/cpu.cfs_quota_us")), number(text(root, dir+"/cpu.cfs_period_us")))
	}
	return least
}

// Cgroup is the version of cgroups that gives this process its CPU time, 1 or 2, and
// the folder of its own cgroup; 0 when none can be seen.
func Cgroup() (version int, dir string) { return cgroup(root) }

func cgroup(root fs.FS) (version int, dir string) {
	for i, controller := range []string{"cpu", ""} {
		for _, dir := range cgroups(root, controller) {
			if _, err := fs.Stat(root, dir+"/cgroup.procs"); err == nil {
				return i + 1, "/" + dir
			}
		}
	}
	return 0, ""
}

// MemoryLimit is the least memory in bytes that the cgroup of this process, or one
// above it, may use; 0 means that there is no limit.
func MemoryLimit() int64 { return memoryLimit(root) }

func memoryLimit(root fs.FS) int64 {
	least := math.Inf(1)
	for controller, file := range map[string]string{"": "/memory.max", "memory": "/memory.limit_in_bytes"} {
		for _, dir := range cgroups(root, controller) {
			if limit := number(text(root, dir+file)); limit > 0 && limit < noLimit {
				least = min(least, limit)
			}
		}
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return int64(least)
}

// noLimit and above is how version 1 writes that there is none: a number near the
// largest.
const noLimit = 1 << 60

// cgroupMemoryLeft is the least that a memory limit of our cgroup, or of one
// above, leaves. Cached file pages that are not in use count as free: the kernel
// drops them first.
func cgroupMemoryLeft(root fs.FS) (left int64, limited bool) {
	least := math.Inf(1)
	keep := func(limit, usage, cache float64) {
		if limit > 0 && limit < noLimit && usage >= 0 {
			least = min(least, max(0, limit-usage+max(0, cache)))
		}
	}
	for _, dir := range cgroups(root, "") {
		keep(number(text(root, dir+"/memory.max")), number(text(root, dir+"/memory.current")), entry(root, dir+"/memory.stat", "inactive_file"))
	}
	for _, dir := range cgroups(root, "memory") {
		keep(number(text(root, dir+"/memory.limit_in_bytes")), number(text(root, dir+"/memory.usage_in_bytes")), entry(root, dir+"/memory.stat", "total_inactive_file"))
	}
	if math.IsInf(least, 1) {
		return 0, false
	}
	return int64(least), true
}

// cgroups lists the folders of our cgroup and of those above it, for a
// controller of version 1, or for version 2 when controller is empty. Inside a
// container the path may be one of the host's that is not there; then what is
// mounted at the top is our own, and it is in the list.
func cgroups(root fs.FS, controller string) (dirs []string) {
	for line := range strings.Lines(text(root, "proc/self/cgroup")) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || !slices.Contains(strings.Split(f[1], ","), controller) {
			continue
		}
		tops := []string{"sys/fs/cgroup/" + f[1], "sys/fs/cgroup/" + controller}
		if controller == "" {
			tops = []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"}
		}
		for _, top := range slices.Compact(tops) {
			for p := path.Clean("/" + f[2]); ; p = path.Dir(p) {
				dirs = append(dirs, strings.TrimSuffix(top+p, "/"))
				if p == "/" {
					break
				}
			}
		}
	}
	return dirs
}

// text is the content of a small file, empty when it cannot be read.
func text(root fs.FS, path string) string {
	b, err := fs.ReadFile(root, path)
	if err != nil {
		return ""
	}
	return string(b)
}

// number is -1 for what is no number, such as "max".
func number(s string) float64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return -1
	}
	return float64(n)
}

// entry finds the line "key N".
func entry(root fs.FS, path, key string) float64 {
	for line := range strings.Lines(text(root, path)) {
		if rest, found := strings.CutPrefix(line, key+" "); found {
			return number(rest)
		}
	}
	return -1
}

package observe

import (
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"github.com/shirou/gopsutil/v4/disk"

	"redline/result"
)

// Environment is the machine and the program that measure. What is about Kafka
// (Kafka, Nodes, Storage, ClusterID) is left empty for the caller. A CPU quota
// stands with the name of the CPU, as a machine of 8 CPUs that gives us 2 is none
// of 8.
func Environment() result.Environment {
	e := result.Environment{
		Redline: version(debug.ReadBuildInfo()),
		Go:      runtime.Version(),
		OS:      runtime.GOOS + "/" + runtime.GOARCH,
		CPUs:    runtime.NumCPU(),
	}
	e.CPU, e.Kernel, e.Memory = machine()
	if q := CPUQuota(); q > 0 && q < float64(e.CPUs) {
		e.CPU += fmt.Sprintf(" (quota of %.3g CPUs)", q)
	}
	return e
}

// FreeDisk is how many bytes can be written where path is, or where its closest
// folder that exists is; 0 when that cannot be told.
func FreeDisk(path string) int64 {
	free, _ := Storage(path)
	return free
}

// Storage is how many bytes can be written where path is, or where its closest folder
// that exists is, and the file system there, such as "ext4" or "tmpfs"; 0 and "" when
// that cannot be told.
func Storage(path string) (free int64, kind string) {
	for {
		usage, err := disk.Usage(path)
		if err == nil {
			return int64(usage.Free), fileSystem(path)
		}
		parent := filepath.Dir(path)
		if parent == path {
			return 0, ""
		}
		path = parent
	}
}

// fileSystem is what is mounted closest above path. The system's own word for it is
// in the table of mounts; disk.Usage has only the family.
func fileSystem(path string) string {
	path, err := filepath.EvalSymlinks(path)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return ""
	}
	// Also with an error, which is about one mount of many.
	mounts, _ := disk.Partitions(true)
	var closest disk.PartitionStat
	for _, mount := range mounts {
		out, err := filepath.Rel(mount.Mountpoint, path)
		// Of two on one folder the later one covers the other.
		if err == nil && filepath.IsLocal(out) && len(mount.Mountpoint) >= len(closest.Mountpoint) {
			closest = mount
		}
	}
	return closest.Fstype
}

// version is the module version that this program was built from, or "devel"
// with the commit where that is known.
func version(info *debug.BuildInfo, ok bool) string {
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel+" + s.Value[:12]
		}
	}
	return "devel"
}

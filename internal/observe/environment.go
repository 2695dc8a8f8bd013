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
	for {
		usage, err := disk.Usage(path)
		if err == nil {
			return int64(usage.Free)
		}
		parent := filepath.Dir(path)
		if parent == path {
			return 0
		}
		path = parent
	}
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

package observe

import (
	"path/filepath"
	"testing"
	"testing/fstest"
)

func TestTheCgroupIsThatOfCPUTime(t *testing.T) {
	const own = "proc/self/cgroup"
	for name, c := range map[string]struct {
		fs      fstest.MapFS
		version int
		dir     string
	}{
		"none":              {files(), 0, ""},
		"v2":                {files(own, "0::/a/b\n", "sys/fs/cgroup/a/b/cgroup.procs", "1\n"), 2, "/sys/fs/cgroup/a/b"},
		"v2 in a container": {files(own, "0::/host/path\n", "sys/fs/cgroup/cgroup.procs", "1\n"), 2, "/sys/fs/cgroup"},
		"v1":                {files(own, "1:cpu:/x\n", "sys/fs/cgroup/cpu/x/cgroup.procs", "1\n"), 1, "/sys/fs/cgroup/cpu/x"},
		"hybrid":            {files(own, "1:cpu:/\n0::/\n", "sys/fs/cgroup/cpu/cgroup.procs", "1\n", "sys/fs/cgroup/unified/cgroup.procs", "1\n"), 1, "/sys/fs/cgroup/cpu"},
	} {
		if version, dir := cgroup(c.fs); version != c.version || dir != c.dir {
			t.Errorf("%s: version %d, %q", name, version, dir)
		}
	}
}

func TestTheLeastMemoryLimitOnTheWayUpHolds(t *testing.T) {
	const own = "proc/self/cgroup"
	for name, c := range map[string]struct {
		fs   fstest.MapFS
		want int64
	}{
		"none":              {files(own, "0::/a\n", "sys/fs/cgroup/a/memory.max", "max\n"), 0},
		"v2 parent is less": {files(own, "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max", "2000\n", "sys/fs/cgroup/a/memory.max", "1000\n"), 1000},
		"v1":                {files(own, "2:memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes", "3000\n"), 3000},
		"v1 none":           {files(own, "2:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712"), 0},
	} {
		if got := memoryLimit(c.fs); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestAFolderThatIsNotThereYetHasTheStorageOfTheOneAbove(t *testing.T) {
	dir := t.TempDir()
	free, kind := Storage(dir)
	if free <= 0 || kind == "" {
		t.Errorf("%d bytes, %q", free, kind)
	}
	if _, below := Storage(filepath.Join(dir, "a", "b")); below != kind {
		t.Errorf("%q below %q", below, kind)
	}
	if _, proc := Storage("/proc"); proc != "proc" {
		t.Errorf("/proc is %q", proc)
	}
}

package observe

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func collect(times int) {
	for range times {
		runtime.GC()
	}
}

func TestTheEnvironmentIsThisMachine(t *testing.T) {
	e := Environment()
	if e.CPUs != runtime.NumCPU() || e.Go != runtime.Version() || !strings.HasPrefix(e.OS, runtime.GOOS) {
		t.Errorf("%+v", e)
	}
	if e.Redline == "" || e.Kernel == "" || e.Memory < 1<<26 {
		t.Errorf("%+v", e)
	}
	if free := FreeMemory(); free <= 0 || free > e.Memory {
		t.Errorf("%d free of %d", free, e.Memory)
	}
	t.Logf("%+v, quota %v", e, CPUQuota())
}

func TestTheVersionIsTheModulesOrTheCommit(t *testing.T) {
	commit := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}}
	for want, info := range map[string]*debug.BuildInfo{
		"v1.2.3":             {Main: debug.Module{Version: "v1.2.3"}, Settings: commit},
		"devel+0123456789ab": {Main: debug.Module{Version: "(devel)"}, Settings: commit},
		"devel":              {Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "short"}}},
	} {
		if got := version(info, true); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := version(nil, false); got != "devel" {
		t.Errorf("%q without build information", got)
	}
}

package doctor

import (
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"redline/result"
)

func TestAPerfThatIsRefusedSaysWhatWouldHelp(t *testing.T) {
	root := fstest.MapFS{"proc/sys/kernel/perf_event_paranoid": &fstest.MapFile{Data: []byte("3\n")}}
	for name, c := range map[string]struct {
		err          error
		value, allow string
	}{
		"refused":     {unix.EACCES, "perf_event_paranoid is 3", "sudo sysctl kernel.perf_event_paranoid=2; a container also needs --cap-add PERFMON"},
		"no counters": {unix.ENOENT, "shows no counters", "a virtual machine needs a virtual PMU (libvirt: <pmu state='on'/>; in clouds, sizes of a whole host have one)"},
		"sandbox":     {unix.ENOSYS, "sandbox", "run outside the sandbox, on a kernel with CONFIG_PERF_EVENTS"},
	} {
		f := perfRefused(root, c.err)
		judged(t, name, f, result.No, c.value)
		if f.allow != c.allow {
			t.Errorf("%s: %q", name, f.allow)
		}
	}
}

func TestTCPInfoIsReadOrItsRefusalNamed(t *testing.T) {
	f := tcpInfo(t.Context(), machine{})
	if f.state != result.Yes && f.state != result.No || f.value == "" {
		t.Errorf("%+v", f)
	}
}

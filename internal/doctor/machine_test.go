package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"redline/result"
)

// judged fails when a finding has another state, or does not say the text.
func judged(t *testing.T, name string, f finding, state result.Allowed, says string) {
	t.Helper()
	if f.state != state || !strings.Contains(f.value, says) {
		t.Errorf("%s: %s, %q; want %s with %q", name, f.state, f.value, state, says)
	}
}

func TestFiguresOfTheMachineAreJudged(t *testing.T) {
	const gib = 1 << 30
	judged(t, "two CPUs", countedCPUs(2, "Some"), result.Yes, "2 × Some")
	judged(t, "one CPU", countedCPUs(1, ""), result.No, "1 × ")
	judged(t, "no quota", quotaOf(0, 4), result.Yes, "none")
	judged(t, "a quota of all", quotaOf(4, 4), result.Yes, "none")
	judged(t, "a quota", quotaOf(1.5, 4), result.No, "1.5 of 4")
	judged(t, "GOMAXPROCS", procs(4, 4, 0), result.Yes, "4 of 4")
	judged(t, "GOMAXPROCS lowered", procs(1, 4, 0), result.No, "1 of 4")
	judged(t, "GOMAXPROCS by a quota", procs(2, 4, 0.5), result.Yes, "2 of 4")
	judged(t, "memory", memoryOf(3*gib, 8*gib, 0), result.Yes, "3 GiB free of 8 GiB")
	judged(t, "little memory", memoryOf(1*gib, 8*gib, 2*gib), result.No, "may use 2 GiB")
	judged(t, "memory unknown", memoryOf(0, 8*gib, 0), result.Unknown, "")
	judged(t, "no swap", swapOf(0, 0), result.Yes, "none")
	judged(t, "swap", swapOf(gib, 2*gib), result.No, "1 GiB of 2 GiB")
	judged(t, "files", filesOf(65536), result.Yes, "65,536")
	judged(t, "few files", filesOf(256), result.No, "256")
	judged(t, "files without limit", filesOf(1<<64-1), result.Yes, "no limit")
	judged(t, "a fast clock", clockOf("tsc", 40*time.Nanosecond), result.Yes, "40ns a reading, clock source tsc")
	judged(t, "a slow clock", clockOf("hpet", 900*time.Nanosecond), result.No, "hpet")
	judged(t, "a clock without a name", clockOf("", 40*time.Nanosecond), result.Yes, "40ns a reading")
	judged(t, "room", roomOf("/x", 10*gib, "ext4", gib), result.Yes, "10 GiB free on ext4, in /x")
	judged(t, "no room", roomOf("/x", 1<<20, "ext4", gib), result.No, "1 MiB")
	judged(t, "room unknown", roomOf("/x", 0, "", gib), result.Unknown, "/x")
	judged(t, "a disk", diskOf("/x", 100*gib, "xfs"), result.Yes, "xfs")
	judged(t, "a disk in memory", diskOf("/x", 100*gib, "tmpfs"), result.No, "memory")
}

func TestAVirtualMachineIsRecognized(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	guest := fstest.MapFS{
		"proc/cpuinfo":                        file("processor\t: 0\nflags\t\t: fpu vme hypervisor tsc\n"),
		"sys/class/dmi/id/sys_vendor":         file("QEMU\n"),
		"sys/class/dmi/id/product_name":       file("Standard PC\n"),
		"proc/pressure/cpu":                   file("some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"),
		"proc/pressure/io":                    file("some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"),
		"proc/sys/kernel/perf_event_paranoid": file("3\n"),
	}
	judged(t, "guest", hardware(guest), result.No, "QEMU Standard PC")
	judged(t, "host", hardware(fstest.MapFS{"proc/cpuinfo": file("flags : fpu\n")}), result.Yes, "no hypervisor")
	judged(t, "ARM", hardware(fstest.MapFS{"proc/cpuinfo": file("Features : fp asimd\n")}), result.Unknown, "")
	judged(t, "two of three pressures", pressure(guest), result.No, "not for memory")
	judged(t, "no pressure", pressure(fstest.MapFS{}), result.No, "does not count")
}

func TestAJavaIsJudgedByItsVersion(t *testing.T) {
	judged(t, "17", javaOf("java", "openjdk version \"17.0.9\" 2023-10-17\nOpenJDK Runtime\n"), result.Yes, "17.0.9")
	judged(t, "8", javaOf("java", "java version \"1.8.0_392\"\n"), result.No, "1.8.0_392")
	judged(t, "early access", javaOf("java", "openjdk version \"25-ea\" 2025-09-16"), result.Yes, "25-ea")
	judged(t, "no Java", javaOf("java", "usage: java"), result.Unknown, "java")
}

func TestACgroupThatIsTriedIsGoneAfterwards(t *testing.T) {
	dir := t.TempDir()
	judged(t, "writable", childOf(dir), result.Yes, dir)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	judged(t, "missing", childOf(filepath.Join(dir, "none")), result.No, "no such file")
}

func TestAFolderThatCannotBeWrittenToIsNoRoom(t *testing.T) {
	dir := t.TempDir()
	below := filepath.Join(dir, "not", "there", "yet")
	judged(t, "writable", room(below, 1), result.Yes, below)
	judged(t, "a broker's", disk(""), result.Unknown, "REDLINE_STATE")
	if os.Getuid() == 0 {
		return // root may write everywhere
	}
	if err := os.Chmod(dir, 0o555); err != nil { //nolint:gosec // read only is what is tried
		t.Fatal(err)
	}
	judged(t, "read only", room(below, 1), result.No, "cannot be written to")
	judged(t, "read only, a broker's", disk(below), result.No, "cannot be written to")
}

func TestAToolIsLookedForInPath(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	judged(t, "none", found("one", "other"), result.No, "no one or other")
	path := filepath.Join(dir, "other")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil { //nolint:gosec // a program has to be executable
		t.Fatal(err)
	}
	judged(t, "the second", found("one", "other"), result.Yes, path)
	m := machine{Options: Options{Getenv: func(name string) string { return map[string]string{"CC": "other -m64"}[name] }}}
	judged(t, "CC", compiler(t.Context(), m), result.Yes, path)
	judged(t, "no Java", java(t.Context(), m), result.No, "no java")
}

func TestJavaHomeComesBeforePath(t *testing.T) {
	home := t.TempDir()
	program := filepath.Join(home, "bin", "java")
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho 'openjdk version \"21.0.1\"' >&2\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil { //nolint:gosec // a program has to be executable
		t.Fatal(err)
	}
	m := machine{Options: Options{Getenv: func(name string) string { return map[string]string{"JAVA_HOME": home}[name] }}}
	judged(t, "Java", java(t.Context(), m), result.Yes, program+`: version "21.0.1"`)
}

package observe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

const burnVariable = "REDLINE_TEST_BURN"

// TestMain makes the test binary a broker or a client that burns CPU when it is told to,
// says so, and waits until its standard input ends. When the variable says "child" a
// child of it does so.
func TestMain(m *testing.M) {
	if os.Getenv(burnVariable) == "child" {
		cmd := exec.CommandContext(context.Background(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), burnVariable+"=1")
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
		if err := cmd.Run(); err != nil {
			os.Exit(1)
		}
		fmt.Fprintln(os.Stdout, "reaped")
		time.Sleep(time.Minute) // until it is killed
	}
	if os.Getenv(burnVariable) != "" {
		if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
			return
		}
		burn(200 * time.Millisecond)
		fmt.Fprintln(os.Stdout, "burnt")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	os.Exit(m.Run())
}

// burn uses CPU time of this process, however long that takes.
func burn(d time.Duration) {
	var missing []string
	start, _ := self(&missing)
	for now := start; now-start < d.Seconds(); now, _ = self(&missing) {
		x := 1.0
		for range 100_000 {
			x = math.Sqrt(x + 1)
		}
	}
}

type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
}

func startChild(t *testing.T) *child {
	t.Helper()
	return startAs(t, "1")
}

func startAs(t *testing.T, what string) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), burnVariable+"="+what, "GOMAXPROCS=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd, in, bufio.NewReader(out)}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	return c
}

func (c *child) burn(t *testing.T) {
	t.Helper()
	if _, err := c.stdin.Write([]byte("b")); err != nil {
		t.Fatal(err)
	}
	if line, err := c.out.ReadString('\n'); err != nil || line != "burnt\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
}

func TestABrokersCPUIsCountedAndKeptAfterItsEnd(t *testing.T) {
	one, two := startChild(t), startChild(t)
	w := Begin([]int{one.cmd.Process.Pid, two.cmd.Process.Pid})
	one.burn(t)
	two.burn(t)
	u := w.Usage()
	// Each burns 200 ms, and its start may lie behind Begin; a tick is 10 ms.
	if u.BrokerCPU < 0.37 || u.BrokerCPU > 1.2 {
		t.Errorf("brokers used %.2f s of CPU, want about 0.4", u.BrokerCPU)
	}
	if u.BrokerPeakRSS < 1<<20 || u.ClientPeakRSS < 1<<20 {
		t.Errorf("peaks %d and %d", u.BrokerPeakRSS, u.ClientPeakRSS)
	}
	if u.HostCPU < u.BrokerCPU-0.1 {
		t.Errorf("host %.2f s less than the brokers' %.2f s", u.HostCPU, u.BrokerCPU)
	}
	if len(u.Missing) != 0 || u.WireRead != -1 || u.WireWritten != -1 {
		t.Errorf("missing %q, wire %d %d", u.Missing, u.WireRead, u.WireWritten)
	}
	if err := one.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := one.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	after := w.Usage()
	want := fmt.Sprintf("broker process %d after it ended", one.cmd.Process.Pid)
	if after.BrokerCPU < u.BrokerCPU || after.BrokerPeakRSS < u.BrokerPeakRSS || !slices.Equal(after.Missing, []string{want}) {
		t.Errorf("after its end: %.2f s (before %.2f), %d bytes, missing %q", after.BrokerCPU, u.BrokerCPU, after.BrokerPeakRSS, after.Missing)
	}
}

func TestAnotherProcessWithTheSameIDIsNotTheBroker(t *testing.T) {
	p := process{role: "broker", pid: os.Getpid(), started: 1, cpu: 7}
	p.update()
	if p.cpu != 7 || p.missing == "" {
		t.Errorf("took over a stranger: %+v", p)
	}
}

func TestABrokerThatNeverWasIsMissingAndUnknown(t *testing.T) {
	u := Begin([]int{1 << 30}).Usage()
	if u.BrokerCPU != -1 || len(u.Missing) != 1 {
		t.Errorf("%v, missing %q", u.BrokerCPU, u.Missing)
	}
	if u := Begin(nil).Usage(); u.BrokerCPU != -1 || len(u.Missing) != 0 {
		t.Errorf("without brokers: %v, missing %q", u.BrokerCPU, u.Missing)
	}
}

func TestTheClientsCPUAndGCShareAreOfThisProcess(t *testing.T) {
	percent := debug.SetGCPercent(-1) // what other tests left is not to be collected in the quiet part
	defer debug.SetGCPercent(percent)
	collect(1)
	a := Begin(nil)
	burn(60 * time.Millisecond)
	quiet := a.Usage()
	if quiet.ClientCPU < 0.06 || quiet.ClientCPU > 0.5 || quiet.Wall <= 0 {
		t.Errorf("client used %.3f s in %v", quiet.ClientCPU, quiet.Wall)
	}
	w := Begin(nil)
	keep := make([]*[64]*int, 50_000) // something to mark
	for i := range keep {
		keep[i] = new([64]*int)
	}
	collect(20)
	busy := w.Usage()
	if busy.GCShare <= quiet.GCShare || busy.GCShare > 1 || quiet.GCShare < 0 {
		t.Errorf("GC share %.3f when collecting, %.3f else", busy.GCShare, quiet.GCShare)
	}
	_ = keep[0]
}

func TestTwoReadingsGiveTheWindowBetweenThem(t *testing.T) {
	w := Begin(nil)
	a := w.Split()
	burn(30 * time.Millisecond)
	b := w.Split()
	if u := Between(a, b); u.ClientCPU < 0.03 || u.ClientCPU > w.Usage().ClientCPU {
		t.Errorf("window %.3f s, whole %.3f s", u.ClientCPU, w.Usage().ClientCPU)
	}
	if u := Between(Reading{HostCPU: 5.01, StealCPU: -1}, Reading{HostCPU: 5, StealCPU: 3}); u.HostCPU != 0 || u.StealCPU != -1 {
		t.Errorf("host %v, steal %v", u.HostCPU, u.StealCPU)
	}
}

func TestAReadingCostsLessThanAMillisecond(t *testing.T) {
	w := Begin([]int{os.Getpid()})
	var took []time.Duration
	for range 51 {
		start := time.Now()
		w.Split()
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	t.Logf("median %v", took[25])
	if took[25] > time.Millisecond {
		t.Errorf("median %v", took[25])
	}
}

func TestStatLinesAreReadWhateverTheProgramIsCalled(t *testing.T) {
	rest := " S 1 2 3 0 -1 4194304 101 0 0 0 150 50 900 900 20 0 1 0 67762 3133440 416 18446744073709551615"
	for _, name := range []string{"java", "a b", "x) R 1 1 1 (y", "(", ")", "\n", "9 9 9"} {
		got, err := parseStat([]byte("42 (" + name + ")" + rest))
		if err != nil || got != (stat{name: name, parent: 1, cpu: 2, reaped: 18, started: 67762}) {
			t.Errorf("name %q: %+v, %v", name, got, err)
		}
	}
	for _, bad := range []string{"", "42", "42 (java", "42 (java)", "42 (java) S 1 2", "42 (a)" + strings.Replace(rest, "150", "-5", 1), "42 (a)" + strings.Replace(rest, "67762", "99999999999999999999", 1)} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q read as %+v", bad, got)
		}
	}
}

func FuzzStatNeverPanicsNorGoesNegative(f *testing.F) {
	f.Add([]byte("42 (a) b) S 1 2 3 0 -1 4194304 101 0 0 0 150 50 900 900 20 0 1 0 67762 3133440 416"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseStat(b); err == nil && s.cpu < 0 {
			t.Error(s)
		}
		_, _, _ = parseHost(string(b))
	})
}

func TestHostTimeLeavesOutIdleWaitAndGuests(t *testing.T) {
	busy, steal, err := parseHost("cpu  100 10 50 9000 700 3 7 25 60 5\ncpu0 …")
	if err != nil || busy != 1.7 || steal != 0.25 {
		t.Errorf("busy %v, steal %v, %v", busy, steal, err)
	}
	for _, bad := range []string{"", "cpu", "cpu0 1 2 3 4 5 6 7 8", "cpu  0 0 0 0 0 0 0 0 0 0", "cpu a b c d e f g h"} {
		if _, _, err := parseHost(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestSizesAreReadInKilobytesAndElseUnknown(t *testing.T) {
	root := fstest.MapFS{"proc/7/status": {Data: []byte("Name:\tVmHWM: 9 kB\nVmHWMX: 1 kB\nVmHWM:\t  2172 kB\n")}, "proc/8/status": {Data: []byte("VmHWM: -4 kB\n")}, "proc/9/status": {Data: []byte("VmHWM: 99999999999999999999 kB")}}
	for pid, want := range map[string]int64{"7": 2172 << 10, "8": 0, "9": 0, "10": 0} {
		if got := peakRSS(root, pid); got != want {
			t.Errorf("%s: %d, want %d", pid, got, want)
		}
	}
}

func files(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

func TestTheLeastCPUQuotaOnTheWayUpHolds(t *testing.T) {
	const own, v2, v1 = "proc/self/cgroup", "sys/fs/cgroup/", "sys/fs/cgroup/cpu/"
	for name, c := range map[string]struct {
		fs   fstest.MapFS
		want float64
	}{
		"no cgroup":          {files(), 0},
		"v2 none":            {files(own, "0::/a/b\n", v2+"a/b/cpu.max", "max 100000\n"), 0},
		"v2":                 {files(own, "0::/a/b\n", v2+"a/b/cpu.max", "150000 100000\n"), 1.5},
		"v2 parent is less":  {files(own, "0::/a/b\n", v2+"a/b/cpu.max", "400000 100000\n", v2+"a/cpu.max", "50000 100000"), 0.5},
		"v2 in a container":  {files(own, "0::/host/path\n", v2+"cpu.max", "200000 100000\n"), 2},
		"v1":                 {files(own, "4:memory:/\n3:cpu,cpuacct:/x\n", "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "50000\n", "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n"), 0.5},
		"v1 mounted by name": {files(own, "1:cpu:/\n", v1+"cpu.cfs_quota_us", "300000", v1+"cpu.cfs_period_us", "100000"), 3},
		"v1 none":            {files(own, "1:cpu:/\n", v1+"cpu.cfs_quota_us", "-1", v1+"cpu.cfs_period_us", "100000"), 0},
		"hostile":            {files(own, "::\n0::../../..\n:::\n1:cpu:\n", v2+"cpu.max", "1 0\n", v1+"cpu.cfs_quota_us", "x"), 0},
	} {
		if got := cpuQuota(c.fs); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestAMemoryLimitLeavesItsRestAndTheCache(t *testing.T) {
	v2 := files("proc/self/cgroup", "0::/a\n", "sys/fs/cgroup/a/memory.max", "1000\n", "sys/fs/cgroup/a/memory.current", "700\n", "sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 200\n")
	if left, limited := cgroupMemoryLeft(v2); left != 500 || !limited {
		t.Error(left, limited)
	}
	v1 := files("proc/self/cgroup", "2:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712", "sys/fs/cgroup/memory/memory.usage_in_bytes", "1")
	if _, limited := cgroupMemoryLeft(v1); limited {
		t.Error("no limit was taken for one")
	}
}

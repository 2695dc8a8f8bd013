package observe

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/fstest"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"redline/result"
)

func TestAnotherClientsCPUIsThatOfAllItStarted(t *testing.T) {
	c := startAs(t, "child")
	w := Begin(nil)
	w.Client(c.cmd.Process.Pid)
	a := w.Split()
	burn(100 * time.Millisecond) // of our own
	c.burn(t)
	w.client.listed = time.Time{} // it is young
	b := w.Split()
	running := Between(a, b)
	// Its child burns 200 ms, and what starting it took may be in it.
	if running.ClientCPU < 0.18 || running.ClientCPU > 0.6 || running.GCShare != -1 || len(running.Missing) != 0 {
		t.Errorf("%+v", running)
	}
	if running.ClientPeakRSS < 1<<20 {
		t.Errorf("peak %d", running.ClientPeakRSS)
	}
	if err := c.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if line, err := c.out.ReadString('\n'); err != nil || line != "reaped\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if ended := Between(a, w.Split()); ended.ClientCPU < running.ClientCPU {
		t.Errorf("%.2f s when its child has ended, %.2f s before", ended.ClientCPU, running.ClientCPU)
	}
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait()
	u := w.Usage()
	want := []string{fmt.Sprintf("client process %d after it ended", c.cmd.Process.Pid)}
	if u.ClientCPU < running.ClientCPU || !slices.Equal(u.Missing, want) {
		t.Errorf("after its end: %.2f s (before %.2f), missing %q", u.ClientCPU, running.ClientCPU, u.Missing)
	}
}

func TestOurCPUBesideAnotherClientIsNotForeign(t *testing.T) {
	w := Begin(nil)
	c := startChild(t)
	w.Client(c.cmd.Process.Pid)
	from := w.Around()
	burn(100 * time.Millisecond)
	to := w.Around()
	wall := to.at.Sub(from.at)
	u := result.Usage{Wall: wall, CPUs: 2, HostCPU: 0.3, ClientCPU: 0.1, BrokerCPU: -1, StealCPU: -1}
	got := Conditions(u, true, from, to).Foreign * wall.Seconds()
	if want := 0.2 - (to.own - from.own); to.own-from.own < 0.1 || math.Abs(got-max(0, want)) > 1e-9 {
		t.Errorf("%.3f s foreign, want %.3f s", got, want)
	}
	from.client = 0 // it was named in between: what is ours is not known
	if got := Conditions(u, true, from, to).Foreign * wall.Seconds(); math.Abs(got-0.2) > 1e-9 {
		t.Errorf("%.3f s foreign, want 0.2 s", got)
	}
	if mine := Begin(nil); mine.Around().own != 0 {
		t.Error("a client that is this process is not beside itself")
	}
}

func TestAnotherClientBetweenTwoReadingsMakesThemUnknown(t *testing.T) {
	w := Begin(nil)
	a := w.Split()
	w.Client(startChild(t).cmd.Process.Pid)
	if u := Between(a, w.Split()); u.ClientCPU != -1 || u.GCShare != -1 {
		t.Errorf("%v, %v", u.ClientCPU, u.GCShare)
	}
	if u := w.Usage(); u.ClientCPU < 0 {
		t.Errorf("usage since then: %v", u.ClientCPU)
	}
}

func TestABrokerThatComesLaterIsOne(t *testing.T) {
	w := Begin(nil)
	c := startChild(t)
	w.Broker(c.cmd.Process.Pid)
	c.burn(t)
	if r := w.Split(); r.BrokerCPU < 0.18 || len(r.Missing) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestWithoutListsOfChildrenParentsAreAsked(t *testing.T) {
	stat := func(parent int) string {
		return fmt.Sprintf("9 (x) S %d 2 3 0 -1 4194304 101 0 0 0 150 50 900 900 20 0 1 0 67762 3133440 416", parent)
	}
	made := fstest.MapFS{"proc/10/stat": {Data: []byte(stat(7))}, "proc/11/stat": {Data: []byte(stat(8))}, "proc/12/stat": {Data: []byte(stat(7))}, "proc/13/stat": {Data: []byte("?")}, "proc/meminfo": {}}
	if got := childrenOf(made, 7); !slices.Equal(got, []int{10, 12}) {
		t.Error(got)
	}
	c := startChild(t)
	if !slices.Contains(children(os.Getpid()), c.cmd.Process.Pid) || !slices.Contains(childrenOf(root, os.Getpid()), c.cmd.Process.Pid) {
		t.Error("a child is not found")
	}
}

func TestAReadingOfAFamilyCostsLessThanAMillisecond(t *testing.T) {
	w := Begin(nil)
	w.Client(os.Getpid()) // with what this test has started
	for range 3 {
		startChild(t)
	}
	var took []time.Duration
	for range 51 {
		w.client.listed = time.Time{} // the dear case
		start := time.Now()
		w.Split()
		took = append(took, time.Since(start))
	}
	if least := slices.Min(took); least > time.Millisecond { // others work here too
		t.Errorf("%v", least)
	}
}

func TestTheBusiestThreadIsNamedWhereItHasAName(t *testing.T) {
	w := Begin(nil)
	a := w.Threads()
	named := make(chan ThreadReading)
	var work func()
	work = func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its name
		if unix.Gettid() == os.Getpid() {
			go work() // the name of the first thread is everybody's
			return
		}
		name, err := unix.BytePtrFromString("rdk:br\x1boker")
		if err == nil {
			err = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0)
		}
		if err != nil {
			t.Error(err)
		}
		burn(200 * time.Millisecond)
		named <- w.Threads()
	}
	go work()
	share, name := Busiest(a, <-named)
	if share <= 0 || share > 1 || name != "rdk:br?oker" { // others work here too
		t.Errorf("%.2f by %q", share, name)
	}
	if share, name := Busiest(a, a); share != -1 || name != "" {
		t.Errorf("no time: %v by %q", share, name)
	}
	if share, _ := Busiest(ThreadReading{}, ThreadReading{at: time.Now()}); share != -1 {
		t.Errorf("no threads: %v", share)
	}
}

func TestTheThreadsOfAnotherClientAreItsOwn(t *testing.T) {
	c := startAs(t, "child")
	w := Begin(nil)
	w.Client(c.cmd.Process.Pid)
	c.burn(t)
	w.client.listed = time.Time{}
	w.Split()
	a := w.Threads()
	for _, thread := range a.all {
		if thread.id.pid == os.Getpid() {
			t.Errorf("%+v is ours", thread)
		}
	}
	if len(a.all) < 2 {
		t.Errorf("%d threads of two processes", len(a.all))
	}
}

package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// quota is a cgroup that bounds the CPU time of what runs in it.
type quota struct {
	folder string
	second bool     // version 2 of cgroups
	open   *os.File // the folder, where processes are put by it
}

// quotaPeriod is what CPU time is given for, in microseconds; it is the kernel's default.
const quotaPeriod = 100_000

// newQuota makes a cgroup with so many CPUs. The error says why there can be none.
func newQuota(cpus float64) (*quota, error) {
	name := fmt.Sprintf("redline-quota-%d", os.Getpid())
	limit := int(cpus * quotaPeriod)
	if _, err := os.Stat("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"); err == nil {
		return makeQuota(&quota{folder: filepath.Join("/sys/fs/cgroup/cpu", name)}, map[string]string{
			"cpu.cfs_period_us": fmt.Sprint(quotaPeriod), "cpu.cfs_quota_us": fmt.Sprint(limit),
		})
	}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err != nil {
		return nil, errors.New("no cgroups with CPU quotas are mounted in /sys/fs/cgroup")
	}
	// The kernel refuses this where processes are in what we see as the root, as in most
	// containers.
	if err := os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+cpu"), 0); err != nil {
		return nil, err
	}
	return makeQuota(&quota{folder: filepath.Join("/sys/fs/cgroup", name), second: true}, map[string]string{
		"cpu.max": fmt.Sprintf("%d %d", limit, quotaPeriod),
	})
}

func makeQuota(q *quota, set map[string]string) (*quota, error) {
	if err := os.Mkdir(q.folder, 0o755); err != nil {
		return nil, err
	}
	for file, value := range set {
		if err := os.WriteFile(filepath.Join(q.folder, file), []byte(value), 0); err != nil {
			return nil, errors.Join(err, q.remove())
		}
	}
	var err error
	if q.open, err = os.Open(q.folder); err != nil {
		return nil, errors.Join(err, q.remove())
	}
	return q, nil
}

// enter makes a command begin within the quota: Go looks at it once, at its start.
func (q *quota) enter(cmd *exec.Cmd) {
	if q.second {
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(q.open.Fd())}
		return
	}
	// Version 1 knows no such start: a shell goes in and becomes the command.
	shell := exec.CommandContext(context.Background(), "sh", append([]string{"-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, q.folder}, cmd.Args...)...)
	cmd.Path, cmd.Args = shell.Path, shell.Args
}

// remove deletes the cgroup, which takes a moment after its last process ended.
func (q *quota) remove() error {
	if q.open != nil {
		q.open.Close()
	}
	var err error
	for range 50 {
		if err = os.Remove(q.folder); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// throttled is what the kernel counts of the quota.
func (q *quota) throttled() string {
	stat, err := os.ReadFile(filepath.Join(q.folder, "cpu.stat"))
	if err != nil {
		return err.Error()
	}
	return string(bytes.Join(bytes.Split(bytes.TrimSpace(stat), []byte("\n")), []byte(", ")))
}

// BenchmarkDirectQuota reads a backlog with half a CPU for the client, and as much as it
// likes for the broker. REDLINE_CPUS sets another share, in hundredths.
//
//	REDLINE_TEST_KAFKA=1 go test ./test/kafka -run '^$' -bench DirectQuota -benchtime 1x -timeout 30m
func BenchmarkDirectQuota(b *testing.B) { measure(b, (*scene).measureQuota) }

func (s *scene) measureQuota() {
	cpus := float64(number(s.tb, "REDLINE_CPUS", 50)) / 100
	q, err := newQuota(cpus)
	if err != nil {
		say("cannot, because no quota of CPU time can be set here: %v", err)
		s.tb.SkipNow()
	}
	s.tb.Cleanup(func() {
		if err := q.remove(); err != nil {
			s.tb.Error(err)
		}
	})
	s.topic("quota", 8, nil)
	s.fill("quota", number(s.tb, "REDLINE_RECORDS", 8_000_000))
	s.where(fmt.Sprintf("8 partitions, 100 B, the client with %.2f CPUs", cpus))
	d := s.fight("quota", windowed(s.tb, job{Work: "backlog", Topic: "quota"}), q.enter)
	d.agree(s.tb)
	d.tell(rate, cost, peak)
	say("the quota: %s", q.throttled())
}

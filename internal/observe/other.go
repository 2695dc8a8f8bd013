//go:build !linux

package observe

import (
	"errors"
	"os"

	"github.com/shirou/gopsutil/v4/cpu"
	gohost "github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
	goprocess "github.com/shirou/gopsutil/v4/process"
)

// self is the CPU time of this process in seconds. Other systems than Linux
// keep no highest resident size that can be asked for.
func self(missing *[]string) (cpuSeconds float64, peak int64) {
	*missing = append(*missing, "peak memory of processes")
	p := process{pid: os.Getpid(), cpu: unknown}
	p.update()
	if p.cpu < 0 {
		*missing = append(*missing, "CPU of this process")
	}
	return p.cpu, 0
}

// update takes a new reading of a process. When there is none any more the last
// one stays, and missing says so.
func (p *process) update() {
	proc, err := goprocess.NewProcess(int32(p.pid))
	if err == nil {
		err = p.read(proc)
	}
	switch {
	case errors.Is(err, goprocess.ErrorProcessNotRunning):
		p.missing = p.gone()
	case err != nil:
		p.missing = p.unreadable(err)
	}
}

func (p *process) read(proc *goprocess.Process) error {
	created, err := proc.CreateTime()
	if err != nil {
		return err
	}
	if p.started != 0 && p.started != uint64(created) {
		return goprocess.ErrorProcessNotRunning
	}
	t, err := proc.Times()
	if err != nil {
		return err
	}
	p.started, p.cpu = uint64(created), t.User+t.System
	return nil
}

// host is the busy time of all processors in CPU seconds.
func host(missing *[]string) (busy, steal float64) {
	*missing = append(*missing, "CPU time stolen by the hypervisor")
	t, err := cpu.Times(false)
	if err != nil || len(t) == 0 {
		*missing = append(*missing, "CPU of the host")
		return unknown, unknown
	}
	return t[0].User + t[0].Nice + t[0].System + t[0].Irq + t[0].Softirq, unknown
}

// machine is the CPU's name, the kernel's release and the memory in bytes; empty
// or 0 where the system does not tell.
func machine() (model, kernel string, memory int64) {
	if info, err := cpu.Info(); err == nil && len(info) > 0 {
		model = info[0].ModelName
	}
	if k, err := gohost.KernelVersion(); err == nil {
		kernel = k
	}
	if m, err := mem.VirtualMemory(); err == nil {
		memory = int64(m.Total)
	}
	return model, kernel, memory
}

// CPUQuota is how many CPUs' time this process may use; always 0 here: only
// Linux has quotas that redline knows.
func CPUQuota() float64 { return 0 }

// Cgroup and MemoryLimit are Linux's: there is none here.
func Cgroup() (version int, dir string) { return 0, "" }

// MemoryLimit is how much memory this process may use; always 0 here, see Cgroup.
func MemoryLimit() int64 { return 0 }

// FreeMemory is how many bytes a new process could use without swapping; 0 means
// not known.
func FreeMemory() int64 {
	m, err := mem.VirtualMemory()
	if err != nil {
		return 0
	}
	return int64(m.Available)
}

// pressure and contextSwitches are Linux's.
func pressure(string) float64 { return unknown }
func contextSwitches() int64  { return unknown }

// children and threads are Linux's.
func children(int) []int   { return nil }
func threads(int) []thread { return nil }

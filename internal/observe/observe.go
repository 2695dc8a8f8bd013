// Package observe reads what was busy while something was measured: the process
// ids of the brokers and clients we started enter, readings of CPU, memory and garbage
// collection leave. It only looks; nothing here changes what it looks at.
//
// There is a file per source: cpu_linux.go, host_linux.go, memory_linux.go,
// family_linux.go, threads_linux.go and cgroup_linux.go read /proc and /sys themselves,
// which takes microseconds; gc.go asks the Go runtime; other.go has what gopsutil knows
// on other systems. What a system does not show is -1 (or 0 for sizes) and named
// in Missing.
package observe

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"redline/result"
)

// unknown stands for a reading that cannot be had.
const unknown = -1

// Reading is the state at one moment. CPU is in seconds since the measured
// began, so two Readings differ by what was used between them.
type Reading struct {
	At time.Time
	// ClientCPU is of this process, or of the one that does the client's work and all
	// that it started (see Client); BrokerCPU of all broker processes together,
	// HostCPU all busy time of all processors but steal, StealCPU what the
	// hypervisor took, GCCPU of the Go garbage collector here without idle
	// marking. -1 means not known.
	ClientCPU, BrokerCPU, HostCPU, StealCPU, GCCPU float64
	// ClientPeakRSS and BrokerPeakRSS are the highest resident sizes in bytes so far, those
	// of several processes added up; 0 means not known.
	ClientPeakRSS, BrokerPeakRSS int64
	// Missing names what could not be read, and brokers and clients that have ended.
	Missing []string
	// client is the process id given to Client; 0 for our own.
	client int
}

// process is the last thing that was seen of a process.
type process struct {
	role    string // "broker" or "client"
	pid     int
	started uint64 // tells a process from a later one with its id; 0 when unknown
	cpu     float64
	reaped  float64 // CPU of its children that ended and that it waited for
	peak    int64
	missing string // why there will be no newer reading
}

// Watch reads the client, the host and some brokers. Its methods may be called from
// several goroutines.
type Watch struct {
	mu      sync.Mutex
	client  *family // nil: it is this process
	brokers []process
	first   Reading
}

// Begin takes a first reading. A broker that has ended already is named in
// Missing.
func Begin(brokerPIDs []int) *Watch {
	w := &Watch{}
	for _, pid := range brokerPIDs {
		w.Broker(pid)
	}
	w.first = w.Split()
	return w
}

// Broker adds a process that does a broker's work. What it used before is in the
// readings from now on: add it before the first one that counts.
func (w *Watch) Broker(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.brokers = append(w.brokers, process{role: "broker", pid: pid, cpu: unknown})
}

// Client names the process that does the client's work in the place of this one. From
// now on ClientCPU and ClientPeakRSS are those of it and of all that it started, also
// of what had ended before it was seen, and Usage counts from here. Our own CPU is in
// neither then: take Around from this Watch, so that it is not held for foreign work.
func (w *Watch) Client(pid int) {
	w.mu.Lock()
	w.client = newFamily("client", pid)
	w.mu.Unlock()
	first := w.Split()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.first = first
}

// Split reads everything now. It costs well below a millisecond on Linux, so it
// may stand at both edges of a window: see Between.
func (w *Watch) Split() Reading {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := Reading{BrokerCPU: unknown}
	if w.client == nil {
		r.ClientCPU, r.ClientPeakRSS = self(&r.Missing)
		r.GCCPU = gcCPU()
	} else {
		w.client.update(&r.Missing)
		r.client = w.client.first.pid
		r.ClientCPU, r.ClientPeakRSS, r.GCCPU = w.client.cpu, w.client.peak, unknown
	}
	for i := range w.brokers {
		b := &w.brokers[i]
		if b.missing == "" {
			b.update()
		}
		if b.missing != "" {
			r.Missing = append(r.Missing, b.missing)
		}
		if b.cpu >= 0 {
			r.BrokerCPU = max(r.BrokerCPU, 0) + b.cpu
		}
		r.BrokerPeakRSS += b.peak
	}
	r.HostCPU, r.StealCPU = host(&r.Missing)
	r.At = time.Now()
	return r
}

// Usage is what was used since Begin. WireRead and WireWritten are -1, for the
// caller to fill.
func (w *Watch) Usage() result.Usage {
	now := w.Split()
	w.mu.Lock()
	defer w.mu.Unlock()
	return Between(w.first, now)
}

// Between is what was used from reading a to the later reading b of the same
// Watch. A process that ended between the two counts with what it had used when
// it was last seen. WireRead and WireWritten are -1, for the caller to fill, and so is
// ClientCPU when another client was named between the two.
func Between(a, b Reading) result.Usage {
	u := result.Usage{
		Wall:          b.At.Sub(a.At),
		CPUs:          runtime.NumCPU(),
		ClientCPU:     used(a.ClientCPU, b.ClientCPU),
		BrokerCPU:     used(a.BrokerCPU, b.BrokerCPU),
		HostCPU:       used(a.HostCPU, b.HostCPU),
		StealCPU:      used(a.StealCPU, b.StealCPU),
		ClientPeakRSS: b.ClientPeakRSS,
		BrokerPeakRSS: b.BrokerPeakRSS,
		GCShare:       unknown,
		WireRead:      unknown,
		WireWritten:   unknown,
		Missing:       slices.Compact(slices.Sorted(slices.Values(slices.Concat(a.Missing, b.Missing)))),
	}
	if a.client != b.client {
		u.ClientCPU = unknown
	}
	// The runtime's own CPU classes add up to GOMAXPROCS x wall, threads that
	// wait for a processor included, so their sum is no base for a share. The
	// collector's part is an estimate of the same kind; hence the bound.
	if gc := used(a.GCCPU, b.GCCPU); gc >= 0 && u.ClientCPU > 0 {
		u.GCShare = min(1, gc/u.ClientCPU)
	}
	return u
}

// used is the difference of two cumulative figures, or unknown. Host counters
// may step back by a tick; that is no negative use.
func used(a, b float64) float64 {
	if a < 0 || b < 0 {
		return unknown
	}
	return max(0, b-a)
}

// gone and unreadable say why a process has no newer reading.
func (p *process) gone() string {
	return fmt.Sprintf("%s process %d after it ended", p.role, p.pid)
}

func (p *process) unreadable(err error) string {
	return fmt.Sprintf("%s process %d (%v)", p.role, p.pid, err)
}

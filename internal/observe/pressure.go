package observe

import (
	"time"

	"redline/result"
)

// Surroundings are cumulative counters of the host at one moment, beside those of
// a Reading: two of them tell what a span of time went through.
type Surroundings struct {
	at time.Time
	// cpu, io and memory are seconds in which some task waited for it, contextSwitches
	// counts those of the host; -1 where the system does not tell.
	cpu, io, memory float64
	contextSwitches int64
	// own is the CPU time of this process where it is not the client, in seconds; 0
	// where it is, -1 where it is not known.
	own    float64
	client int // as in Reading
}

// Around is like the function of this name. It also notes what this process uses
// beside a client that is another one: it waits, counts and prints for it, and that
// is no foreign work.
func (w *Watch) Around() Surroundings {
	s := Around()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.client != nil {
		var missing []string
		s.own, _ = self(&missing)
		s.client = w.client.first.pid
	}
	return s
}

// Around reads the surroundings now.
func Around() Surroundings {
	s := Surroundings{at: time.Now(), contextSwitches: contextSwitches()}
	s.cpu, s.io, s.memory = pressure("cpu"), pressure("io"), pressure("memory")
	return s
}

// Conditions are the covariates of a span of which the usage is known and that
// lay between two moments. brokersKnown says that all broker processes on this
// machine are in the usage; otherwise what they use cannot be told from foreign
// work, and Foreign is -1.
func Conditions(u result.Usage, brokersKnown bool, from, to Surroundings) result.Conditions {
	wall := to.at.Sub(from.at)
	c := result.Conditions{
		Steal: unknown, Foreign: unknown,
		PressureCPU: share(from.cpu, to.cpu, wall), PressureIO: share(from.io, to.io, wall), PressureMemory: share(from.memory, to.memory, wall),
		ContextSwitches: unknown,
		// Time has a wall clock and a monotonic one: Round takes the latter away.
		ClockStep: to.at.Round(0).Sub(from.at.Round(0)) - wall,
	}
	if u.StealCPU >= 0 && u.CPUs > 0 && u.Wall > 0 {
		c.Steal = u.StealCPU / (float64(u.CPUs) * u.Wall.Seconds())
	}
	if brokersKnown && u.HostCPU >= 0 && u.ClientCPU >= 0 && u.Wall > 0 {
		c.Foreign = max(0, (u.HostCPU-u.ClientCPU-max(0, u.BrokerCPU))/u.Wall.Seconds()-own(from, to))
	}
	if from.contextSwitches >= 0 && to.contextSwitches >= 0 {
		c.ContextSwitches = to.contextSwitches - from.contextSwitches
	}
	return c
}

// own is how many processors this process kept busy beside another that is the client.
func own(from, to Surroundings) float64 {
	used := used(from.own, to.own)
	if from.client != to.client || used < 0 || !to.at.After(from.at) {
		return 0
	}
	return used / to.at.Sub(from.at).Seconds()
}

func share(from, to float64, wall time.Duration) float64 {
	if from < 0 || to < 0 || wall <= 0 {
		return unknown
	}
	return min(1, max(0, to-from)/wall.Seconds())
}

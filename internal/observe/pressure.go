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
		c.Foreign = max(0, u.HostCPU-u.ClientCPU-max(0, u.BrokerCPU)) / u.Wall.Seconds()
	}
	if from.contextSwitches >= 0 && to.contextSwitches >= 0 {
		c.ContextSwitches = to.contextSwitches - from.contextSwitches
	}
	return c
}

func share(from, to float64, wall time.Duration) float64 {
	if from < 0 || to < 0 || wall <= 0 {
		return unknown
	}
	return min(1, max(0, to-from)/wall.Seconds())
}

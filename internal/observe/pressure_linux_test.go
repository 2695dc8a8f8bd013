package observe

import (
	"math"
	"testing"
	"time"

	"redline/result"
)

func TestPressureIsTheTotalOfSome(t *testing.T) {
	text := "some avg10=1.00 avg60=0.50 avg300=0.10 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
	if got := parsePressure(text); got != 2.5 {
		t.Errorf("%v", got)
	}
	for _, text := range []string{"", "full total=1", "some avg10=1", "some total=x"} {
		if got := parsePressure(text); got != unknown {
			t.Errorf("%q gives %v", text, got)
		}
	}
}

func TestContextSwitchesAreFound(t *testing.T) {
	if got := parseContextSwitches("cpu 1 2 3\nctxt 4242\nbtime 5\n"); got != 4242 {
		t.Errorf("%v", got)
	}
	if got := parseContextSwitches("cpu 1\nctxt many\n"); got != unknown {
		t.Errorf("%v", got)
	}
}

func TestForeignWorkIsWhatIsLeft(t *testing.T) {
	now := time.Now()
	from := Surroundings{at: now, cpu: 1, io: unknown, memory: 0, contextSwitches: 10}
	to := Surroundings{at: now.Add(2 * time.Second), cpu: 2, io: unknown, memory: 0, contextSwitches: 110}
	u := result.Usage{Wall: 2 * time.Second, CPUs: 2, HostCPU: 3.5, ClientCPU: 1, BrokerCPU: 1.5, StealCPU: 0.4}
	c := Conditions(u, true, from, to)
	if math.Abs(c.Foreign-0.5) > 1e-9 || math.Abs(c.Steal-0.1) > 1e-9 || c.PressureCPU != 0.5 || c.PressureIO != unknown || c.ContextSwitches != 100 {
		t.Errorf("%+v", c)
	}
	if c := Conditions(u, false, from, to); c.Foreign != unknown {
		t.Errorf("brokers not known, and yet foreign work of %v", c.Foreign)
	}
}

package experiment

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"redline/internal/cluster"
	"redline/result"
)

// place is a Kafka in this process.
func place(t *testing.T) *Place {
	t.Helper()
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Connect(t.Context(), cluster.Config{Brokers: kafka.ListenAddrs(), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); kafka.Close() })
	return &Place{Cluster: c, Brokers: kafka.ListenAddrs(), Environment: result.Environment{Kafka: "kfake"}}
}

// quickArms are a reader and a writer, in windows that a test has time for.
func quickPlan(rounds int, arms ...result.Arm) result.Plan {
	p := result.Plan{
		Schema: result.PlanSchema, Kind: result.Rounds, Question: "Any?", Created: time.Now(), Arms: arms, Rounds: rounds,
		FillBytes: 1 << 20, Timing: result.Timing{Warmup: 20 * time.Millisecond, Window: 50 * time.Millisecond}, Margin: 0.03,
	}
	for round := range rounds {
		for i := range arms {
			p.Trials = append(p.Trials, result.Planned{Arm: i, Round: round})
		}
	}
	return p
}

func quickArm(workload string) result.Arm {
	return result.Arm{Workload: workload, Client: "franz", Profile: "tuned", Against: -1, Values: map[string]string{"workload": workload}, Setting: result.Setting{
		Instances: 1, Partitions: 2, RecordBytes: 100, Payload: "random", Keys: "none", Compression: "none", Acks: "all", Handler: "none",
	}}
}

func (m *Memory) run(t *testing.T, at *Place) *Run {
	t.Helper()
	return &Run{Plan: m.Run.Plan, Done: m.Run.Trials, Store: m, Open: func(context.Context, result.Arm) (*Place, error) { return at, nil }}
}

func TestAPlanIsCarriedOutAndLeavesNoTopic(t *testing.T) {
	quiet := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, quiet) }) // after the Kafka has ended
	at := place(t)
	memory := &Memory{Run: result.Run{Plan: quickPlan(2, quickArm(result.Consume), quickArm(result.Produce))}}
	memory.Run.Plan.Timing = result.Timing{Warmup: 100 * time.Millisecond, Window: 500 * time.Millisecond} // a slow machine delivers in it, too
	if err := memory.run(t, at).Carry(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(memory.Run.Missing()) != 0 || len(memory.Run.Sessions) != 1 {
		t.Fatalf("%d missing, %d sessions", len(memory.Run.Missing()), len(memory.Run.Sessions))
	}
	for _, trial := range memory.Run.Trials {
		a := trial.Account
		if trial.Error != "" || trial.Records == 0 || a.Lost+a.Duplicated+a.Corrupt > 0 {
			t.Errorf("%+v", trial)
		}
		if consumes := memory.Run.Plan.Arms[trial.Arm].Workload == result.Consume; consumes != (trial.LatencyHDR == "") || consumes == (a.Acked > 0) {
			t.Errorf("arm %d: latency %q, %d acked", trial.Arm, trial.LatencyHDR, a.Acked)
		}
		if !consumesAll(trial) {
			t.Errorf("%d records in the window, %d in the account", trial.Records, trial.Account.Once+trial.Account.Acked)
		}
	}
	if topics, err := at.Cluster.ListTopics(t.Context()); err != nil || len(topics) != 0 {
		t.Errorf("left over: %v, %v", topics, err)
	}
}

func consumesAll(t result.Trial) bool {
	return t.Records <= t.Account.Once+t.Account.Acked
}

func TestATrialThatFailsIsAResultAndTheRunGoesOn(t *testing.T) {
	wrong := quickArm(result.Consume)
	wrong.Setting.Properties = map[string]string{"no.such.property": "1"}
	memory := &Memory{Run: result.Run{Plan: quickPlan(5, wrong, quickArm(result.Consume))}}
	if err := memory.run(t, place(t)).Carry(t.Context()); err != nil {
		t.Fatal(err)
	}
	var failed, gaveUp, good int
	for _, trial := range memory.Run.Trials {
		switch {
		case strings.Contains(trial.Error, "not tried again"):
			gaveUp++
		case strings.Contains(trial.Error, "no.such.property"):
			failed++
		case trial.Error == "":
			good++
		}
	}
	if failed != maxFailures || gaveUp != 5-maxFailures || good < 5 {
		t.Errorf("%d failed, %d given up, %d good", failed, gaveUp, good)
	}
}

func TestAnInterruptedRunKeepsWhatItHasAndGoesOn(t *testing.T) {
	at := place(t)
	memory := &Memory{Run: result.Run{Plan: quickPlan(4, quickArm(result.Consume), quickArm(result.Produce))}}
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	run := memory.run(t, at)
	run.Store = stopAfter{memory, 3, func() { cancel(stop) }}
	began := time.Now()
	if err := run.Carry(ctx); !errors.Is(err, stop) {
		t.Fatalf("%v", err)
	}
	if n := len(memory.Run.Trials); n != 3 || time.Since(began) > 30*time.Second {
		t.Errorf("%d trials", n)
	}
	if err := memory.run(t, at).Carry(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[int]int{}
	for _, trial := range memory.Run.Trials {
		if trial.Counts() || trial.Last {
			seen[trial.Number]++
		}
	}
	for number := range memory.Run.Plan.Trials {
		if seen[number] != 1 {
			t.Errorf("trial %d was done %d times", number, seen[number])
		}
	}
	if topics, err := at.Cluster.ListTopics(t.Context()); err != nil || len(topics) != 0 {
		t.Errorf("left over: %v, %v", topics, err)
	}
}

// stopAfter cancels when so many trials are stored.
type stopAfter struct {
	*Memory
	n    int
	stop func()
}

func (s stopAfter) Append(t result.Trial) error {
	err := s.Memory.Append(t)
	if len(s.Run.Trials) == s.n {
		s.stop()
	}
	return err
}

func TestABrokerLostInTheMiddleEndsTheRun(t *testing.T) {
	at := place(t)
	died := make(chan struct{})
	at.Died, at.Err = died, func() error { return errors.New("the broker ended by itself") }
	memory := &Memory{Run: result.Run{Plan: quickPlan(4, quickArm(result.Consume))}}
	run := memory.run(t, at)
	run.Store = stopAfter{memory, 2, func() { close(died) }}
	began := time.Now()
	err := run.Carry(t.Context())
	if err == nil || !strings.Contains(err.Error(), "ended by itself") || len(memory.Run.Trials) != 2 || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %d trials in %v", err, len(memory.Run.Trials), time.Since(began))
	}
}

func TestInvalidTrialsAreRepeatedAsLongAsTheRunMay(t *testing.T) {
	at := place(t)
	memory := &Memory{Run: result.Run{Plan: quickPlan(5, quickArm(result.Consume))}}
	run := memory.run(t, at)
	run.Execute = func(ctx context.Context, spec Spec, now func(float64)) (result.Trial, error) {
		trial := result.Trial{Measured: result.Measured{Window: time.Second, Records: 1}, Conditions: result.Conditions{ClockStep: time.Hour}}
		return trial, nil
	}
	if err := run.Carry(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Five trials may repeat 2 + 5/5 times.
	if n := len(memory.Run.Trials); n != 5+3 || len(memory.Run.Missing()) != 0 {
		t.Errorf("%d attempts, %d missing", n, len(memory.Run.Missing()))
	}
}

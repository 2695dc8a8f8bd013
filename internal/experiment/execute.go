package experiment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/client/libraries"
	"redline/internal/cluster"
	"redline/internal/latency"
	"redline/internal/observe"
	"redline/internal/payload"
	"redline/internal/security"
	"redline/internal/spin"
	"redline/internal/workload"
	"redline/result"
)

// Spec is all that one trial needs to know. It can be written as JSON, so that
// another process, of another build of redline, can do the trial.
type Spec struct {
	Arm    result.Arm    `json:"arm"`
	Timing result.Timing `json:"timing"`
	// Brokers are the addresses to start from, BrokerPIDs the broker processes on this
	// machine that are ours; BrokersKnown says that no other broker runs here.
	Brokers      []string `json:"brokers"`
	BrokerPIDs   []int    `json:"broker_pids"`
	BrokersKnown bool     `json:"brokers_known"`
	// Security says how the brokers are reached; in another process Connection does,
	// which holds secrets: a spec is never stored.
	Security   security.Security `json:"-"`
	Connection map[string]string `json:"connection,omitempty"`
	// Topic is read between Ranges again and again, or written to.
	Topic  string                  `json:"topic"`
	Ranges map[int32]cluster.Range `json:"ranges,omitempty"`
	// Sparse says that the topic is compacted.
	Sparse bool `json:"sparse,omitempty"`
	// Run goes into the stamps of what is written, Seed into its bytes.
	Run  uint32 `json:"run"`
	Seed uint64 `json:"seed"`
	// Canary is the spin before and after the trial and CanaryTook its time on the idle
	// machine, Idle how many processors were busy then.
	Canary     spin.Work     `json:"canary"`
	CanaryTook time.Duration `json:"canary_took_ns"`
	Idle       float64       `json:"idle_cpus"`
	// Rounds are those of the spin in a microsecond, for handlers that burn.
	Rounds float64 `json:"rounds_per_microsecond"`
}

// AccountError says that records were lost, doubled or damaged in a trial.
type AccountError struct{ What string }

func (e *AccountError) Error() string { return e.What }

// execution is one trial that goes on.
type execution struct {
	Spec
	library client.Library
	watch   *observe.Watch
	wire    client.Wire
	ledger  *audit.Ledger
	trial   result.Trial
	now     func(float64)

	consuming *workload.Consuming
	producing *workload.Producing
}

// Execute does one trial: settle, warm-up until steady, window, drain, account. What
// it counted is returned also beside an error. now, if not nil, is told the rate as
// the trial goes on. Whether the trial may count is for the caller to judge.
func Execute(ctx context.Context, spec Spec, now func(recordsPerSecond float64)) (result.Trial, error) {
	x := &execution{Spec: spec, now: now, ledger: audit.NewLedger(spec.Topic), watch: observe.Begin(spec.BrokerPIDs)}
	x.trial = result.Trial{Began: time.Now().UTC(), Conditions: result.Conditions{
		Steal: -1, Foreign: -1, PressureCPU: -1, PressureIO: -1, PressureMemory: -1, ContextSwitches: -1,
	}}
	err := x.do(ctx)
	if err != nil {
		x.trial.Error = err.Error()
	}
	return x.trial, err
}

func (x *execution) do(ctx context.Context) error {
	var err error
	if x.library, err = libraries.Open(x.Arm.Client); err != nil {
		return err
	}
	settled, calm, err := settle(ctx, x.Timing, x.Idle, x.watch)
	if err != nil {
		return err
	}
	canary := canary{x.Canary, x.CanaryTook}
	before := canary.sing()
	if err := x.start(ctx); err != nil {
		return err
	}
	if err := x.stop(ctx, x.measure(ctx)); err != nil {
		return err
	}
	c := &x.trial.Conditions
	c.Settle, c.Settled = settled, calm
	c.CanaryBefore, c.CanaryAfter = before, canary.sing()
	return x.account()
}

func (x *execution) start(ctx context.Context) error {
	var err error
	if x.Arm.Workload == result.Produce {
		x.producing, err = x.produce(ctx)
	} else {
		x.consuming, err = x.consume(ctx)
	}
	return err
}

// measure counts the window and reads the conditions beside it.
func (x *execution) measure(ctx context.Context) error {
	var work running = x.consuming
	rewinds := func() int64 { return 0 }
	if x.producing != nil {
		work = x.producing
		x.trial.InForce = x.producing.Settings()
	} else {
		rewinds = x.consuming.Rewinds
		x.trial.InForce = x.consuming.Settings()
	}
	m := newMeter(work, x.Timing, x.watch, &x.wire, rewinds)
	m.now = x.now
	var from, to observe.Surroundings
	var first *latency.Histogram
	err := m.measure(ctx, &x.trial, func() {
		from = observe.Around()
		if x.producing != nil {
			first = x.producing.Latency()
		}
	}, func() { to = observe.Around() })
	if err != nil {
		return err
	}
	x.trial.Conditions = observe.Conditions(m.whole(), x.BrokersKnown, from, to)
	if x.producing != nil {
		x.trial.LatencyHDR, err = x.producing.Latency().Since(first).Encode()
	}
	return err
}

// drainTime bounds what is waited for at the end of a trial: what was sent in the
// window is to be answered, or counted as open.
const drainTime = 10 * time.Second

// stop ends the workload. What went wrong first is what is returned; a workload that
// ended by itself says why.
func (x *execution) stop(ctx context.Context, err error) error {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	var stopErr error
	if x.producing != nil {
		if err == nil {
			// What is not answered in time is counted as indeterminate by Stop.
			_ = x.producing.Drain(bounded)
		}
		_, stopErr = x.producing.Stop(bounded)
		for _, n := range x.producing.Errors() {
			x.trial.Errors += n
		}
	} else {
		var consumed workload.Consumed
		consumed, stopErr = x.consuming.Stop(bounded)
		x.trial.Errors = consumed.Errors
	}
	switch {
	case err != nil && !errors.Is(err, errEnded):
		return err
	case stopErr != nil:
		return stopErr
	}
	return err
}

// account closes the books of the trial, and fails when they are broken.
func (x *execution) account() error {
	x.trial.Account = x.ledger.Account(true)
	x.trial.Account.Books = nil
	if broken, what := x.ledger.Broken(x.trial.Account); broken {
		return &AccountError{what}
	}
	return nil
}

func (x *execution) options() client.Options {
	return client.Options{
		Brokers: x.Brokers, ClientID: "redline", Security: x.Security, Profile: client.Profile(x.Arm.Profile),
		Properties: maps.Clone(x.Arm.Setting.Properties), Wire: &x.wire,
	}
}

// consume reads the topic from its start with fresh clients.
func (x *execution) consume(ctx context.Context) (*workload.Consuming, error) {
	x.ledger.Sparse(x.Sparse)
	x.ledger.Unstamped(x.Arm.Setting.RecordBytes < audit.StampSize)
	starts, until := map[int32]int64{}, map[int32]int64{}
	for p, o := range x.Ranges {
		if o.End > o.Start {
			starts[p], until[p] = o.Start, o.End
			x.ledger.Start(p, o.Start, o.Start)
		}
	}
	handle, err := x.handler()
	if err != nil {
		return nil, err
	}
	return workload.StartConsume(ctx, workload.Consume{
		Library: x.library,
		Options: client.ConsumeOptions{Options: x.options(), Topic: x.Topic, Assign: starts},
		// A consumer without a partition would do nothing.
		Consumers: min(x.Arm.Setting.Instances, len(starts)),
		Ledger:    x.ledger, Until: until, Loop: starts, Handle: handle,
	})
}

// handler is what the setting says is done with each record.
func (x *execution) handler() (func() func(client.Batch), error) {
	burn, err := Handler(x.Arm.Setting.Handler)
	if err != nil || burn == 0 {
		return nil, err
	}
	perRecord := burn / 1e3 * x.Rounds
	return func() func(client.Batch) {
		return func(b client.Batch) { spin.Work(perRecord * float64(b.Len())).Do() }
	}, nil
}

// burnUnits are the units of a handler's time, in nanoseconds.
var burnUnits = map[string]float64{"ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}

// Handler reads a Setting's Handler and gives the nanoseconds of CPU time that it
// burns a record: 0 for "none" or nothing, 2000 for "burn=2us". Parts of a nanosecond
// count: a record takes a hundred of them.
func Handler(text string) (float64, error) {
	if text == "" || text == "none" {
		return 0, nil
	}
	given, found := strings.CutPrefix(text, "burn=")
	number := strings.TrimRight(given, "nuµms")
	value, err := strconv.ParseFloat(number, 64)
	unit, known := burnUnits[given[len(number):]]
	burn := value * unit
	if !found || err != nil || !known || !(burn >= 0 && burn <= 1e9) {
		return 0, fmt.Errorf("there is no handler %q: type none, or burn=DURATION of at most 1s for CPU time a record, such as burn=2us", text)
	}
	return burn, nil
}

// produce writes to the topic as fast as the clients go.
func (x *execution) produce(ctx context.Context) (*workload.Producing, error) {
	options := x.options()
	options.Properties = Properties(x.Arm)
	return startProducing(ctx, x.library, options, x.Topic, x.Arm.Setting, x.Run, x.Seed, x.ledger, 0)
}

// Properties are what is set on an arm's client. Compression and acknowledgements are
// asked of every producer alike, so that a library's default is no part of what is
// compared; a property set on purpose wins.
func Properties(arm result.Arm) map[string]string {
	properties := map[string]string{}
	if arm.Workload == result.Produce {
		for key, value := range map[string]string{"compression.type": arm.Setting.Compression, "acks": arm.Setting.Acks} {
			if value != "" {
				properties[key] = value
			}
		}
	}
	maps.Copy(properties, arm.Setting.Properties)
	return properties
}

// startProducing writes records as the setting says; 0 records go on until the end.
func startProducing(ctx context.Context, library client.Library, options client.Options, topic string, s result.Setting, run uint32, seed uint64, ledger *audit.Ledger, records int64) (*workload.Producing, error) {
	acks, idempotent := workload.Promised(library, options.Profile, options.Properties)
	source, err := payload.New(payload.Config{
		Size: s.RecordBytes, Kind: payload.Kind(s.Payload), Keys: payload.KeyKind(s.Keys),
		Partitions: int32(s.Partitions), Run: run, Seed: seed, Acks: acks, Idempotent: idempotent,
	})
	if err != nil {
		return nil, err
	}
	return workload.StartProduce(ctx, workload.Produce{
		Library: library,
		Options: client.ProduceOptions{Options: options, Topic: topic, RecordSize: s.RecordBytes},
		Threads: s.Instances, Payload: source, Records: records, Ledger: ledger,
	})
}

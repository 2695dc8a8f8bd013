package experiment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/client/libraries"
	"redline/internal/cluster"
	"redline/internal/observe"
	"redline/internal/pace"
	"redline/internal/payload"
	"redline/internal/security"
	"redline/internal/spin"
	"redline/internal/workload"
	"redline/internal/workload/ladder"
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
	// Unstamped says that its records carry no stamps whatever their size, as those of a
	// null sink.
	Unstamped bool `json:"unstamped,omitempty"`
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
	watch    *observe.Watch
	wire     client.Wire
	handling handling
	ledger   *audit.Ledger
	trial    result.Trial
	now      func(float64)
	work     work
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
	who, err := workerOf(x.Arm)
	if err != nil {
		return err
	}
	settled, calm, err := settle(ctx, x.Timing, x.Idle, x.watch)
	if err != nil {
		return err
	}
	canary := canary{x.Canary, x.CanaryTook}
	before := canary.sing()
	// What goes on while the workload does ends with it, not before.
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	if x.work, err = x.start(within, who); err != nil {
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

func (x *execution) start(ctx context.Context, who worker) (work, error) {
	switch {
	case who.external != nil:
		return x.external(ctx, who.external)
	case who.rung != "":
		return x.climb(ctx, who.rung)
	case x.Arm.Workload == result.Produce:
		return x.produce(ctx, who.library)
	}
	return x.consume(ctx, who.library)
}

// measure counts the window and reads the conditions beside it.
func (x *execution) measure(ctx context.Context) error {
	x.trial.InForce = x.work.Settings()
	m := newMeter(x.work, x.Timing, x.watch, &x.wire, &x.handling)
	m.now = x.now
	var from, to observe.Surroundings
	edges, latencies := x.work.(interface {
		opened()
		closed(*result.Trial) error
	})
	err := m.measure(ctx, &x.trial, func() {
		from = x.watch.Around()
		if latencies {
			edges.opened()
		}
	}, func() { to = x.watch.Around() })
	if err != nil {
		return err
	}
	x.trial.Conditions = observe.Conditions(m.whole(), x.BrokersKnown, from, to)
	if latencies {
		err = edges.closed(&x.trial)
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
	stopErr := x.work.finish(bounded, err == nil, &x.trial)
	if stopErr != nil && (err == nil || errors.Is(err, errEnded)) {
		return stopErr
	}
	return err
}

// account closes the books of the trial, and fails when they are broken.
func (x *execution) account() error {
	told := x.trial.Account
	x.trial.Account = x.ledger.Account(true)
	x.trial.Account.Books = nil
	x.trial.Account.Once += told.Once
	x.trial.Account.Acked += told.Acked
	if broken, what := x.ledger.Broken(x.trial.Account); broken {
		return &AccountError{what}
	}
	return nil
}

func (x *execution) options() client.Options {
	return client.Options{
		Brokers: x.Brokers, ClientID: "redline", Security: x.Security, Profile: client.Profile(x.Arm.Profile),
		Properties: Properties(x.Arm), Wire: &x.wire,
	}
}

// starts and ends are where to read each partition that holds something.
func (x *execution) ranges() (starts, ends map[int32]int64) {
	starts, ends = map[int32]int64{}, map[int32]int64{}
	for p, o := range x.Ranges {
		if o.End > o.Start {
			starts[p], ends[p] = o.Start, o.End
		}
	}
	return starts, ends
}

// expect tells the ledger what is going to be read.
func (x *execution) expect(starts map[int32]int64) {
	x.ledger.Sparse(x.Sparse)
	x.ledger.Unstamped(x.Unstamped || x.Arm.Setting.RecordBytes < audit.StampSize)
	for p, start := range starts {
		x.ledger.Start(p, start, start)
	}
}

// consume reads the topic from its start with fresh clients.
func (x *execution) consume(ctx context.Context, library client.Library) (work, error) {
	starts, ends := x.ranges()
	x.expect(starts)
	handle, err := x.handler(ctx)
	if err != nil {
		return nil, err
	}
	consuming, err := workload.StartConsume(ctx, workload.Consume{
		Library: library,
		Options: client.ConsumeOptions{Options: x.options(), Topic: x.Topic, Assign: starts},
		// A consumer without a partition would do nothing.
		Consumers: min(x.Arm.Setting.Instances, len(starts)),
		Ledger:    x.ledger, Until: ends, Loop: starts, Handle: handle,
	})
	return consumeWork{consuming}, err
}

// produce writes to the topic as fast as the clients go.
func (x *execution) produce(ctx context.Context, library client.Library) (work, error) {
	producing, err := startProducing(ctx, library, x.options(), x.Topic, x.Arm.Setting, x.Run, x.Seed, x.ledger, 0)
	return &produceWork{Producing: producing, offered: x.Arm.Setting.Rate}, err
}

// external has a process do the work.
func (x *execution) external(ctx context.Context, external client.External) (work, error) {
	s := x.Arm.Setting
	task := client.Task{
		Options: x.options(), Workload: x.Arm.Workload, Topic: x.Topic, Instances: s.Instances,
		Partitions: s.Partitions, RecordSize: s.RecordBytes, Handler: s.Handler, Every: workload.Bin,
	}
	task.Starts, task.Ends = x.ranges()
	process, err := external.Start(ctx, task)
	if err != nil {
		return nil, err
	}
	x.watch.Client(process.PID())
	return externalWork{process, x.Arm.Workload}, nil
}

// climb has a rung of the ladder do the work, with a connection for each instance.
func (x *execution) climb(ctx context.Context, rung string) (work, error) {
	s := x.Arm.Setting
	spec := ladder.Spec{
		Rung: rung, Workload: x.Arm.Workload, Topic: x.Topic,
		Brokers: x.Brokers, Security: x.Security, Wire: &x.wire, Connections: s.Instances,
		Properties: rungProperties(x.Arm), Ledger: x.ledger, Sparse: x.Sparse, Group: fmt.Sprintf("redline-%08x", x.Run),
		Partitions: s.Partitions, RecordBytes: s.RecordBytes,
	}
	var err error
	if x.Arm.Workload == result.Produce {
		acks, idempotent := ladder.Promised(rung)
		spec.Payload, err = source(s, x.Run, x.Seed, acks, idempotent)
	} else {
		spec.Starts, spec.Ends = x.ranges()
		x.expect(spec.Starts)
		spec.Handle, err = x.handler(ctx)
	}
	if err != nil {
		return nil, err
	}
	climb, err := ladder.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	for _, pid := range climb.PIDs() {
		x.watch.Broker(pid)
	}
	return climbWork{climb, x.Arm.Workload, x.ledger}, nil
}

// Properties are what is set on an arm's client. Compression and acknowledgements are
// asked of every producer alike, and the check of CRCs of every consumer that has it,
// so that a library's default is no part of what is compared; a property set on
// purpose wins.
func Properties(arm result.Arm) map[string]string {
	properties := map[string]string{}
	if arm.Workload == result.Produce {
		for key, value := range map[string]string{"compression.type": arm.Setting.Compression, "acks": arm.Setting.Acks} {
			if value != "" {
				properties[key] = value
			}
		}
	} else if library, err := libraries.Open(arm.Client); err == nil && arm.Command == "" {
		checked := map[string]string{"check.crcs": "true"}
		if library.CheckConsumer(client.Options{Profile: client.Profile(arm.Profile), Properties: checked}) == nil {
			properties = checked
		}
	}
	maps.Copy(properties, arm.Setting.Properties)
	return properties
}

// source makes the records of an arm.
func source(s result.Setting, run uint32, seed uint64, acks audit.Acks, idempotent bool) (*payload.Source, error) {
	return payload.New(payload.Config{
		Size: s.RecordBytes, Kind: payload.Kind(s.Payload), Keys: payload.KeyKind(s.Keys),
		Partitions: int32(s.Partitions), Run: run, Seed: seed, Acks: acks, Idempotent: idempotent,
	})
}

// startProducing writes records as the setting says; 0 records go on until the end.
func startProducing(ctx context.Context, library client.Library, options client.Options, topic string, s result.Setting, run uint32, seed uint64, ledger *audit.Ledger, records int64) (*workload.Producing, error) {
	acks, idempotent := workload.Promised(library, options.Profile, options.Properties)
	made, err := source(s, run, seed, acks, idempotent)
	if err != nil {
		return nil, err
	}
	spec := workload.Produce{
		Library: library,
		Options: client.ProduceOptions{Options: options, Topic: topic, RecordSize: s.RecordBytes},
		Threads: s.Instances, Payload: made, Records: records, Ledger: ledger,
	}
	if s.Rate > 0 {
		spec.Pace = func(int) pace.Pacer { return pace.Constant{PerSecond: s.Rate / float64(s.Instances)} }
	}
	return workload.StartProduce(ctx, spec)
}

// Package experiment runs trials and keeps what they found: a question enters,
// trials leave, interleaved so that a drift of the machine meets all settings
// alike, with an estimate of each answer.
//
// Its first question is the limit: how fast does this Kafka go from here, for
// consuming and for producing, and which settings reach it.
package experiment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/cluster"
	"redline/internal/observe"
	"redline/internal/payload"
	"redline/internal/stats"
	"redline/internal/term"
	"redline/internal/workload"
	"redline/result"
)

// Limit is the question: what is measured, where, and in which time.
type Limit struct {
	Cluster *cluster.Cluster
	Brokers []string
	// BrokerPIDs are the broker processes on this machine that are ours.
	BrokerPIDs []int
	Library    client.Library
	// Topic, if not empty, is an existing topic to consume; nothing is written
	// and nothing committed then.
	Topic      string
	Partitions int32
	RecordSize int
	// FillBytes bounds how much is written for reading, in bytes of values.
	FillBytes int64
	Time      time.Duration
	Seed      uint64
	Display   *term.Display
	// Live, if not nil, takes what the trials did, for the monitor.
	Live *Live
}

// errEnded says that a workload stopped in the middle of its trial.
var errEnded = errors.New("the workload ended before its window did")

// limitRun is a limit that goes on.
type limitRun struct {
	Limit
	schedule schedule
	watch    *observe.Watch
	report   *result.LimitReport
	run      uint32
	topics   []createdTopic
	// sparse: the topic that is read is compacted.
	sparse bool
}

type createdTopic struct {
	name string
	id   [16]byte
}

// RunLimit measures. It fills report as far as it comes, also when it fails;
// topics it made are gone when it returns.
func RunLimit(ctx context.Context, l Limit, report *result.LimitReport) (err error) {
	r := &limitRun{Limit: l, report: report, run: uint32(l.Seed), watch: observe.Begin(l.BrokerPIDs)}
	sides, grid := 2, len(consumeGrid())
	if l.Topic != "" {
		sides = 1
	}
	r.schedule = plan(l.Time, sides, grid)
	if r.schedule.timing.window < defaultTiming.window {
		r.warn("windows of %v are shorter than the usual 1 s: the figures scatter more", r.schedule.timing.window.Round(time.Millisecond))
	}
	defer func() {
		left := r.deleteTopics(context.WithoutCancel(ctx))
		if err == nil || !errors.Is(left, cluster.ErrUnreachable) {
			err = errors.Join(err, left) // a cluster that has gone took its topics along
		}
	}()

	ends, err := r.prepare(ctx)
	if err != nil {
		return err
	}
	consume := &side{name: "consume", grid: consumeGrid(), trial: func(ctx context.Context, s result.ClientSetting) (result.LimitTrial, error) {
		return r.consumeTrial(ctx, s, ends)
	}}
	reached, usage, err := r.find(ctx, consume)
	report.Limit.Consume, report.Usage.Consume = reached, usage
	if err != nil || l.Topic != "" {
		return err
	}
	target, err := r.produceTopic(ctx)
	if err != nil {
		return err
	}
	produce := &side{name: "produce", grid: produceGrid(), trial: func(ctx context.Context, s result.ClientSetting) (result.LimitTrial, error) {
		return r.produceTrial(ctx, s, target)
	}}
	report.Limit.Produce, report.Usage.Produce, err = r.find(ctx, produce)
	return err
}

func (r *limitRun) warn(format string, args ...any) {
	r.report.Warnings = append(r.report.Warnings, fmt.Sprintf(format, args...))
}

// side is one of the two questions of a limit.
type side struct {
	name  string
	grid  []result.ClientSetting
	trial func(context.Context, result.ClientSetting) (result.LimitTrial, error)
}

// find tries the grid, confirms the best setting against the runner-up in
// interleaved rounds, and gives what the better of the two reached. What was
// found before an error is returned beside it.
func (r *limitRun) find(ctx context.Context, s *side) (*result.Reached, *result.Usage, error) {
	tried, err := r.try(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	slices.SortStableFunc(tried, func(a, b result.LimitTrial) int { return compare(b.Rate(), a.Rate()) })
	finalists := []result.ClientSetting{tried[0].Setting}
	if len(tried) > 1 {
		finalists = append(finalists, tried[1].Setting)
	}
	trials, err := r.confirm(ctx, s, finalists)
	reached, usage := r.reached(finalists, trials)
	if reached == nil {
		return nil, nil, err
	}
	reached.Tried = tried
	if err == nil && reached.RecordsPerSecond.Median == 0 {
		err = fmt.Errorf("%s: most windows of %v passed without a record; ask again with a longer --time", s.name, r.schedule.timing.window.Round(time.Millisecond))
	}
	return reached, usage, err
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// try gives each setting of the grid one quick trial. A setting that fails is
// left out; it is an error only when all do.
func (r *limitRun) try(ctx context.Context, s *side) ([]result.LimitTrial, error) {
	phase := r.Display.Phase("Try", fmt.Sprintf("%d settings to %s", len(s.grid), s.name), int64(len(s.grid)))
	note := ""
	defer func() { phase.End(note) }()
	var tried []result.LimitTrial
	var failed error
	for i, setting := range shuffled(s.grid, r.Seed) {
		trial, err := s.trial(ctx, setting)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			if fatal(err) {
				return nil, err
			}
			failed = err
			r.warn("%s with %d connections was left out: %v", s.name, setting.Connections, err)
			continue
		}
		tried = append(tried, trial)
		note = term.Rate(trial.Rate()) + "/s"
		phase.Set(int64(i+1), note)
	}
	if len(tried) == 0 {
		return nil, failed
	}
	return tried, nil
}

// fatal errors end a limit: the account broke, or the cluster is not there.
func fatal(err error) bool {
	var broken *AccountError
	return errors.As(err, &broken) || errors.Is(err, cluster.ErrUnreachable) || errors.Is(err, cluster.ErrNotAllowed)
}

// confirm runs the finalists in interleaved rounds: trials[i] are those of
// finalist i. After an error it gives the whole rounds so far.
func (r *limitRun) confirm(ctx context.Context, s *side, finalists []result.ClientSetting) ([][]result.LimitTrial, error) {
	phase := r.Display.Phase("Rounds", s.name, int64(r.schedule.rounds))
	note := ""
	defer func() { phase.End(note) }()
	trials := make([][]result.LimitTrial, len(finalists))
	for round := range r.schedule.rounds {
		done := make([]result.LimitTrial, len(finalists))
		for _, i := range interleaved(round) {
			if i >= len(finalists) {
				continue
			}
			trial, err := s.trial(ctx, finalists[i])
			if err != nil {
				return trials, err
			}
			done[i] = trial
		}
		for i, trial := range done {
			trials[i] = append(trials[i], trial)
		}
		note = "median so far " + term.Rate(stats.Median(rates(trials[0])).Median) + "/s"
		phase.Set(int64(round+1), note)
	}
	return trials, nil
}

// reached is what the better finalist came to, by its median.
func (r *limitRun) reached(finalists []result.ClientSetting, trials [][]result.LimitTrial) (*result.Reached, *result.Usage) {
	if len(trials) == 0 || len(trials[0]) == 0 {
		return nil, nil
	}
	best := 0
	if len(finalists) > 1 && stats.Median(rates(trials[1])).Median > stats.Median(rates(trials[0])).Median {
		best = 1
	}
	reached := &result.Reached{
		Client:             r.Library.Name(),
		RecordsPerSecond:   stats.Median(rates(trials[best])),
		MegabytesPerSecond: stats.Median(each(trials[best], result.LimitTrial.Megabytes)),
		CPUNsPerRecord:     stats.Median(each(trials[best], result.LimitTrial.CPUNsPerRecord)),
		Settings:           finalists[best],
	}
	var usage result.Usage
	for _, trial := range trials[best] {
		usage = usage.Add(trial.Usage)
		reached.Rewinds += trial.Rewinds
	}
	if len(finalists) > 1 {
		other := 1 - best
		reached.RunnerUp = &result.RunnerUp{
			Settings: finalists[other],
			Ratio:    stats.Ratio(rates(trials[other]), rates(trials[best])),
		}
	}
	return reached, &usage
}

func rates(trials []result.LimitTrial) []float64 { return each(trials, result.LimitTrial.Rate) }

func each(trials []result.LimitTrial, f func(result.LimitTrial) float64) []float64 {
	values := make([]float64, len(trials))
	for i, trial := range trials {
		values[i] = f(trial)
	}
	return values
}

// AccountError says that records were lost, doubled or damaged in a trial.
type AccountError struct{ What string }

func (e *AccountError) Error() string { return e.What }

// account adds a trial's books to the report's, and fails when they are broken.
// read is what was read again and again, if anything: what is missing is expired,
// not lost, if retention has moved the log's start since.
func (r *limitRun) account(ctx context.Context, ledger *audit.Ledger, read map[int32]cluster.Range) error {
	a := ledger.Account(true)
	if a.Lost > 0 && r.startMoved(ctx, read) {
		a.Expired, a.Lost, a.PermittedLoss = a.Expired+a.Lost, 0, 0
	}
	r.report.Account = r.report.Account.Add(a)
	r.Live.add(a, int64(r.RecordSize), ledger.Bytes())
	if broken, what := ledger.Broken(a); broken {
		return &AccountError{what}
	}
	return nil
}

// startMoved says whether a partition no longer begins where read says.
func (r *limitRun) startMoved(ctx context.Context, read map[int32]cluster.Range) bool {
	if len(read) == 0 {
		return false
	}
	now, err := r.Cluster.Offsets(ctx, r.report.Workload.Topic)
	if err != nil {
		return false
	}
	for p, o := range read {
		if now[p].Start > o.Start {
			return true
		}
	}
	return false
}

// consumeTrial reads the topic from its start with fresh clients.
func (r *limitRun) consumeTrial(ctx context.Context, s result.ClientSetting, ends map[int32]cluster.Range) (result.LimitTrial, error) {
	ledger := audit.NewLedger(r.report.Workload.Topic)
	ledger.Sparse(r.sparse)
	starts, until := map[int32]int64{}, map[int32]int64{}
	for p, o := range ends {
		if o.End > o.Start {
			starts[p], until[p] = o.Start, o.End
			ledger.Start(p, o.Start, o.Start)
		}
	}
	wire := &client.Wire{}
	run, err := workload.StartConsume(ctx, workload.Consume{
		Library: r.Library,
		Options: client.ConsumeOptions{
			Options: r.options(s, wire), Topic: r.report.Workload.Topic, Assign: starts,
		},
		Consumers: min(s.Connections, len(starts)), Ledger: ledger, Until: until, Loop: starts,
	})
	if err != nil {
		return result.LimitTrial{}, err
	}
	trial, err := r.schedule.timing.measure(ctx, run, r.watch, wire, run.Rewinds)
	trial.Setting = s
	return trial, r.end(ctx, err, ledger, ends, func(ctx context.Context) error {
		_, err := run.Stop(ctx)
		return err
	})
}

// produceTrial writes to the topic as fast as the clients go.
func (r *limitRun) produceTrial(ctx context.Context, s result.ClientSetting, topic string) (result.LimitTrial, error) {
	r.run++
	ledger := audit.NewLedger(topic)
	wire := &client.Wire{}
	run, err := r.startProducing(ctx, topic, s, wire, ledger, 0)
	if err != nil {
		return result.LimitTrial{}, err
	}
	trial, err := r.schedule.timing.measure(ctx, run, r.watch, wire, func() int64 { return 0 })
	trial.Setting = s
	return trial, r.end(ctx, err, ledger, nil, func(ctx context.Context) error {
		_, err := run.Stop(ctx)
		return err
	})
}

// end stops a trial's workload and closes its books; what went wrong first is
// what is returned.
func (r *limitRun) end(ctx context.Context, err error, ledger *audit.Ledger, read map[int32]cluster.Range, stop func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	stopErr := stop(bounded)
	if err != nil && !errors.Is(err, errEnded) {
		return err
	}
	if stopErr != nil {
		return stopErr
	}
	if err != nil {
		return err
	}
	return r.account(bounded, ledger, read)
}

func (r *limitRun) options(s result.ClientSetting, wire *client.Wire) client.Options {
	return client.Options{Brokers: r.Brokers, ClientID: "redline-limit", Profile: client.Tuned, Properties: maps.Clone(s.Properties), Wire: wire}
}

func (r *limitRun) startProducing(ctx context.Context, topic string, s result.ClientSetting, wire *client.Wire, ledger *audit.Ledger, records int64) (*workload.Producing, error) {
	source, err := payload.New(payload.Config{
		Size: r.RecordSize, Kind: payload.Random, Partitions: r.Partitions, Run: r.run, Seed: r.Seed,
		Acks: audit.AcksAll, Idempotent: true,
	})
	if err != nil {
		return nil, err
	}
	return workload.StartProduce(ctx, workload.Produce{
		Library: r.Library,
		Options: client.ProduceOptions{Options: r.options(s, wire), Topic: topic, RecordSize: r.RecordSize},
		Threads: s.Connections, Payload: source, Records: records, Ledger: ledger,
	})
}

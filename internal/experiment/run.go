// Package experiment runs trials: a plan enters, trials leave, each stored before
// the next begins. The order is the plan's: interleaved, so that a drift of the
// machine meets all arms alike.
//
// It computes no answer. What was found is a function of the stored trials
// (package analysis), so that every figure can be computed again from them.
package experiment

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"redline/internal/cluster"
	"redline/internal/journal"
	"redline/internal/observe"
	"redline/internal/plan"
	"redline/internal/spin"
	"redline/internal/term"
	"redline/result"
)

// Store keeps what was measured; see package runs.
type Store interface {
	// Session begins a sitting and gives its index.
	Session(result.Session) (int, error)
	// Append stores a trial for good before it returns.
	Append(result.Trial) error
}

// Run is a plan that is carried out.
type Run struct {
	Plan result.Plan
	// Done are the trials that were stored before.
	Done  []result.Trial
	Store Store
	// Open gives the Kafka for an arm. It is called at the first trial, and again
	// when an arm needs other brokers than the last one, which have ended when it
	// returns.
	Open func(context.Context, result.Arm) (*Place, error)
	// Journal, if not nil, is told of topics that could outlive us.
	Journal *journal.Journal
	Display *term.Display
	// Live, if not nil, takes what the trials did, for the monitor.
	Live *Live
	// Execute, if not nil, does a trial in the place of Execute: in another process.
	Execute func(context.Context, Spec, func(float64)) (result.Trial, error)

	screen     *screen
	place      *Place
	placeKey   string
	topics     *topics
	session    int
	idle       result.Calibration
	canary     canary
	perMicro   float64
	stamps     uint32
	numbers    int
	mark       uint64 // tells the topics of this sitting from all others
	inForce    map[int]bool
	generators generators
	repeats    int
}

// Carry does what is missing of the plan. Trials that were stored stay, whatever
// ends it: the context, a broken account, a cluster that is gone, a store that takes
// no more. A trial that fails is a result with its error, and the run goes on.
func (r *Run) Carry(ctx context.Context) (err error) {
	r.mark = rand.Uint64()
	r.stamps = uint32(r.Plan.Seed) ^ uint32(time.Now().UnixNano())
	r.screen = newScreen(r.Display, r.Plan, r.Done)
	defer r.screen.end()
	defer func() {
		if r.topics != nil {
			err = errors.Join(err, r.topics.delete(context.WithoutCancel(ctx)))
		}
	}()
	for {
		planned, number, more := next(r.Plan, r.Done)
		if !more {
			return nil
		}
		if err := r.one(ctx, planned, number); err != nil {
			return err
		}
	}
}

// one does a planned trial, again while its conditions were not those of the
// calibration.
func (r *Run) one(ctx context.Context, planned result.Planned, number int) error {
	arm := r.Plan.Arms[planned.Arm]
	if err := r.at(ctx, arm); err != nil {
		return err
	}
	for attempt := 1 + attempts(r.Done, number); ; attempt++ {
		r.screen.trial(number, planned, attempt)
		trial, err := r.try(ctx, planned)
		trial.Number, trial.Attempt, trial.Session = number, attempt, r.session
		trial.Arm, trial.Round, trial.Stage = planned.Arm, planned.Round, planned.Stage
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if fatal := r.fatal(ctx, trial, err); fatal != nil {
			return fatal
		}
		r.note(&trial)
		trial.Last = len(trial.Invalid) > 0 && (attempt >= result.MaxAttempts || !r.mayRepeat())
		if err := r.Store.Append(trial); err != nil {
			return err
		}
		r.Done = append(r.Done, trial)
		r.screen.stored(trial)
		var broken *AccountError
		if errors.As(err, &broken) {
			return broken
		}
		if len(trial.Invalid) == 0 || trial.Last {
			return nil
		}
	}
}

// attempts is how many there are of a trial.
func attempts(done []result.Trial, number int) int {
	n := 0
	for _, t := range done {
		if t.Number == number {
			n++
		}
	}
	return n
}

// mayRepeat spends one of the repeats that a run has: two and a fifth of its trials.
// A machine that needs more is too noisy, and repeating would only take longer.
func (r *Run) mayRepeat() bool {
	r.repeats++
	return r.repeats <= 2+len(r.Plan.Trials)/5
}

// failures is how many of the last trials of an arm failed, with no success among
// its trials at all.
func failures(done []result.Trial, arm int) int {
	n := 0
	for _, t := range done {
		if t.Arm != arm {
			continue
		}
		if t.Error == "" {
			return 0
		}
		n++
	}
	return n
}

// maxFailures ends the trying of an arm that never came to anything.
const maxFailures = 3

func (r *Run) try(ctx context.Context, planned result.Planned) (result.Trial, error) {
	if n := failures(r.Done, planned.Arm); n >= maxFailures {
		return result.Trial{Began: time.Now().UTC(), Measured: result.Measured{
			Error: fmt.Sprintf("not tried again: its first %d trials failed", n),
		}}, nil
	}
	within, done := r.place.within(ctx)
	defer done()
	arm := r.Plan.Arms[planned.Arm]
	topic, err := r.topics.of(within, arm)
	if err != nil {
		return result.Trial{Began: time.Now().UTC(), Measured: result.Measured{Error: err.Error()}}, orCause(within, err)
	}
	leaders := r.leaders(within, topic)
	books, err := r.enter(within, arm, topic.name)
	if err != nil {
		return result.Trial{Began: time.Now().UTC(), Measured: result.Measured{Error: err.Error()}}, orCause(within, err)
	}
	execute := r.Execute
	if execute == nil {
		execute = Execute
	}
	spec := r.spec(arm, topic)
	trial, err := execute(within, spec, r.screen.now)
	trial.Topic, trial.Held = topic.name, held(topic.ranges)
	if note := r.fewer(arm, trial.Held); note != "" {
		trial.Notes = append(trial.Notes, note)
	}
	if err == nil {
		if err = r.judgeGenerator(within, spec, &trial); err != nil {
			trial.Error = err.Error()
		}
	}
	if err == nil {
		if err = books.close(within, &trial.Account); err != nil {
			trial.Error = err.Error()
		}
	}
	if err == nil {
		trial.Conditions.LeaderChanges = changed(leaders, r.leaders(within, topic))
		trial.Invalid = judge(trial.Conditions, r.idle, plan.TimingOf(arm, r.Plan.Timing).Window)
		if !r.place.Started.IsZero() {
			trial.Conditions.BrokerAge = time.Since(r.place.Started)
		}
	}
	if trial.Account.Lost > 0 && arm.Workload == result.Consume && r.expired(within, topic) {
		a := &trial.Account
		a.Expired, a.Lost, a.PermittedLoss = a.Expired+a.Lost, 0, 0
		err = nil
		trial.Error = ""
	}
	r.Live.add(trial.Account, int64(arm.Setting.RecordBytes), trial.Bytes)
	return trial, orCause(within, err)
}

// orCause is why the context ended, if it did: what a client made of that says less.
func orCause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// fatal is the error that ends the run before the trial is stored: the cluster is
// gone, so that the trial says nothing about its setting.
func (r *Run) fatal(ctx context.Context, trial result.Trial, err error) error {
	if err == nil && (trial.Records > 0 || trial.Error != "") {
		return nil
	}
	if errors.Is(err, cluster.ErrUnreachable) || errors.Is(err, cluster.ErrNotAllowed) {
		return err
	}
	select {
	case <-r.place.Died:
		return r.place.Err()
	default:
	}
	// A client may wait for a dead broker in silence.
	if probe := r.place.Cluster.Ping(ctx); probe != nil {
		return probe
	}
	return nil
}

// spec is what the trial has to know.
func (r *Run) spec(arm result.Arm, t *topic) Spec {
	return Spec{
		Arm: arm, Timing: plan.TimingOf(arm, r.Plan.Timing),
		Brokers: r.place.Brokers, BrokerPIDs: r.place.PIDs, BrokersKnown: r.place.Known, Security: r.place.Security,
		Topic: t.name, Ranges: t.ranges, Sparse: t.sparse, Unstamped: r.place.Unstamped, Run: r.stamp(), Seed: r.Plan.Seed,
		Canary: r.canary.work, CanaryTook: r.canary.took, Idle: r.idle.Idle, Rounds: r.perMicro,
	}
}

// note leaves out what an earlier trial of the arm has said already.
func (r *Run) note(t *result.Trial) {
	if r.inForce == nil {
		r.inForce = map[int]bool{}
	}
	if r.inForce[t.Arm] {
		t.InForce = nil
	}
	r.inForce[t.Arm] = r.inForce[t.Arm] || len(t.InForce) > 0
}

// at goes to the Kafka that an arm needs, and begins a session at the first.
func (r *Run) at(ctx context.Context, arm result.Arm) error {
	key := plan.BrokerKey(arm)
	if r.place != nil && key == r.placeKey {
		return nil
	}
	if r.topics != nil {
		if err := r.topics.delete(ctx); err != nil {
			return err
		}
	}
	place, err := r.Open(ctx, arm)
	if err != nil {
		return err
	}
	first := r.place == nil
	r.place, r.placeKey = place, key
	r.topics = &topics{run: r, place: place, made: map[plan.Shape]*topic{}}
	if !first {
		return nil
	}
	return r.begin(ctx)
}

// begin looks at the idle machine and writes down where the session measures.
func (r *Run) begin(ctx context.Context) error {
	r.screen.say("Looking at the idle machine")
	var err error
	r.idle, r.canary, err = calibrate(ctx, r.Plan.Timing, observe.Begin(r.place.PIDs), r.place.Known)
	if err != nil {
		return err
	}
	const burn = time.Millisecond
	r.perMicro = float64(spin.Lasting(burn)) / (float64(burn) / float64(time.Microsecond))
	environment := r.place.Environment
	environment.Clients = map[string]string{}
	for _, arm := range r.Plan.Arms {
		if version := Version(arm); version != "" {
			environment.Clients[arm.Client] = version
		}
	}
	r.session, err = r.Store.Session(result.Session{Began: time.Now().UTC(), Environment: environment, Calibration: r.idle})
	return err
}

// leaders are the leaders of the topic's partitions, where there is more than one
// broker to lead.
func (r *Run) leaders(ctx context.Context, t *topic) map[int32]int32 {
	if len(r.place.Cluster.Brokers()) < 2 {
		return nil
	}
	description, err := r.place.Cluster.DescribeTopic(ctx, t.name)
	if err != nil {
		return nil
	}
	leaders := map[int32]int32{}
	for _, p := range description.Partitions {
		leaders[p.ID] = p.Leader
	}
	return leaders
}

func changed(before, after map[int32]int32) int64 {
	var n int64
	for p, leader := range before {
		if now, known := after[p]; known && now != leader {
			n++
		}
	}
	return n
}

// expired says whether retention has moved the start of a partition since its
// ranges were read: what is missing then is expired, not lost.
func (r *Run) expired(ctx context.Context, t *topic) bool {
	now, err := r.place.Cluster.Offsets(ctx, t.name)
	if err != nil {
		return false
	}
	for p, o := range t.ranges {
		if now[p].Start > o.Start {
			return true
		}
	}
	return false
}

// stamp is a run number for stamps that no other trial of the run has.
func (r *Run) stamp() uint32 {
	r.stamps++
	return r.stamps
}

func (r *Run) topicNumber() int {
	r.numbers++
	return r.numbers
}

// fillTime bounds the filling of a topic.
func (r *Run) fillTime() time.Duration {
	if r.Plan.FillTime > 0 {
		return r.Plan.FillTime
	}
	return usualFillTime
}

// fewer says that a topic of ours holds less than half of what it was to hold, empty
// where it does not: then other things cost than were asked about.
func (r *Run) fewer(arm result.Arm, held int64) string {
	planned := plan.ShapeOf(arm).Records(r.Plan.FillBytes)
	if arm.Workload != result.Consume || r.Plan.Topic != "" || held >= planned/2 {
		return ""
	}
	return fmt.Sprintf("the topic held %s of the %s records planned, after %s of filling it", term.Count(held), term.Count(planned), r.fillTime())
}

package workload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"redline/internal/audit"
	"redline/internal/client"
	"redline/internal/latency"
	"redline/internal/pace"
	"redline/internal/payload"
)

// Produce says what is to be written, by what, and how much of it.
type Produce struct {
	Library client.Library
	// Options is the template for each producer; Acked is the run's own.
	Options client.ProduceOptions
	// Threads is the number of producers, each with a goroutine of its own.
	Threads int
	Payload *payload.Source
	// Pace, if not nil, gives each thread its schedule; nil is a closed loop.
	Pace func(thread int) pace.Pacer
	// Records is how many to send in all; 0 goes on until Stop.
	Records int64
	Ledger  *audit.Ledger
	// Warmup leaves the first so many acknowledged records out of the steady
	// counts.
	Warmup int64
}

// Producing is a run of producers that goes on until it is stopped or has sent
// what was asked for.
type Producing struct {
	spec    Produce
	clock   clock // its base is the start of the run
	ctx     context.Context
	cancel  context.CancelCauseFunc
	threads []*thread
	running sync.WaitGroup
	done    chan struct{}
	sampler *sampler
	errs    chan error

	settings map[string]string
	claimed  atomic.Int64 // records that threads have taken to send
	stopping atomic.Bool
	draining atomic.Bool

	mu         sync.Mutex
	errors     map[string]int64 // why records were not acknowledged
	firstError error
}

// Promised says what a producer of these settings promises of its records, for their
// stamps: which acknowledgement, and whether a retry cannot append twice.
func Promised(library client.Library, profile client.Profile, properties map[string]string) (audit.Acks, bool) {
	acks := map[string]audit.Acks{"0": audit.AcksNone, "1": audit.AcksLeader}
	for _, key := range []string{"acks", "request.required.acks"} {
		if a, ok := acks[properties[key]]; ok {
			return a, false
		}
	}
	// franz-go is idempotent unless told otherwise; librdkafka is where our tuned
	// profile makes it so.
	idempotent, set := properties["enable.idempotence"]
	byItself := library.Name() == "franz" || profile == client.Tuned && canBeIdempotent(library, profile)
	return audit.AcksAll, idempotent == "true" || !set && byItself
}

func canBeIdempotent(library client.Library, profile client.Profile) bool {
	asked := map[string]string{"enable.idempotence": "true"}
	return library.CheckProducer(client.Options{Profile: profile, Properties: asked}) == nil
}

// Acks is what was acknowledged over some part of a run.
type Acks struct {
	Records, Bytes int64
	// Sum and Max are of latency from the intended send time.
	Sum, Max time.Duration
}

// Produced is what a run of producers came to.
type Produced struct {
	Profile Profile
	Wall    time.Duration
	// Acked is all that was acknowledged, within Elapsed of the start; Latency
	// its distribution.
	Acked   Acks
	Elapsed time.Duration
	Latency *latency.Histogram
	// Steady is what was acknowledged after Warmup records, within
	// SteadyElapsed, and SteadyLatency its distribution; nil without Warmup.
	Steady        Acks
	SteadyElapsed time.Duration
	SteadyLatency *latency.Histogram

	Failed, Indeterminate int64
	// Errors counts the reasons of records that were not acknowledged.
	Errors   map[string]int64
	Settings map[string]string
}

// StartProduce makes the producers and lets them write. They go on until Stop,
// until ctx ends or until Records were sent and answered; then Done is closed.
// The caller must call Stop in every case.
func StartProduce(ctx context.Context, spec Produce) (*Producing, error) {
	p := &Producing{spec: spec, done: make(chan struct{}), errs: make(chan error, spec.Threads), errors: map[string]int64{}}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	for i := range spec.Threads {
		if err := p.addThread(uint16(i)); err != nil {
			p.cancel(err)
			_ = p.closeThreads(context.WithoutCancel(ctx))
			return nil, err
		}
	}
	p.clock = newClock()
	p.sampler = startSampling(p.clock.base, nil, func() (int64, int64) {
		a := p.Acked()
		return a.Records, a.Bytes
	})
	for _, t := range p.threads {
		p.running.Go(t.run)
	}
	go func() {
		p.running.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *Producing) addThread(id uint16) error {
	t := &thread{producing: p, id: id}
	t.generator = p.spec.Payload.Producer(id, p.spec.Ledger)
	t.pace, t.claim = pace.Closed{}, closedClaim
	if p.spec.Pace != nil {
		t.pace, t.claim = p.spec.Pace(int(id)), 1
	}
	if p.spec.Warmup > 0 {
		t.warmup = max(1, p.spec.Warmup/int64(p.spec.Threads))
	}
	options := p.spec.Options
	options.Acked = t.acked
	producer, err := p.spec.Library.Producer(options)
	if err != nil {
		return fmt.Errorf("cannot start producer %d: %w", id, err)
	}
	t.producer = producer
	if p.settings == nil {
		p.settings = producer.Settings()
	}
	p.threads = append(p.threads, t)
	return nil
}

// Done is closed when every thread has ended and all it sent is answered.
func (p *Producing) Done() <-chan struct{} { return p.done }

// Acked is what has been acknowledged so far.
func (p *Producing) Acked() Acks {
	var sum Acks
	for _, t := range p.threads {
		t.mu.Lock()
		sum.add(t.published.total)
		t.mu.Unlock()
	}
	return sum
}

// Records is the number of records acknowledged so far.
func (p *Producing) Records() int64 { return p.Acked().Records }

// Bytes is the sum of their keys and values.
func (p *Producing) Bytes() int64 { return p.Acked().Bytes }

// Answered is the number of records acknowledged or given up so far, InFlight
// the number sent and neither. A record just being sent may be in neither.
func (p *Producing) Answered() int64 {
	var n int64
	for _, t := range p.threads {
		n += t.answered.Load()
	}
	return n
}

// InFlight is described with Answered.
func (p *Producing) InFlight() int64 {
	n := -p.Answered()
	for _, t := range p.threads {
		n += t.sent.Load()
	}
	return max(0, n)
}

// Window is what has been acknowledged since the last call of Window.
func (p *Producing) Window() Acks {
	var sum Acks
	for _, t := range p.threads {
		t.mu.Lock()
		sum.add(t.window)
		t.window = Acks{}
		t.mu.Unlock()
	}
	return sum
}

// Errors counts so far why records were not acknowledged.
func (p *Producing) Errors() map[string]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := make(map[string]int64, len(p.errors))
	for reason, n := range p.errors {
		counts[reason] = n
	}
	return counts
}

// FirstError is the first reason why a record was not acknowledged; nil so far.
func (p *Producing) FirstError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.firstError
}

// Latency is the distribution so far.
func (p *Producing) Latency() *latency.Histogram {
	return p.merge(func(t *thread) *latency.Recorder { return &t.latency })
}

// Lag is the distribution so far of how late records were sent, after they were due, in
// an open loop; each record sent is in it.
func (p *Producing) Lag() *latency.Histogram {
	return p.merge(func(t *thread) *latency.Recorder { return &t.lag })
}

func (p *Producing) merge(of func(*thread) *latency.Recorder) *latency.Histogram {
	parts := make([]*latency.Histogram, len(p.threads))
	for i, t := range p.threads {
		parts[i] = of(t).Read()
	}
	return latency.Merge(parts...)
}

// Settings are the properties truly in force, in the library's own spelling.
func (p *Producing) Settings() map[string]string { return p.settings }

// Drain ends the sending and waits until everything sent is answered; when ctx
// ends before that, its cause is returned and Stop gives up the rest.
func (p *Producing) Drain(ctx context.Context) error {
	p.draining.Store(true)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Stop ends the sending, waits within the bound of ctx until what was sent is
// answered or given up, and says what the run came to. The error is the first
// that ended a thread, or the first reason before Stop why a record was not
// acknowledged: what is given up by stopping is counted, and no error.
func (p *Producing) Stop(ctx context.Context) (Produced, error) {
	p.stopping.Store(true)
	p.cancel(context.Canceled)
	<-p.done
	err := p.closeThreads(ctx)
	for _, t := range p.threads {
		t.publish()
	}
	profile, _ := p.sampler.finish()
	produced := Produced{Profile: profile, Wall: time.Since(p.clock.base), Settings: p.settings, Acked: p.Acked(), Latency: p.Latency()}
	for _, t := range p.threads {
		produced.Elapsed = max(produced.Elapsed, t.published.lastAck)
		produced.Failed += t.published.failed
		produced.Indeterminate += t.published.indeterminate
	}
	p.addSteady(&produced)
	produced.Errors = p.Errors()
	select {
	case first := <-p.errs:
		err = first
	default:
		if err == nil && p.firstError != nil {
			err = p.firstError
		}
	}
	return produced, err
}

// addSteady fills in what came after the warm-up.
func (p *Producing) addSteady(produced *Produced) {
	if p.spec.Warmup <= 0 {
		return
	}
	produced.SteadyLatency = p.merge(func(t *thread) *latency.Recorder { return &t.steady })
	first := produced.Elapsed
	for _, t := range p.threads {
		if c := t.published; c.afterWarmup.Records > 0 {
			produced.Steady.add(c.afterWarmup)
			first = min(first, c.steadySince)
		}
	}
	produced.SteadyElapsed = produced.Elapsed - first
}

func (p *Producing) closeThreads(ctx context.Context) error {
	errs := make([]error, len(p.threads))
	var closing sync.WaitGroup
	for i, t := range p.threads {
		closing.Go(func() { errs[i] = t.producer.Close(ctx) })
	}
	closing.Wait()
	return errors.Join(errs...)
}

// maxReasons bounds how many different reasons are told apart: their texts come
// from outside.
const maxReasons = 16

// fail notes why a record was not acknowledged.
func (p *Producing) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	reason := err.Error()
	if _, known := p.errors[reason]; !known && len(p.errors) >= maxReasons {
		reason = "other reasons"
	}
	p.errors[reason]++
	if p.firstError == nil && !p.stopping.Load() {
		p.firstError = err
	}
}

func (a *Acks) add(b Acks) {
	a.Records += b.Records
	a.Bytes += b.Bytes
	a.Sum += b.Sum
	a.Max = max(a.Max, b.Max)
}

// many adds n records of so many bytes each, whose latency was d.
func (a *Acks) many(n int64, bytes int, d time.Duration) {
	a.Records += n
	a.Bytes += n * int64(bytes)
	a.Sum += time.Duration(n) * d
	a.Max = max(a.Max, d)
}

package plan

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"redline/internal/broker"
	"redline/internal/stats"
	"redline/internal/term"
	"redline/result"
)

// Want is what is wished for beside the question. Zero values leave things to the
// question and to what follows from it.
type Want struct {
	// Seed decides the order of trials, Created is when the plan was made.
	Seed    uint64
	Created time.Time
	// Kafka overrides what the question names: "embedded", "local", "local:N", or
	// addresses when External.
	Kafka string
	// External says that it is a cluster that redline does not start.
	External bool
	// Time is what the plan is fitted into.
	Time time.Duration
	// Rounds is how often each arm is tried; more than Effect says.
	Rounds int
	// Effect, if above 0, is the difference that is to be found with Power (0…1)
	// when one pair scatters by Noise; both are log-ratios: 0.05 is 5 %.
	Effect, Noise, Power float64
	// Margin is the largest difference, as a share, that counts as none.
	Margin float64
	// FreeDisk are the bytes free where the brokers keep their topics, of which
	// half may be used; 0 is not known.
	FreeDisk int64
	// MaxFill bounds the bytes of values in all topics that are read at once; 0 is
	// no bound. Each topic gets 64 MiB all the same.
	MaxFill int64
}

// Make plans a question: which trials, in which order, how long, and what that
// takes. The same arguments give the same plan. The error says what does not go
// together with the brokers (*Problems), or does not fit into the time or onto the
// disk. The plan has no id of a run yet.
func Make(q *Question, w Want) (result.Plan, error) {
	kafka := orElse(w.Kafka, q.Kafka)
	if err := q.brokers(kafka, w.External); err != nil {
		return result.Plan{}, err
	}
	rounds, why, fixed := q.rounds(w)
	if err := tooManyTrials(q.tried(), rounds); err != nil {
		return result.Plan{}, err
	}
	b := q.budget(w, kafka, rounds, fixed)
	notes := b.roomFor(q, w)
	if limit := orElse(w.Time, q.Time); limit > 0 {
		fitted, cut, err := b.fit(limit)
		if err != nil {
			return result.Plan{}, err
		}
		b = fitted
		who := "time: " + short(limit)
		if w.Time > 0 {
			who = "--time " + short(limit)
		}
		if cut != "" {
			notes = append(notes, who+" affords "+cut)
		}
		if b.rounds != rounds {
			why = fmt.Sprintf("%s affords %d; %s", who, b.rounds, why)
		}
	}
	if err := b.diskFor(w.FreeDisk); err != nil {
		return result.Plan{}, err
	}
	return result.Plan{
		Schema: result.PlanSchema, Name: q.Name, Question: q.Question, Kind: result.Rounds,
		Created: w.Created, Seed: w.Seed, Kafka: kafka,
		Axes: q.Axes(), Combine: q.Combine, Arms: q.arms,
		Rounds: b.rounds, RoundsWhy: why, Trials: b.trials[:b.rounds*b.arms],
		Timing: b.timing, FillBytes: b.fill, FillTime: q.fillTime(w), Margin: orElse(w.Margin, q.Margin), Thresholds: q.Thresholds,
		Seconds: b.seconds(b.rounds), Disk: b.disk(b.fill), Notes: append(notes, b.doubts()...),
	}, nil
}

// statedFillTime bounds the filling of a topic whose size the question states: a new
// broker may need half of it until it has written to thousands of partitions once.
const statedFillTime = time.Minute

// fillTime is result.Plan.FillTime.
func (q *Question) fillTime(w Want) time.Duration {
	if q.FillBytes > 0 && orElse(w.Time, q.Time) == 0 {
		return statedFillTime
	}
	return 0
}

// tried is the number of arms that can be tried.
func (q *Question) tried() int {
	n := 0
	for _, arm := range q.arms {
		if arm.Cannot == "" {
			n++
		}
	}
	return n
}

// Axes are what varies in the question.
func (q *Question) Axes() []result.Axis {
	axes := make([]result.Axis, 0, len(q.axes))
	for _, a := range q.axes {
		axis := result.Axis{Name: a.name}
		for _, v := range a.values {
			axis.Values = append(axis.Values, v.text)
		}
		axes = append(axes, axis)
	}
	return axes
}

// brokers finds settings that only brokers have which redline starts, when it
// does not start them.
func (q *Question) brokers(kafka string, external bool) error {
	if !external {
		kind, _, err := broker.ParseKind(kafka)
		if err != nil || kind == broker.Local {
			return err
		}
	}
	var f findings
	needs := func(at place, name string) {
		f.add(at, "%s is of brokers that redline starts as Apache Kafka, and this is %s: ask with --kafka local, or leave it out", name, kafka)
	}
	for _, c := range q.base {
		if c.setting.startsBrokers() {
			needs(c.value.at, c.name)
		}
	}
	for _, a := range q.axes {
		if a.setting.startsBrokers() {
			needs(a.at, a.name)
		}
	}
	return f.err()
}

// rounds is how often each arm is tried, and why; fixed says that somebody asked
// for just so many, which a longer time does not change.
func (q *Question) rounds(w Want) (rounds int, why string, fixed bool) {
	switch {
	case w.Rounds > 0:
		return w.Rounds, "asked for", true
	case w.Effect > 0:
		rounds = stats.PairsFor(w.Effect, w.Noise, w.Power)
		why = fmt.Sprintf("%s pairs find a difference of %.3g %% in %.3g %% of all runs, when one pair scatters by %.3g %%",
			term.Count(int64(rounds)), 100*w.Effect, 100*w.Power, 100*w.Noise)
		return rounds, why, true
	case q.Rounds > 0:
		return q.Rounds, "asked for in the question", true
	}
	comparisons := 0
	for _, arm := range q.arms {
		if arm.Against >= 0 {
			comparisons++
		}
	}
	rounds, why = stats.Rounds(comparisons)
	return rounds, why, false
}

// budget is the plan as it is wanted.
func (q *Question) budget(w Want, kafka string, rounds int, fixed bool) budget {
	b := budget{
		cost: newCost(q.arms, kafka, w.External), arms: q.tried(), rounds: rounds, most: rounds,
		fill: orElse(q.FillBytes, DefaultFill),
	}
	b.bursts = !slices.ContainsFunc(q.arms, func(arm result.Arm) bool { return !bursty(arm) })
	b.timing = timing(q.Timing, b.bursts)
	if !fixed && orElse(w.Time, q.Time) > 0 {
		b.most = min(2*rounds, maxTrials/b.arms)
	}
	if b.filled() == 0 {
		b.fill = 0
	}
	b.trials = Order(q.arms, b.most, w.Seed)
	return b
}

// roomFor cuts fills to what memory holds and, when the question leaves their size
// open, to half of the disk that is free.
func (b *budget) roomFor(q *Question, w Want) (notes []string) {
	before := b.fill
	if w.MaxFill > 0 && b.fill > 0 {
		b.fill = min(b.fill, max(leastFill, w.MaxFill/b.filled()))
	}
	for w.FreeDisk > 0 && q.FillBytes == 0 && b.fill > leastFill && b.disk(b.fill) > w.FreeDisk/2 {
		b.fill = max(leastFill, b.fill/2)
	}
	if b.fill < before {
		notes = append(notes, fmt.Sprintf("there is room for fills of %s a topic instead of %s", term.Bytes(b.fill), term.Bytes(before)))
	}
	return notes
}

// diskFor refuses a plan that needs more than half of the free disk.
func (b *budget) diskFor(free int64) error {
	needs := b.disk(b.fill)
	if free <= 0 || needs <= free/2 {
		return nil
	}
	change := "ask for fewer values that need topics of their own"
	if b.fill > 0 {
		change = fmt.Sprintf("lower fill (%s a topic now), or %s", term.Bytes(b.fill), change)
	}
	return errors.New("the topics need " + term.Bytes(needs) + " of the disk at once, and half of the " + term.Bytes(free) + " that are free is " + term.Bytes(free/2) + ": make room, " + change)
}

// doubts are what the reader of a plan has to know about its figures.
func (b *budget) doubts() (notes []string) {
	if b.rounds < leastRounds {
		notes = append(notes, fmt.Sprintf("%d of the %d rounds that intervals need: the figures will have none", b.rounds, leastRounds))
	}
	if b.bursts && b.timing.Window < time.Second {
		notes = append(notes, fmt.Sprintf("windows of %s are short for confluent at its defaults, which delivers one burst a second: take %s or more", term.Duration(b.timing.Window), term.Duration(leastBursts)))
	}
	told := map[string]bool{}
	for _, arm := range b.cost.arms {
		if window := TimingOf(arm, b.timing).Window; arm.Cannot == "" && window != b.timing.Window && !told[arm.Client] {
			told[arm.Client] = true
			notes = append(notes, fmt.Sprintf("windows of %s last %s: at its defaults it delivers one burst a second", arm.Client, term.Duration(window)))
		}
	}
	return notes
}

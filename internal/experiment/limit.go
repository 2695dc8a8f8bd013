package experiment

import (
	"fmt"
	"math/rand/v2"
	"time"

	"redline/result"
)

// Limit is the question how fast a Kafka goes from here: a few settings are tried
// for each side, and the best is confirmed against the next best.
type Limit struct {
	// Client is what goes to the limit, of both sides.
	Client     string
	Partitions int
	RecordSize int
	// FillBytes bounds how much is written for reading, in bytes of values.
	FillBytes int64
	Time      time.Duration
	// Topic, if not empty, is an existing topic: consuming alone is asked about, and
	// nothing is written.
	Topic   string
	Seed    uint64
	Created time.Time
	Kafka   string
}

// MinTime is the shortest time a limit can be asked in, DefaultTime what it takes
// when nothing is said: within 90 s with all that is around the trials.
const (
	MinTime     = 15 * time.Second
	DefaultTime = 82 * time.Second
)

// schedule is how the time of a limit is spent.
type schedule struct {
	timing result.Timing
	fill   time.Duration
	rounds int // of confirmation, each setting once
}

// DefaultTiming is that of a trial of a limit at its default length.
var DefaultTiming = result.Timing{Warmup: 400 * time.Millisecond, Window: time.Second}

const (
	minRounds = 8
	maxRounds = 40
	maxWindow = 3 * time.Second
	// around is what a trial costs beside warm-up, window and canaries: making
	// clients, joining, closing. Before all trials the idle machine is looked at.
	around = 120 * time.Millisecond
	before = 3 * time.Second
)

// cost is what a trial takes.
func cost(t result.Timing) time.Duration {
	return t.Warmup + t.Window + around + 2*canaryTimes*length(t)
}

// divide divides the time over trials: up to the default length by shortening them,
// above it by longer windows first, up to the longest, and more rounds then.
func divide(total time.Duration, sides, grid int, longest time.Duration) schedule {
	s := schedule{timing: DefaultTiming, rounds: minRounds, fill: min(total/12, 8*time.Second)}
	left := total - s.fill - before
	trials := func(rounds int) time.Duration { return time.Duration(sides * (grid + 2*rounds)) }
	each := left / trials(s.rounds)
	if each < cost(s.timing) {
		canary := length(result.Timing{Window: each})
		rest := each - around - 2*canaryTimes*canary
		s.timing.Warmup = max(20*time.Millisecond, rest*2/7)
		s.timing.Window = max(50*time.Millisecond, rest-s.timing.Warmup)
		return s
	}
	if total <= DefaultTime {
		return s
	}
	s.timing.Window = min(longest, each-cost(result.Timing{Warmup: s.timing.Warmup, Window: longest})+longest)
	for s.rounds < maxRounds && trials(s.rounds+1)*cost(s.timing) <= left { //nolint:durationcheck // a number of trials
		s.rounds++
	}
	return s
}

// Plan says how the limit is looked for.
func (l Limit) Plan() result.Plan {
	sides := 2
	if l.Topic != "" {
		sides = 1
	}
	p := result.Plan{
		Schema: result.PlanSchema, Name: "limit", Kind: result.Limits, Created: l.Created, Seed: l.Seed, Kafka: l.Kafka,
		Topic:    l.Topic,
		Question: "How fast does this Kafka go from here, and which settings reach it?",
		Combine:  "product", FillBytes: l.FillBytes, Margin: 0.03, Disk: l.FillBytes,
		Axes: []result.Axis{
			{Name: "connections", Values: l.connections()},
			{Name: "fetch.max.bytes", Values: []string{"1048576", "4194304"}},
		},
	}
	grids := [][]result.Arm{l.consumeGrid()}
	if sides == 2 {
		grids = append(grids, l.produceGrid())
		p.Axes = append(p.Axes, result.Axis{Name: "batch.size", Values: []string{"65536", "1000000"}})
	}
	rungs, ladderRounds := l.ladder()
	longest := maxWindow
	if len(rungs) > 0 {
		longest = DefaultTiming.Window
	}
	s := divide(l.Time-time.Duration(len(rungs)*ladderRounds)*cost(DefaultTiming), sides, len(grids[0]), longest)
	p.Timing, p.FillTime, p.Rounds = s.timing, s.fill, s.rounds
	if s.timing.Window < DefaultTiming.Window {
		p.Notes = append(p.Notes, fmt.Sprintf("windows of %v are shorter than the usual 1 s: the figures scatter more", s.timing.Window.Round(time.Millisecond)))
	}
	p.RoundsWhy = "eight give an interval of 96 % or more; a longer --time gives more"
	p.Seconds = l.Time.Seconds()
	rng := rand.New(rand.NewPCG(l.Seed, l.Seed))
	for _, grid := range grids {
		first := len(p.Arms)
		p.Arms = append(p.Arms, grid...)
		for _, i := range rng.Perm(len(grid)) {
			p.Trials = append(p.Trials, result.Planned{Arm: first + i, Stage: result.StageTry})
		}
		for round := range s.rounds {
			confirm := result.Planned{Arm: result.ArmOpen, Round: round, Stage: result.StageConfirm}
			p.Trials = append(p.Trials, confirm, confirm)
		}
	}
	p.Trials = append(p.Trials, climbing(len(p.Arms), rungs, ladderRounds, l.Seed)...)
	p.Arms = append(p.Arms, opposed(rungs, len(p.Arms))...)
	return p
}

func (l Limit) arm(workload string, instances int, properties map[string]string, values map[string]string) result.Arm {
	return result.Arm{
		Workload: workload, Client: l.Client, Profile: "tuned", Values: values, Against: -1,
		Setting: result.Setting{
			Instances: instances, Partitions: l.Partitions, RecordBytes: l.RecordSize,
			Payload: "random", Keys: "none", Compression: "none", Acks: "all", Handler: "none", Properties: properties,
		},
	}
}

// consumeGrid and produceGrid are what is tried.
func (l Limit) consumeGrid() []result.Arm {
	var grid []result.Arm
	for _, n := range l.consumeConnections() {
		for _, fetch := range []string{"1048576", "4194304"} {
			instances, properties := l.connected(n)
			properties["fetch.max.bytes"] = fetch
			if l.Client != "direct" { // which asks for whole batches
				properties["max.partition.fetch.bytes"] = "1048576"
			}
			grid = append(grid, l.arm(result.Consume, instances, properties,
				map[string]string{"connections": digit(n), "fetch.max.bytes": fetch}))
		}
	}
	return grid
}

func (l Limit) produceGrid() []result.Arm {
	var grid []result.Arm
	for _, n := range []int{1, 2, 4} {
		for _, batch := range []string{"65536", "1000000"} {
			grid = append(grid, l.arm(result.Produce, n,
				map[string]string{"acks": "all", "batch.size": batch, "linger.ms": "5"},
				map[string]string{"connections": digit(n), "batch.size": batch}))
		}
	}
	return grid
}

// consumeConnections are the numbers of connections to each broker that are tried for
// consuming: direct, which is told of one consumer, goes on gaining where each of the
// others has become a client of its own.
func (l Limit) consumeConnections() []int {
	if l.Client == "direct" {
		return []int{1, 2, 8}
	}
	return []int{1, 2, 4}
}

// connections are those that are tried for anything.
func (l Limit) connections() []string {
	if l.Client == "direct" {
		return []string{"1", "2", "4", "8"}
	}
	return []string{"1", "2", "4"}
}

// connected is how a consumer comes to n connections to each broker: direct has as many
// as it is told to, of the others each instance has one.
func (l Limit) connected(n int) (instances int, properties map[string]string) {
	if l.Client == "direct" {
		return 1, map[string]string{"connections.per.broker": digit(n)}
	}
	return n, map[string]string{}
}

func digit(n int) string { return string(rune('0' + n)) }

package plan

import (
	"strings"
	"time"

	"redline/internal/broker"
	"redline/result"
)

// What things take, on the machine of two cores that redline was made on. Time is
// in seconds.
const (
	calibrating = 3    // the look at the idle machine that a session begins with
	creating    = 0.15 // a topic, until it can be written to
	settling    = 0.3  // a host that is at rest soon
	around      = 0.35 // two canaries, and clients that begin and end
	process     = 1.5  // a client's process of its own, a Java machine at worst
	sharing     = 5    // a share group's first assignment
	warming     = 1.2  // share of the shortest warm-up that is waited on average
	embedded    = 0.5  // an embedded broker's start and end
	oneNode     = 5    // the same of Apache Kafka with one node
	eachNode    = 2.5  // every further node
	fillBytes   = 100e6
	fillRecords = 1e6 // a second, whichever is slower
	fillAtMost  = 10  // after which a fill usually ends, see result.Plan.FillTime
)

// cost knows what the arms of a plan take in time and on the disk.
type cost struct {
	arms   []result.Arm
	shapes []Shape   // of each arm
	start  []float64 // seconds that its brokers take to start and end
	copies []int64   // replicas of its topic on this machine's disk
}

// newCost reads arms that run on that Kafka; external is a cluster that redline
// does not start.
func newCost(arms []result.Arm, kafka string, external bool) cost {
	kind, nodes, _ := broker.ParseKind(kafka) // that of an external cluster is not one
	c := cost{arms: arms}
	for _, arm := range arms {
		started := nodes
		if arm.Setting.Nodes > 0 {
			started = arm.Setting.Nodes
		}
		c.shapes = append(c.shapes, ShapeOf(arm))
		switch {
		case external:
			c.start = append(c.start, 0)
		case kind == broker.Embedded || kind == broker.Null:
			c.start = append(c.start, embedded)
		default:
			c.start = append(c.start, oneNode+eachNode*float64(started-1))
		}
		copies := int64(1)
		if started >= 3 && kind == broker.Local {
			copies = 3 // what brokers that we start replicate by default
		}
		if kind == broker.Null && !external {
			copies = 0
		}
		c.copies = append(c.copies, copies)
	}
	return c
}

// seconds is how long trials take, with what comes between them: brokers that are
// started when the next trial needs others, and topics that are made and filled
// when they are first needed on them.
func (c cost) seconds(trials []result.Planned, t result.Timing, fill int64) float64 {
	var each float64
	for _, trial := range trials {
		arm := c.arms[trial.Arm]
		timing := TimingOf(arm, t)
		each += settling + warming*timing.Warmup.Seconds() + timing.Window.Seconds() + around
		if outside(arm) {
			each += process
		}
		if arm.Client == "java-share" {
			each += sharing
		}
	}
	return calibrating + each + c.preparing(trials, func(s Shape) float64 { return creating + filling(s, fill) })
}

// preparing is the time for brokers and, as topic says for each, topics.
func (c cost) preparing(trials []result.Planned, topic func(Shape) float64) float64 {
	var total float64
	var there map[Shape]bool
	last := -1
	for _, trial := range trials {
		shape := c.shapes[trial.Arm]
		if last < 0 || c.shapes[last].Broker != shape.Broker {
			total += c.start[trial.Arm]
			there = map[Shape]bool{}
		}
		last = trial.Arm
		if !there[shape] {
			there[shape] = true
			total += topic(shape)
		}
	}
	return total
}

// fills is the part of seconds that goes into filling topics.
func (c cost) fills(trials []result.Planned, fill int64) float64 {
	var total float64
	c.preparing(trials, func(s Shape) float64 {
		total += filling(s, fill)
		return 0
	})
	return total
}

func filling(s Shape, fill int64) float64 {
	records := float64(s.Records(fill))
	return min(fillAtMost, max(records*float64(s.RecordBytes)/fillBytes, records/fillRecords))
}

// What a record takes on a disk beside its value, in bytes: its own fields, a key
// if it has one; and what indexes and batches add to all, as a share.
const (
	recordExtra = 10
	keyExtra    = 8
	logExtra    = 1.05
)

// What is written to topics that nobody reads is removed soon: each partition keeps
// writtenRest bytes at most (its retention and a segment), and the topic that is
// being written to has writtenSoon more, until brokers look after their retention.
const (
	writtenRest = 48 << 20
	writtenSoon = 1 << 30
)

// disk is how many bytes of topics there are at most at once, on brokers that
// live.
func (c cost) disk(fill int64) int64 {
	var writing int64
	bytes := c.atOnce(func(i int) int64 {
		shape := c.shapes[i]
		if shape.Workload == result.Produce {
			writing = max(writing, writtenSoon*c.copies[i])
			return writtenRest * int64(shape.Partitions) * c.copies[i]
		}
		each := shape.RecordBytes + recordExtra
		if shape.Keys != "none" {
			each += keyExtra
		}
		return c.copies[i] * int64(logExtra*float64(shape.Records(fill))*float64(each))
	})
	return bytes + writing
}

// filled is how many topics are filled to be read, at most at once.
func (c cost) filled() int64 {
	return c.atOnce(func(i int) int64 {
		if c.shapes[i].Workload == result.Consume {
			return 1
		}
		return 0
	})
}

// atOnce sums a figure of each topic over those on the same brokers, whose arm is
// i, and gives the largest sum.
func (c cost) atOnce(of func(i int) int64) int64 {
	var most int64
	there, sums := map[Shape]bool{}, map[string]int64{}
	for i, shape := range c.shapes {
		if c.arms[i].Cannot == "" && !there[shape] {
			there[shape] = true
			sums[shape.Broker] += of(i)
			most = max(most, sums[shape.Broker])
		}
	}
	return most
}

// bursty says whether an arm reads with librdkafka at its defaults, which delivers
// one burst a second: its windows hold several only when they are long.
func bursty(arm result.Arm) bool {
	_, tuned := arm.Setting.Properties["fetch.queue.backoff.ms"]
	return arm.Workload == result.Consume && arm.Client == "confluent" && arm.Profile == "defaults" && !tuned
}

// outside says whether the client of an arm is a process of its own.
func outside(arm result.Arm) bool {
	return arm.Command != "" || strings.HasPrefix(arm.Client, "java")
}

// TimingOf is how long the parts of an arm's trials last, in a plan with that timing.
// A client that delivers one burst a second needs several of them in its window.
func TimingOf(arm result.Arm, t result.Timing) result.Timing {
	hurried := t.Window < time.Second // a test, or somebody who knows
	if bursty(arm) && !hurried {
		t.Warmup, t.Window = max(t.Warmup, time.Second), max(t.Window, leastBursts)
	}
	return t
}

// timing fills in what a question leaves to its defaults.
func timing(t result.Timing, bursts bool) result.Timing {
	usual := result.Timing{Settle: 2 * time.Second, Warmup: 500 * time.Millisecond, Window: 2 * time.Second}
	if bursts {
		usual.Warmup, usual.Window = 2*time.Second, 10*time.Second
	}
	return result.Timing{Settle: max(0, orElse(t.Settle, usual.Settle)), Warmup: orElse(t.Warmup, usual.Warmup), Window: orElse(t.Window, usual.Window)}
}

func orElse[T comparable](v, otherwise T) T {
	var none T
	if v == none {
		return otherwise
	}
	return v
}

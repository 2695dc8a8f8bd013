package result

import "time"

// PlanSchema names the form of a Plan in JSON. Fields are only added within a
// version.
const PlanSchema = "redline.plan/v1"

// Workloads of an Arm.
const (
	Consume = "consume"
	Produce = "produce"
)

// Setting is the configuration that a trial runs with, beside its client.
type Setting struct {
	// Instances is the number of consumers, or of producers, each with connections
	// of its own.
	Instances int `json:"instances"`
	// Partitions of the topic and RecordBytes of each value in it.
	Partitions  int `json:"partitions"`
	RecordBytes int `json:"record_bytes"`
	// Payload is what values are made of: "random", "text", "json", "zeros". Keys: "none",
	// "sequential", "uniform", "zipf".
	Payload string `json:"payload"`
	Keys    string `json:"keys"`
	// Compression of the batches: "none", "gzip", "snappy", "lz4", "zstd".
	Compression string `json:"compression"`
	// Acks that a producer waits for: "0", "1", "all".
	Acks string `json:"acks"`
	// Rate is the load that all producers together offer, in records per second, whether
	// they are acknowledged or not (an open loop); 0 is as fast as they go (a closed one).
	Rate float64 `json:"rate,omitempty"`
	// Handler is what is done with each record that was consumed: "none"; "json" to
	// decode its value; "burn=DURATION" of CPU time, "sleep=DURATION" or "alloc=SIZE"
	// of memory for each.
	Handler string `json:"handler"`
	// Nodes is the number of brokers; 0 leaves the cluster as it is.
	Nodes int `json:"nodes,omitempty"`
	// Properties are the client's, Topic and Broker those of the topic and of the
	// brokers that are started, each in Kafka's spelling, set on purpose.
	Properties map[string]string `json:"properties,omitempty"`
	Topic      map[string]string `json:"topic,omitempty"`
	Broker     map[string]string `json:"broker,omitempty"`
}

// Arm is one of the configurations that an experiment tries: a workload, done by
// a client, in a setting.
type Arm struct {
	Workload string `json:"workload"` // Consume or Produce
	Client   string `json:"client"`
	// Profile is what the client's settings start from: "tuned" or "defaults"; "own" for
	// a program that was given by Command, and empty for a rung of the ladder.
	Profile string `json:"profile"`
	// Command is the program that is the client, and its arguments; empty for a client
	// that redline knows.
	Command string `json:"command,omitempty"`
	// Adds is what a rung of the ladder does beyond the one before it, in words; empty for
	// a client.
	Adds string `json:"adds,omitempty"`
	// Lighter says what the client does less for a record than every other client does,
	// one sentence each; empty when it does all of it.
	Lighter []string `json:"lighter,omitempty"`
	// Cannot says why the arm is not tried: its client cannot do what is asked.
	Cannot string `json:"cannot,omitempty"`
	// Values are this arm's values of the axes that vary, as text. They tell it
	// from the other arms of its workload.
	Values  map[string]string `json:"values"`
	Setting Setting           `json:"setting"`
	// Against is the index of the arm that this one is compared with; -1 when it is
	// the baseline of its workload.
	Against int `json:"against"`
	// Published is the figure that somebody else has found for it; nil if none.
	Published *Published `json:"published,omitempty"`
}

// Published is a figure from elsewhere, put beside for comparison.
type Published struct {
	RecordsPerSecond float64 `json:"records_per_second"`
	Source           string  `json:"source"`
}

// Axis is what varies: a name and its values, in the order they were asked for.
type Axis struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Timing is how long the parts of each trial last.
type Timing struct {
	// Settle is the longest wait for the host to come to rest before a trial.
	Settle time.Duration `json:"settle_ns"`
	// Warmup is the shortest one; it goes on until the rate is steady, at most twice
	// as long.
	Warmup time.Duration `json:"warmup_ns"`
	Window time.Duration `json:"window_ns"`
}

// Kinds of a Plan.
const (
	// Rounds tries every arm once in each round.
	Rounds = "rounds"
	// Limits tries every arm once, and confirms the best against the next best.
	Limits = "limit"
	// Nulls compares an arm with itself and with slower copies of itself.
	Nulls = "aa"
)

// Plan is what a run is going to do, fixed before its first trial: runs/<id>/plan.json.
type Plan struct {
	Schema string `json:"schema"`
	// Run is the id of the run, Name that of the question ("seed", or the name of
	// its file).
	Run      string    `json:"run"`
	Name     string    `json:"name"`
	Question string    `json:"question"`
	Kind     string    `json:"kind"`
	Created  time.Time `json:"created"`
	// Seed decides the order of trials and the bytes of records.
	Seed uint64 `json:"seed"`
	// Command are the arguments that it was asked with, without the program's name.
	Command []string `json:"command,omitempty"`
	// Kafka is the cluster that was asked for: "embedded", "local", "local:3", or
	// addresses.
	Kafka string `json:"kafka"`
	// Topic, if not empty, is an existing topic that is read; nothing is written then.
	Topic string `json:"topic,omitempty"`
	// Axes vary, combined as "product" or "zip".
	Axes    []Axis `json:"axes"`
	Combine string `json:"combine"`
	Arms    []Arm  `json:"arms"`
	// Rounds is how often each arm is tried, RoundsWhy says why so often.
	Rounds    int    `json:"rounds"`
	RoundsWhy string `json:"rounds_why"`
	// Power is the probability to find the differences that the rounds were computed
	// for; 0 when they were not.
	Power float64 `json:"power,omitempty"`
	// Trials are in the order in which they run. A Limits plan holds its first
	// stage; what follows depends on what that finds.
	Trials []Planned `json:"trials"`
	Timing Timing    `json:"timing"`
	// FillBytes is how much is written for reading, at most, of values in each
	// topic.
	FillBytes int64 `json:"fill_bytes"`
	// FillTime bounds how long each topic is filled; 0 is 10 s.
	FillTime time.Duration `json:"fill_time_ns,omitempty"`
	// Margin is the largest difference, as a share, that counts as none.
	Margin float64 `json:"margin"`
	// Thresholds are gates on the rows, such as
	// "consume.records_per_second >= 100000".
	Thresholds []string `json:"thresholds,omitempty"`
	// Seconds is how long it was estimated to take, Disk how many bytes of topics
	// it needs at once.
	Seconds float64 `json:"seconds"`
	Disk    int64   `json:"disk_bytes"`
	// Notes say what a given time could not afford.
	Notes []string `json:"notes,omitempty"`
}

// Stages of a Limits plan.
const (
	// StageTry tries each setting once.
	StageTry = "try"
	// StageConfirm holds the best two of those tried against each other. Its trials were
	// not chosen by their outcome: where an arm has them, they alone are its figure.
	StageConfirm = "confirm"
	// StageLadder shows where consuming goes: each rung between the socket and the clients
	// once in each round.
	StageLadder = "ladder"
)

// ArmOpen is the arm of a planned trial that is decided by the trials before it, as
// in a later stage of a limit.
const ArmOpen = -1

// Planned is a trial that is to be run: its place is its number.
type Planned struct {
	// Arm is an index of Plan.Arms, or ArmOpen.
	Arm   int    `json:"arm"`
	Round int    `json:"round"`
	Stage string `json:"stage,omitempty"`
}

// Session is one sitting of a run: from its start, or from where it was taken up
// again.
type Session struct {
	Began       time.Time   `json:"began"`
	Environment Environment `json:"environment"`
	Calibration Calibration `json:"calibration"`
}

// Calibration is how the idle machine looked when a session began: the base that
// conditions of its trials are held against.
type Calibration struct {
	// Steal and Foreign are the 95 % quantiles of what was read; see Conditions.
	// -1 when not known.
	Steal   float64 `json:"steal_share"`
	Foreign float64 `json:"foreign_cpus"`
	// Idle is how many processors were busy on average.
	Idle float64 `json:"idle_cpus"`
	// Canary is the median time of the spin, CanarySlow the 95 % quantile over the
	// median.
	Canary     time.Duration `json:"canary_ns"`
	CanarySlow float64       `json:"canary_slow"`
}

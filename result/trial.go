package result

import "time"

// Measured is what one execution of one setting counted in its window.
type Measured struct {
	// Warmup came before the window and is in no figure.
	Warmup time.Duration `json:"warmup_ns"`
	Window time.Duration `json:"window_ns"`
	// Records and Bytes (of keys and values) were counted in the window, each
	// record once: acknowledged when producing, decoded when consuming.
	Records int64 `json:"records"`
	Bytes   int64 `json:"bytes"`
	// Usage is that of the window.
	Usage Usage `json:"usage"`
	// Rewinds is how often reading began anew inside the window.
	Rewinds int64 `json:"rewinds,omitempty"`
	// Waiting says where the client's time went in the window; nil when nothing is known.
	Waiting *Waiting `json:"waiting,omitempty"`
	// Error is why there is no figure; empty when there is one.
	Error string `json:"error,omitempty"`
}

// Rate is records per second in the window; 0 for an empty one.
func (m Measured) Rate() float64 {
	if m.Window <= 0 {
		return 0
	}
	return float64(m.Records) / m.Window.Seconds()
}

// Megabytes is 10^6 bytes per second in the window.
func (m Measured) Megabytes() float64 {
	if m.Window <= 0 {
		return 0
	}
	return float64(m.Bytes) / 1e6 / m.Window.Seconds()
}

// CPUNsPerRecord is the client's CPU time per record; 0 when it is not known.
func (m Measured) CPUNsPerRecord() float64 {
	if m.Records <= 0 || m.Usage.ClientCPU < 0 {
		return 0
	}
	return m.Usage.ClientCPU * 1e9 / float64(m.Records)
}

// CPUsBusy is how many processors of the host were busy on average in the
// window; -1 when it is not known.
func (m Measured) CPUsBusy() float64 {
	if m.Usage.Wall <= 0 || m.Usage.HostCPU < 0 {
		return -1
	}
	return m.Usage.HostCPU / m.Usage.Wall.Seconds()
}

// Waiting says where a client's time went in a window, beside its CPU.
type Waiting struct {
	// Requests answered, and of these fetches and produce requests; -1 when the client
	// does not tell.
	Requests int64 `json:"requests"`
	Fetches  int64 `json:"fetches"`
	Produces int64 `json:"produces"`
	// Connections is how many fetched, on average. WaitedSeconds, ReceivedSeconds and IdleSeconds are
	// where their time went, added up: from a fetch written to the first byte of its
	// answer (the broker's turn), from there to the last byte, from there to the next
	// fetch written (the client's turn). -1 when the client does not tell; where it does
	// not tell receiving from waiting, both are in WaitedSeconds.
	Connections     int64   `json:"connections"`
	WaitedSeconds   float64 `json:"waited_seconds"`
	ReceivedSeconds float64 `json:"received_seconds"`
	IdleSeconds     float64 `json:"idle_seconds"`
	// HandlerSeconds is the time spent in the handler, added up over consumers.
	HandlerSeconds float64 `json:"handler_seconds"`
	// BusiestThread is the share of a processor that the busiest thread of the client
	// had, 0…1; -1 when not known.
	BusiestThread float64 `json:"busiest_thread"`
	// ThrottledSeconds is what the broker asked us to wait.
	ThrottledSeconds float64 `json:"throttled_seconds"`
}

// Trial is one execution of a planned trial: a line of trials.jsonl.
type Trial struct {
	// Number is its place in the plan, from 0. A number is there more than once
	// when an attempt was invalid and was repeated; Attempt counts from 1.
	Number  int `json:"number"`
	Attempt int `json:"attempt"`
	// Session is the index of the sitting it was measured in (Run.Sessions).
	Session int `json:"session"`
	// Arm is the index of what was tried in Plan.Arms. Figures are compared
	// within a Round alone. Stage names a part of an experiment that decides as
	// it goes ("try", "confirm"); empty when there is one part.
	Arm   int       `json:"arm"`
	Round int       `json:"round"`
	Stage string    `json:"stage,omitempty"`
	Began time.Time `json:"began"`
	Measured
	// Topic was read or written; Held is how many records it held when it was read.
	Topic string `json:"topic"`
	Held  int64  `json:"held,omitempty"`
	// Cut says how the window's records were chosen: "settled" for all of the
	// window; "bursts" from the start of its first burst to the start of its last,
	// for a client that delivers in bursts.
	Cut string `json:"cut"`
	// Bins are the records counted in each BinWidth from the start of the trial,
	// warm-up first.
	BinWidth time.Duration `json:"bin_width_ns,omitempty"`
	Bins     []int64       `json:"bins,omitempty"`
	// Claimed is the rate that a client in a process of its own says it reached, in
	// records per second, by its own clock and window; 0 when it says none.
	Claimed float64 `json:"claimed_records_per_second,omitempty"`
	// Errors counts problems that the client went on from.
	Errors int64 `json:"errors"`
	// LatencyHDR is a histogram of nanoseconds in the V2 format of HdrHistogram,
	// compressed, in base64: from intended send to acknowledgement when producing.
	// Empty when there is none.
	LatencyHDR string `json:"latency_hdr,omitempty"`
	// Offered is set in an open loop alone.
	Offered *Offered `json:"offered,omitempty"`
	// Account is what became of every record of the trial, warm-up included.
	Account Account `json:"account"`
	// Conditions are the readings beside it that say whether it may count.
	Conditions Conditions `json:"conditions"`
	// Invalid says why it must not count: rules about Conditions that were fixed
	// before, never about the outcome. Empty when it counts.
	Invalid []string `json:"invalid,omitempty"`
	// Last says that an invalid attempt is not repeated, as the run has used up what it
	// may repeat.
	Last bool `json:"last,omitempty"`
	// Notes are what a reader has to know about this trial.
	Notes []string `json:"notes,omitempty"`
	// InForce are the client's settings truly in force, in the library's own
	// spelling; only in the first trial of an arm in a session.
	InForce map[string]string `json:"in_force,omitempty"`
}

// Offered is the load that an open loop was to offer in a window, and what it did.
type Offered struct {
	// RecordsPerSecond were due, Records of them were sent in the window.
	RecordsPerSecond float64 `json:"records_per_second"`
	Records          int64   `json:"records"`
	// LagP99 is the 99th percentile of how late records were sent, after they were due,
	// in milliseconds.
	LagP99 float64 `json:"lag_p99_ms"`
	// Ceiling is what the same producers reached into a null sink when the session
	// began, in records per second; 0 when that was not tried.
	Ceiling float64 `json:"ceiling_records_per_second"`
	// GeneratorLimited says that the load was not offered as it was due, and that it is
	// near what the producers can make at all: they were the limit, not the Kafka.
	GeneratorLimited bool `json:"generator_limited"`
}

// Counts says whether the trial's figure may be used: it came to an end, and
// its conditions were those of the session's calibration.
func (t Trial) Counts() bool { return t.Error == "" && len(t.Invalid) == 0 }

// Conditions are covariates of a trial: what the machine went through meanwhile.
// What is not known on this system is -1 unless said otherwise.
type Conditions struct {
	// Steal is the share of all processors' time that the hypervisor took, 0…1.
	Steal float64 `json:"steal_share"`
	// Foreign is how many processors were busy on average with work that was
	// neither the client's nor the broker's.
	Foreign float64 `json:"foreign_cpus"`
	// CanaryBefore and CanaryAfter are how long a fixed spin took before and after
	// the trial, over its time in the calibration: 1 is as fast as then. 0 when
	// there was none.
	CanaryBefore float64 `json:"canary_before"`
	CanaryAfter  float64 `json:"canary_after"`
	// PressureCPU, PressureIO and PressureMemory are shares of the window in which
	// some task waited for it, 0…1 (/proc/pressure).
	PressureCPU    float64 `json:"pressure_cpu"`
	PressureIO     float64 `json:"pressure_io"`
	PressureMemory float64 `json:"pressure_memory"`
	// ContextSwitches of the host in the window.
	ContextSwitches int64 `json:"context_switches"`
	// ClockStep is how far the wall clock moved beyond the monotonic one.
	ClockStep time.Duration `json:"clock_step_ns"`
	// Rebalances and LeaderChanges happened between the trial's start and end.
	Rebalances    int64 `json:"rebalances"`
	LeaderChanges int64 `json:"leader_changes"`
	// Settled says that the host had come to rest before the trial began, within
	// Settle.
	Settle  time.Duration `json:"settle_ns"`
	Settled bool          `json:"settled"`
	// BrokerAge is how long ago the broker was started; 0 when it is not ours.
	BrokerAge time.Duration `json:"broker_age_ns,omitempty"`
}

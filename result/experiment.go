package result

// ExperimentSchema names the form of an ExperimentReport in JSON. Fields are only
// added within a version.
const ExperimentSchema = "redline.experiment/v1"

// ExperimentReport is what an experiment found: a function of its stored run
// alone.
type ExperimentReport struct {
	Header
	Run      string `json:"run"`
	Name     string `json:"name"`
	Question string `json:"question"`
	// Answer is what was found, in a sentence or a few.
	Answer string `json:"answer"`
	Plan   Plan   `json:"plan"`
	// Rows are the arms of the plan, in its order.
	Rows []Row `json:"rows"`
	// Comparisons are of each arm with the one it is held against.
	Comparisons []Comparison `json:"comparisons"`
	// Fits are laws of throughput over an axis of instances or partitions; empty
	// when there are fewer than six values.
	Fit []Fit `json:"fit"`
	// Gates are the thresholds of the question and how they came out.
	Gates   []Gate  `json:"gates,omitempty"`
	Account Account `json:"account"`
	// Planned counts the trials of the plan, Finished those that have a trial that
	// counts, Excluded the attempts that were invalid, and Failed those that ended
	// with an error.
	Planned  int `json:"planned"`
	Finished int `json:"finished"`
	Excluded int `json:"excluded"`
	Failed   int `json:"failed"`
	// Sessions are the sittings it was measured in.
	Sessions []Session `json:"sessions"`
}

// Row is what one arm came to.
type Row struct {
	Arm
	// Label names the arm among the others in a few words.
	Label string `json:"label"`

	RecordsPerSecond   Estimate `json:"records_per_second"`
	MegabytesPerSecond Estimate `json:"megabytes_per_second"` // 10^6 bytes of keys and values
	CPUNsPerRecord     Estimate `json:"cpu_ns_per_record"`    // of the client's process
	// PerInstance is records per second and instance.
	PerInstance Estimate `json:"records_per_second_per_instance"`
	// CPUsBusy, ClientCPUs and BrokerCPUs are processors busy on average; N is 0
	// where they are not known.
	CPUsBusy   Estimate `json:"cpus_busy"`
	ClientCPUs Estimate `json:"client_cpus"`
	BrokerCPUs Estimate `json:"broker_cpus"`
	// Latency is of all trials together, in milliseconds; nil when not measured.
	Latency *Latency `json:"latency_ms,omitempty"`

	Lost        int64 `json:"lost"`
	Duplicated  int64 `json:"duplicated"`
	Redelivered int64 `json:"redelivered"`
	Errors      int64 `json:"errors"`
	// Usage is that of all windows that count, added up.
	Usage Usage `json:"usage"`
	// Waiting is that of all windows that count, added up; its BusiestThread is the
	// median. Nil when nothing is known.
	Waiting *Waiting `json:"waiting,omitempty"`
	// InForce are the settings truly in force, in the library's spelling.
	InForce map[string]string `json:"in_force"`
	// Differs are settings in force that matter for the work of a record and are others
	// than in the arm it is held against, though nobody asked for that: "linger.ms is 0,
	// not 5".
	Differs []string `json:"differs,omitempty"`
	// Trials are all attempts, in the order in which they ran.
	Trials   []RowTrial `json:"trials"`
	Warnings []string   `json:"warnings"`
}

// RowTrial is a trial as a report shows it.
type RowTrial struct {
	Number           int     `json:"number"`
	Attempt          int     `json:"attempt"`
	Round            int     `json:"round"`
	Stage            string  `json:"stage,omitempty"`
	RecordsPerSecond float64 `json:"records_per_second"`
	// MegabytesPerSecond is 10^6 bytes of keys and values.
	MegabytesPerSecond float64 `json:"megabytes_per_second"`
	CPUNsPerRecord     float64 `json:"cpu_ns_per_record"`
	// Claimed is the rate that a client in a process of its own says it reached; 0 when
	// it says none.
	Claimed       float64 `json:"claimed_records_per_second,omitempty"`
	WarmupSeconds float64 `json:"warmup_seconds"`
	WindowSeconds float64 `json:"window_seconds"`
	Cut           string  `json:"cut"`
	Rewinds       int64   `json:"rewinds,omitempty"`
	// Rates are records per second in each BinSeconds from the trial's start on.
	BinSeconds float64    `json:"bin_seconds,omitempty"`
	Rates      []float64  `json:"rates,omitempty"`
	Conditions Conditions `json:"conditions"`
	Invalid    []string   `json:"invalid,omitempty"`
	Notes      []string   `json:"notes,omitempty"`
	Error      string     `json:"error,omitempty"`
}

// Verdicts of a Comparison.
const (
	Higher       = "higher"
	Lower        = "lower"
	NoDifference = "no difference"
	CouldNotTell = "could not tell"
)

// Comparison is one measure of an arm over that of the arm it is compared with.
type Comparison struct {
	// A and B are labels, ArmA and ArmB indexes of Rows; the ratio is A over B.
	A    string `json:"a"`
	B    string `json:"b"`
	ArmA int    `json:"arm_a"`
	ArmB int    `json:"arm_b"`
	// Measure is "consume.records_per_second" and the like.
	Measure string `json:"measure"`
	// Ratio is paired by round when Paired, else of two runs made apart.
	Ratio  Estimate `json:"ratio"`
	Paired bool     `json:"paired"`
	// P is the two-sided sign-flip probability of so large a difference by chance,
	// Adjusted the same after Holm over all comparisons of the report. 1 when there
	// are no pairs.
	P        float64 `json:"p"`
	Adjusted float64 `json:"p_adjusted"`
	// Verdict is Higher, Lower, NoDifference (the whole interval lies within
	// Margin) or CouldNotTell.
	Verdict string  `json:"verdict"`
	Margin  float64 `json:"margin"`
}

// Laws of a Fit.
const (
	Linear     = "linear"     // X = lambda N
	Saturating = "saturating" // X = lambda N / (1 + sigma (N-1)), Amdahl's
	Universal  = "usl"        // X = lambda N / (1 + sigma (N-1) + kappa N (N-1)), Gunther's
)

// Fit is a law of throughput over one axis.
type Fit struct {
	Workload string `json:"workload"`
	Axis     string `json:"axis"`
	// Law is the one that the points support best by AICc, of those compared.
	Law string `json:"law"`
	// Lambda is the rate of one, Sigma the contention, Kappa the coherence cost,
	// each with a bootstrap interval. The intervals state the cover that was asked
	// for; what they truly cover stands in docs/statistics.md.
	Lambda Estimate `json:"lambda"`
	Sigma  Estimate `json:"sigma"`
	Kappa  Estimate `json:"kappa"`
	// Peak is the N at which the law turns down; 0 when it does not within twice
	// the largest value that was tried, beyond which nothing is said.
	Peak float64 `json:"peak,omitempty"`
	// AICc of each law; less is better.
	AICc map[string]float64 `json:"aicc"`
	// LinearUpTo is the largest value up to which the rate per instance stays within
	// the margin of that of the smallest value; 0 when that could not be told.
	LinearUpTo float64 `json:"linear_up_to"`
	// Points are what was fitted, Curve the law between them.
	Points   []Point  `json:"points"`
	Curve    []Point  `json:"curve"`
	Warnings []string `json:"warnings,omitempty"`
}

// Point is a rate at a value of an axis.
type Point struct {
	N    float64 `json:"n"`
	Rate float64 `json:"records_per_second"`
}

// Results of a Gate.
const (
	Met       = "met"
	NotMet    = "not met"
	Undecided = "undecided"
)

// Gate is a threshold and how it came out.
type Gate struct {
	// Text is the gate as it was asked for, Row the label of the row it is about.
	Text string `json:"text"`
	Row  string `json:"row"`
	// Estimate is what it was held against.
	Estimate Estimate `json:"estimate"`
	Result   string   `json:"result"` // Met, NotMet or Undecided
}

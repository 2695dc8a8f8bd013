package result

// LimitSchema names the form of a LimitReport in JSON. Fields are only added
// within a version.
const LimitSchema = "redline.limit/v1"

// LimitReport is what `redline limit` found: always one object, also when it
// failed.
type LimitReport struct {
	Header
	// Run is the id of the stored run; empty when none was begun.
	Run      string     `json:"run"`
	Limit    Limit      `json:"limit"`
	Usage    LimitUsage `json:"usage"`
	Workload Workload   `json:"workload"`
	// Ladder shows where consuming goes, from the responses read to the clients; nil where
	// it was not asked for.
	Ladder *Ladder `json:"ladder,omitempty"`
	// Account is the books of all trials together.
	Account Account `json:"account"`
}

// Ladder are rows of which each does what the one before it does and one thing more, and
// then clients, all with as many connections.
type Ladder struct {
	Rows []Row `json:"rows"`
	// Comparisons hold each row against the first, paired by round; arm_a and arm_b are
	// places in Rows.
	Comparisons []Comparison `json:"comparisons"`
}

// Limit holds the two sides; a side that was not measured is nil.
type Limit struct {
	Consume *Reached `json:"consume,omitempty"`
	Produce *Reached `json:"produce,omitempty"`
}

// LimitUsage says who used the CPU in the confirming trials of the best setting
// of each side, added up.
type LimitUsage struct {
	Consume *Usage `json:"consume,omitempty"`
	Produce *Usage `json:"produce,omitempty"`
}

// Workload is what was asked of the cluster.
type Workload struct {
	Topic       string `json:"topic"`
	Partitions  int    `json:"partitions"`
	RecordBytes int    `json:"record_bytes"`
	// Records is how many the topic held when it was read.
	Records int64 `json:"records"`
}

// Reached is a rate and the settings that reached it.
type Reached struct {
	Client             string        `json:"client"`
	RecordsPerSecond   Estimate      `json:"records_per_second"`
	MegabytesPerSecond Estimate      `json:"megabytes_per_second"` // 10^6 bytes of key and value
	CPUNsPerRecord     Estimate      `json:"cpu_ns_per_record"`    // of the client's process
	Settings           ClientSetting `json:"settings"`
	// RunnerUp is the setting it was confirmed against; nil if there was none.
	RunnerUp *RunnerUp `json:"runner_up,omitempty"`
	// Tried are the quick trials that the two were chosen from.
	Tried []LimitTrial `json:"tried"`
	// Rewinds is how often reading began anew inside the confirming trials.
	Rewinds int64 `json:"rewinds"`
}

// RunnerUp is a setting that came second, and how far behind.
type RunnerUp struct {
	Settings ClientSetting `json:"settings"`
	// Ratio is its rate over the best one's, paired by round.
	Ratio Estimate `json:"ratio"`
}

// ClientSetting is how a client is set for one side of a limit.
type ClientSetting struct {
	// Connections is how many connections the client has to every broker: one for each
	// of its instances, of direct as many as it was told to have.
	Connections int `json:"connections"`
	// Properties are those set on purpose, in Java's spelling.
	Properties map[string]string `json:"properties"`
}

// LimitTrial is one quick trial of one setting.
type LimitTrial struct {
	Setting ClientSetting `json:"setting"`
	Measured
}

// Add sums two spans of usage; what either does not know stays unknown.
func (u Usage) Add(v Usage) Usage {
	plus := func(a, b float64) float64 {
		if a < 0 || b < 0 {
			return -1
		}
		return a + b
	}
	sum := u
	sum.Wall += v.Wall
	sum.CPUs = v.CPUs
	if u.Wall > 0 && v.Wall > 0 && u.GCShare >= 0 && v.GCShare >= 0 && u.ClientCPU+v.ClientCPU > 0 {
		sum.GCShare = (u.GCShare*u.ClientCPU + v.GCShare*v.ClientCPU) / (u.ClientCPU + v.ClientCPU)
	} else if u.Wall == 0 {
		sum.GCShare = v.GCShare
	}
	sum.ClientCPU, sum.BrokerCPU = plus(u.ClientCPU, v.ClientCPU), plus(u.BrokerCPU, v.BrokerCPU)
	sum.HostCPU, sum.StealCPU = plus(u.HostCPU, v.HostCPU), plus(u.StealCPU, v.StealCPU)
	sum.ClientPeakRSS, sum.BrokerPeakRSS = max(u.ClientPeakRSS, v.ClientPeakRSS), max(u.BrokerPeakRSS, v.BrokerPeakRSS)
	if u.WireRead < 0 || v.WireRead < 0 {
		sum.WireRead, sum.WireWritten = -1, -1
	} else {
		sum.WireRead += v.WireRead
		sum.WireWritten += v.WireWritten
	}
	if len(sum.Missing) == 0 {
		sum.Missing = v.Missing
	}
	return sum
}

// Add sums two accounts; their books are left out.
func (a Account) Add(b Account) Account {
	a.Acked += b.Acked
	a.Failed += b.Failed
	a.Indeterminate += b.Indeterminate
	a.Once += b.Once
	a.Redelivered += b.Redelivered
	a.Duplicated += b.Duplicated
	a.Lost += b.Lost
	a.PermittedLoss += b.PermittedLoss
	a.Reordered += b.Reordered
	a.Corrupt += b.Corrupt
	a.Foreign += b.Foreign
	a.Expired += b.Expired
	a.Elsewhere += b.Elsewhere
	a.Skipped += b.Skipped
	a.Unread += b.Unread
	a.Spilled += b.Spilled
	a.Books = nil
	return a
}

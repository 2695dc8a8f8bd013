package result

// Schemas of the reports of single runs in JSON. Fields are only added within a
// version.
const (
	ConsumeSchema = "redline.consume/v1"
	ProduceSchema = "redline.produce/v1"
)

// Header is what every report begins with.
type Header struct {
	Schema string `json:"schema"`
	// Version is that of the redline that measured.
	Version string `json:"version"`
	// Error is why the run failed or was cut short; nil when all went well.
	Error *string `json:"error"`
	// ErrorKind is what kind of error it is, for programs: "usage", "refused", …; nil
	// when all went well.
	ErrorKind   *string     `json:"error_kind"`
	Warnings    []string    `json:"warnings"`
	Environment Environment `json:"environment"`
}

// Client is who did the work, with which settings.
type Client struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Profile string `json:"profile"`
	// Instances is the number of consumers, or of producers.
	Instances int `json:"instances"`
	// Settings are truly in force, in the library's own spelling.
	Settings map[string]string `json:"settings"`
}

// Rate is how fast something went over a part of a run.
type Rate struct {
	// FromSeconds and ToSeconds bound the part, from the start of the run.
	FromSeconds        float64 `json:"from_seconds"`
	ToSeconds          float64 `json:"to_seconds"`
	Records            int64   `json:"records"`
	RecordsPerSecond   float64 `json:"records_per_second"`
	MegabytesPerSecond float64 `json:"megabytes_per_second"` // 10^6 bytes
	// Cut says how the part was chosen: "settled" from the end of the warm-up on;
	// "bursts" from the start of the first burst to the start of the last, for a
	// client that delivers in bursts; "whole" from the first record to the last,
	// when the rate did neither.
	Cut string `json:"cut"`
}

// ConsumeReport is what `redline consume` came to.
type ConsumeReport struct {
	Header
	Topic  string `json:"topic"`
	Group  string `json:"group"`
	Client Client `json:"client"`
	// Records are distinct ones; Bytes those of their values.
	Records    int64 `json:"records"`
	Bytes      int64 `json:"bytes"`
	Errors     int64 `json:"errors"`
	Rebalances int64 `json:"rebalances"`
	// WallSeconds is from the start of the consumers to the end of the last one;
	// FirstRecordSeconds and LastRecordSeconds are when the first and the last
	// batch had been accounted, from the same start; -1 when none came.
	WallSeconds        float64 `json:"wall_seconds"`
	FirstRecordSeconds float64 `json:"first_record_seconds"`
	LastRecordSeconds  float64 `json:"last_record_seconds"`
	Steady             Rate    `json:"steady"`
	// RecordsPerFetch is 0 when the client does not tell its fetches.
	RecordsPerFetch float64 `json:"records_per_fetch"`
	Account         Account `json:"account"`
	Usage           Usage   `json:"usage"`
}

// Latency is a distribution of times from intended send to acknowledgement.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
	N    int64   `json:"n"`
}

// ProduceReport is what `redline produce` came to.
type ProduceReport struct {
	Header
	Topic       string `json:"topic"`
	Client      Client `json:"client"`
	RecordBytes int    `json:"record_bytes"`
	// Records were acknowledged, within ElapsedSeconds of the start.
	Records        int64   `json:"records"`
	Bytes          int64   `json:"bytes"`
	ElapsedSeconds float64 `json:"elapsed_seconds"`
	// RecordsPerSecond and MegabytesPerSecond (10^6 bytes) are over all of it.
	RecordsPerSecond   float64 `json:"records_per_second"`
	MegabytesPerSecond float64 `json:"megabytes_per_second"`
	Latency            Latency `json:"latency_ms"`
	// Steady leaves out the warm-up records; nil when none were asked for.
	Steady *Rate `json:"steady,omitempty"`
	// Errors counts why records were not acknowledged.
	Errors  map[string]int64 `json:"errors"`
	Account Account          `json:"account"`
	Usage   Usage            `json:"usage"`
}

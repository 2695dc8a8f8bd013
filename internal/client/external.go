package client

import (
	"context"
	"time"
)

// External is a client that works in a process of its own and counts for itself:
// Kafka's own tools, or a child in any language. What it tells is checked against
// what can be: the offsets of the broker, the records that there are, the clock.
type External interface {
	Name() string
	// Version of what does the work, as far as it is known before it was started.
	Version() string
	// Check says why the task cannot be done, as far as that is known before it is
	// started. An error that wraps ErrCannot says that this client cannot do such work
	// at all; one that wraps ErrProperty speaks of a property that was typed.
	Check(Task) error
	// Lighter says in words, one sentence each, what it does less than every other
	// client does for a record: "does not check the CRC of batches".
	Lighter(workload string) []string
	// Start begins the task. The process ends with ctx, at the latest.
	Start(ctx context.Context, task Task) (Process, error)
}

// Task is what an External is asked to do.
type Task struct {
	Options
	// Workload is "consume" or "produce".
	Workload string
	Topic    string
	// Instances is the number of consumers, or of producers, in the one process.
	Instances int
	// Starts and Ends are where to read each partition (Workload "consume"): from
	// Starts up to, not including, Ends, and then again from Starts, until Stop.
	// Partitions without records are left out.
	Starts, Ends map[int32]int64
	// Once ends reading after one pass.
	Once bool
	// Partitions of the topic, and RecordSize in bytes of each value, for "produce".
	Partitions, RecordSize int
	// Handler is what is done with each record consumed, as in result.Setting.
	Handler string
	// Every is how often counts are wanted.
	Every time.Duration
}

// Process is a task that goes on. Its methods may be called from several goroutines.
type Process interface {
	// Records and Bytes (of values) are those counted so far, each record of each pass
	// once, as of the last report.
	Records() int64
	Bytes() int64
	// Rewinds is the number of passes begun anew.
	Rewinds() int64
	// Reported delivers a mark for each report that has come since the last mark was
	// taken; it holds one at most.
	Reported() <-chan struct{}
	// Done is closed when the process has ended, by itself or not.
	Done() <-chan struct{}
	// PID of the process that does the work.
	PID() int
	// Settings are those truly in force, as far as it tells.
	Settings() map[string]string
	// Stop ends it within the bound of ctx and says what it came to. The error is one
	// sentence about what went wrong first: it died, was silent for too long, printed
	// nonsense, counted more than there is. Further calls return the same.
	Stop(ctx context.Context) (Told, error)
}

// Told is what an External says of its own work at its end.
type Told struct {
	Records, Bytes, Errors int64
	// Sum of the first 8 bytes of each value, little endian, modulo 2^64; nil when it
	// does not tell.
	Sum *uint64
	// RecordsPerSecond is the rate that it claims itself; 0 when it claims none.
	RecordsPerSecond float64
}

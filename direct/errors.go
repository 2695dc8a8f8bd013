package direct

import (
	"errors"
	"fmt"
)

var (
	// ErrCRC is that of a batch whose bytes are not those that were written.
	ErrCRC = errors.New("its CRC-32C is wrong: bytes changed on a disk or on the way")
	// ErrClosed is what a consumer or a producer answers once it is closed.
	ErrClosed = errors.New("closed")
)

// BatchError is a batch that cannot be read. The consumer asks the broker for it again
// when it is asked for more; to pass over it, Seek to an offset behind.
type BatchError struct {
	Topic     string
	Partition int32
	Offset    int64 // of the batch's first record
	Err       error
}

// Error is the sentence.
func (e *BatchError) Error() string {
	return fmt.Sprintf("topic %q partition %d, batch at offset %d: %v", e.Topic, e.Partition, e.Offset, e.Err)
}

// Unwrap is what is wrong with it.
func (e *BatchError) Unwrap() error { return e.Err }

// DataLoss says that records which were there to be read are not any more, and where
// reading went on.
type DataLoss struct {
	Topic     string
	Partition int32
	// At is the offset that was to be read next, To the one that is read instead. A To
	// above At means that retention deleted what is between before it was read; a To
	// below At that the log was cut: a new leader did not have what an old one had told.
	At, To int64
}

// Error is the sentence.
func (e *DataLoss) Error() string {
	why := "retention deleted what is between before it was read"
	if e.To < e.At {
		why = "the log was cut there when its leader changed"
	}
	return fmt.Sprintf("topic %q partition %d: offset %d is not in the log any more, reading goes on at %d: %s", e.Topic, e.Partition, e.At, e.To, why)
}

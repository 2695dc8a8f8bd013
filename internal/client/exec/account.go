package exec

import (
	"errors"
	"fmt"
	"math/bits"

	"redline/internal/client"
)

// counts are what a child has done so far. All of them only grow.
type counts struct{ records, bytes, rewinds int64 }

// account holds what a child tells against what it told before, and against what can be.
type account struct {
	task client.Task
	// there are the records in the ranges of a reader, as far as offsets tell: some may
	// hold none, so it is the most that a pass can have.
	there int64

	greeted, ended bool
	counts
	// problems are the errors that it told, last the words of the last one.
	problems int64
	last     string
	sum      *uint64
}

func newAccount(task client.Task) *account {
	a := &account{task: task}
	for partition, start := range task.Starts {
		a.there += max(0, task.Ends[partition]-start)
	}
	return a
}

// take enters a message. The error completes "the client ".
func (a *account) take(m message) error {
	switch {
	case a.ended:
		return fmt.Errorf("said %s after its end", m.Type)
	case m.Type == "error":
		a.problems++
		a.last = m.Message
		return nil
	case m.Type == "hello" && a.greeted:
		return errors.New("said hello twice")
	case m.Type == "hello":
		a.greeted = true
		return nil
	case !a.greeted:
		return fmt.Errorf("said %s before its hello", m.Type)
	}
	if err := a.count(counts{*m.Records, *m.Bytes, m.Rewinds}); err != nil {
		return err
	}
	if m.Type == "end" {
		return a.end(m)
	}
	return nil
}

func (a *account) count(c counts) error {
	if c.records < a.records || c.bytes < a.bytes || c.rewinds < a.rewinds {
		return fmt.Errorf("counted %d records, %d bytes and %d rewinds after %d, %d and %d: counts only grow",
			c.records, c.bytes, c.rewinds, a.records, a.bytes, a.rewinds)
	}
	possible := a.consumed
	if a.task.Workload == produce {
		possible = a.produced
	}
	if err := possible(c); err != nil {
		return err
	}
	a.counts = c
	return nil
}

// consumed says what is impossible in the counts of a reader. A rewind is that of one
// instance, or of one partition alone, so that after P of them no partition was read
// more often than P+1 times; and each comes after a record.
func (a *account) consumed(c counts) error {
	switch {
	case c.records == 0 && c.bytes > 0:
		return fmt.Errorf("counted %d bytes in no record", c.bytes)
	case a.task.Once && c.rewinds > 0:
		return fmt.Errorf("began %d passes anew, and was to read once", c.rewinds)
	case c.rewinds > c.records:
		return fmt.Errorf("began %d passes anew after %d records", c.rewinds, c.records)
	case exceeds(c.records, c.rewinds+1, a.there):
		return fmt.Errorf("counted %d records with %d rewinds, and there are %d to read in a pass", c.records, c.rewinds, a.there)
	}
	return nil
}

// produced says what is impossible in the counts of a producer.
func (a *account) produced(c counts) error {
	high, low := bits.Mul64(uint64(c.records), uint64(a.task.RecordSize))
	switch {
	case c.rewinds > 0:
		return errors.New("counted rewinds, and was to produce")
	case high > 0 || low != uint64(c.bytes):
		return fmt.Errorf("counted %d bytes in %d records of %d bytes", c.bytes, c.records, a.task.RecordSize)
	}
	return nil
}

// exceeds says whether n > a*b, none of them negative.
func exceeds(n, a, b int64) bool {
	high, low := bits.Mul64(uint64(a), uint64(b))
	return high == 0 && uint64(n) > low
}

func (a *account) end(m message) error {
	if a.task.Workload == consume {
		for partition, position := range m.positions {
			start, known := a.task.Starts[partition]
			if !known || position < start || position > a.task.Ends[partition] {
				return fmt.Errorf("ended at offset %d of partition %d, which is none that it was to read", position, partition)
			}
		}
	}
	a.ended, a.sum = true, m.sum
	a.problems = max(a.problems, m.Errors)
	return nil
}

// verdict says what is missing now that the process has ended, and how it did.
func (a *account) verdict(how error) error {
	status := "exit status 0"
	if how != nil {
		status = how.Error()
	}
	switch {
	case !a.greeted:
		return fmt.Errorf("ended before it said hello (%s)", status)
	case !a.ended:
		return fmt.Errorf("ended without its last message, end (%s)", status)
	case how != nil:
		return fmt.Errorf("failed after its last message (%s)", status)
	}
	return nil
}

// told is what the child says of its own work.
func (a *account) told() client.Told {
	return client.Told{Records: a.records, Bytes: a.bytes, Errors: a.problems, Sum: a.sum}
}

package experiment

import (
	"testing"
	"time"
)

// records is a batch of so many records without anything in them.
type records int

func (records) Partition() int32   { return 0 }
func (records) LeaderEpoch() int32 { return -1 }
func (r records) Len() int         { return int(r) }

func (r records) Each(f func(offset int64, key, value []byte)) {
	for i := range int(r) {
		f(int64(i), nil, nil)
	}
}

// However late timers are, a thousand waits of 50 µs take 50 ms, not a second.
func TestShortWaitsTakeWhatWasAsked(t *testing.T) {
	began := time.Now()
	sleeper(t.Context(), 50*time.Microsecond)(records(1000))
	if took := time.Since(began); took < 49*time.Millisecond || took > 700*time.Millisecond {
		t.Errorf("1,000 waits of 50 µs took %v", took)
	}
}

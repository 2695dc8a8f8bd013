package experiment

import (
	"os"
	"runtime"
	"strconv"
	"testing"

	"redline/result"
)

// TestMemoryIsFlat does many short trials and looks whether the heap grows beyond what
// the trials themselves take that a run remembers. REDLINE_TRIALS is their number: 60
// by default, 1000 in the campaign.
func TestMemoryIsFlat(t *testing.T) {
	trials := 60
	if text := os.Getenv("REDLINE_TRIALS"); text != "" {
		var err error
		if trials, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	memory := &Memory{Run: result.Run{Plan: quickPlan(trials, quickArm(result.Consume))}}
	store := &heapStore{Memory: memory}
	run := memory.run(t, place(t))
	run.Store = store
	if err := run.Carry(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, last := store.heap[len(store.heap)/10], store.heap[len(store.heap)-1]
	// A stored trial takes a few kilobytes.
	most := int64(2<<20 + 10<<10*trials)
	t.Logf("%d trials: heap %.1f MiB after a tenth, %.1f MiB at the end; %d and %d goroutines",
		len(store.heap), float64(first)/(1<<20), float64(last)/(1<<20), store.goroutines[len(store.heap)/10], store.goroutines[len(store.heap)-1])
	if last-first > most {
		t.Errorf("the heap grew by %d bytes, at most %d are the trials' own", last-first, most)
	}
	if a, b := store.goroutines[len(store.heap)/10], store.goroutines[len(store.heap)-1]; b > a+20 {
		t.Errorf("%d goroutines became %d", a, b)
	}
}

// heapStore notes the live heap after each trial.
type heapStore struct {
	*Memory
	heap       []int64
	goroutines []int
}

func (s *heapStore) Append(t result.Trial) error {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.heap, s.goroutines = append(s.heap, int64(m.HeapAlloc)), append(s.goroutines, runtime.NumGoroutine())
	return s.Memory.Append(t)
}

package direct

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestBuffersHaveTheSizeOfTheirClass(t *testing.T) {
	for _, c := range []struct{ n, want int }{{0, 4096}, {1, 4096}, {4096, 4096}, {4097, 8192}, {1_000_000, 1 << 20}, {1 << 20, 1 << 20}, {1<<20 + 1, 1 << 21}} {
		if got := produceClass(c.n); got != c.want {
			t.Errorf("%d bytes go into %d, want %d", c.n, got, c.want)
		}
	}
}

func TestMemoryIsLentWithinItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &produceMemory{limit: 1 << 20, urge: func() {}}
		var out []*produceBatch
		sum := 0
		for range 200 {
			size := produceClass(rapid.IntRange(1, 300_000).Draw(t, "size"))
			if rapid.Bool().Draw(t, "take") && (sum == 0 || sum+size <= m.limit) {
				b, err := m.take(context.Background(), size)
				if err != nil || cap(b.buf) < size || b.charged != size {
					t.Fatalf("lent %d bytes for %d: %v", cap(b.buf), size, err)
				}
				b.raw = b.buf[:10]
				out, sum = append(out, b), sum+size
			} else if len(out) > 0 {
				i := rapid.IntRange(0, len(out)-1).Draw(t, "which")
				b := out[i]
				out = append(out[:i], out[i+1:]...)
				sum -= b.charged
				if rapid.Bool().Draw(t, "shrink") {
					m.shrink(b, b.buf[:8])
				}
				m.give(b)
			}
			if rapid.IntRange(0, 9).Draw(t, "look") == 0 {
				m.release()
			}
			idle := 0
			for _, free := range m.free {
				for _, b := range free {
					idle += cap(b) - produceSlack
				}
			}
			if m.out != sum || m.idle != idle || m.out+m.idle > m.limit {
				t.Fatalf("%d bytes are out and %d idle, counted %d and %d, of %d", sum, idle, m.out, m.idle, m.limit)
			}
		}
	})
}

// After a stall, in which much was out, memory is given up down to what is used; and what is
// used is not given up.
func TestWhatAStallNeededIsGivenUp(t *testing.T) {
	const size, used = 1 << 20, 3
	m := &produceMemory{limit: 64 << 20, urge: func() {}}
	round := func(n int) {
		var out []*produceBatch
		for range n {
			out = append(out, m.extra(size))
		}
		for _, b := range out {
			m.give(b)
		}
	}
	round(32)
	if m.idle != 32*size {
		t.Fatalf("%d bytes are kept of %d", m.idle, 32*size)
	}
	for range 8 * keptBetweenLooks {
		round(used)
	}
	if m.idle != used*size {
		t.Errorf("%d bytes are idle, where %d are used", m.idle, used*size)
	}
	if n := testing.AllocsPerRun(1, func() {
		for range 10 * keptBetweenLooks {
			m.give(m.extra(size))
		}
	}); n > 0 {
		t.Errorf("%g allocations for a buffer that is there", n)
	}
}

func TestThoseWhoWaitForMemoryAreServedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		urged := 0
		m := &produceMemory{limit: 8192, urge: func() { urged++ }}
		first, _ := m.take(t.Context(), 8192)
		var order []int
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				b, err := m.take(t.Context(), 4096<<(i%2))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				time.Sleep(time.Second)
				m.give(b)
			})
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.take(ctx, 4096); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one who waits for too long gets %v", err)
		}
		m.give(first)
		all.Wait()
		for i, got := range order {
			if got != i {
				t.Fatalf("they were served as %v", order)
			}
		}
		if m.out != 0 || m.waiting.Load() != 0 || urged != 4 {
			t.Errorf("%d bytes are out, %d wait, %d urged", m.out, m.waiting.Load(), urged)
		}
	})
}

func TestNobodyWaitsForMemoryOfAClosedProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &produceMemory{limit: 4096, urge: func() {}}
		b, _ := m.take(t.Context(), 4096)
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if _, err := m.take(t.Context(), 4096); !errors.Is(err, ErrClosed) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		m.close(ErrClosed)
		all.Wait()
		if _, err := m.take(t.Context(), 4096); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		m.give(b)
		if m.out != 0 {
			t.Errorf("%d bytes are out", m.out)
		}
	})
}

func TestLingersComeInTheOrderTheyAreDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h produceLingers
		all := map[*producePartition]int64{}
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			switch p := new(producePartition); {
			case rapid.IntRange(0, 2).Draw(t, "what") > 0 || len(all) == 0:
				all[p] = int64(rapid.IntRange(0, 50).Draw(t, "due"))
				h.push(produceLinger{all[p], p})
			default:
				for p = range all {
					break
				}
				h.remove(p)
				delete(all, p)
			}
		}
		if len(h) != len(all) {
			t.Fatalf("%d are left of %d", len(h), len(all))
		}
		last := int64(-1)
		for len(h) > 0 {
			due := h[0].due
			p := h.pop()
			if all[p] != due || due < last {
				t.Fatalf("%d comes after %d", due, last)
			}
			last = due
			delete(all, p)
		}
	})
}

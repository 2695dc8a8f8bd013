//go:build !race

package ladder

import (
	"testing"

	"redline/direct/batch"
)

// Allocations are counted without the race detector, under which pools forget what they
// hold.

func TestAFetchAllocatesNothing(t *testing.T) {
	for _, c := range []batch.Codec{batch.None, batch.Snappy, batch.LZ4, batch.Zstd} {
		sample := fetched(t, c, 1, 50_000)
		for _, rung := range []string{"fetch", "crc", "decompress", "decode", "account", "handler"} {
			f := reader(t, sample, rung)
			turn := func() {
				if err := f.turnAround(); err != nil {
					t.Fatal(err)
				}
			}
			for range 5 {
				turn()
			}
			// A new pass of the ledger makes a set of intervals anew.
			most := map[bool]float64{true: 0, false: 40}[f.climb.step < accounting]
			if n := testing.AllocsPerRun(20, turn); n > most {
				t.Errorf("%s of %s batches: %v allocations a fetch", rung, c, n)
			}
			f.decompressor.Close()
		}
	}
}

func TestARequestAllocatesNothing(t *testing.T) {
	for _, r := range Rungs(produce) {
		p := writer(t, r.Name)
		turn := func() {
			r := <-p.free
			if err := p.post(r); err != nil {
				t.Fatal(err)
			}
			if err := p.take(<-p.sent); err != nil {
				t.Fatal(err)
			}
			p.free <- r
		}
		for range 5 {
			turn()
		}
		if n := testing.AllocsPerRun(20, turn); n > 0 {
			t.Errorf("%s: %v allocations a request", r.Name, n)
		}
	}
}

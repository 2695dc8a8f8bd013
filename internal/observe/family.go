package observe

import "time"

const (
	// listFor is how long the list of a family's processes is taken for complete: one
	// that started meanwhile is missed until then, and not what it used.
	listFor = 500 * time.Millisecond
	// familyMost bounds a family, which may start processes as fast as it likes.
	familyMost = 256
)

// family is a process, all that it started, and what those started.
type family struct {
	first  process
	rest   []process // that run still
	listed time.Time
	// cpu is what the whole family used, in seconds; peak the highest sum of the highest
	// resident sizes of those that ran at the same time, in bytes.
	cpu  float64
	peak int64
}

func newFamily(role string, pid int) *family {
	return &family{first: process{role: role, pid: pid, cpu: unknown}, cpu: unknown}
}

// update takes a new reading of the family. What a process used that has ended is in
// what its parent's children used, if the parent waited for it; a sum that fell, as
// the parent did not, is not taken.
func (f *family) update(missing *[]string) {
	if f.first.missing == "" {
		f.first.update()
	}
	if f.first.missing != "" {
		*missing = append(*missing, f.first.missing)
	}
	if time.Since(f.listed) > listFor {
		f.list()
		f.listed = time.Now()
	}
	cpu, peak := max(0, f.first.cpu)+f.first.reaped, f.first.peak
	running := f.rest[:0]
	for _, p := range f.rest {
		if p.update(); p.missing == "" {
			cpu += p.cpu + p.reaped
			peak += p.peak
			running = append(running, p)
		}
	}
	f.rest = running
	if f.first.cpu >= 0 {
		f.cpu = max(f.cpu, cpu)
	}
	f.peak = max(f.peak, peak)
}

// list finds what the family has started since it was listed. Those that it knows stay
// in it when their parent has ended.
func (f *family) list() {
	known := map[int]bool{f.first.pid: true}
	for _, p := range f.rest {
		known[p.pid] = true
	}
	look := []int{f.first.pid}
	for _, p := range f.rest {
		look = append(look, p.pid)
	}
	for ; len(look) > 0; look = look[1:] {
		for _, pid := range children(look[0]) {
			if known[pid] || len(known) >= familyMost {
				continue
			}
			known[pid] = true
			look = append(look, pid)
			f.rest = append(f.rest, process{role: f.first.role, pid: pid, cpu: unknown})
		}
	}
}

// processes are the ids of the family as it was listed last.
func (f *family) processes() []int {
	pids := []int{f.first.pid}
	for _, p := range f.rest {
		pids = append(pids, p.pid)
	}
	return pids
}

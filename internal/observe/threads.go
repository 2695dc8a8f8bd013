package observe

import (
	"os"
	"strings"
	"time"
	"unicode"
)

// ThreadReading is what each thread of the client had used at one moment.
type ThreadReading struct {
	at  time.Time
	all []thread
}

// thread is the state of one thread.
type thread struct {
	id   threadID
	name string
	cpu  float64 // seconds
	own  bool    // it has a name of its own
}

// threadID tells a thread from every other, later ones too.
type threadID struct {
	pid, thread int
	started     uint64
}

// Threads reads the threads of the client, be it this process or others (see Client).
// It costs microseconds for each thread, so it is for the edges of a window. Where
// the system does not show threads, there are none.
func (w *Watch) Threads() ThreadReading {
	pids := []int{os.Getpid()}
	w.mu.Lock()
	if w.client != nil {
		pids = w.client.processes()
	}
	w.mu.Unlock()
	var r ThreadReading
	for _, pid := range pids {
		r.all = append(r.all, threads(pid)...)
	}
	r.at = time.Now()
	return r
}

// Busiest is the share of a processor that the busiest thread had from reading a to the
// later reading b, 0…1, and its name where it has one of its own ("rdk:broker1"). The
// share is -1 when it is not known.
//
// A share near 1 says that this thread can do no more, whatever processors are idle. A
// lower one says the opposite only of threads that have one task each, such as those
// of librdkafka and Java. Go moves its goroutines between threads: one that never
// waits stays mostly on one, but others run there in turn, so the share is no measure
// of a single goroutine, and the threads have no names. Threads that ended before b
// are not seen. The system counts in hundredths of a second.
func Busiest(a, b ThreadReading) (share float64, name string) {
	wall := b.at.Sub(a.at).Seconds()
	if wall <= 0 || len(b.all) == 0 {
		return unknown, ""
	}
	before := make(map[threadID]float64, len(a.all))
	for _, t := range a.all {
		before[t.id] = t.cpu
	}
	var busiest thread
	most := -1.0
	for _, t := range b.all {
		if used := t.cpu - before[t.id]; used > most {
			busiest, most = t, used
		}
	}
	if busiest.own {
		name = printable(busiest.name)
	}
	return min(1, max(0, most/wall)), name
}

// printable is a name that a process gave itself, as it may be printed.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(name, "?"))
}

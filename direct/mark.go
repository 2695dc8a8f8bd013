package direct

import "sync"

// mark says that there is something to do, to one goroutine that waits for it. Marks set
// before it looks are one.
type mark chan struct{}

func newMark() mark { return make(mark, 1) }

func (m mark) set() {
	select {
	case m <- struct{}{}:
	default:
	}
}

// mostReports bounds what waits to be told.
const mostReports = 1000

// reports are errors that the user is to be told of. A keeper tells them, so that calls
// come one at a time and under nobody's lock.
type reports struct {
	keeper mark // set when there is one

	mu     sync.Mutex
	errors []error
}

func (r *reports) add(err error) {
	r.mu.Lock()
	if len(r.errors) < mostReports {
		r.errors = append(r.errors, err)
	}
	r.mu.Unlock()
	r.keeper.set()
}

func (r *reports) tell(to func(error)) {
	r.mu.Lock()
	all := r.errors
	r.errors = nil
	r.mu.Unlock()
	for _, err := range all {
		to(err)
	}
}

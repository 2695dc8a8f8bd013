package client

import (
	"sync"
	"time"
)

// refusedFor is how long a client that was accepted before may be refused: a
// token or a certificate is replaced, or a broker learns of a user, in a moment.
const refusedFor = 3 * time.Second

// Refusals tells a refusal that lasts, such as of an expired token or a changed
// password, from one that passes. Connections of which we know that they failed
// for such a reason enter; the error to end with leaves.
//
// A client that was never accepted is given up at once. The zero value is ready;
// its methods may be called from several goroutines.
type Refusals struct {
	mu       sync.Mutex
	accepted bool
	first    map[string]refusal // by broker, of those in a row
	lasting  error
}

type refusal struct {
	at  time.Time
	err error
}

// Accepted says that a broker took a connection, or answered on one. Libraries
// that do not tell which leave the broker empty.
func (r *Refusals) Accepted(broker string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.accepted = true
	delete(r.first, broker)
}

// Refused says that a broker refused with err, and returns whether the refusals
// now last.
func (r *Refusals) Refused(broker string, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lasting != nil {
		return true
	}
	first, again := r.first[broker]
	if !again {
		first = refusal{time.Now(), err}
		if r.first == nil {
			r.first = make(map[string]refusal)
		}
		r.first[broker] = first
	}
	if !r.accepted || time.Since(first.at) >= refusedFor {
		r.lasting = err
	}
	return r.lasting != nil
}

// Overdue is a broker's refusal that nothing has followed for as long as one may
// last; else nil. It is for a library that tells of the same error only once: it
// has to be asked whether the broker takes us by now.
func (r *Refusals) Overdue(broker string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, ok := r.first[broker]
	if !ok || time.Since(first.at) < refusedFor {
		return nil
	}
	return first.err
}

// Lasting is the refusal that lasts; nil while there is none.
func (r *Refusals) Lasting() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lasting
}

// Package ladder measures the steps between the socket and the handler, each as a
// workload of its own: a rung. A rung does all that the one below it does and one
// step more, in the same loop over the same number of connections, so that what a
// step takes is the difference between two neighbours of one interleaved run.
//
// The stages are those of the public client: connections and the reading of answers are
// direct/wire's, batches are read, decompressed, built and compressed by direct/batch.
//
// A Spec enters; a Climb leaves, whose counts grow until it is stopped. Rungs are not
// a client: they speak to the leaders found at the start, over connections of their
// own, and end with a sentence when a leader moves or a broker is lost.
//
// Consuming, one fetch is under way on each connection while the records of the last
// one are walked in place; a connection has one buffer, and allocates nothing once
// it has grown. Producing, batches are built in place in the request that carries
// them, and a few requests are in flight on each connection.
//
// Alone times a step on bytes in memory, to be held against what its rung took.
package ladder

import (
	"errors"
	"fmt"
	"strings"

	"redline/internal/nearest"
)

// Rung is a step of a ladder.
type Rung struct {
	// Name is what it is called by; Workload is "consume" or "produce".
	Name, Workload string
	// Adds says what it does beyond the rung below, as reports print it.
	Adds string
}

// step is a rung's place in its ladder: everything up to it is done.
type step int

// Steps of consuming, from the bottom.
const (
	fetching step = iota
	checking
	inflating
	decoding
	accounting
	grouping
	handling
)

// Steps of producing, from the bottom.
const (
	resending step = iota
	building
	stamping
	deflating
	sequencing
	replicating
)

const (
	consume = "consume"
	produce = "produce"
	// name is what errors call this client.
	name = "the ladder"
)

var consumeRungs = []Rung{
	{"fetch", consume, "fetch responses read"},
	{"crc", consume, "+ CRC-32C of each batch"},
	{"decompress", consume, "+ batches decompressed"},
	{"decode", consume, "+ records decoded"},
	{"account", consume, "+ account of every record"},
	{"group", consume, "+ membership of a group, with commits"},
	{"handler", consume, "+ handler"},
}

var produceRungs = []Rung{
	{"resend", produce, "sealed batches sent again and again"},
	{"build", produce, "+ batches built"},
	{"stamp", produce, "+ values stamped, acknowledgements accounted"},
	{"compress", produce, "+ batches compressed"},
	{"idempotent", produce, "+ producer id and sequences"},
	{"all", produce, "+ acks=all"},
}

// socketRung stands beside the ladder of consuming: the same bytes from a process
// that does nothing but send them.
var socketRung = Rung{"socket", consume, "the same bytes over a bare loopback socket"}

// Rungs are those of a workload, from the bottom. The socket is not among them.
func Rungs(workload string) []Rung {
	switch workload {
	case consume:
		return append([]Rung(nil), consumeRungs...)
	case produce:
		return append([]Rung(nil), produceRungs...)
	}
	return nil
}

// Find returns the rung of a name, for "consume" also the socket.
func Find(workload, name string) (Rung, bool) {
	for _, r := range Rungs(workload) {
		if r.Name == name {
			return r, true
		}
	}
	if workload == consume && name == socketRung.Name {
		return socketRung, true
	}
	return Rung{}, false
}

// stepOf is the place of a rung in its ladder; the socket does what fetch does.
func stepOf(workload, rung string) step {
	for i, r := range Rungs(workload) {
		if r.Name == rung {
			return step(i)
		}
	}
	return fetching
}

// Check says why a rung cannot be climbed, as far as that is known without a broker:
// it does not exist, or a property cannot be honoured (wraps client.ErrProperty).
func Check(workload, rung string, properties map[string]string) error {
	if _, ok := Find(workload, rung); !ok {
		return unknownRung(workload, rung)
	}
	_, err := parse(workload, rung, properties)
	return err
}

func unknownRung(workload, rung string) error {
	var names []string
	for _, r := range Rungs(workload) {
		names = append(names, r.Name)
	}
	if names == nil {
		return fmt.Errorf("there is no ladder of %q: take consume or produce", workload)
	}
	if workload == consume {
		names = append(names, socketRung.Name)
	}
	text := fmt.Sprintf("there is no rung %q to %s: take %s", rung, workload, strings.Join(names, ", "))
	if near := nearest.Name(rung, names); near != "" {
		text = fmt.Sprintf("there is no rung %q to %s; the nearest is %q", rung, workload, near)
	}
	return errors.New(text)
}

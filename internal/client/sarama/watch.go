package sarama

import (
	"sync/atomic"

	"redline/internal/client"
	"redline/internal/cluster"
)

// watch learns from the connections, and from what was asked on them, what brokers do
// with us. sarama does not tell which broker it was.
type watch struct {
	*client.Reach
	// given is told when the refusals last; nil: nobody listens.
	given    func()
	produced atomic.Bool // a request with records was written, or tried to
	trusted  atomic.Bool // we were accepted, and nothing failed since
}

// newWatch has needs for the ACLs that the client needs.
func newWatch(o client.Options, d *draft, given func(), needs []cluster.ACL) *watch {
	return &watch{Reach: client.NewReach(o, d.config.Net.DialTimeout, needs), given: given}
}

// failed notes an error of a connection, or of what was asked on one. An error that
// passes is forgotten by the next that goes well.
func (w *watch) failed(address string, err error) {
	w.Failed(err)
	w.trusted.Store(false)
	if w.Refused("", address, err) && w.given != nil {
		w.given()
	}
}

// worked says that a broker has done for us what it does for nobody it refuses.
func (w *watch) worked() {
	if !w.trusted.Load() {
		w.trusted.Store(true)
		w.Accepted("")
	}
}

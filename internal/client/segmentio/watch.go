package segmentio

import (
	"redline/internal/client"
	"redline/internal/cluster"
)

// watch learns from the connections what brokers do with us.
type watch struct {
	*client.Reach
	sasl bool
}

// newWatch is for a client that needs these ACLs.
func newWatch(o client.Options, needs []cluster.ACL) *watch {
	return &watch{client.NewReach(o, dialTimeout, needs), o.Security.SASL != nil}
}

// heard is told of the first answer on a connection.
func (w *watch) heard(address string) {
	w.Hear()
	if !w.sasl {
		w.Accepted(address)
	}
}

// accepted is told when a broker took our credentials.
func (w *watch) accepted(address string) {
	w.Accepted(address)
	w.Accepted("") // what lasting was told does not say which broker refused
}

// failed is told of a connection that came to nothing.
func (w *watch) failed(address string, err error) {
	w.Failed(err)
	w.Refused(address, address, err)
}

// lasting says whether an error that kafka-go returned is a refusal that lasts.
func (w *watch) lasting(err error) bool { return w.Refused("", "", err) }

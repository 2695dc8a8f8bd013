package cluster

import "errors"

var (
	// ErrUnreachable: no broker answered, or what answered is not a Kafka.
	ErrUnreachable = errors.New("cannot reach the cluster")
	// ErrNotAllowed: the cluster, or our own guard, refuses.
	ErrNotAllowed = errors.New("not allowed")
)

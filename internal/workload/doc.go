// Package workload puts work on a cluster and counts it: a client library, a
// payload, a pace and a ledger enter; counts that grow while the run goes on
// leave, and at its end what it came to, with the steady part told apart from
// joining and warm-up. It computes no statistics.
package workload

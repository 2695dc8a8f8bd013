// Package direct is the fastest way through Kafka from Go: a consumer and a producer of one
// topic that work on the wire's own batches, in place.
//
// Options of franz-go enter (brokers, TLS, SASL), with a topic; batches leave whose keys,
// values and headers are views into the buffer that was read, or acknowledgements of
// batches that were built where they are sent from. Data goes over connections of its own,
// metadata, groups and offsets through franz-go.
//
// Take it where a stream of small records is the work and a core or two have to carry it.
// It is no general client: one topic each, no transactions written, no regular
// expressions, no record that outlives its batch unless it is cloned. For all of that
// franz-go, which stands beneath, is the right choice.
package direct

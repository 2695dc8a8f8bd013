// Package wire is one connection to one Kafka broker, for code that reads and writes its
// requests itself.
//
// The options of a franz-go client enter (NewDialer), with a broker's address; connections
// leave (Dialer.Dial) that have introduced and authenticated themselves and know which
// versions the broker speaks. Requests go in as franz-go's kmsg has them (Send) or in
// pieces that are not copied (SendParts). Responses come out one after the other, in a
// buffer of the caller's that is used again and again (Receive), and are read by a Cursor
// that checks each field before it is believed.
//
// It has no retries, no pool and no goroutines: one goroutine may send while another
// receives, and whoever closes the connection ends both. Take franz-go where that is not
// needed.
//
// It speaks to Apache Kafka 1.0 and newer with SASL, 0.10 and newer without.
package wire

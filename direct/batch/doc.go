// Package batch reads and writes Kafka's record batches (message format 2, Kafka 0.11 and
// newer) where they lie: bytes of a fetch response enter, and views of its records leave;
// records enter, and a batch that can be sent leaves.
//
//	for {
//		b, rest, ok, err := batch.Cut(bytes)
//		if err != nil || !ok {
//			break
//		}
//		records, err := decompressor.Records(&b)
//		w := b.Walk(records)
//		for w.Next() {
//			use(w.Offset, w.Key, w.Value)
//		}
//		bytes = rest
//	}
//
// Nothing is copied, and in steady state nothing is allocated: what a Walk shows lies in
// the bytes that it was given, and goes with them. Whoever needs the one fast loop over
// small records takes it; records as values that stay are franz-go's kgo.Record.
//
// Bytes are a broker's word, and none is believed: lengths and counts are checked before
// anything is read or allocated by them, and what cannot be is an error. Whether a batch is
// as it was sent is a question of its own, [Batch.Intact], which reads all of it.
package batch

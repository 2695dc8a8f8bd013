//go:build cgo

package confluent

import "redline/internal/client"

// The tuned profiles. Figures come from one machine of two cores with 100-byte
// records, eight partitions and one Kafka over loopback; on another they are
// the place to start from. What is not here was tried without gain, or is a
// trap: queued.min.messages=1000000, which the web advises, gives one consumer
// 4 times as much, but four times the memory, and at 8 consumers 0.57 M
// records/s against 0.82 M by default; beside the line below it gains nothing.

// consumeTuned is what a consumer sets when the profile is tuned.
var consumeTuned = []client.Preset{
	{Key: "fetch.queue.backoff.ms", Value: "10", Reason: "librdkafka stops fetching for this long, 1000 ms by default, whenever queued.min.messages are queued: one consumer gets 1.01 M records/s instead of 0.149 M, eight get 1.22 M instead of 0.82 M"},
}

// produceTuned is what a producer sets when the profile is tuned.
var produceTuned = []client.Preset{
	{Key: "linger.ms", Value: "5", Reason: "the library's own default, written down: at full rate batches fill before it ends"},
	{Key: "batch.num.messages", Value: "10000", Reason: "the library's own default, written down: 10,000 records of 100 bytes are about the 1 MB of batch.size"},
	{Key: "batch.size", Value: "1000000", Reason: "the library's own default, written down: a request costs the broker about 100 µs and 0.15 µs a record, so few large batches"},
	{Key: "queue.buffering.max.messages", Value: "1000000", Reason: "the default of 100,000 is ten full batches for all partitions together: the sender would wait while the connection is idle"},
	{Key: "go.delivery.report.fields", Value: "none", Reason: "by default each report copies key and value of its record back into Go, which nobody reads"},
	{Key: "enable.idempotence", Value: "true", Reason: "off by default here, on in franz-go and Java: without it a retry may append twice, and the comparison would not be of the same promise"},
}

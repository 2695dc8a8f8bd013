package sarama

import "redline/internal/client"

// The tuned profiles. Figures are CPU time of client and synthetic broker together,
// from one machine of two cores that had other work too, with 100-byte records and
// eight partitions: the place to start from, no more. What is not here was tried
// without a gain that shows: fetch.max.bytes of 4 MiB, max.partition.fetch.bytes of
// 4 MiB, channel.buffer.size for producers. For consumers channel.buffer.size=8192, which
// is advised, loses 4 % (2 to 8) of the rate on real Kafka against the default of 256, and
// 1024 could not be told from it: records wait in memory that has left the caches.

// consumeTuned is what a consumer sets when the profile is tuned.
var consumeTuned = []client.Preset{
	{Key: "max.processing.time.ms", Value: "60000", Reason: "100 by default: a partition that nobody reads from for that long is taken out of the fetches, and taking it in again stops all partitions of the broker for 100 ms"},
	{Key: "session.timeout.ms", Value: "45000", Reason: "10000 by default; Java's and franz-go's are 45000, so that a loaded machine does not lose its members"},
}

// produceTuned is what a producer sets when the profile is tuned.
var produceTuned = []client.Preset{
	{Key: "acks", Value: "all", Reason: "1 by default here, all in every other client: the comparison would not be of the same promise"},
	{Key: "enable.idempotence", Value: "true", Reason: "off by default here, on in franz-go and Java: without it a retry may append twice. sarama then has one request in flight per connection, where the others have five; without it one per partition"},
	{Key: "batch.size", Value: "1000000", Reason: "as with the other clients, 1048576 by default: a request costs the broker about 100 µs and 0.15 µs a record, so few large batches"},
	{Key: "linger.ms", Value: "5", Reason: "0 by default, which sends whatever is there as soon as the request before it is answered: as with the other clients, whose batches fill before it ends"},
	{Key: "compression.type", Value: "none", Reason: "the library's own default, written down: a payload of random bytes only costs CPU to try"},
	{Key: "max.buffered.records", Value: "100000", Reason: "as with the other clients; 20,000 took no less CPU"},
}

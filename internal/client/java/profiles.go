package java

import "redline/internal/client"

// The tuned profiles. Figures come from Kafka 4.3.1 over loopback on one machine of two
// cores that others used at the same time, with 100-byte records and eight partitions, in
// three interleaved runs: processor time of the whole process, its start and its warm-up
// included, since the rates of these runs differ by more than what is compared. They are
// the place to start from.
//
// What was tried without gain: fetch.max.bytes=16777216 and receive.buffer.bytes=-1. And
// fetch.min.bytes=1000000, which saves another tenth, makes the last fetches of a topic
// wait for fetch.max.wait.ms.

// consumeTuned is what a consumer sets when the profile is tuned.
var consumeTuned = []client.Preset{
	{Key: "max.poll.records", Value: "10000", Reason: "the default of 500 is a call for each 50 kB: 4.0 to 4.8 s of processor time for 7.9 M records instead of 4.9 to 5.7"},
	{Key: "max.partition.fetch.bytes", Value: "8388608", Reason: "the default of 1 MiB is a request for each mebibyte of one partition: 4.7 M records/s instead of 3.1 in the one run that had the machine for itself, at the same processor time; fetch.max.bytes, 50 MiB by default, bounds what is held"},
}

// shareTuned is what a share consumer sets when the profile is tuned.
var shareTuned = []client.Preset{
	{Key: "max.poll.records", Value: "10000", Reason: "a member is given, and acknowledges, this many records at once: with the default of 500 2.0 M records took 21 s, with 2000 13 to 19, with 10000 5 (the broker locks at most group.share.partition.max.record.locks of a partition, 2000 by default)"},
}

// produceTuned is what a producer sets when the profile is tuned.
var produceTuned = []client.Preset{
	{Key: "batch.size", Value: "1000000", Reason: "the default of 16 KiB is 150 records of 100 bytes, and each request costs the broker about 100 µs; this is what the other clients have, and a quarter of it could not be told apart (6.3 to 6.8 s of processor time for 3.0 M records, against 6.6 to 8.9, and 8.1 to 8.9 with the default)"},
	{Key: "buffer.memory", Value: "134217728", Reason: "the default of 32 MiB is four batches of this size for each of eight partitions, in flight and gathering; a sender that waits for room is a limit of its own"},
	{Key: "linger.ms", Value: "5", Reason: "the default of Kafka 4, written down: at full rate batches fill before it ends"},
	{Key: "compression.type", Value: "none", Reason: "the default, written down: no other client compresses unasked"},
	{Key: "max.in.flight.requests.per.connection", Value: "5", Reason: "the default, written down: the most that an idempotent producer may have"},
}

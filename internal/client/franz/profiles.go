package franz

import "redline/internal/client"

// The tuned profiles. Figures come from one machine of two cores with 100-byte
// records, eight partitions and one Kafka over loopback; on another they are
// the place to start from.

// consumeTuned is what a consumer sets when the profile is tuned.
var consumeTuned = []client.Preset{
	{Key: "fetch.max.bytes", Value: "4194304", Reason: "109 ns a record against 116 at 16 MiB and 128 at 1 MiB: the response stays near the caches while it is checked and decoded, and the next fetch can start sooner"},
	{Key: "max.partition.fetch.bytes", Value: "1048576", Reason: "the library's own default, written down: four partitions fill a response, so that no partition starves the others"},
	{Key: "records.recycle", Value: "true", Reason: "a Record takes 160 bytes beside each value; using the slabs again spares the allocator and the collector. Part of the best setting found (7.6 M records/s); an earlier run of the plain defaults gave 3.2 to 4.4 M"},
}

// produceTuned is what a producer sets when the profile is tuned.
var produceTuned = []client.Preset{
	{Key: "batch.size", Value: "1000000", Reason: "the library's own default of 1,000,012 but for what the other clients have: a request costs the broker about 100 µs and 0.15 µs a record, so few large batches; a broker takes up to 1048588 by default"},
	{Key: "linger.ms", Value: "5", Reason: "at full rate batches fill before it ends; below it keeps latency in the milliseconds"},
	{Key: "max.buffered.records", Value: "100000", Reason: "enough for every batch in flight: at 500,000 the rate is the same within its scatter (1.5 to 1.7 against 1.7 to 1.8 M records/s, two rounds), while a record waits five times as long and the process takes twice the memory"},
	{Key: "compression.type", Value: "none", Reason: "the library's default is snappy; a payload of random bytes only costs CPU to try, and no other client compresses unasked"},
}

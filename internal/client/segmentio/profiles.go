package segmentio

import "redline/internal/client"

// The tuned profiles. Figures come from one machine of two cores, which others used
// too, with 100-byte records, eight partitions and one Kafka over loopback; on
// another they are the place to start from. CPU times are the client's alone.

// consumeTuned is what a consumer sets when the profile is tuned.
var consumeTuned = []client.Preset{
	{Key: "fetch.max.bytes", Value: "10000000", Reason: "a fetch is of one partition and its answer is decoded as it arrives, so a large one costs no memory and saves requests: 625 to 656 ns of CPU a record against 666 to 684 at the default of 1 MB, with the queue below (two rounds)"},
	{Key: "queue.capacity", Value: "1000", Reason: "at the default of 100 the fetching goroutine and ours wake each other more often: 625 to 656 ns of CPU a record against 681 to 715; 10,000 brings no more (630 to 634), and twice the memory, which grows with the record"},
	{Key: "session.timeout.ms", Value: "45000", Reason: "that of Java and of the other clients here, so that all are missed equally late; kafka-go's own is 30 s"},
}

// produceTuned is what a producer sets when the profile is tuned.
var produceTuned = []client.Preset{
	{Key: "linger.ms", Value: "5", Reason: "the default is a second, for which a record of a batch that does not fill would wait; at full rate batches fill before 5 ms end"},
	{Key: "batch.num.messages", Value: "2000", Reason: "the default of 100 makes a request of 13 KB; but a Writer allocates, and clears, room for so many messages of 168 bytes for each batch, filled or not: 842 k records/s against 713 k at 1,000 and 558 k at 10,000"},
	{Key: "batch.size", Value: "1000000", Reason: "a little below the default of 1 MiB, as the other clients have it: it bounds batches of records from 500 bytes on; a broker takes up to 1048588 by default"},
	{Key: "max.buffered.records", Value: "32000", Reason: "two batches for each of eight partitions, one to fill while one is under way, as a Writer does: 842 k records/s at 22 ms against 728 k at 77 ms with 100,000"},
}

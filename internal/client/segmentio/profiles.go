package segmentio

import "redline/internal/client"

// consumeTuned is what a consumer sets when the profile is tuned.
var consumeTuned = []client.Preset{
	{Key: "fetch.max.bytes", Value: "10485760", Reason: "x"},
	{Key: "queue.capacity", Value: "10000", Reason: "x"},
	{Key: "session.timeout.ms", Value: "45000", Reason: "that of Java and of every other client here, which have it at 45 s; kafka-go's own is 30 s"},
}

// produceTuned is what a producer sets when the profile is tuned.
var produceTuned = []client.Preset{
	{Key: "linger.ms", Value: "5", Reason: "x"},
	{Key: "batch.size", Value: "1000000", Reason: "x"},
	{Key: "batch.num.messages", Value: "2000", Reason: "x"},
}

package sarama

import "redline/internal/client"

// consumeTuned is what a consumer sets when the profile is tuned.
var consumeTuned = []client.Preset{
	{Key: "session.timeout.ms", Value: "45000", Reason: "10000 by default; Java's and franz-go's are 45000 since KIP-735, so that a loaded machine does not lose its members"},
}

// produceTuned is what a producer sets when the profile is tuned.
var produceTuned = []client.Preset{
	{Key: "acks", Value: "all", Reason: "1 by default here, all elsewhere"},
	{Key: "enable.idempotence", Value: "true", Reason: "off by default"},
	{Key: "batch.size", Value: "1000000", Reason: "x"},
	{Key: "linger.ms", Value: "5", Reason: "x"},
	{Key: "compression.type", Value: "none", Reason: "x"},
	{Key: "max.buffered.records", Value: "100000", Reason: "x"},
}

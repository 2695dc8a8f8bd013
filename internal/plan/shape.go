package plan

import (
	"slices"
	"strconv"
	"strings"

	"redline/result"
)

// Shape is what a topic has to be for an arm: arms of the same shape share one
// topic, as long as its brokers live. It is comparable.
type Shape struct {
	// Workload says whether the topic is read (result.Consume) or written to. What
	// records are like matters only in one that is read: the fields from
	// RecordBytes to Compression are empty in the other.
	Workload    string
	Partitions  int
	RecordBytes int
	Payload     string
	Keys        string
	Compression string
	// Topic are the topic's properties, "key=value" on a line each, and Broker the
	// BrokerKey of its brokers.
	Topic  string
	Broker string
}

// ShapeOf is the shape of the topic that an arm reads or writes.
func ShapeOf(arm result.Arm) Shape {
	s := arm.Setting
	shape := Shape{Workload: arm.Workload, Partitions: s.Partitions, Topic: lines(s.Topic), Broker: BrokerKey(arm)}
	if arm.Workload == result.Consume {
		shape.RecordBytes, shape.Payload, shape.Keys, shape.Compression = s.RecordBytes, s.Payload, s.Keys, s.Compression
	}
	return shape
}

// maxRecords bounds the records in a topic that is read: the fastest reader takes
// a second or two for as many, and begins anew then.
const maxRecords = 40_000_000

// Records is how many records are written into the topic, when it may hold fill
// bytes of values: 40,000,000 at most, and 0 into one that is not read.
func (s Shape) Records(fill int64) int64 {
	if s.Workload != result.Consume {
		return 0
	}
	return max(1, min(maxRecords, fill/max(1, int64(s.RecordBytes))))
}

// BrokerKey tells arms that need different brokers apart: the number of nodes and
// the properties that are set on them. It is empty for an arm that leaves the
// cluster as it is.
func BrokerKey(arm result.Arm) string {
	if arm.Setting.Nodes == 0 && len(arm.Setting.Broker) == 0 {
		return ""
	}
	return "nodes=" + strconv.Itoa(arm.Setting.Nodes) + "\n" + lines(arm.Setting.Broker)
}

// lines writes properties in the order of their keys, one a line.
func lines(properties map[string]string) string {
	var all []string
	for key, value := range properties {
		all = append(all, strconv.Quote(key)+"="+strconv.Quote(value))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

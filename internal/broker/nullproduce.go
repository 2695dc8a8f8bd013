package broker

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kerr"
)

// mostProduceAnswer bounds an answer, which may be longer than a request of nothing but
// empty partitions.
const mostProduceAnswer = 16 << 20

// produce swallows a produce request while it comes in: of each batch it reads the head
// and how long the first record is. It says whether there is an answer.
func (c *nullConn) produce() (answer bool) {
	in := &c.in
	in.skipText() // transactional id
	acks := in.int16()
	in.int32() // timeout
	refuse := int16(0)
	if acks < -1 || acks > 1 {
		refuse = kerr.InvalidRequiredAcks.Code
	}
	topics := max(0, in.count())
	c.out = appendCount(c.out, topics, in.flexible)
	for ; topics > 0 && in.err == nil; topics-- {
		name := in.topicName()
		t := c.sink.topics.named(name)
		c.out = appendText(c.out, name, in.flexible)
		partitions := max(0, in.count())
		c.out = appendCount(c.out, partitions, in.flexible)
		for ; partitions > 0 && in.err == nil; partitions-- {
			index := in.int32()
			base, problem := c.swallow(t, index, refuse)
			in.tags()
			if c.out = c.appendProduced(c.out, index, problem, base); len(c.out) > mostProduceAnswer {
				in.fail(errMalformed)
			}
		}
		in.tags()
		c.out = appendNoTags(c.out, in.flexible)
	}
	in.tags()
	c.out = binary.BigEndian.AppendUint32(c.out, 0) // throttle
	c.out = appendNoTags(c.out, in.flexible)
	return acks != 0
}

// swallow takes the records for a partition and returns the first one's offset, or the
// code of an error and -1.
func (c *nullConn) swallow(t *nullTopic, index int32, refuse int16) (base int64, problem int16) {
	in := &c.in
	size := in.count()
	end := in.left - max(0, size)
	count := c.readBatches(t, end)
	in.skip(in.left - end)
	p := t.partition(index)
	switch {
	case in.err != nil:
		return -1, 0
	case refuse != 0:
		return -1, refuse
	case p == nil:
		return -1, kerr.UnknownTopicOrPartition.Code
	case count <= 0:
		return -1, kerr.CorruptMessage.Code
	}
	base = p.end.Add(count) - count
	t.watchers.wake()
	return base, 0
}

// readBatches counts the records of the batches before the request's rest is end long;
// it is -1 when they are none.
func (c *nullConn) readBatches(t *nullTopic, end int) int64 {
	in := &c.in
	var count int64
	for in.left > end && in.err == nil {
		if in.left-end < batchHead {
			return -1
		}
		head := in.take(batchHead)
		if head == nil {
			return -1
		}
		b := binary.BigEndian
		rest := int64(int32(b.Uint32(head[8:]))) - (batchHead - batchLengthEnd)
		records := int64(int32(b.Uint32(head[57:])))
		last := int64(int32(b.Uint32(head[23:])))
		if rest < 0 || rest > int64(in.left-end) || head[16] != 2 || records < 1 || last != records-1 {
			return -1
		}
		count += records
		if compressed := head[22]&7 != 0; !compressed && t != nil {
			c.learn(t, int(rest))
		}
		in.skip(int(rest))
	}
	return count
}

// learn reads the size of the first of the records, of which so many bytes are to
// come.
func (c *nullConn) learn(t *nullTopic, size int) {
	now, made := shapeOfRecord(c.in.peek(min(size, mostRecordSeen)))
	if made && t.shape.Load() != now.pack() {
		t.shape.Store(now.pack())
	}
}

// mostRecordSeen bounds what of a record is looked at; that of a longer key tells no
// size.
const mostRecordSeen = 1 << 10

// shapeOfRecord is the shape of the record that begins here, if it is one. Its value
// need not be here.
func shapeOfRecord(b []byte) (s shape, made bool) {
	next := func() (v int64) {
		v, n := binary.Varint(b)
		made = made && n > 0
		b = b[max(0, n):]
		return v
	}
	made = true
	next() // length
	b = b[min(1, len(b)):]
	next() // difference in time
	next() // difference in offset
	key := next()
	if key > int64(len(b)) {
		return s, false
	}
	b = b[max(0, key):]
	value := next()
	if !made || key < -1 || value < -1 {
		return s, false
	}
	return shape{int32(key), int32(min(value, mostPreparedField))}, true
}

// appendProduced writes what became of a partition's records.
func (c *nullConn) appendProduced(out []byte, index int32, problem int16, base int64) []byte {
	b := binary.BigEndian
	out = b.AppendUint32(out, uint32(index))
	out = b.AppendUint16(out, uint16(problem))
	out = b.AppendUint64(out, uint64(base))
	out = b.AppendUint64(out, 1<<64-1) // no time of appending
	if c.version >= 5 {
		out = b.AppendUint64(out, 0) // the log's start
	}
	if c.version >= 8 {
		out = appendCount(out, 0, c.in.flexible) // no record is to blame
		if c.in.flexible {
			out = append(out, 0) // no words
		} else {
			out = b.AppendUint16(out, 1<<16-1)
		}
	}
	return appendNoTags(out, c.in.flexible)
}

package broker

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	// mostFetchBytes bounds an answer, as Kafka's fetch.max.bytes does.
	mostFetchBytes = 55 << 20
	// mostFetchWait bounds a long poll.
	mostFetchWait = time.Minute
	// fetchGlance is how often a long poll looks whether its client is still there.
	fetchGlance = 250 * time.Millisecond
)

// fetchAsk is one fetch request; its slices are used again for the next.
type fetchAsk struct {
	wait               time.Duration
	minBytes, maxBytes int32
	// session is set when the client goes on with one, which the null sink has none of.
	session    bool
	topics     []fetchTopic
	partitions []fetchPartition
	names      []byte
}

// fetchTopic is a topic with the partitions asked for, up to end in fetchAsk.
type fetchTopic struct {
	topic *nullTopic // nil: there is none
	id    [16]byte
	// nameEnd is how far its name goes in fetchAsk.names.
	nameEnd, end int
	batches      *prepared
}

// fetchPartition is what is asked of a partition. An offset that it does not have is in
// problem, as the code of Kafka's error.
type fetchPartition struct {
	index    int32
	offset   int64
	maxBytes int32
	end      int64
	problem  int16
}

// fetch answers a fetch request, when enough is there or its wait is over.
func (c *nullConn) fetch() error {
	c.readFetch()
	if c.in.err != nil {
		return c.in.err
	}
	if !c.enough() && c.ask.wait > 0 {
		if err := c.awaitEnough(); err != nil {
			return err
		}
	}
	c.appendFetched()
	return nil
}

func (c *nullConn) readFetch() {
	in, ask := &c.in, &c.ask
	if c.version < 15 {
		in.int32() // replica
	}
	ask.wait = min(time.Duration(in.int32())*time.Millisecond, mostFetchWait)
	ask.minBytes, ask.maxBytes = in.int32(), min(in.int32(), mostFetchBytes)
	in.int8() // isolation: nothing here is of a transaction
	ask.session = false
	if c.version >= 7 {
		id, epoch := in.int32(), in.int32()
		ask.session = id != 0 && epoch > 0
	}
	ask.topics, ask.partitions, ask.names = ask.topics[:0], ask.partitions[:0], ask.names[:0]
	for n := in.count(); n > 0 && in.err == nil; n-- {
		c.readFetchTopic()
	}
	// What follows are topics that a session forgets, the client's rack, and tags.
	in.skip(in.left)
}

func (c *nullConn) readFetchTopic() {
	in, ask := &c.in, &c.ask
	var t fetchTopic
	if c.version >= 13 {
		copy(t.id[:], in.take(len(t.id)))
		t.topic = c.sink.topics.identified(t.id)
	} else {
		name := in.topicName()
		t.topic = c.sink.topics.named(name)
		ask.names = append(ask.names, name...)
	}
	t.nameEnd = len(ask.names)
	for n := in.count(); n > 0 && in.err == nil; n-- {
		ask.partitions = append(ask.partitions, c.readFetchPartition())
	}
	in.tags()
	t.end = len(ask.partitions)
	ask.topics = append(ask.topics, t)
}

func (c *nullConn) readFetchPartition() fetchPartition {
	in := &c.in
	p := fetchPartition{index: in.int32()}
	if c.version >= 9 {
		in.int32() // leader epoch
	}
	p.offset = in.int64()
	if c.version >= 12 {
		in.int32() // epoch of the last record
	}
	if c.version >= 5 {
		in.int64() // a follower's log start
	}
	p.maxBytes = in.int32()
	in.tags()
	return p
}

// enough looks where the logs end now, and says whether an answer is due.
func (c *nullConn) enough() bool {
	ask := &c.ask
	if ask.session || len(ask.partitions) == 0 {
		return true
	}
	var bytes int64
	wrong := false
	from := 0
	for i := range ask.topics {
		t := &ask.topics[i]
		for j := from; j < t.end; j++ {
			p := &ask.partitions[j]
			p.look(t.topic, c.version)
			wrong = wrong || p.problem != 0
			if p.end <= p.offset {
				continue
			}
			if t.batches == nil || t.batches.shape.pack() != t.topic.shape.Load() {
				t.batches = t.topic.batches(c.sink.started)
			}
			// One more would be past any limit.
			records := min(p.end-p.offset, int64(p.maxBytes)+1)
			bytes += min(records*int64(t.batches.ends[0]), int64(p.maxBytes))
		}
		from = t.end
	}
	return wrong || bytes >= int64(ask.minBytes)
}

// look finds out where the partition's log ends, or what is wrong.
func (p *fetchPartition) look(t *nullTopic, version int16) {
	p.end, p.problem = p.offset, 0
	log := t.partition(p.index)
	switch {
	case t == nil && version >= 13:
		p.problem = kerr.UnknownTopicID.Code
		return
	case log == nil:
		p.problem = kerr.UnknownTopicOrPartition.Code
		return
	}
	if p.end = log.end.Load(); p.offset < 0 || p.offset > p.end {
		p.problem = kerr.OffsetOutOfRange.Code
	}
}

// awaitEnough waits for producers, until the time is over or the client has gone.
func (c *nullConn) awaitEnough() error {
	for i := range c.ask.topics {
		if t := c.ask.topics[i].topic; t != nil {
			t.watchers.add(c.wake)
			defer t.watchers.remove(c.wake)
		}
	}
	over := time.Now().Add(c.ask.wait)
	for !c.enough() {
		left := time.Until(over)
		if left <= 0 {
			return nil
		}
		c.timer.Reset(min(left, fetchGlance))
		select {
		case <-c.wake:
		case <-c.timer.C:
			if c.hungUp() {
				return errHungUp
			}
		case <-c.sink.closing:
			return errHungUp
		}
	}
	return nil
}

// appendFetched writes the answer: all that is not a record into out, and where the
// prepared records go between.
func (c *nullConn) appendFetched() {
	ask, b, flexible := &c.ask, binary.BigEndian, c.in.flexible
	c.out = b.AppendUint32(c.out, 0) // throttle
	topics, problem := ask.topics, int16(0)
	if ask.session {
		topics, problem = nil, kerr.FetchSessionIDNotFound.Code
	}
	if c.version >= 7 {
		c.out = b.AppendUint16(c.out, uint16(problem))
		c.out = b.AppendUint32(c.out, 0) // no session
	}
	c.out = appendCount(c.out, len(topics), flexible)
	room := int64(max(0, ask.maxBytes))
	first := true
	nameFrom, from := 0, 0
	for i := range topics {
		t := &topics[i]
		if c.version >= 13 {
			c.out = append(c.out, t.id[:]...)
		} else {
			c.out = appendText(c.out, ask.names[nameFrom:t.nameEnd], flexible)
		}
		c.out = appendCount(c.out, t.end-from, flexible)
		for j := from; j < t.end; j++ {
			used := c.appendPartition(&ask.partitions[j], t.batches, room, first)
			room = max(0, room-used)
			first = first && used == 0
		}
		c.out = appendNoTags(c.out, flexible)
		nameFrom, from = t.nameEnd, t.end
	}
	c.out = appendNoTags(c.out, flexible)
}

// appendPartition writes what a partition has, at most room bytes of records, but for
// the first batch of an answer. It returns how many those are.
func (c *nullConn) appendPartition(p *fetchPartition, batches *prepared, room int64, first bool) int64 {
	b, flexible := binary.BigEndian, c.in.flexible
	end := p.end
	if p.problem != 0 {
		end = -1
	}
	c.out = b.AppendUint32(c.out, uint32(p.index))
	c.out = b.AppendUint16(c.out, uint16(p.problem))
	c.out = b.AppendUint64(c.out, uint64(end)) // high watermark
	c.out = b.AppendUint64(c.out, uint64(end)) // last stable offset
	if c.version >= 5 {
		c.out = b.AppendUint64(c.out, 0) // the log's start
	}
	c.out = appendCount(c.out, -1, flexible) // no aborted transactions
	if c.version >= 11 {
		c.out = b.AppendUint32(c.out, math.MaxUint32) // no other replica is better
	}
	var size int64
	c.chosen = c.chosen[:0]
	if p.problem == 0 && p.end > p.offset {
		size = c.choose(batches, p.end-p.offset, min(room, int64(max(0, p.maxBytes))), first)
	}
	c.out = appendCount(c.out, int(size), flexible)
	offset := p.offset
	for _, batch := range c.chosen {
		c.out = batches.appendHead(c.out, int(batch), offset)
		c.cuts = append(c.cuts, cut{len(c.out), batches.records[:batches.ends[batch]]})
		offset += 1 << batch
	}
	c.out = appendNoTags(c.out, flexible)
	return size
}

// choose picks the batches for so many records within room bytes, the largest first,
// and returns their size. As with Kafka an answer's first batch may be larger than what
// was asked for, or a client would stand still before it.
func (c *nullConn) choose(batches *prepared, records, room int64, first bool) (size int64) {
	for records > 0 {
		batch := batches.most(records)
		for batch > 0 && size == 0 && int64(batches.size(batch)) > room {
			batch--
		}
		next := int64(batches.size(batch))
		if size+next > room && (size > 0 || !first) {
			break
		}
		c.chosen = append(c.chosen, uint8(batch))
		size += next
		records -= 1 << batch
	}
	return size
}

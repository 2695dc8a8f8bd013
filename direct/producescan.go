package direct

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"redline/direct/wire"
)

// Versions of produce requests, and what answers have from them on.
const (
	produceKey        = 0
	oldestProduce     = 3 // the first with the batches of today
	newestProduce     = 13
	produceHasStart   = 5
	produceHasZstd    = 7
	produceHasMessage = 8
	produceIsFlexible = 9
	produceByID       = 13 // topics are named by id
	// mostProduceMessage is how much of a broker's text goes into an error, in bytes.
	mostProduceMessage = 200
)

// produceAnswer is what a broker says of one batch.
type produceAnswer struct {
	partition int32
	code      int16
	offset    int64
	message   []byte // valid as long as the answer's bytes
}

// err is nil for an acknowledgement, and else the broker's error, alone and with what it
// said about it.
func (a *produceAnswer) err() (*kerr.Error, error) {
	err := kerr.TypedErrorForCode(a.code)
	switch {
	case err == nil:
		return nil, nil
	case len(a.message) == 0:
		return err, err
	}
	return err, fmt.Errorf("%w (%q)", err, a.message[:min(len(a.message), mostProduceMessage)])
}

// produceScan goes through the answer to a produce request:
//
//	[topics: name or id, [partitions: number, error, offset, append time, log start,
//	                [records with errors: number, text], text, tags], tags], throttle time, tags
type produceScan struct {
	produceAnswer
	throttleMillis int32

	cursor     wire.Cursor
	version    int16
	topic      produceTopic
	topics     int
	partitions int
	bad        bool
}

// newProduceScan begins before the first batch.
func newProduceScan(body []byte, version int16, topic produceTopic) produceScan {
	s := produceScan{cursor: wire.NewCursor(body), version: version, topic: topic}
	s.topics = s.items(4)
	return s
}

func (s *produceScan) flexible() bool { return s.version >= produceIsFlexible }

// items is the length of an array whose elements have so many bytes at least.
func (s *produceScan) items(size int) int {
	if s.flexible() {
		return s.cursor.Items(s.cursor.Uvarint()-1, size)
	}
	return s.cursor.Items(int64(s.cursor.Int32()), size)
}

func (s *produceScan) text() []byte {
	if s.flexible() {
		return s.cursor.Compact()
	}
	return s.cursor.String()
}

func (s *produceScan) tags() {
	if s.flexible() {
		s.cursor.Tags()
	}
}

// next takes the next batch in hand, and false behind the last and where something cannot
// be.
func (s *produceScan) next() bool {
	for s.partitions == 0 {
		if s.topics == 0 || s.cursor.Bad() {
			s.end()
			return false
		}
		s.topics--
		if !s.named() {
			s.bad = true
			return false
		}
		if s.partitions = s.items(22); s.partitions == 0 {
			s.tags()
		}
	}
	s.read()
	if s.partitions--; s.partitions == 0 {
		s.tags()
	}
	return !s.cursor.Bad()
}

// named reads how the topic is called, and says whether it is ours.
func (s *produceScan) named() bool {
	if s.version >= produceByID {
		return s.cursor.UUID() == s.topic.id && !s.cursor.Bad()
	}
	return string(s.text()) == s.topic.name
}

func (s *produceScan) read() {
	s.partition, s.code, s.offset = s.cursor.Int32(), s.cursor.Int16(), s.cursor.Int64()
	s.cursor.Int64() // append time
	s.message = nil
	if s.version >= produceHasStart {
		s.cursor.Int64() // log start
	}
	if s.version >= produceHasMessage {
		for n := s.items(5); n > 0 && !s.cursor.Bad(); n-- {
			s.cursor.Int32() // a record, and what is wrong with it
			s.message = s.text()
			s.tags()
		}
		if text := s.text(); len(text) > 0 {
			s.message = text
		}
	}
	s.tags()
}

// end reads what is behind the last batch.
func (s *produceScan) end() {
	s.throttleMillis = s.cursor.Int32()
	s.tags()
	s.bad = s.cursor.Bad() || s.cursor.Left() > 0
}

// failed says whether something could not be.
func (s *produceScan) failed() bool { return s.bad || s.cursor.Bad() }

package direct

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"redline/direct/batch"
)

// batches are so many sealed batches from an offset on.
func batches(offset int64, records ...int) []byte {
	var all []byte
	var b batch.Builder
	for _, n := range records {
		b.Begin(nil)
		for range n {
			b.Append(1, nil, []byte("a value"), nil)
		}
		raw, err := b.Seal(batch.None, nil, nil)
		if err != nil {
			panic(err)
		}
		binary.BigEndian.PutUint64(raw, uint64(offset))
		all, offset = append(all, raw...), offset+int64(n)
	}
	return all
}

// planned is a plan that has asked for partitions 0 to n-1, in request 1.
func planned(n int32) *fetchPlan {
	p := &fetchPlan{noSessions: true}
	var mine []*assignment
	for id := range n {
		mine = append(mine, newAssignment(id, 0, forever))
	}
	p.adopt(mine)
	f := &flight{correlation: 1}
	for _, s := range p.slots {
		p.name(f, s)
		s.asked = 1
	}
	p.flights = append(p.flights, f)
	return p
}

func ignore(*slot, int64) {}

// What is read of a response by hand is what kmsg put into it, in every version.
func TestAnswersAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		answer := kmsg.NewPtrFetchResponse()
		answer.Version = rapid.Int16Range(oldestFetch, newestFetch).Draw(t, "version")
		answer.ThrottleMillis = rapid.Int32Range(0, 1000).Draw(t, "throttle")
		if answer.Version >= fetchHasCode {
			answer.SessionID = rapid.Int32().Draw(t, "session")
		}
		s := scanner{version: answer.Version, topic: "topic", topicID: [16]byte{1, 2, 3}}
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = s.topic, s.topicID
		n := rapid.Int32Range(0, 20).Draw(t, "partitions")
		p := planned(n)
		want, aborted, failed := map[int32]int64{}, map[int32]int{}, 0
		for id := range n {
			part := kmsg.NewFetchResponseTopicPartition()
			part.Partition, part.HighWatermark = id, int64(id)+7
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				part.ErrorCode, failed = 6, failed+1
			case 1:
				part.RecordBatches = nil
			default:
				sizes := rapid.SliceOfN(rapid.IntRange(1, 5), 1, 4).Draw(t, "batches")
				part.RecordBatches = batches(0, sizes...)
				for _, k := range sizes {
					want[id] += int64(k)
				}
				cut := rapid.SliceOfN(rapid.Byte(), 0, 16).Draw(t, "tail")
				part.RecordBatches = append(part.RecordBatches, cut[:min(len(cut), 16)]...)
			}
			for range rapid.IntRange(0, 3).Draw(t, "aborted") {
				part.AbortedTransactions = append(part.AbortedTransactions, kmsg.NewFetchResponseTopicPartitionAbortedTransaction())
				aborted[id]++
			}
			if answer.Version >= fetchIsFlexible && rapid.Bool().Draw(t, "tags") {
				part.CurrentLeader.LeaderID, part.CurrentLeader.LeaderEpoch = 5, 6
			}
			topic.Partitions = append(topic.Partitions, part)
		}
		if n > 0 {
			answer.Topics = append(answer.Topics, topic)
		}
		body := answer.AppendTo(nil)
		var r response
		highs := 0
		h, err := s.scan(body, p.flights[0], p, &r, func(at *slot, high int64) {
			if highs++; high != int64(at.a.id)+7 {
				t.Fatalf("partition %d: can be read up to %d", at.a.id, high)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if h.throttleMillis != answer.ThrottleMillis || h.session != answer.SessionID || len(r.chunks) != len(want) || len(r.troubles) != failed || highs != int(n)-failed {
			t.Fatalf("%+v, %d chunks of %d, %d troubles of %d", h, len(r.chunks), len(want), len(r.troubles), failed)
		}
		for _, c := range r.chunks {
			if c.next != want[c.of.id] || c.abortedTo-c.abortedFrom != aborted[c.of.id] {
				t.Fatalf("partition %d goes on at %d, not %d", c.of.id, c.next, want[c.of.id])
			}
		}
		if len(body) > 0 {
			cut := rapid.IntRange(0, len(body)-1).Draw(t, "cut")
			p := planned(n)
			if _, err := s.scan(body[:cut], p.flights[0], p, &r, ignore); err == nil {
				t.Fatalf("%d bytes of an answer of %d passed", cut, len(body))
			}
		}
	})
}

func TestAPartitionIsAnsweredOnce(t *testing.T) {
	answer := kmsg.NewPtrFetchResponse()
	answer.Version = 12
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic = "topic"
	part := kmsg.NewFetchResponseTopicPartition()
	s := scanner{version: 12, topic: "topic"}
	for what, parts := range map[string][]int32{"twice": {0, 0}, "unasked": {7}, "negative": {-1}} {
		topic.Partitions = nil
		for _, id := range parts {
			part.Partition = id
			topic.Partitions = append(topic.Partitions, part)
		}
		answer.Topics = []kmsg.FetchResponseTopic{topic}
		p := planned(2)
		if _, err := s.scan(answer.AppendTo(nil), p.flights[0], p, &response{}, ignore); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

func TestBytesWithoutProgressAreRefused(t *testing.T) {
	for what, raw := range map[string][]byte{
		"cut":      batches(0, 5)[:40],
		"old":      batches(0, 5),
		"backward": append(batches(10, 5), batches(12, 1)...),
	} {
		c := chunk{from: 10, bytes: raw}
		if err := c.skim(); err == nil {
			t.Errorf("%s: taken, next is %d", what, c.next)
		}
	}
}

func FuzzFetchAnswers(f *testing.F) {
	for version := int16(oldestFetch); version <= newestFetch; version++ {
		answer := kmsg.NewPtrFetchResponse()
		answer.Version = version
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = "topic"
		part := kmsg.NewFetchResponseTopicPartition()
		part.RecordBatches = batches(0, 3, 2)
		part.AbortedTransactions = append(part.AbortedTransactions, kmsg.NewFetchResponseTopicPartitionAbortedTransaction())
		topic.Partitions = append(topic.Partitions, part)
		answer.Topics = append(answer.Topics, topic)
		f.Add(version, answer.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		s := scanner{version: oldestFetch + (version&0xff)%(newestFetch-oldestFetch+1), topic: "topic", committed: version&0x100 != 0}
		var from response
		p := planned(3)
		if _, err := s.scan(body, p.flights[0], p, &from, ignore); err != nil {
			return
		}
		r := reader{committed: s.committed}
		r.decompressor.MaxBytes = 1 << 20
		defer r.close()
		for i := range from.chunks {
			k := &from.chunks[i]
			if k.next <= k.from {
				t.Fatalf("no progress: %d to %d", k.from, k.next)
			}
			for r.open(&from, k); ; {
				shown, err := r.next()
				if !shown || err != nil {
					break
				}
				last := int64(-1)
				w := r.batch.Walk()
				for w.Next() {
					if w.Offset <= last || w.Offset < k.from {
						t.Fatalf("offset %d follows %d", w.Offset, last)
					}
					last = w.Offset
				}
			}
		}
	})
}

// What a real broker has answered (test/kafka makes the files) is read, in each version.
func TestRealAnswersAreRead(t *testing.T) {
	names, err := filepath.Glob("testdata/fuzz/FuzzFetchAnswers/real-*")
	if err != nil || len(names) != 2*(newestFetch-oldestFetch+1) {
		t.Fatalf("%d answers, %v", len(names), err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		version, err1 := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(lines[1], "int16("), ")"))
		body, err2 := strconv.Unquote(strings.TrimSuffix(strings.TrimPrefix(lines[2], "[]byte("), ")"))
		if err1 != nil || err2 != nil {
			t.Fatal(name, err1, err2)
		}
		s := scanner{version: int16(oldestFetch + version&0xff), topic: "topic", committed: version>>8 > 0}
		var r response
		p := planned(3)
		if _, err := s.scan([]byte(body), p.flights[0], p, &r, ignore); err != nil || len(r.chunks) != 3 || len(r.aborted) != 3*(version>>8) {
			t.Errorf("%s: %v, %d partitions, %d aborted transactions", name, err, len(r.chunks), len(r.aborted))
		}
	}
}

package ladder

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/internal/audit"
	"redline/internal/client"
)

const (
	// fetchWait is how long a broker may hold a fetch until there is something.
	fetchWait = 500 // ms
	// namedAtOnce is how many partitions a fetch names: each costs the broker some
	// microseconds, and a response holds what a few of them have.
	namedAtOnce = 16
	// responseBeyond is how much a response may exceed fetch.max.bytes: a broker sends
	// the first batch whole, whatever its size.
	responseBeyond = 128 << 20
)

// partition is one that is read, by one connection.
type partition struct {
	id         int32
	start, end int64
	next       int64 // to be fetched next
	answered   int32 // the last request whose answer spoke of it
	reader     *audit.Reader
	handed     atomic.Int64 // everything below was walked, in this pass
}

// chunk is what a response brought of a partition.
type chunk struct {
	partition *partition
	bytes     []byte
	from      int64 // what was asked for; batches may begin before it
	next      int64 // the offset after it
	last      bool  // of this pass
	size      int   // of bytes, where they are not there yet
}

// fetcher is one connection that fetches, and the goroutine that walks what it brings.
type fetcher struct {
	climb *Climb
	where string // for errors
	conn  net.Conn
	in    inbox
	out   []byte

	formatter   *kmsg.RequestFormatter
	request     kmsg.FetchRequest
	correlation int32

	partitions []*partition
	byID       map[int32]*partition
	turn       int // the partition that the next fetch names first
	chunks     []chunk
	batch      batch // in hand

	inflater inflater
	sum      uint64 // of the first bytes of every value, so that they are touched
	handle   func(client.Batch)
	handed   handed
	count    *count
}

func newFetcher(c *Climb, s share, conn net.Conn, n *count) *fetcher {
	f := &fetcher{
		climb: c, conn: conn, count: n, where: fmt.Sprintf("broker %d at %s", s.leader.id, s.leader.address),
		in:        newInbox(conn, c.options.fetchBytes+64<<10, c.options.fetchBytes+responseBeyond),
		formatter: kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)),
		byID:      map[int32]*partition{},
	}
	for _, id := range s.partitions {
		p := &partition{id: id, start: c.spec.Starts[id], end: c.spec.Ends[id], next: c.spec.Starts[id]}
		p.handed.Store(p.start)
		if c.step >= accounting {
			p.reader = c.spec.Ledger.Reader(id)
		}
		f.partitions, f.byID[id] = append(f.partitions, p), p
	}
	if c.step >= handling {
		f.handle = c.spec.Handle()
	}
	f.request = kmsg.NewFetchRequest()
	f.request.Version, f.request.MaxWaitMillis, f.request.MinBytes = fetchVersion, fetchWait, 1
	f.request.MaxBytes, f.request.SessionEpoch = int32(c.options.fetchBytes), -1
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = c.spec.Topic
	for range min(namedAtOnce, len(f.partitions)) {
		named := kmsg.NewFetchRequestTopicPartition()
		named.CurrentLeaderEpoch, named.PartitionMaxBytes = -1, int32(c.options.partitionBytes)
		topic.Partitions = append(topic.Partitions, named)
	}
	f.request.Topics = append(f.request.Topics, topic)
	return f
}

// prime fetches once, so that what is wrong from the start is known before a trial.
func (f *fetcher) prime() error { return f.named(f.fetch()) }

func (f *fetcher) fetch() error {
	if err := f.send(); err != nil {
		return err
	}
	return f.receive()
}

// run walks what was fetched while the next fetch is under way, again and again.
func (f *fetcher) run() error {
	defer f.inflater.close()
	for !f.climb.ended() {
		if err := f.turnAround(); err != nil {
			return f.named(err)
		}
	}
	return nil
}

func (f *fetcher) turnAround() error {
	if err := f.send(); err != nil {
		return err
	}
	if err := f.walk(); err != nil {
		return err
	}
	return f.receive()
}

func (f *fetcher) named(err error) error {
	if err != nil {
		err = fmt.Errorf("fetching topic %q from %s: %w", f.climb.spec.Topic, f.where, err)
	}
	return err
}

// halt ends what the goroutine waits for.
func (f *fetcher) halt()  { f.conn.Close() }
func (f *fetcher) close() { f.conn.Close() }

// send asks for what comes next, of some of the partitions.
func (f *fetcher) send() error {
	named := f.request.Topics[0].Partitions
	for i := range named {
		p := f.partitions[(f.turn+i)%len(f.partitions)]
		named[i].Partition, named[i].FetchOffset = p.id, p.next
	}
	f.correlation++
	f.out = f.formatter.AppendRequest(f.out[:0], &f.request, f.correlation)
	_, err := f.conn.Write(f.out)
	return err
}

// receive waits for the response and finds the chunks in it, by the headers of
// batches alone: what to fetch next is known before a record is looked at.
func (f *fetcher) receive() error {
	answer, err := f.in.next()
	if err != nil {
		return err
	}
	f.chunks = f.chunks[:0]
	if err := f.scan(&cursor{b: answer}); err != nil {
		return err
	}
	return f.advance()
}

// scan reads a fetch response, version 12.
func (f *fetcher) scan(c *cursor) error {
	if correlation := c.int32(); correlation != f.correlation {
		return fmt.Errorf("the answer to request %d came, where %d was asked", correlation, f.correlation)
	}
	c.tags()
	f.climb.throttled(c.int32())
	if err := kerr.ErrorForCode(c.int16()); err != nil {
		return err
	}
	c.int32() // session
	for range c.items(c.uvarint()-1, 2) {
		if topic := c.compact(); !c.bad && string(topic) != f.climb.spec.Topic {
			return fmt.Errorf("the broker answered about topic %q", topic)
		}
		for range c.items(c.uvarint()-1, 30) {
			if err := f.scanPartition(c); err != nil {
				return err
			}
		}
		c.tags()
	}
	c.tags()
	if c.bad || len(c.b) > 0 {
		return errAnswer
	}
	return nil
}

func (f *fetcher) scanPartition(c *cursor) error {
	id, code := c.int32(), c.int16()
	c.take(3 * 8) // high watermark, last stable offset, log start
	for range c.items(c.uvarint()-1, 17) {
		c.take(2 * 8) // of an aborted transaction
		c.tags()
	}
	c.int32() // preferred replica
	bytes := c.compact()
	c.tags()
	p := f.byID[id]
	switch {
	case c.bad:
		return errAnswer
	case p == nil:
		return fmt.Errorf("the broker answered about partition %d, which was not asked for", id)
	case p.answered == f.correlation:
		return fmt.Errorf("the broker answered twice about partition %d", id)
	case code != 0:
		return fmt.Errorf("partition %d, offset %d: %w; rungs do not follow a leader or a log that moves, start the run again", id, p.next, kerr.ErrorForCode(code))
	}
	p.answered = f.correlation
	if len(bytes) > 0 {
		f.chunks = append(f.chunks, chunk{partition: p, bytes: bytes, from: p.next})
	}
	return nil
}

// advance moves the partitions of the chunks on, and counts what headers tell.
func (f *fetcher) advance() error {
	var records, bytes int64
	for i := range f.chunks {
		c := &f.chunks[i]
		n, size, err := f.skim(c)
		if err != nil {
			return fmt.Errorf("partition %d, offset %d: %w", c.partition.id, c.from, err)
		}
		records, bytes = records+int64(n), bytes+int64(size)
		p := c.partition
		p.next, c.last = c.next, c.next >= p.end
		if c.last {
			p.next = p.start
		}
	}
	// The next fetch begins behind the last partition that had its turn.
	f.turn = (f.turn + max(1, len(f.chunks))) % len(f.partitions)
	if f.climb.step < decoding {
		f.count.add(records, bytes)
	}
	return nil
}

// skim reads the headers of a chunk's batches.
func (f *fetcher) skim(c *chunk) (records, bytes int, err error) {
	next, codecs := c.from, uint32(0)
	for rest := c.bytes; ; {
		var b batch
		if b, rest, err = cut(rest); err != nil || b.raw == nil {
			break
		}
		if b.last < next {
			continue // of before what was asked for
		}
		if b.base < next && next != c.from {
			return 0, 0, fmt.Errorf("a batch from offset %d follows one that ends with %d", b.base, next-1)
		}
		if n := b.within(c.from, c.partition.end); n > 0 {
			records, bytes, codecs = records+n, bytes+len(b.records()), codecs|1<<b.codec()
		}
		next = b.last + 1
	}
	if err == nil && next == c.from {
		err = errProgress
	}
	c.next = next
	f.climb.saw(codecs)
	return records, bytes, err
}

// walk does with the chunks what the rung does.
func (f *fetcher) walk() error {
	for i := range f.chunks {
		c := &f.chunks[i]
		for rest := c.bytes; f.climb.step > fetching; {
			var err error
			if f.batch, rest, err = cut(rest); err == nil && f.batch.raw == nil {
				break
			}
			if err == nil {
				err = f.take(c, &f.batch)
			}
			if err != nil {
				return fmt.Errorf("partition %d, batch at offset %d: %w", c.partition.id, f.batch.base, err)
			}
			if f.climb.ended() {
				return nil
			}
		}
		f.passed(c)
	}
	return nil
}

// take goes with a batch as far as the rung does.
func (f *fetcher) take(c *chunk, b *batch) error {
	step := f.climb.step
	if b.last < c.from {
		return nil
	}
	if !b.intact() {
		return errCRC
	}
	if step < inflating || b.control() {
		return nil
	}
	records, err := f.inflater.records(b)
	if err != nil {
		return fmt.Errorf("cannot decompress it (%s): %w", b.codec(), err)
	}
	if step < decoding {
		return nil
	}
	if step < accounting {
		n, bytes, err := f.decode(b, records, c, nil)
		f.count.add(int64(n), int64(bytes))
		return err
	}
	reader := c.partition.reader
	reader.Begin(b.epoch())
	n, _, err := f.decode(b, records, c, reader)
	reader.End()
	if err == nil && f.handle != nil && n > 0 {
		f.handed = handed{batch: b, records: records, chunk: c, count: n}
		f.handle(&f.handed)
	}
	return err
}

// decode walks the records of a batch that are to be read, and shows them to the
// reader if there is one.
func (f *fetcher) decode(b *batch, records []byte, c *chunk, reader *audit.Reader) (n, bytes int, err error) {
	w, sum := b.walk(records), f.sum
	from, end := c.from, c.partition.end
	for w.next() {
		if w.offset < from || w.offset >= end {
			continue
		}
		n, bytes, sum = n+1, bytes+len(w.value), sum+head(w.value)
		if reader != nil {
			reader.See(w.offset, w.value)
		}
	}
	f.sum = sum
	return n, bytes, w.err
}

// head is the first 8 bytes of a value as a number, zero padded.
func head(value []byte) uint64 {
	if len(value) >= 8 {
		return binary.LittleEndian.Uint64(value)
	}
	var n uint64
	for i, b := range value {
		n |= uint64(b) << (8 * i)
	}
	return n
}

// passed notes that a chunk was walked; behind the last of a pass a new one begins.
func (f *fetcher) passed(c *chunk) {
	p := c.partition
	p.handed.Store(c.next)
	if !c.last {
		return
	}
	if p.reader != nil {
		f.climb.spec.Ledger.Rewind(p.id, p.start)
	}
	f.climb.rewinds.Add(1)
}

// handed is a batch as a handler sees it: a client.Batch, whose records are decoded
// anew for each look.
type handed struct {
	batch   *batch
	records []byte
	chunk   *chunk
	count   int
}

var _ client.Batch = (*handed)(nil)

// Partition, LeaderEpoch, Len and Each are those of client.Batch.

// Partition is the one that the records are of.
func (h *handed) Partition() int32 { return h.chunk.partition.id }

// LeaderEpoch is that of the leader that appended them.
func (h *handed) LeaderEpoch() int32 { return h.batch.epoch() }

// Len is the number of records.
func (h *handed) Len() int { return h.count }

// Each shows every record.
func (h *handed) Each(show func(offset int64, key, value []byte)) {
	w := h.batch.walk(h.records)
	for w.next() {
		if w.offset >= h.chunk.from && w.offset < h.chunk.partition.end {
			show(w.offset, w.key, w.value)
		}
	}
}

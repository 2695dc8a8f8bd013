package ladder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/direct/batch"
	"redline/direct/wire"
	"redline/internal/audit"
	"redline/internal/client"
)

var (
	errAnswer   = errors.New("the broker's answer cannot be read")
	errCRC      = errors.New("its CRC-32C does not hold")
	errProgress = errors.New("no whole batch came; raise max.partition.fetch.bytes above the longest")
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
	answered   int64 // the last fetch whose answer spoke of it
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
	conn  *wire.Conn
	buf   []byte // of answers, one after the other
	limit int    // of an answer, in bytes

	request kmsg.FetchRequest
	fetches int64 // sent so far

	partitions []*partition
	byID       map[int32]*partition
	turn       int // the partition that the next fetch names first
	chunks     []chunk
	batch      batch.Batch // in hand

	decompressor batch.Decompressor
	sum          uint64 // of the first bytes of every value, so that they are touched
	handle       func(client.Batch)
	handed       handed
	count        *count
}

func newFetcher(c *Climb, s share, conn *wire.Conn, n *count) *fetcher {
	f := &fetcher{
		climb: c, conn: conn, count: n, where: fmt.Sprintf("broker %d", s.leader.id),
		buf: make([]byte, c.options.fetchBytes+64<<10), limit: c.options.fetchBytes + responseBeyond,
		byID: map[int32]*partition{},
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
	defer f.decompressor.Close()
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
func (f *fetcher) halt()  { f.close() }
func (f *fetcher) close() { _ = f.conn.Close() } // nothing is left to be written

// send asks for what comes next, of some of the partitions.
func (f *fetcher) send() error {
	named := f.request.Topics[0].Partitions
	for i := range named {
		p := f.partitions[(f.turn+i)%len(f.partitions)]
		named[i].Partition, named[i].FetchOffset = p.id, p.next
	}
	f.fetches++
	_, err := f.conn.Send(&f.request)
	return err
}

// receive waits for the response and finds the chunks in it, by the headers of
// batches alone: what to fetch next is known before a record is looked at.
func (f *fetcher) receive() error {
	var answer []byte
	var err error
	if answer, f.buf, _, err = f.conn.Receive(f.buf, f.limit, fetchKey, true); err != nil {
		return err
	}
	if err := f.scan(answer); err != nil {
		return err
	}
	return f.advance()
}

// scan reads a fetch response, version 12.
func (f *fetcher) scan(answer []byte) error {
	f.chunks = f.chunks[:0]
	c := wire.NewCursor(answer)
	f.climb.throttled(c.Int32())
	if err := kerr.ErrorForCode(c.Int16()); err != nil {
		return err
	}
	c.Int32() // session
	for range c.Items(c.Uvarint()-1, 2) {
		if topic := c.Compact(); !c.Bad() && string(topic) != f.climb.spec.Topic {
			return fmt.Errorf("the broker answered about topic %q", topic)
		}
		for range c.Items(c.Uvarint()-1, 30) {
			if err := f.scanPartition(&c); err != nil {
				return err
			}
		}
		c.Tags()
	}
	c.Tags()
	if c.Bad() || c.Left() > 0 {
		return errAnswer
	}
	return nil
}

func (f *fetcher) scanPartition(c *wire.Cursor) error {
	id, code := c.Int32(), c.Int16()
	c.Take(3 * 8) // high watermark, last stable offset, log start
	for range c.Items(c.Uvarint()-1, 17) {
		c.Take(2 * 8) // of an aborted transaction
		c.Tags()
	}
	c.Int32() // preferred replica
	bytes := c.Compact()
	c.Tags()
	p := f.byID[id]
	switch {
	case c.Bad():
		return errAnswer
	case p == nil:
		return fmt.Errorf("the broker answered about partition %d, which was not asked for", id)
	case p.answered == f.fetches:
		return fmt.Errorf("the broker answered twice about partition %d", id)
	case code != 0:
		return fmt.Errorf("partition %d, offset %d: %w; rungs do not follow a leader or a log that moves, start the run again", id, p.next, kerr.ErrorForCode(code))
	}
	p.answered = f.fetches
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
		var b batch.Batch
		var whole bool
		if b, rest, whole, err = batch.Cut(rest); err != nil || !whole {
			break
		}
		if b.LastOffset() < next {
			continue // of before what was asked for
		}
		if b.FirstOffset() < next && next != c.from {
			return 0, 0, fmt.Errorf("a batch from offset %d follows one that ends with %d", b.FirstOffset(), next-1)
		}
		if n := within(&b, c.from, c.partition.end); n > 0 {
			records, bytes, codecs = records+n, bytes+len(b.Bytes()), codecs|1<<b.Codec()
		}
		next = b.LastOffset() + 1
	}
	if err == nil && next == c.from {
		err = errProgress
	}
	c.next = next
	f.climb.saw(codecs)
	return records, bytes, err
}

// within is how many records have offsets from from up to, not including, end, by the
// header alone: a batch that lies across one of the two is taken to have no holes.
func within(b *batch.Batch, from, end int64) int {
	if b.Control() {
		return 0
	}
	return int(max(0, int64(b.Len())-max(0, from-b.FirstOffset())-max(0, b.LastOffset()+1-end)))
}

// walk does with the chunks what the rung does.
func (f *fetcher) walk() error {
	for i := range f.chunks {
		c := &f.chunks[i]
		for rest := c.bytes; f.climb.step > fetching; {
			var whole bool
			var err error
			if f.batch, rest, whole, err = batch.Cut(rest); err == nil && !whole {
				break
			}
			if err == nil {
				err = f.take(c, &f.batch)
			}
			if err != nil {
				return fmt.Errorf("partition %d, batch at offset %d: %w", c.partition.id, f.batch.FirstOffset(), err)
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
func (f *fetcher) take(c *chunk, b *batch.Batch) error {
	step := f.climb.step
	if b.LastOffset() < c.from {
		return nil
	}
	if !b.Intact() {
		return errCRC
	}
	if step < inflating || b.Control() {
		return nil
	}
	records, err := f.decompressor.Records(b)
	if err != nil {
		return fmt.Errorf("cannot decompress it (%s): %w", b.Codec(), err)
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
	reader.Begin(b.LeaderEpoch())
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
func (f *fetcher) decode(b *batch.Batch, records []byte, c *chunk, reader *audit.Reader) (n, bytes int, err error) {
	w, sum := c.walk(b, records), f.sum
	for w.Next() {
		n, bytes, sum = n+1, bytes+len(w.Value), sum+head(w.Value)
		if reader != nil {
			reader.See(w.Offset, w.Value)
		}
	}
	f.sum = sum
	return n, bytes, w.Err()
}

// walk goes through those records of a batch that are to be read.
func (c *chunk) walk(b *batch.Batch, records []byte) batch.Walk {
	w := b.Walk(records)
	if b.FirstOffset() < c.from || b.LastOffset() >= c.partition.end {
		w.Between(c.from, c.partition.end)
	}
	return w
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
	batch   *batch.Batch
	records []byte
	chunk   *chunk
	count   int
}

var _ client.Batch = (*handed)(nil)

// Partition, LeaderEpoch, Len and Each are those of client.Batch.

// Partition is the one that the records are of.
func (h *handed) Partition() int32 { return h.chunk.partition.id }

// LeaderEpoch is that of the leader that appended them.
func (h *handed) LeaderEpoch() int32 { return h.batch.LeaderEpoch() }

// Len is the number of records.
func (h *handed) Len() int { return h.count }

// Each shows every record.
func (h *handed) Each(show func(offset int64, key, value []byte)) {
	w := h.chunk.walk(h.batch, h.records)
	for w.Next() {
		show(w.Offset, w.Key, w.Value)
	}
}

package ladder

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"redline/direct/batch"
	"redline/internal/broker"
)

const (
	// socketBytes is about how much of the topic goes over the bare socket, again and
	// again: more than a cache holds.
	socketBytes = 48 << 20
	// readTrial is how long each size of reads is tried.
	readTrial = 75 * time.Millisecond
)

// readSizes are those tried, in bytes.
var readSizes = []int{64 << 10, 256 << 10, 1 << 20, 4 << 20}

// source is a file of raw batches and the process that sends it.
type source struct {
	file           string
	bytes, records int64
	sender         *broker.Socket
	reads          atomic.Int64 // the size of reads that was fastest; 0: not known yet
}

// openSocket stores batches of the topic and lets a process send them.
func (c *Climb) openSocket(shares []share) error {
	c.socket = &source{}
	if err := c.fill(shares); err != nil {
		return err
	}
	var err error
	if c.socket.sender, err = broker.StartSocket(c.ctx, c.socket.file); err != nil {
		return fmt.Errorf("cannot send over a bare socket: %w", err)
	}
	for range c.spec.Connections {
		conn, err := (&net.Dialer{}).DialContext(c.ctx, "tcp", c.socket.sender.Addr())
		if err != nil {
			return fmt.Errorf("cannot connect to the bare socket: %w", err)
		}
		c.lanes = append(c.lanes, &listener{climb: c, conn: conn, count: c.counter()})
	}
	return nil
}

// fill stores batches of every share in turn, until there are enough.
func (c *Climb) fill(shares []share) error {
	file, err := os.CreateTemp("", "redline-socket-*")
	if err != nil {
		return fmt.Errorf("cannot store batches for the bare socket: %w", err)
	}
	defer file.Close()
	c.socket.file = file.Name()
	out := bufio.NewWriter(file)
	for _, s := range shares {
		err = c.passes(s, int64(socketBytes/len(shares)), func(_ *chunk, b *batch.Batch) error {
			c.socket.bytes += int64(len(b.Raw()))
			c.socket.records += int64(within(b, b.FirstOffset(), b.LastOffset()+1))
			_, err := out.Write(b.Raw())
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("cannot store batches for the bare socket: %w", err)
	}
	return nil
}

// passes fetches a share's partitions, whole batches only, until size bytes were seen or
// every partition was read to its end.
func (c *Climb) passes(s share, size int64, see func(of *chunk, b *batch.Batch) error) error {
	conn, err := c.connect(s.leader, fetchKey, fetchVersion)
	if err != nil {
		return err
	}
	f := newFetcher(c, s, conn, new(count))
	defer f.close()
	defer context.AfterFunc(c.ctx, f.close)()
	ended := map[*partition]bool{}
	for seen := int64(0); seen < size && len(ended) < len(f.partitions); {
		if err := f.prime(); err != nil {
			return err
		}
		for i := range f.chunks {
			of := &f.chunks[i]
			if ended[of.partition] {
				continue
			}
			n, err := of.each(func(b *batch.Batch) error { return see(of, b) })
			if err != nil {
				return err
			}
			seen += n
			if of.last {
				ended[of.partition] = true
			}
		}
	}
	return nil
}

// each shows the whole batches of a chunk that was skimmed, and returns their length.
func (c *chunk) each(see func(*batch.Batch) error) (bytes int64, err error) {
	for rest := c.bytes; ; {
		var b batch.Batch
		var whole bool
		if b, rest, whole, err = batch.Cut(rest); err != nil || !whole {
			return bytes, err
		}
		if b.LastOffset() < c.from {
			continue
		}
		bytes += int64(len(b.Raw()))
		if err := see(&b); err != nil {
			return bytes, err
		}
	}
}

// reckon is how many records so many bytes stand for.
func (s *source) reckon(bytes int64) int64 {
	if s.bytes == 0 {
		return 0
	}
	return bytes/s.bytes*s.records + bytes%s.bytes*s.records/s.bytes
}

func (c *Climb) closeSocket(ctx context.Context) error {
	if c.socket == nil {
		return nil
	}
	var err error
	if c.socket.sender != nil {
		err = c.socket.sender.Stop(ctx)
	}
	if c.socket.file != "" {
		err = errors.Join(err, os.Remove(c.socket.file))
	}
	return err
}

// listener is one connection to the bare socket.
type listener struct {
	climb *Climb
	conn  net.Conn
	count *count
}

func (l *listener) prime() error { return nil }
func (l *listener) halt()        { l.conn.Close() }
func (l *listener) close()       { l.conn.Close() }

// run reads with the size of reads that was fastest.
func (l *listener) run() error {
	buf := make([]byte, readSizes[len(readSizes)-1])
	best, fastest := 0.0, 0
	for _, size := range readSizes {
		rate, err := l.read(buf[:size], readTrial)
		if err != nil {
			return err
		}
		if rate > best {
			best, fastest = rate, size
		}
	}
	l.climb.socket.reads.Store(int64(fastest))
	_, err := l.read(buf[:fastest], 0)
	return err
}

// read reads for so long, 0 is until the end, and returns bytes per second.
func (l *listener) read(buf []byte, length time.Duration) (float64, error) {
	began, n := time.Now(), int64(0)
	for {
		m, err := l.conn.Read(buf)
		l.count.bytes.Add(int64(m))
		n += int64(m)
		if l.climb.spec.Wire != nil {
			l.climb.spec.Wire.Read.Add(int64(m))
		}
		if err != nil {
			return 0, fmt.Errorf("reading from the bare socket: %w", err)
		}
		if length > 0 && time.Since(began) >= length {
			return float64(n) / time.Since(began).Seconds(), nil
		}
	}
}

func (s *source) settings(shown map[string]string) {
	shown["socket.bytes"] = strconv.FormatInt(s.bytes, 10)
	if reads := s.reads.Load(); reads > 0 {
		shown["socket.read.bytes"] = strconv.FormatInt(reads, 10)
	}
}

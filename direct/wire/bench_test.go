package wire

import (
	"encoding/binary"
	"net"
	"testing"
)

// counted counts the reads of a connection.
type counted struct {
	*net.TCPConn
	reads int
}

func (c *counted) Read(p []byte) (int, error) {
	c.reads++
	return c.TCPConn.Read(p)
}

// BenchmarkReceive reads responses of 4 MiB that a server sends as fast as it can over
// loopback, with one in flight, and with three.
func BenchmarkReceive(b *testing.B) {
	const size = 4 << 20
	for name, ahead := range map[string]uint32{"alone": 1, "pipelined": 3} {
		b.Run(name, func(b *testing.B) {
			ready := make(chan struct{}, 1<<16)
			address := listen(b, func(p *peer) {
				response := framed(0, true, make([]byte, size))
				number := uint32(0)
				for range ready {
					binary.BigEndian.PutUint32(response[4:], number)
					number++
					if _, err := p.conn.Write(response); err != nil {
						return
					}
				}
			})
			defer close(ready)
			conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", address)
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			reading := &counted{TCPConn: conn.(*net.TCPConn)}
			c := over(reading, 0)
			buf := make([]byte, size+64<<10)
			for range ahead - 1 {
				c.sent.Add(1)
				ready <- struct{}{}
			}
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				c.sent.Add(1)
				ready <- struct{}{}
				body, grown, _, err := c.Receive(buf, 8<<20, 1, true)
				if buf = grown; err != nil || len(body) != size {
					b.Fatalf("%d bytes, %v", len(body), err)
				}
			}
			b.ReportMetric(float64(reading.reads)/float64(b.N), "reads/op")
		})
	}
}

// BenchmarkCursor reads what a Fetch response says of a partition.
func BenchmarkCursor(b *testing.B) {
	partition := make([]byte, 4+2+8+8+8+1+4+3)
	partition[4+2+8+8+8+1+4] = 2
	for b.Loop() {
		c := NewCursor(partition)
		c.Int32()
		c.Int16()
		c.Int64()
		c.Int64()
		c.Int64()
		c.Items(c.Uvarint()-1, 16)
		c.Int32()
		c.Compact()
		c.Tags()
		if c.Bad() || c.Left() > 0 {
			b.Fatal("bad")
		}
	}
}

package wire

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"pgregory.net/rapid"
)

var mechanisms = []sasl.Mechanism{scram.Sha256(scramAs("me", "secret")), oneStep{name: "OURS"}}

// stream is a connection that brings data in pieces of the sizes given, in turn, and takes
// everything.
type stream struct {
	data    []byte
	cuts    []int
	reads   int
	written bytes.Buffer
	writes  int
}

func (s *stream) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), len(s.data))
	if len(s.cuts) > 0 {
		n = min(n, s.cuts[s.reads%len(s.cuts)])
	}
	s.reads++
	copy(p, s.data[:n])
	s.data = s.data[n:]
	return n, nil
}

func (s *stream) Write(p []byte) (int, error) {
	s.writes++
	return s.written.Write(p)
}

func (*stream) Close() error                     { return nil }
func (*stream) LocalAddr() net.Addr              { return nil }
func (*stream) RemoteAddr() net.Addr             { return nil }
func (*stream) SetDeadline(time.Time) error      { return nil }
func (*stream) SetReadDeadline(time.Time) error  { return nil }
func (*stream) SetWriteDeadline(time.Time) error { return nil }

// over is a connection over a stream, with some requests sent.
func over(s net.Conn, sent int) *Conn {
	c := newConn(&Dialer{clientID: []byte{0, 2, 'm', 'e'}, maxRequest: 100 << 20}, s, "stream:9092")
	c.sent.Store(uint32(sent))
	return c
}

// body is one of a size that is like no other.
func body(number, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(number*31 + i*7 + i>>8)
	}
	return b
}

func framed(number int, flexible bool, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(number))
	if flexible {
		b = append(b, 1, 5, 2, 'x', 'y') // a tag that nobody knows
	}
	b = append(b, body...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func TestAnyCuttingOfAStreamGivesTheSameResponses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(4000, 5000), rapid.IntRange(0, 200_000)), 1, 12).Draw(t, "sizes")
		flexible := rapid.Bool().Draw(t, "flexible")
		var data []byte
		for i, size := range sizes {
			data = append(data, framed(i, flexible, body(i, size))...)
		}
		s := &stream{data: data, cuts: rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 9), rapid.IntRange(1, 100_000)), 0, 8).Draw(t, "cuts")}
		ahead := rapid.IntRange(1, len(sizes)).Draw(t, "in flight")
		c := over(s, 0)
		buffers := make([][]byte, rapid.IntRange(1, 3).Draw(t, "buffers"))
		for i := range buffers {
			buffers[i] = make([]byte, rapid.SampledFrom([]int{0, 10, 5000, 70_000, 300_000}).Draw(t, "capacity"))
		}
		for i, size := range sizes {
			c.sent.Store(uint32(min(i+ahead, len(sizes))))
			at := i % len(buffers)
			got, grown, correlation, err := c.Receive(buffers[at], 1<<20, 3, flexible)
			if err != nil || correlation != int32(i) || !bytes.Equal(got, body(i, size)) {
				t.Fatalf("response %d of %d bytes: %d bytes of request %d, %v", i, size, len(got), correlation, err)
			}
			buffers[at] = grown
			for j := range grown[:cap(grown)] { // the caller's own: whatever is done to it
				grown[j] = 0xee
			}
		}
		if _, _, _, err := c.Receive(nil, 1<<20, 3, flexible); err == nil {
			t.Fatal("more than was sent")
		}
	})
}

func TestResponsesByteByByte(t *testing.T) {
	data := append(framed(0, true, body(0, 100)), framed(1, true, body(1, 5000))...)
	c := over(&stream{data: data, cuts: []int{1}}, 2)
	var buf []byte
	for i, size := range []int{100, 5000} {
		got, grown, _, err := c.Receive(buf, 1<<20, 3, true)
		if buf = grown; err != nil || !bytes.Equal(got, body(i, size)) {
			t.Fatalf("response %d: %d bytes, %v", i, len(got), err)
		}
	}
}

func TestAnswersThatComeTogetherTakeOneRead(t *testing.T) {
	var data []byte
	for i := range 100 {
		data = append(data, framed(i, false, body(i, 200))...)
	}
	s := &stream{data: data}
	c := over(s, 100)
	buf := make([]byte, 64<<10)
	for i := range 100 {
		got, _, _, err := c.Receive(buf, 1<<20, 3, false)
		if err != nil || !bytes.Equal(got, body(i, 200)) {
			t.Fatalf("response %d: %v", i, err)
		}
	}
	if s.reads != 1 {
		t.Errorf("%d reads", s.reads)
	}
}

func TestAResponseThatIsThereTakesOneRead(t *testing.T) {
	s := &stream{data: framed(0, true, body(0, 4<<20))}
	c := over(s, 1)
	got, _, _, err := c.Receive(make([]byte, 5<<20), 8<<20, 1, true)
	if err != nil || len(got) != 4<<20 || s.reads != 1 {
		t.Errorf("%d bytes in %d reads, %v", len(got), s.reads, err)
	}
}

func TestCorrelationIDsStayPositive(t *testing.T) {
	s := &stream{data: append(framed(1<<31-1, false, nil), framed(0, false, nil)...)}
	c := over(s, 1<<31-1)
	c.received.Store(1<<31 - 1)
	for _, want := range []int32{1<<31 - 1, 0} {
		r := kmsg.NewPtrMetadataRequest()
		if got, err := c.Send(r); err != nil || got != want {
			t.Fatalf("sent %d, %v", got, err)
		}
		if _, _, got, err := c.Receive(nil, 100, 3, false); err != nil || got != want {
			t.Fatalf("received %d, %v", got, err)
		}
	}
}

// endless is a stream that never brings anything.
type endless struct{ stream }

func (*endless) Read([]byte) (int, error) { return 0, nil }

func TestAStreamWithoutProgressIsLeft(t *testing.T) {
	soon(t, func() {
		if _, _, _, err := over(&endless{}, 1).Receive(nil, 1<<20, 3, true); err == nil {
			t.Error("no error")
		}
	})
}

func FuzzReceive(f *testing.F) {
	f.Add(framed(0, false, body(0, 10)), uint16(3), uint16(0), false)
	f.Add(append(framed(0, true, body(0, 10)), framed(1, true, body(1, 5000))...), uint16(1), uint16(10), true)
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0}, uint16(100), uint16(0), true)
	f.Add([]byte{0, 0, 0, 9, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f}, uint16(100), uint16(0), true)
	f.Fuzz(func(t *testing.T, data []byte, cut, size uint16, flexible bool) {
		const limit = 1 << 30
		c := over(&stream{data: bytes.Clone(data), cuts: []int{1 + int(cut)}}, 1<<20)
		buf := make([]byte, size)
		total := 0
		for {
			got, grown, _, err := c.Receive(buf, limit, 3, flexible)
			if buf = grown; err != nil {
				break
			}
			total += 8 + len(got)
			if n := c.received.Load(); n > uint32(len(data)/8) {
				t.Fatalf("%d responses in %d bytes", n, len(data))
			}
		}
		if total > len(data) || len(buf) > max(leastBuffer, int(size), 3*len(data)) {
			t.Fatalf("%d bytes of responses and a buffer of %d out of %d bytes", total, len(buf), len(data))
		}
	})
}

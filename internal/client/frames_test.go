package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// pipe is a connection that takes what is written and gives what was put in, in the
// calls in which it was put in.
type pipe struct {
	net.Conn
	in, out []byte
	err     error // of the next call
}

func (p *pipe) Read(b []byte) (int, error) {
	n := copy(b, p.in)
	p.in = p.in[n:]
	return n, p.err
}

func (p *pipe) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	p.out = append(p.out, b...)
	return len(b), nil
}

func (p *pipe) Close() error                    { return nil }
func (p *pipe) SetReadDeadline(time.Time) error { return nil }

// wired is a wrapped pipe.
type wired struct {
	t    rapid.TB
	wire *Wire
	pipe *pipe
	conn net.Conn
}

func wire(t rapid.TB) *wired {
	t.Helper()
	w := &wired{t: t, wire: &Wire{}, pipe: &pipe{}}
	w.conn = w.wire.Wrap(w.pipe)
	return w
}

func (w *wired) write(b []byte) {
	w.t.Helper()
	if n, err := w.conn.Write(b); n != len(b) || err != nil {
		w.t.Fatalf("%d of %d bytes written, %v", n, len(b), err)
	}
}

func (w *wired) read(b []byte) {
	w.t.Helper()
	w.pipe.in = b
	got := make([]byte, len(b))
	if n, err := w.conn.Read(got); n != len(b) || err != nil || !bytes.Equal(got, b) {
		w.t.Fatalf("%d of %d bytes read, %v", n, len(b), err)
	}
}

// asks and answers are frames with a body of some length.
func asks(key int16, id int32, body int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(requestHead+body))
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, 12)
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	return append(b, make([]byte, body)...)
}

func answers(id int32, body int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(answerHead+body))
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	return append(b, make([]byte, body)...)
}

// in cuts b into calls.
func in(t *rapid.T, b []byte, call func([]byte)) {
	for len(b) > 0 {
		n := rapid.IntRange(1, min(len(b), 40)).Draw(t, "cut")
		call(b[:n])
		b = b[n:]
	}
}

func TestAnyCutOfTheStreamGivesTheSameCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wire(t)
		var want Counts
		var open []request // not answered yet
		var written, read []byte
		turn := func() {
			in(t, written, w.write)
			in(t, read, w.read)
			want.Written += int64(len(written))
			want.Read += int64(len(read))
			written, read = nil, nil
		}
		for id := range int32(rapid.IntRange(1, 60).Draw(t, "requests")) {
			key := rapid.SampledFrom([]int16{0, 1, 78, 3, 12, 1, 1}).Draw(t, "key")
			written = append(written, asks(key, id, rapid.IntRange(0, 90).Draw(t, "size"))...)
			answered := key != 0 || rapid.Bool().Draw(t, "acks")
			if answered {
				open = append(open, request{id, kindOf(key)})
			}
			if kindOf(key) == fetch {
				want.Fetching = 1
			}
			for len(open) > 0 && rapid.Bool().Draw(t, "answer") {
				read = append(read, answers(open[0].id, rapid.IntRange(0, 200).Draw(t, "size"))...)
				want.Requests++
				switch open[0].kind {
				case fetch:
					want.Fetches++
				case produce:
					want.Produces++
				}
				open = open[1:]
			}
			if len(read) > 0 {
				turn()
			}
		}
		turn()
		got := w.wire.Snapshot()
		got.Waited, got.Received, got.Idle = 0, 0, 0
		if got != want || int64(len(w.pipe.out)) != want.Written {
			t.Fatalf("counted %+v, want %+v", got, want)
		}
	})
}

// Whatever comes, it is passed on, counted alike in any cut, and breaks nothing.
func FuzzWhatIsNoKafkaIsPassedOn(f *testing.F) {
	f.Add(asks(1, 7, 20), answers(7, 100), uint8(3))
	f.Add(asks(0, 7, 0), []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), uint8(1))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0}, []byte{0, 0, 0, 0, 0, 0, 0, 2, 1, 1, 0x7f, 0xff, 0xff, 0xff}, uint8(2))
	f.Fuzz(func(t *testing.T, out, in []byte, cut uint8) {
		whole, parts := wire(t), wire(t)
		whole.write(out)
		whole.read(in)
		step := int(cut)%16 + 1
		for from := 0; from < len(out); from += step {
			parts.write(out[from:min(len(out), from+step)])
		}
		for from := 0; from < len(in); from += step {
			parts.read(in[from:min(len(in), from+step)])
		}
		a, b := whole.wire.Snapshot(), parts.wire.Snapshot()
		if a.Read != int64(len(in)) || a.Written != int64(len(out)) || !bytes.Equal(parts.pipe.out, out) {
			t.Errorf("%+v for %d and %d bytes", a, len(in), len(out))
		}
		if a.Requests < a.Fetches+a.Produces || a.Waited < 0 || a.Received < 0 || a.Idle < 0 {
			t.Errorf("%+v", a)
		}
		a.Waited, a.Received, a.Idle, b.Waited, b.Received, b.Idle = 0, 0, 0, 0, 0, 0
		if a != b {
			t.Errorf("whole %+v, in parts of %d %+v", a, step, b)
		}
	})
}

func TestTheTimeOfAFetchingConnectionIsToldByWhoseTurnItIs(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		w := wire(t)
		at := func(waited, received, idle int64) {
			t.Helper()
			c := w.wire.Snapshot()
			if c.Waited.Milliseconds() != waited || c.Received.Milliseconds() != received || c.Idle.Milliseconds() != idle {
				t.Errorf("waited %v, received %v, idle %v; want %d, %d, %d ms", c.Waited, c.Received, c.Idle, waited, received, idle)
			}
		}
		time.Sleep(7 * ms)
		w.write(asks(3, 0, 10)) // metadata: it does not fetch yet
		w.read(answers(0, 10))
		time.Sleep(5 * ms)
		at(0, 0, 0)

		w.write(asks(1, 1, 10))
		time.Sleep(30 * ms)
		at(30, 0, 0) // the state it is in counts until now
		answer := answers(1, 100)
		w.read(answer[:2]) // whose answer it is shows later
		time.Sleep(4 * ms)
		w.read(answer[2:50])
		time.Sleep(6 * ms)
		w.read(answer[50:])
		at(30, 10, 0)
		time.Sleep(20 * ms)
		at(30, 10, 20)

		// Two at once: idle is nobody while one of them is unanswered.
		w.write(append(asks(1, 2, 10), asks(1, 3, 10)...))
		time.Sleep(3 * ms)
		w.read(answers(2, 10))
		time.Sleep(2 * ms)
		at(35, 10, 20)
		w.read(answers(3, 10))
		time.Sleep(1 * ms)

		// What else is asked meanwhile changes nothing.
		w.write(asks(12, 4, 10))
		time.Sleep(1 * ms)
		w.read(answers(4, 10))
		at(35, 10, 22)

		if err := w.conn.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		at(35, 10, 22)
		if c := w.wire.Snapshot(); c.Fetching != 1 || c.Fetches != 3 || c.Requests != 5 {
			t.Errorf("%+v", c)
		}
	})
}

func TestWhatIsNeverAnsweredIsForgotten(t *testing.T) {
	w := wire(t)
	for id := range int32(10 * flightMost) {
		w.write(asks(0, id, 3))
	}
	const last = 10 * flightMost
	w.write(asks(1, last, 3))
	w.read(answers(last, 3))
	c := w.conn.(*wrapped)
	if got := w.wire.Snapshot(); got.Fetches != 1 || got.Produces != 0 || c.flight.n != 0 || c.flight.fetches != 0 {
		t.Errorf("%+v, %d in flight", got, c.flight.n)
	}
	for id := range int32(2 * flightMost) { // fetches are forgotten too, then
		w.write(asks(1, id, 3))
	}
	if c.flight.fetches != flightMost {
		t.Errorf("%d fetches in flight of at most %d", c.flight.fetches, flightMost)
	}
}

func TestOnlyWhatWentWrongIsAnError(t *testing.T) {
	reset := errors.New("reset by peer")
	for name, tt := range map[string]struct {
		asked bool
		err   error
		cut   bool
		want  int64
	}{
		"reset":                       {false, reset, false, 1},
		"closed by us":                {true, net.ErrClosed, false, 0},
		"closed by the broker, idle":  {false, io.EOF, false, 0},
		"closed by the broker, asked": {true, io.EOF, false, 1},
		"called back":                 {true, os.ErrDeadlineExceeded, true, 0},
		"took too long":               {true, os.ErrDeadlineExceeded, false, 1},
	} {
		w := wire(t)
		if tt.asked {
			w.write(asks(1, 1, 1))
		}
		if tt.cut {
			_ = w.conn.SetReadDeadline(time.Now())
		}
		w.pipe.err = tt.err
		for range 3 { // the same error again and again is one
			if _, err := w.conn.Read(make([]byte, 8)); !errors.Is(err, tt.err) {
				t.Errorf("%s: %v came through", name, err)
			}
		}
		_ = w.conn.Close()
		_, _ = w.conn.Read(make([]byte, 8))
		if got := w.wire.RequestErrors.Load(); got != tt.want {
			t.Errorf("%s: %d errors, want %d", name, got, tt.want)
		}
	}
}

func TestAWriteThatBreaksOffEndsTheFramesAlone(t *testing.T) {
	w := wire(t)
	w.write(asks(1, 1, 1))
	w.pipe.err = errors.New("broken pipe")
	if _, err := w.conn.Write(asks(1, 2, 1)); err == nil {
		t.Error("no error came through")
	}
	w.pipe.err = nil
	w.read(answers(1, 5))
	if c := w.wire.Snapshot(); c.Read != 13 || c.Requests != 0 || c.RequestErrors != 1 {
		t.Errorf("%+v", c)
	}
}

func TestWithoutAWireNothingIsWrapped(t *testing.T) {
	var none *Wire
	if conn := (&pipe{}); none.Wrap(conn) != net.Conn(conn) {
		t.Error("a nil Wire wrapped a connection")
	}
}

// Both directions and Snapshot at once, for the race detector.
func TestDirectionsAndSnapshotsAreIndependent(t *testing.T) {
	client, server := net.Pipe()
	var w Wire
	conn := w.Wrap(client)
	const times = 200
	go func() {
		defer server.Close()
		request := asks(1, 0, 9)
		for id := range int32(times) {
			if _, err := io.ReadFull(server, request); err != nil {
				return
			}
			if _, err := server.Write(answers(id, 50)); err != nil {
				return
			}
		}
	}()
	go func() {
		for id := range int32(times) {
			if _, err := conn.Write(asks(1, id, 9)); err != nil {
				return
			}
		}
	}()
	buffer := make([]byte, 37)
	var last Counts
	for {
		if _, err := conn.Read(buffer); err != nil {
			break
		}
		now := w.Snapshot()
		if d := now.Sub(last); d.Waited < 0 || d.Received < 0 || d.Idle < 0 || d.Read < 0 {
			t.Fatalf("went back: %+v", d)
		}
		last = now
	}
	conn.Close()
	if c := w.Snapshot(); c.Fetches != times || c.RequestErrors != 0 {
		t.Errorf("%+v", c)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	w := wire(t)
	ask, answer, buffer := asks(1, 1, 60), answers(1, 100), make([]byte, 200)
	w.pipe.out = make([]byte, 0, 1<<20)
	if n := testing.AllocsPerRun(1000, func() {
		w.write(ask)
		w.pipe.in = answer
		if _, err := w.conn.Read(buffer); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a fetch", n)
	}
}

// null is a connection that does nothing, so that only the counting is measured.
type null struct {
	net.Conn
	answer []byte
}

func (n *null) Read(b []byte) (int, error)  { return copy(b, n.answer), nil }
func (n *null) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkCountingARoundTrip is what a small fetch and its answer cost beside their
// two system calls.
func BenchmarkCountingARoundTrip(b *testing.B) {
	ask, answer, buffer := asks(1, 1, 60), answers(1, 100), make([]byte, 200)
	var w Wire
	conn := w.Wrap(&null{answer: answer})
	for b.Loop() {
		_, _ = conn.Write(ask)
		_, _ = conn.Read(buffer)
	}
}

// BenchmarkCountingAPart is a call in the middle of an answer.
func BenchmarkCountingAPart(b *testing.B) {
	var w Wire
	buffer := make([]byte, 16)
	pipe := &null{answer: answers(1, 1<<30)[:8]}
	conn := w.Wrap(pipe)
	_, _ = conn.Read(buffer)
	for b.Loop() {
		_, _ = conn.Read(buffer)
	}
}

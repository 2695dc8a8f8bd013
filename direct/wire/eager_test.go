//go:build unix

package wire

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// wrapping is a connection of which a wrapper knows, as those that count bytes.
type wrapping struct{ net.Conn }

func (c wrapping) NetConn() net.Conn { return c.Conn }

// sockets is both ends of a TCP connection.
func sockets(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if ours, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if theirs, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	return ours, theirs
}

func TestOnlyASocketIsLookedAt(t *testing.T) {
	ours, theirs := sockets(t)
	raw := rawConn(wrapping{ours})
	if raw == nil {
		t.Fatal("the socket behind a wrapper was not found")
	}
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	if rawConn(pipe) != nil {
		t.Error("a pipe has no socket")
	}
	e := eagerness{raw: raw}
	e.look = func(fd uintptr) { e.there = readable(fd) }
	if e.seen() {
		t.Error("nothing was sent, and something is seen")
	}
	if _, err := theirs.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); !e.seen(); {
		if time.Now().After(end) {
			t.Fatal("what was sent is not seen")
		}
	}
	if n, err := ours.Read(make([]byte, 9)); n != 1 || err != nil {
		t.Errorf("looking took what was there: %d, %v", n, err)
	}
	_ = ours.Close()
	if !e.seen() {
		t.Error("a closed connection is waited for, where reading would say so")
	}
}

// Who sends slowly is waited for asleep: of a thousand waits only a few are looked through.
func TestLookingInVainIsGivenUp(t *testing.T) {
	looks := 0
	e := eagerness{on: true, raw: blind{}, look: func(uintptr) {}}
	e.raw = blind{func() { looks++; e.there = false }}
	looked := 0
	for range 1000 {
		before := looks
		if e.await(); looks > before+1 {
			looked++
		}
	}
	if looked < 2 || looked > 20 {
		t.Errorf("%d of 1000 waits were looked through in vain", looked)
	}
	e.raw = blind{func() { looks++; e.there = looks%2 == 0 }}
	for range 10_000 { // by now it comes at the second look
		e.await()
	}
	if e.slept != 0 {
		t.Errorf("%d waits are slept through after each that is in vain, though what was looked for came", e.slept)
	}
}

// blind is a socket that is never looked at itself.
type blind struct{ asked func() }

func (b blind) Control(func(fd uintptr)) error  { b.asked(); return nil }
func (blind) Read(func(fd uintptr) bool) error  { return nil }
func (blind) Write(func(fd uintptr) bool) error { return nil }

var _ syscall.RawConn = blind{}

// Responses that come in pieces, fast and slowly, are the same eager or not.
func TestAnEagerConnectionReadsTheSame(t *testing.T) {
	address := listen(t, func(p *peer) {
		p.introduce()
		for i := 0; ; i++ {
			a, ok := p.next()
			if !ok {
				return
			}
			response := framed(int(a.correlation), true, make([]byte, 30_000))
			for len(response) > 0 {
				n := min(len(response), 1+i*700)
				if _, err := p.conn.Write(response[:n]); err != nil {
					return
				}
				if response = response[n:]; i%10 == 0 && len(response) > 29_000 {
					time.Sleep(time.Millisecond)
				}
			}
		}
	})
	c := dial(t, dialer(t, kgo.ClientID("me")), address)
	var buf []byte
	for i := range 60 {
		c.SetEager(i%3 > 0)
		r := kmsg.NewPtrFetchRequest()
		r.Version = 12
		if _, err := c.Send(r); err != nil {
			t.Fatal(err)
		}
		body, grown, _, err := c.Receive(buf, 1<<20, 1, true)
		if buf = grown; err != nil || len(body) != 30_000 {
			t.Fatalf("%d bytes, %v", len(body), err)
		}
	}
}

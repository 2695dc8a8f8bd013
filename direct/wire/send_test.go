package wire

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

func TestARequestIsFramedAsFranzGoFramesIt(t *testing.T) {
	for version := range int16(13) {
		r := kmsg.NewPtrMetadataRequest()
		r.Version = version
		s := &stream{}
		if _, err := over(s, 7).Send(r); err != nil {
			t.Fatal(err)
		}
		want := kmsg.NewRequestFormatter(kmsg.FormatterClientID("me")).AppendRequest(nil, r, 7)
		if !bytes.Equal(s.written.Bytes(), want) {
			t.Errorf("version %d: got %x, want %x", version, s.written.Bytes(), want)
		}
	}
}

// pair is a connection over loopback and its other end.
func pair(t testing.TB, wrap func(net.Conn) net.Conn) (*Conn, net.Conn) {
	t.Helper()
	ends := make(chan net.Conn, 1)
	address := listen(t, func(p *peer) {
		ends <- p.conn
		<-t.Context().Done()
	})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if wrap != nil {
		conn = wrap(conn)
	}
	return over(conn, 0), <-ends
}

// header is that of a Produce request of version 9, without its length.
func header(correlation int32, flexible bool) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 9}, uint32(correlation))
	b = append(b, 0, 2, 'm', 'e')
	if flexible {
		b = append(b, 0)
	}
	return b
}

// wrapped hides what kind of connection it is.
type wrapped struct{ net.Conn }

func TestPartsAreOneRequest(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{"plain": nil, "wrapped": func(c net.Conn) net.Conn { return wrapped{c} }} {
		t.Run(name, func(t *testing.T) {
			c, end := pair(t, wrap)
			if c.vectored != (wrap == nil) {
				t.Fatalf("vectored: %v", c.vectored)
			}
			rapid.Check(t, func(t *rapid.T) {
				sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 60), rapid.IntRange(16_000, 17_000), rapid.IntRange(0, 100_000)), 0, 40).Draw(t, "sizes")
				flexible := rapid.Bool().Draw(t, "flexible")
				want := header(id(c.sent.Load()), flexible)
				var parts [][]byte
				for i, size := range sizes {
					parts = append(parts, body(i, size))
					want = append(want, parts[i]...)
				}
				want = raw(want...)
				sent := make(chan error, 1)
				go func() {
					_, err := c.SendParts(0, 9, flexible, parts)
					sent <- err
				}()
				got := make([]byte, len(want))
				_, err := io.ReadFull(end, got)
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("another request arrived: %v", err)
				}
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
				for i, size := range sizes {
					if len(parts[i]) != size {
						t.Fatal("the caller's parts were changed")
					}
				}
			})
		})
	}
}

func TestSmallPartsArePutTogetherForTLS(t *testing.T) {
	s := &stream{}
	parts := make([][]byte, 200)
	for i := range parts {
		parts[i] = body(i, 100)
	}
	parts[150] = body(150, 100_000)
	if _, err := over(s, 0).SendParts(0, 9, true, parts); err != nil || s.writes != 3 {
		t.Errorf("%d writes, %v", s.writes, err)
	}
}

func TestARequestTooLargeLeavesTheConnection(t *testing.T) {
	s := &stream{}
	c := over(s, 0)
	big := make([]byte, 60<<20)
	if _, err := c.SendParts(0, 9, true, [][]byte{big, big}); err == nil || !strings.Contains(err.Error(), "socket.request.max.bytes") {
		t.Errorf("got %v", err)
	}
	if n, err := c.SendParts(0, 9, true, nil); err != nil || n != 0 {
		t.Errorf("the next has number %d, %v", n, err)
	}
}

func TestOneSendsWhileAnotherReceives(t *testing.T) {
	server, client := selfSigned(t)
	for name, secured := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			const requests = 2000
			var options []kgo.Opt
			if secured {
				options = append(options, kgo.DialTLSConfig(client))
			}
			address := listen(t, func(p *peer) {
				if secured {
					p.conn = tls.Server(p.conn, server)
				}
				p.introduce()
				for {
					a, ok := p.next()
					if !ok {
						return
					}
					p.answer(a, a.ResponseKind())
				}
			})
			c := dial(t, dialer(t, options...), address)
			sent := make(chan int32, requests)
			var both sync.WaitGroup
			both.Go(func() {
				defer close(sent)
				r := metadata()
				for range requests {
					n, err := c.Send(r)
					if err != nil {
						t.Error(err)
						return
					}
					sent <- n
				}
			})
			both.Go(func() {
				var buf []byte
				for want := range sent {
					_, grown, got, err := c.Receive(buf, 1<<20, 3, true)
					if buf = grown; err != nil || got != want {
						t.Errorf("response to %d where %d was sent, %v", got, want, err)
						return
					}
				}
			})
			soon(t, both.Wait)
		})
	}
}

func TestClosingEndsSenderAndReceiver(t *testing.T) {
	stay := make(chan struct{})
	address := listen(t, func(p *peer) {
		p.introduce()
		<-stay
	})
	defer close(stay)
	c := dial(t, dialer(t), address)
	c.SetReceiveTimeout(0)
	c.SetSendTimeout(0)
	var both sync.WaitGroup
	both.Go(func() {
		part := make([]byte, 1<<20)
		for {
			if _, err := c.SendParts(0, 9, true, [][]byte{part}); err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Send: %v", err)
				}
				return
			}
		}
	})
	both.Go(func() {
		if _, _, _, err := c.Receive(nil, 1<<20, 0, true); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Receive: %v", err)
		}
	})
	var closers sync.WaitGroup
	for range 3 {
		closers.Go(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	soon(t, closers.Wait)
	soon(t, both.Wait)
	if _, err := c.Send(metadata()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send after Close: %v", err)
	}
}

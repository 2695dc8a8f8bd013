package wire

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// dialer takes its options from a client that itself never connects.
func dialer(t testing.TB, options ...kgo.Opt) *Dialer {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers("127.0.0.1:1"), kgo.DisableClientMetrics()}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	d, err := NewDialer(cl)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func dial(t testing.TB, d *Dialer, address string) *Conn {
	t.Helper()
	c, err := d.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// listen gives each connection to a broker made by hand, until the test ends.
func listen(t testing.TB, serve func(p *peer)) (address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var (
		mu    sync.Mutex
		conns []net.Conn
		wait  sync.WaitGroup
	)
	wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			wait.Go(func() {
				defer conn.Close()
				serve(&peer{t: t, conn: conn})
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for _, conn := range conns {
			conn.Close()
		}
		mu.Unlock()
		wait.Wait()
	})
	return listener.Addr().String()
}

// peer is the broker's end of a connection.
type peer struct {
	t    testing.TB
	conn net.Conn
}

// asked is a request as a broker sees it.
type asked struct {
	correlation int32
	clientID    *string
	kmsg.Request
}

// next reads a request; ok is false when there is none any more.
func (p *peer) next() (a asked, ok bool) {
	size := make([]byte, 4)
	if _, err := io.ReadFull(p.conn, size); err != nil {
		return a, false
	}
	frame := make([]byte, binary.BigEndian.Uint32(size))
	if _, err := io.ReadFull(p.conn, frame); err != nil {
		return a, false
	}
	r := kbin.Reader{Src: frame}
	a.Request = kmsg.RequestForKey(r.Int16())
	a.SetVersion(r.Int16())
	a.correlation, a.clientID = r.Int32(), r.NullableString()
	if a.IsFlexible() {
		kmsg.SkipTags(&r)
	}
	if err := a.ReadFrom(r.Src); err != nil {
		p.t.Errorf("a request of kind %d version %d cannot be read: %v", a.Key(), a.GetVersion(), err)
		return a, false
	}
	return a, true
}

// frame is a response as it is sent.
func frame(correlation int32, r kmsg.Response) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(correlation))
	if r.IsFlexible() && r.Key() != apiVersionsKey {
		b = append(b, 0)
	}
	b = r.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// raw is bytes with a length before them.
func raw(b ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// write sends bytes; that nobody reads them is no failure.
func (p *peer) write(b []byte) { _, _ = p.conn.Write(b) }

func (p *peer) answer(a asked, r kmsg.Response) { p.write(frame(a.correlation, r)) }

// introduce answers the question for versions with those of today.
func (p *peer) introduce() {
	if a, ok := p.next(); ok {
		p.answer(a, speaks(a, 0, 1, 3, handshakeKey, apiVersionsKey, authenticateKey))
	}
}

// speaks is an answer with all versions that kmsg has of some keys.
func speaks(a asked, keys ...int16) *kmsg.ApiVersionsResponse {
	r := a.ResponseKind().(*kmsg.ApiVersionsResponse)
	for _, key := range keys {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MaxVersion = key, kmsg.RequestForKey(key).MaxVersion()
		r.ApiKeys = append(r.ApiKeys, k)
	}
	return r
}

// metadata is a request of a version whose head has tags.
func metadata() *kmsg.MetadataRequest {
	r := kmsg.NewPtrMetadataRequest()
	r.Version = 12
	return r
}

// soon bounds a test in which nothing may take long.
func soon(t testing.TB, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it hangs")
	}
}

package wire

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func announced(n int64) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

func TestHostileResponsesEndTheConnection(t *testing.T) {
	for name, test := range map[string]struct {
		bytes []byte
		hold  bool // the broker stays, silent
		want  string
		is    error
	}{
		"length 0":             {bytes: announced(0), want: "announced a response of 0 bytes"},
		"length 3":             {bytes: append(announced(3), 1, 2, 3), want: "announced a response of 3 bytes"},
		"length -1":            {bytes: announced(-1), want: "announced a response of -1 bytes"},
		"the longest":          {bytes: announced(math.MaxInt32), want: "announced a response of 2147483647 bytes, where 4 to 1048576"},
		"one too long":         {bytes: announced(1<<20 + 1), hold: true, want: "announced a response of 1048577 bytes"},
		"HTTP":                 {bytes: []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), want: "speaks HTTP"},
		"an alert of TLS":      {bytes: []byte{21, 3, 1, 0, 2, 2, 70}, want: "configure TLS"},
		"nothing":              {want: "closed the connection at the first request (does it want SASL?)", is: io.EOF},
		"cut in the length":    {bytes: []byte{0, 0}, want: "closed the connection", is: io.ErrUnexpectedEOF},
		"cut in the head":      {bytes: []byte{0, 0, 0, 9, 0, 0}, is: io.ErrUnexpectedEOF},
		"cut in the body":      {bytes: frame(1, kmsg.NewPtrMetadataResponse())[:10], is: io.ErrUnexpectedEOF},
		"cut and silent":       {bytes: frame(1, kmsg.NewPtrMetadataResponse())[:10], hold: true, want: "was not through after 100ms", is: os.ErrDeadlineExceeded},
		"silence":              {hold: true, want: "was not through after 100ms", is: os.ErrDeadlineExceeded},
		"an earlier request":   {bytes: frame(0, kmsg.NewPtrMetadataResponse()), want: "answered request 0, where a response to request 1 is due (Metadata)"},
		"a request of nobody":  {bytes: frame(77, kmsg.NewPtrMetadataResponse()), want: "answered request 77"},
		"a negative one":       {bytes: frame(-1, kmsg.NewPtrMetadataResponse()), want: "answered request -1"},
		"no tags":              {bytes: raw(0, 0, 0, 1), want: "whose head cannot be read"},
		"too many tags":        {bytes: raw(0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f), want: "whose head cannot be read"},
		"tags that do not end": {bytes: raw(0, 0, 0, 1, 1, 0, 0xff, 0x01), want: "whose head cannot be read"},
		"tags of endless size": {bytes: raw(0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), want: "whose head cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			address := listen(t, func(p *peer) {
				p.introduce()
				p.next()
				p.write(test.bytes)
				if test.hold {
					p.next()
				}
			})
			c := dial(t, dialer(t), address)
			c.SetReceiveTimeout(100 * time.Millisecond)
			soon(t, func() {
				if _, err := c.Send(metadata()); err != nil {
					t.Error(err)
					return
				}
				_, grown, _, err := c.Receive(nil, 1<<20, 3, true)
				if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
					t.Errorf("got %v", err)
				}
				if cap(grown) > 2*leastBuffer {
					t.Errorf("%d bytes were allocated", cap(grown))
				}
				again := err
				if _, _, _, err := c.Receive(nil, 1<<20, 3, true); !errors.Is(err, again) {
					t.Errorf("the next Receive: %v", err)
				}
				if _, err := c.Send(metadata()); !errors.Is(err, again) {
					t.Errorf("the next Send: %v", err)
				}
			})
		})
	}
}

func TestALongResponseTakesMemoryOnlyAsItComes(t *testing.T) {
	const sent = 100_000
	address := listen(t, func(p *peer) {
		p.introduce()
		p.next()
		p.write(append(announced(1<<30), 0, 0, 0, 1))
		p.write(make([]byte, sent))
	})
	c := dial(t, dialer(t), address)
	if _, err := c.Send(metadata()); err != nil {
		t.Fatal(err)
	}
	_, grown, _, err := c.Receive(nil, 1<<30, 3, true)
	if !errors.Is(err, io.ErrUnexpectedEOF) || cap(grown) > 4*sent {
		t.Errorf("%d bytes for %d sent, %v", cap(grown), sent, err)
	}
}

func TestABrokerThatTricklesIsLeft(t *testing.T) {
	address := listen(t, func(p *peer) {
		p.introduce()
		p.next()
		for _, b := range append(announced(1000), make([]byte, 1000)...) {
			if _, err := p.conn.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	c := dial(t, dialer(t), address)
	c.SetReceiveTimeout(200 * time.Millisecond)
	if _, err := c.Send(metadata()); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := c.Receive(nil, 1<<20, 3, true); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAResponseNobodyAskedForEndsTheConnection(t *testing.T) {
	address := listen(t, func(p *peer) {
		p.introduce()
		a, _ := p.next()
		r := frame(a.correlation, kmsg.NewPtrMetadataResponse())
		p.write(append(r, frame(a.correlation+1, kmsg.NewPtrMetadataResponse())...))
		p.next()
	})
	c := dial(t, dialer(t), address)
	if _, err := c.ask(metadata()); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := c.Receive(nil, 1<<20, 3, true); err == nil || !strings.Contains(err.Error(), "that nobody asked for, to request 2") {
		t.Errorf("got %v", err)
	}
}

func TestABrokerThatDoesNotReadIsLeft(t *testing.T) {
	wait := make(chan struct{})
	address := listen(t, func(p *peer) {
		p.introduce()
		<-wait
	})
	defer close(wait)
	c := dial(t, dialer(t), address)
	c.SetSendTimeout(200 * time.Millisecond)
	part := make([]byte, 64<<20)
	soon(t, func() {
		_, err := c.SendParts(0, 9, true, [][]byte{part})
		if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "sending to the broker") {
			t.Errorf("got %v", err)
		}
	})
}

func TestHostileIntroductionsAreErrors(t *testing.T) {
	v3 := func(body ...byte) []byte { return raw(append([]byte{0, 0, 0, 0}, body...)...) }
	for name, test := range map[string]struct {
		bytes []byte
		want  string
	}{
		"nothing":          {nil, "does it want TLS?"},
		"no body":          {v3(), "cannot be read"},
		"half a code":      {v3(0), "cannot be read"},
		"garbage":          {v3(1, 2, 3, 4, 5, 6, 7, 8, 9), "cannot be read"},
		"endless keys":     {v3(0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f), "cannot be read"},
		"negative keys":    {v3(0, 35, 0xff, 0xff, 0xff, 0xff), "UNSUPPORTED_VERSION"},
		"no keys":          {v3(0, 0, 1, 0, 0, 0, 0, 0), "knows no requests at all"},
		"an error":         {v3(0, 42, 1, 0, 0, 0, 0, 0), "INVALID_REQUEST"},
		"an odd error":     {v3(0x7f, 0xff, 1, 0, 0, 0, 0, 0), "UNKNOWN_SERVER_ERROR"},
		"an unknown one":   {v3(0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 9), "UNSUPPORTED_VERSION"},
		"a downgrade":      {v3(0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 2), "UNSUPPORTED_VERSION"},
		"a negative one":   {v3(0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0xff, 0xff), "UNSUPPORTED_VERSION"},
		"a whole megabyte": {announced(introductionLimit + 1), "announced a response of 1048577 bytes"},
	} {
		address := listen(t, func(p *peer) {
			if len(test.bytes) == 0 {
				return
			}
			for range 4 {
				a, ok := p.next()
				if !ok {
					return
				}
				b := append([]byte(nil), test.bytes...)
				if len(b) >= 8 {
					binary.BigEndian.PutUint32(b[4:], uint32(a.correlation))
				}
				p.write(b)
			}
		})
		soon(t, func() {
			_, err := dialer(t).Dial(t.Context(), address)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: got %v, want %q", name, err, test.want)
			}
		})
	}
}

// FuzzDial lets a broker say anything while the connection is made.
func FuzzDial(f *testing.F) {
	ok := frame(0, speaks(asked{Request: kmsg.NewPtrApiVersionsRequest()}, 1, handshakeKey, apiVersionsKey, authenticateKey))
	shaken := frame(1, kmsg.NewPtrSASLHandshakeResponse())
	said := kmsg.NewPtrSASLAuthenticateResponse()
	said.Version, said.SASLAuthBytes, said.SessionLifetimeMillis = 2, []byte("r=x,s=QQ==,i=4096"), 1000
	f.Add([]byte{}, false)
	f.Add(ok, false)
	f.Add(append(append(append([]byte{}, ok...), shaken...), frame(2, said)...), true)
	f.Add(frame(0, &kmsg.ApiVersionsResponse{ErrorCode: 35}), false)
	f.Fuzz(func(t *testing.T, answers []byte, authenticate bool) {
		d := Dialer{clientID: []byte{0xff, 0xff}, software: [2]string{"a", "1"}, timeout: 2 * time.Second, maxRequest: 1 << 20}
		c := newConn(&d, &stream{data: answers, cuts: []int{7}}, "fuzz:9092")
		defer func() { _ = c.Close() }()
		if err := c.learnVersions(); err != nil {
			return
		}
		if !authenticate {
			return
		}
		_ = c.login(t.Context(), mechanisms) // no panic, and an end, are all that is asked for
	})
}

var _ net.Conn = (*stream)(nil)

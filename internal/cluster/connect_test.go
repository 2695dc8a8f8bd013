package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// silent reads everything and answers nothing.
func silent(conn net.Conn) { io.Copy(io.Discard, conn) } //nolint:errcheck // it ends with the test

func tlsServer(t *testing.T) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// tlsThatHangsUp is how Kafka's own TLS port treats plaintext: it closes.
func tlsThatHangsUp(t *testing.T) string {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	t.Cleanup(s.Close)
	config := &tls.Config{Certificates: s.TLS.Certificates}
	return listen(t, func(conn net.Conn) {
		first := make([]byte, 1)
		if _, err := io.ReadFull(conn, first); err != nil || first[0] != 0x16 {
			return
		}
		tls.Server(&replayed{conn, io.MultiReader(bytes.NewReader(first), conn)}, config).HandshakeContext(context.Background()) //nolint:errcheck // the client's side is tested
	})
}

type replayed struct {
	net.Conn
	r io.Reader
}

func (r *replayed) Read(p []byte) (int, error) { return r.r.Read(p) }

func TestEachBadAddressIsOneSentenceThatSaysWhatToDo(t *testing.T) {
	httpServer := httptest.NewServer(http.NotFoundHandler())
	defer httpServer.Close()
	cases := []struct {
		name, address string
		want          []string
	}{
		{"refused", closedPort(t), []string{"cannot reach ADDRESS: connection refused. Start one with \"redline broker up\", or name yours with -b."}},
		{"no such name", "no-such-host.invalid:9092", []string{"does not resolve", "no-such-host.invalid", "-b"}},
		{"http", httpServer.Listener.Addr().String(), []string{"ADDRESS answers HTTP, not Kafka."}},
		{"http that answers at once", listen(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); silent(c) }), []string{"ADDRESS answers HTTP, not Kafka."}},             //nolint:errcheck // see silent
		{"ssh", listen(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH\r\n"); silent(c) }), []string{"ADDRESS answers something that is not Kafka (it begins with \"SSH-2.0-\")", "-b"}}, //nolint:errcheck // see silent
		{"huge length", listen(t, func(c net.Conn) { c.Write([]byte("\x7f\xff\xff\xff\x0d\x0a\x0d\x0a")); silent(c) }), []string{"not Kafka"}},                                                    //nolint:errcheck // see silent
		{"control characters", listen(t, func(c net.Conn) { c.Write([]byte("\x1b[31mred")); silent(c) }), []string{`\x1b[31mred`}},                                                                //nolint:errcheck // see silent
		{"accepts and closes", listen(t, func(net.Conn) {}), []string{"ADDRESS closed the connection before it answered."}},
		{"closes after reading", listen(t, func(c net.Conn) { io.ReadFull(c, make([]byte, 8)) }), []string{"ADDRESS closed the connection before it answered."}}, //nolint:errcheck // see silent
		{"tls alert", tlsServer(t), []string{"ADDRESS speaks TLS", "-b"}},
		{"tls that hangs up", tlsThatHangsUp(t), []string{"ADDRESS speaks TLS", "-b"}},
		{"silent", listen(t, silent), []string{"ADDRESS accepts connections but did not answer within 500ms (--timeout is 1s)"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			cluster, err := Connect(t.Context(), Config{Brokers: []string{c.address}, Timeout: time.Second})
			if err == nil {
				cluster.Close()
				t.Fatal("connected")
			}
			if !errors.Is(err, ErrUnreachable) {
				t.Errorf("does not wrap ErrUnreachable: %v", err)
			}
			for _, want := range c.want {
				want = strings.ReplaceAll(want, "ADDRESS", c.address)
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestASilentBrokerEndsWithinTenSecondsWhateverTheTimeout(t *testing.T) {
	c := Config{Timeout: time.Hour}.withDefaults()
	if c.answerWait() > 5*time.Second || min(c.Timeout, connectLimit) >= 10*time.Second {
		t.Errorf("waits %s for the answer, %s in all", c.answerWait(), connectLimit)
	}
}

// A broker that answers ApiVersions and then hangs must not hang us.
func TestABrokerThatAnswersOnlyTheFirstRequestIsUnreachable(t *testing.T) {
	k := fake(t)
	over := make(chan struct{})
	defer close(over)
	k.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		<-over // the whole cluster hangs
		return nil, nil, false
	})
	_, err := Connect(t.Context(), Config{Brokers: k.ListenAddrs(), Timeout: time.Second})
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "--timeout") {
		t.Errorf("got %v", err)
	}
}

func TestAnAdvertisedAddressThatCannotBeReachedIsNamedBesideTheOneTyped(t *testing.T) {
	k := fake(t)
	nobody := closedPort(t)
	var port int32
	if _, err := fmt.Sscanf(nobody, "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	alter(k, kmsg.Metadata, func(_ kmsg.Request, r *kmsg.MetadataResponse) {
		r.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 7, Host: "127.0.0.1", Port: port}}
	})
	_, err := Connect(t.Context(), Config{Brokers: k.ListenAddrs(), Timeout: 2 * time.Second})
	if !errors.Is(err, ErrUnreachable) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{k.ListenAddrs()[0] + " answers", "advertises its brokers at " + nobody, "advertised.listeners"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

func TestAClusterWithoutLiveBrokersIsUnreachable(t *testing.T) {
	k := fake(t)
	alter(k, kmsg.Metadata, func(kmsg.Request, *kmsg.MetadataResponse) {})
	_, err := Connect(t.Context(), Config{Brokers: k.ListenAddrs(), Timeout: time.Second})
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "names no broker") {
		t.Errorf("got %v", err)
	}
}

func TestOneLiveAddressAmongDeadOnesIsEnough(t *testing.T) {
	k := fake(t)
	c, err := Connect(t.Context(), Config{Brokers: append([]string{closedPort(t), listen(t, silent)}, k.ListenAddrs()...), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.ID() != "fake-cluster-id" || len(c.Brokers()) != 1 || !c.IsLoopback() {
		t.Errorf("got id %q, brokers %v, loopback %v", c.ID(), c.Brokers(), c.IsLoopback())
	}
	if _, err := Connect(t.Context(), Config{Brokers: []string{closedPort(t), closedPort(t)}}); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "none of 2 brokers") {
		t.Errorf("got %v", err)
	}
}

func TestConnectEndsWhenItsContextIsCancelled(t *testing.T) {
	cause := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	address := listen(t, func(c net.Conn) {
		cancel(cause)
		silent(c)
	})
	start := time.Now()
	_, err := Connect(ctx, Config{Brokers: []string{address}})
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestASASLListenerIsNamed(t *testing.T) {
	k := fake(t, kfake.EnableSASL())
	_, err := Connect(t.Context(), Config{Brokers: k.ListenAddrs(), Timeout: time.Second})
	if !errors.Is(err, ErrUnreachable) && !errors.Is(err, ErrNotAllowed) || !strings.Contains(err.Error(), "SASL") {
		t.Errorf("got %v", err)
	}
}

func TestClassifyLeavesWhatItDoesNotKnow(t *testing.T) {
	for _, err := range []error{nil, context.Canceled, kerr.MessageTooLarge, errors.New("x"), unreachable(KindClosed, nil, "y")} {
		if got := Classify(err); got != err { //nolint:errorlint // the same, not one that wraps it
			t.Errorf("Classify(%v) = %v", err, got)
		}
	}
}

func TestClassifyNamesEveryRefusalAsNotAllowed(t *testing.T) {
	for _, r := range refusals {
		err := Classify(fmt.Errorf("outer: %w", r.code))
		if !errors.Is(err, ErrNotAllowed) || !errors.Is(err, r.code) || KindOf(err) != string(r.kind) {
			t.Errorf("%v became %v", r.code, err)
		}
	}
}

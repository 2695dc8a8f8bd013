package clienttest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/internal/client"
	"redline/internal/cluster"
	"redline/internal/secret"
	"redline/internal/security"
	"redline/internal/security/securitytest"
)

// canary is every password here; no error may show it.
const canary = "hunter2-canary"

// identity is the certificate of name, a broker on this machine or a client.
func identity(name string) x509.Certificate {
	return x509.Certificate{Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
}

// trusting is TLS that trusts ca alone.
func trusting(ca securitytest.Authority) *security.TLS {
	return &security.TLS{Roots: ca.Roots()}
}

func login(mechanism security.Mechanism) *security.SASL {
	return &security.SASL{Mechanism: mechanism, User: "alice", Password: secret.New(canary)}
}

// secured writes and reads by each way to connect that kfake knows.
func secured(t *testing.T, l client.Library) {
	ca := securitytest.NewAuthority(t, "Test CA")
	config := &tls.Config{Certificates: []tls.Certificate{ca.Sign(t, identity("broker")).Pair()}}
	mutual := config.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	alice := ca.Sign(t, identity("alice")).Pair()
	asAlice := trusting(ca)
	asAlice.Certificate = &alice
	user := func(m security.Mechanism) kfake.Opt { return kfake.User(string(m), "alice", canary) }
	for name, c := range map[string]struct {
		how  security.Security
		opts []kfake.Opt
	}{
		"TLS":                    {security.Security{TLS: trusting(ca)}, []kfake.Opt{kfake.TLS(config)}},
		"TLS both ways":          {security.Security{TLS: asAlice}, []kfake.Opt{kfake.TLS(mutual)}},
		"TLS without any check":  {security.Security{TLS: &security.TLS{SkipVerify: true}}, []kfake.Opt{kfake.TLS(config)}},
		"PLAIN":                  {security.Security{SASL: login(security.Plain)}, []kfake.Opt{kfake.EnableSASL(), user(security.Plain)}},
		"SCRAM-SHA-256":          {security.Security{SASL: login(security.ScramSHA256)}, []kfake.Opt{kfake.EnableSASL(), user(security.ScramSHA256)}},
		"SCRAM-SHA-512 over TLS": {security.Security{SASL: login(security.ScramSHA512), TLS: trusting(ca)}, []kfake.Opt{kfake.TLS(config), kfake.EnableSASL(), user(security.ScramSHA512)}},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(Broker(t, map[string]int32{"topic": 1}, c.opts...))
			o.Security = c.how
			o.Properties = map[string]string{"socket.receive.buffer.bytes": "65536"} // through our own dialer
			writeAndRead(t, l, o, 1000)
		})
	}
}

// writeAndRead holds a member of a group to what a producer wrote.
func writeAndRead(t *testing.T, l client.Library, o client.Options, n int64) {
	t.Helper()
	ctx := bounded(t, within)
	p := produce(t, l, client.ProduceOptions{Options: o, Topic: "topic"})
	for i := range n {
		p.send(t, ctx, i, 0)
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	p.once(t, n)
	if len(p.errs) > 0 {
		t.Errorf("%d errors, the first: %v", len(p.errs), p.errs[0])
	}
	secretless(t, p.Settings())
	closed(t, p)
	c := consume(t, l, client.ConsumeOptions{Options: o, Topic: "topic", Group: "group", Reset: "earliest"})
	defer closed(t, c)
	var s seen
	until(t, c, &s, func() bool { return int64(s.records) >= n })
	if s.wrong != "" {
		t.Error(s.wrong)
	}
	secretless(t, c.Settings())
}

func secretless(t *testing.T, settings map[string]string) {
	t.Helper()
	for key, value := range settings {
		if strings.Contains(value, canary) || strings.Contains(value, "-----BEGIN") {
			t.Errorf("the settings show %s", key)
		}
	}
}

// doorkeeper starts a broker that takes every mechanism, and whose word on who
// may come in is the test's. Sessions last for life, if it is not zero: as Kafka
// does, it ends a connection whose client asks for anything after that without
// having authenticated again.
func doorkeeper(t *testing.T, life time.Duration, admits func(credentials []byte) bool) string {
	t.Helper()
	k := start(t, map[string]int32{"topic": 1}, kfake.ListenFn(func(network, address string) (net.Listener, error) {
		listener, err := new(net.ListenConfig).Listen(t.Context(), network, address)
		return guarded{listener, life}, err
	}))
	t.Cleanup(k.Close)
	k.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		return req.ResponseKind(), nil, true
	})
	k.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		asked, ok := req.(*kmsg.SASLAuthenticateRequest)
		answer, answers := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		if !ok || !answers {
			return nil, errors.New("not a SaslAuthenticate"), true
		}
		answer.SessionLifetimeMillis = life.Milliseconds()
		if !admits(asked.SASLAuthBytes) {
			message := "Authentication failed"
			answer.ErrorCode, answer.ErrorMessage = kerr.SaslAuthenticationFailed.Code, &message
		}
		return answer, nil, true
	})
	return k.ListenAddrs()[0]
}

// guarded is a listener whose connections are sessions of that length.
type guarded struct {
	net.Listener
	life time.Duration
}

func (g guarded) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	return &session{Conn: conn, life: g.life}, err
}

// session is a connection that ends at the first request after its life, which each
// SaslAuthenticate begins anew. kfake reads the length of a request, then the rest.
type session struct {
	net.Conn
	life time.Duration
	ends time.Time // zero before it has authenticated
}

func (s *session) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if n < 8 || s.life == 0 { // a length, or the last part of a request
		return n, err
	}
	switch key := binary.BigEndian.Uint16(p); {
	case key == uint16(kmsg.SASLAuthenticate):
		s.ends = time.Now().Add(s.life)
	case key != uint16(kmsg.SASLHandshake) && !s.ends.IsZero() && time.Now().After(s.ends):
		s.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

// refusal is what a refused login must come to.
func refusal(t *testing.T, err error, kinds ...cluster.Kind) {
	t.Helper()
	if !errors.Is(err, cluster.ErrNotAllowed) {
		t.Errorf("not ErrNotAllowed: %v", err)
	}
	ofKind(t, err, kinds...)
}

func ofKind(t *testing.T, err error, kinds ...cluster.Kind) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("it shows the password: %v", err)
	}
	for _, kind := range kinds {
		if cluster.KindOf(err) == string(kind) {
			return
		}
	}
	t.Errorf("it is %q, want %q: %v", cluster.KindOf(err), kinds, err)
}

// nobody refuses everyone.
func nobody(t *testing.T) client.Options {
	t.Helper()
	o := options(doorkeeper(t, 0, func([]byte) bool { return false }))
	o.Security.SASL = login(security.Plain)
	return o
}

func wrongPasswordConsumer(t *testing.T, l client.Library) {
	c := consume(t, l, client.ConsumeOptions{Options: nobody(t), Topic: "topic", Group: "group"})
	soon := bounded(t, time.Second)
	defer func() { _ = c.Close(soon) }() // it cannot commit, and may say so
	refusal(t, says(t, c, "alice", "PLAIN"), cluster.KindAuthentication)
}

func wrongPasswordProducer(t *testing.T, l client.Library) {
	p := produce(t, l, client.ProduceOptions{Options: nobody(t), Topic: "topic"})
	refusal(t, sendUntilError(t, p), cluster.KindAuthentication)
	closed(t, p)
}

// sendUntilError sends until that fails, which must be in time.
func sendUntilError(t *testing.T, p *producing) error {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for {
		r := p.Record()
		copy(r.Value, "0000000000000000")
		if err := p.Send(ctx, r); err != nil {
			t.Logf("after %v: %v", time.Since(began).Round(10*time.Millisecond), err)
			return err
		}
		select { // not at full speed
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
}

func foreignCertificate(t *testing.T, l client.Library) {
	broker := securitytest.NewAuthority(t, "Other CA").Sign(t, identity("broker")).Pair()
	o := options(Broker(t, map[string]int32{"topic": 1}, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{broker}})))
	o.Security.TLS = trusting(securitytest.NewAuthority(t, "Test CA"))
	c := consume(t, l, client.ConsumeOptions{Options: o, Topic: "topic", Assign: fromStart(1)})
	soon := bounded(t, time.Second)
	defer func() { _ = c.Close(soon) }()
	err := says(t, c, "--tls-ca")
	if !errors.Is(err, cluster.ErrUnreachable) {
		t.Errorf("not ErrUnreachable: %v", err)
	}
	ofKind(t, err, cluster.KindCertificateUntrusted)
}

func missingCertificate(t *testing.T, l client.Library) {
	ca := securitytest.NewAuthority(t, "Test CA")
	config := &tls.Config{Certificates: []tls.Certificate{ca.Sign(t, identity("broker")).Pair()}, ClientAuth: tls.RequireAnyClientCert}
	o := options(Broker(t, map[string]int32{"topic": 1}, kfake.TLS(config)))
	o.Security.TLS = trusting(ca)
	c := consume(t, l, client.ConsumeOptions{Options: o, Topic: "topic", Assign: fromStart(1)})
	soon := bounded(t, time.Second)
	defer func() { _ = c.Close(soon) }()
	refusal(t, says(t, c, "--tls-cert"), cluster.KindClientCertificateMissing)
}

func missingACL(t *testing.T, l client.Library) {
	o := options(Broker(t, map[string]int32{"topic": 1}, kfake.EnableSASL(), kfake.EnableACLs(), kfake.User(string(security.Plain), "alice", canary)))
	o.Security.SASL = login(security.Plain)
	c := consume(t, l, client.ConsumeOptions{Options: o, Topic: "topic", Assign: fromStart(1)})
	defer closed(t, c)
	refusal(t, says(t, c, "user alice lacks the ACL Read on topic topic", "kafka-acls --add --allow-principal User:alice"), cluster.KindNotAuthorized)
	member := consume(t, l, client.ConsumeOptions{Options: o, Topic: "topic", Group: "group"})
	soon := bounded(t, time.Second)
	defer func() { _ = member.Close(soon) }()
	refusal(t, says(t, member, "user alice lacks the ACL Read on"), cluster.KindNotAuthorized)
	p := produce(t, l, client.ProduceOptions{Options: o, Topic: "topic"})
	defer closed(t, p)
	p.send(t, bounded(t, within), 0, 0)
	if err := p.Flush(bounded(t, within)); err != nil {
		t.Fatal(err)
	}
	if len(p.errs) != 1 {
		t.Fatalf("got %v", p.errs)
	}
	refusal(t, p.errs[0], cluster.KindNotAuthorized)
	if l.Outcome(p.errs[0]) != client.Failed {
		t.Errorf("may have been appended: %v", p.errs[0])
	}
}

// life of a session is short, so that the next authentication is soon.
const life = 1500 * time.Millisecond

// closing starts a broker that admits until the door is shut.
func closing(t *testing.T, door *atomic.Bool) client.Options {
	t.Helper()
	o := options(doorkeeper(t, life, func([]byte) bool { return !door.Load() }))
	o.Security.SASL = login(security.Plain)
	return o
}

func refusedConsumer(t *testing.T, l client.Library) {
	var shut atomic.Bool
	o := closing(t, &shut)
	filled := Fill(t, o.Brokers[0], "topic", 1, 100)
	c := consume(t, l, client.ConsumeOptions{Options: o, Topic: "topic", Assign: fromStart(1)})
	soon := bounded(t, within)
	defer func() { _ = c.Close(soon) }()
	var s seen
	until(t, c, &s, func() bool { return s.records >= filled.Records() })
	shut.Store(true)
	refusal(t, says(t, c, "alice"), cluster.KindAuthentication)
}

func refusedProducer(t *testing.T, l client.Library) {
	var shut atomic.Bool
	p := produce(t, l, client.ProduceOptions{Options: closing(t, &shut), Topic: "topic"})
	p.send(t, bounded(t, within), 1, 0)
	if err := p.Flush(bounded(t, within)); err != nil {
		t.Fatal(err)
	}
	shut.Store(true)
	refusal(t, sendUntilError(t, p), cluster.KindAuthentication)
	if err := p.Flush(bounded(t, within)); err != nil {
		refusal(t, err, cluster.KindAuthentication)
	}
	closed(t, p)
}

// refusedForAMoment shuts the door for less than a refusal that lasts.
func refusedForAMoment(t *testing.T, l client.Library) {
	var shut atomic.Bool
	var refused atomic.Int64
	o := options(doorkeeper(t, life, func([]byte) bool {
		if shut.Load() {
			refused.Add(1)
			shut.Store(false)
			return false
		}
		return true
	}))
	o.Security.SASL = login(security.Plain)
	first := Fill(t, o.Brokers[0], "topic", 1, 100)
	c := consume(t, l, client.ConsumeOptions{Options: o, Topic: "topic", Assign: fromStart(1)})
	defer closed(t, c)
	var s seen
	until(t, c, &s, func() bool { return s.records >= first.Records() })
	shut.Store(true)
	until(t, c, &s, func() bool { return refused.Load() > 0 })
	second := Fill(t, o.Brokers[0], "topic", 1, 100)
	until(t, c, &s, func() bool { return s.records >= first.Records()+second.Records() })
	if s.wrong != "" {
		t.Error(s.wrong)
	}
}

// tokensRotate has tokens that live for 2 s: a run goes on with new ones.
func tokensRotate(t *testing.T, l client.Library) {
	var mu sync.Mutex
	used := make(map[string]bool)
	o := options(doorkeeper(t, life, func(credentials []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		used[string(credentials)] = true
		return bytes.Contains(credentials, []byte("auth=Bearer token-"))
	}))
	var made atomic.Int64
	o.Security.SASL = &security.SASL{Mechanism: security.OAuthBearer, Token: func(context.Context) (security.Token, error) {
		value := fmt.Sprintf("token-%d", made.Add(1))
		return security.Token{Value: secret.New(value), Principal: "alice", Expires: time.Now().Add(2 * time.Second)}, nil
	}}
	filled := Fill(t, o.Brokers[0], "topic", 1, 100)
	c := consume(t, l, client.ConsumeOptions{Options: o, Topic: "topic", Assign: fromStart(1)})
	defer closed(t, c)
	var s seen
	until(t, c, &s, func() bool { return s.records >= filled.Records() })
	until(t, c, &s, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(used) >= 3
	})
	filled = Fill(t, o.Brokers[0], "topic", 1, 100)
	until(t, c, &s, func() bool { return s.records >= 2*filled.Records() })
	p := produce(t, l, client.ProduceOptions{Options: o, Topic: "topic"})
	defer closed(t, p)
	p.send(t, bounded(t, within), 1, 0)
	if err := p.Flush(bounded(t, within)); err != nil || len(p.errs) > 0 {
		t.Errorf("%v, %v", err, p.errs)
	}
}

func tokenSourceFails(t *testing.T, l client.Library) {
	o := options(doorkeeper(t, 0, func([]byte) bool { return true }))
	o.Security.SASL = &security.SASL{Mechanism: security.OAuthBearer, Token: func(context.Context) (security.Token, error) {
		return security.Token{}, errors.New("the token file /nowhere is not there")
	}}
	c, err := l.Consumer(client.ConsumeOptions{Options: o, Topic: "topic", Assign: fromStart(1)})
	if err == nil {
		soon := bounded(t, time.Second)
		defer func() { _ = c.Close(soon) }()
		err = says(t, c)
	}
	mentions(t, err, "the token file /nowhere is not there")
	refusal(t, err, cluster.KindCredentials)
}

package wire

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// oneStep is a mechanism that sends a word and is through; with endless it never is.
type oneStep struct {
	name    string
	word    func() string
	endless bool
}

func (m oneStep) Name() string { return m.name }

func (m oneStep) Authenticate(_ context.Context, host string) (sasl.Session, []byte, error) {
	if m.word == nil {
		return m, []byte(host), nil
	}
	return m, []byte(m.word()), nil
}

func (m oneStep) Challenge([]byte) (bool, []byte, error) { return !m.endless, nil, nil }

// within95 says whether a session of a lifetime that began between two times is renewed
// when it should be.
func within95(c *Conn, before, after time.Time, lifetime time.Duration) bool {
	at := c.Expires()
	return !at.Before(before.Add(lifetime*80/100)) && !at.After(after.Add(lifetime*95/100))
}

func TestASessionIsRenewedOnItsConnection(t *testing.T) {
	const lifetime = 90 * time.Second
	for name, mechanism := range map[string]sasl.Mechanism{
		"PLAIN":         plain.Auth{User: "me", Pass: "secret"}.AsMechanism(),
		"SCRAM-SHA-256": scram.Sha256(scramAs("me", "secret")),
		"SCRAM-SHA-512": scram.Sha512(scramAs("me", "secret")),
	} {
		address := cluster(t, kfake.EnableSASL(), kfake.Superuser(name, "me", "secret"),
			kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": fmt.Sprint(lifetime.Milliseconds())}))
		before := time.Now()
		c := dial(t, dialer(t, kgo.SASL(mechanism)), address)
		for range 3 {
			if !within95(c, before, time.Now(), lifetime) {
				t.Errorf("%s: renewed %v after the beginning", name, c.Expires().Sub(before))
			}
			topics(t, c)
			before = time.Now()
			if err := c.Reauthenticate(t.Context()); err != nil {
				t.Fatal(name, err)
			}
		}
		topics(t, c)
	}
}

func TestRenewalTakesTheCredentialsOfNow(t *testing.T) {
	address := cluster(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "me", "password 0"), kfake.Superuser("PLAIN", "admin", "admin"),
		kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "60000"}))
	admin, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.SASL(plain.Auth{User: "admin", Pass: "admin"}.AsMechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	var now atomic.Pointer[string]
	set := func(password string) { now.Store(&password) }
	rotate := func(password string) {
		altered, err := kadm.NewClient(admin).AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: "me", Mechanism: kadm.ScramSha256, Iterations: 4096, Password: password}})
		if err == nil {
			err = altered.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	set("password 0")
	c := dial(t, dialer(t, kgo.SASL(scram.Sha256(func(context.Context) (scram.Auth, error) { return scram.Auth{User: "me", Pass: *now.Load()}, nil }))), address)
	for i := range 3 {
		password := fmt.Sprint("password ", i+1)
		rotate(password)
		set(password)
		if err := c.Reauthenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		topics(t, c)
	}
	rotate("another")
	if err := c.Reauthenticate(t.Context()); err == nil {
		t.Fatal("a password of yesterday was taken")
	}
	if _, err := c.Send(metadata()); err == nil {
		t.Error("the connection outlived a failed renewal")
	}
}

// tokens is a broker that takes each token once, and gives sessions of a lifetime.
func tokens(t *testing.T, mechanism string, lifetime func(token string) int64) (address string) {
	t.Helper()
	var used atomic.Value
	used.Store("")
	return listen(t, func(p *peer) {
		for {
			a, ok := p.next()
			if !ok {
				return
			}
			switch r := a.ResponseKind().(type) {
			case *kmsg.ApiVersionsResponse:
				p.answer(a, speaks(a, 1, 3, handshakeKey, apiVersionsKey, authenticateKey))
			case *kmsg.SASLHandshakeResponse:
				if a.Request.(*kmsg.SASLHandshakeRequest).Mechanism != mechanism {
					r.ErrorCode = kerr.UnsupportedSaslMechanism.Code
				}
				p.answer(a, r)
			case *kmsg.SASLAuthenticateResponse:
				token := string(a.Request.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes)
				if used.Swap(token) == token {
					why := strings.Repeat("token was used already; ", 100)
					r.ErrorCode, r.ErrorMessage = kerr.SaslAuthenticationFailed.Code, &why
				} else {
					r.SessionLifetimeMillis = lifetime(token)
				}
				p.answer(a, r)
			default:
				p.answer(a, r)
			}
		}
	})
}

func TestEachRenewalAsksForANewToken(t *testing.T) {
	n := 0
	token := oneStep{name: "TOKEN", word: func() string { n = min(n+1, 3); return fmt.Sprint("token ", n) }}
	address := tokens(t, "TOKEN", func(string) int64 { return 60_000 })
	c := dial(t, dialer(t, kgo.SASL(token)), address)
	for range 2 {
		if err := c.Reauthenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		topics(t, c)
	}
	err := c.Reauthenticate(t.Context())
	if !errors.Is(err, kerr.SaslAuthenticationFailed) || !strings.Contains(err.Error(), `"token was used already`) || len(err.Error()) > 2*messageLimit {
		t.Errorf("got %v", err)
	}
}

func TestALifetimeIsBelievedWithinReason(t *testing.T) {
	given := int64(0)
	n := 0
	address := tokens(t, "TOKEN", func(string) int64 { return given })
	d := dialer(t, kgo.SASL(oneStep{name: "TOKEN", word: func() string { n++; return fmt.Sprint(n) }}))
	for millis, want := range map[int64]time.Duration{
		0: 0, -1: 0, math.MinInt64: 0, 1: time.Millisecond, 3_600_000: time.Hour, math.MaxInt64: maxLifetime, math.MaxInt64 / 1_000_000: maxLifetime,
	} {
		given = millis
		before := time.Now()
		c := dial(t, d, address)
		switch {
		case want == 0 && !c.Expires().IsZero(), want > 0 && !within95(c, before, time.Now(), want):
			t.Errorf("a lifetime of %d ms: renewed in %v", millis, c.Expires().Sub(before))
		}
		_ = c.Close()
	}
}

func TestRenewalWaitsForWhatIsUnderWay(t *testing.T) {
	n := 0
	address := tokens(t, "TOKEN", func(string) int64 { return 60_000 })
	c := dial(t, dialer(t, kgo.SASL(oneStep{name: "TOKEN", word: func() string { n++; return fmt.Sprint(n) }})), address)
	if _, err := c.Send(metadata()); err != nil {
		t.Fatal(err)
	}
	if err := c.Reauthenticate(t.Context()); err == nil || !strings.Contains(err.Error(), "while 1 responses are due") {
		t.Errorf("got %v", err)
	}
	if _, _, _, err := c.Receive(nil, 1<<20, 3, true); err != nil {
		t.Fatal(err)
	}
	if err := c.Reauthenticate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSASLWithoutEndIsEnded(t *testing.T) {
	n := 0
	address := tokens(t, "ENDLESS", func(string) int64 { return 0 })
	endless := oneStep{name: "ENDLESS", endless: true, word: func() string { n++; return fmt.Sprint(n) }}
	soon(t, func() {
		// What is said after the first word is nothing, which this broker takes once.
		_, err := dialer(t, kgo.SASL(endless)).Dial(t.Context(), address)
		if !errors.Is(err, kerr.SaslAuthenticationFailed) {
			t.Errorf("got %v", err)
		}
	})
	patient := listen(t, func(p *peer) {
		p.introduce()
		for {
			a, ok := p.next()
			if !ok {
				return
			}
			p.answer(a, a.ResponseKind())
		}
	})
	soon(t, func() {
		_, err := dialer(t, kgo.SASL(endless)).Dial(t.Context(), patient)
		if err == nil || !strings.Contains(err.Error(), "did not come to an end of SASL ENDLESS in 16 steps") {
			t.Errorf("got %v", err)
		}
	})
}

func TestABrokerBeforeSASLFramesIsNamed(t *testing.T) {
	address := listen(t, func(p *peer) {
		a, _ := p.next()
		r := speaks(a, 1, handshakeKey)
		r.ApiKeys[1].MaxVersion = 0
		p.answer(a, r)
		p.next()
	})
	_, err := dialer(t, kgo.SASL(oneStep{name: "PLAIN"})).Dial(t.Context(), address)
	if err == nil || !strings.Contains(err.Error(), "needs Kafka 1.0 or newer") {
		t.Errorf("got %v", err)
	}
}

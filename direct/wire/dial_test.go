package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func cluster(t testing.TB, options ...kfake.Opt) (address string) {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

// selfSigned is a certificate for 127.0.0.1, and who trusts it.
func selfSigned(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: pool}
}

func scramAs(user, password string) func(context.Context) (scram.Auth, error) {
	return func(context.Context) (scram.Auth, error) { return scram.Auth{User: user, Pass: password}, nil }
}

// topics asks for metadata by hand.
func topics(t testing.TB, c *Conn) *kmsg.MetadataResponse {
	t.Helper()
	r := metadata()
	body, err := c.ask(r)
	if err != nil {
		t.Fatal(err)
	}
	response := r.ResponseKind().(*kmsg.MetadataResponse)
	if err := response.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	return response
}

func TestABrokerOfEachKindIsSpokenTo(t *testing.T) {
	server, client := selfSigned(t)
	for name, kind := range map[string]struct {
		broker []kfake.Opt
		ours   []kgo.Opt
	}{
		"plaintext": {},
		"TLS":       {[]kfake.Opt{kfake.TLS(server)}, []kgo.Opt{kgo.DialTLSConfig(client)}},
		"PLAIN": {
			[]kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", "me", "secret")},
			[]kgo.Opt{kgo.SASL(plain.Auth{User: "me", Pass: "secret"}.AsMechanism())},
		},
		"SCRAM-SHA-256": {
			[]kfake.Opt{kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "me", "secret")},
			[]kgo.Opt{kgo.SASL(scram.Sha256(scramAs("me", "secret")))},
		},
		"SCRAM-SHA-512 over TLS": {
			[]kfake.Opt{kfake.TLS(server), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "me", "secret")},
			[]kgo.Opt{kgo.DialTLSConfig(client), kgo.SASL(scram.Sha512(scramAs("me", "secret")))},
		},
	} {
		t.Run(name, func(t *testing.T) {
			address := cluster(t, append(kind.broker, kfake.SeedTopics(3, "here"))...)
			c := dial(t, dialer(t, kind.ours...), address)
			if got := topics(t, c); len(got.Topics) != 1 || *got.Topics[0].Topic != "here" || len(got.Topics[0].Partitions) != 3 {
				t.Errorf("got %+v", got.Topics)
			}
			if c.Address() != address || !c.Expires().IsZero() {
				t.Errorf("address %s, expires %v", c.Address(), c.Expires())
			}
			if err := c.Reauthenticate(t.Context()); (err != nil) != (c.mechanism != nil) {
				// kfake, as Kafka, takes none where the session has no end.
				t.Errorf("Reauthenticate: %v", err)
			}
		})
	}
}

func TestRefusalsSayWhatIsWrong(t *testing.T) {
	server, _ := selfSigned(t)
	// A broker takes the greeting of TLS for the length of a request, and hangs up.
	plaintext := listen(t, func(p *peer) { _, _ = p.conn.Read(make([]byte, 5)) })
	encrypted := cluster(t, kfake.TLS(server))
	guarded := cluster(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "me", "secret"))
	for name, test := range map[string]struct {
		address string
		option  kgo.Opt
		want    string
	}{
		"no listener":       {"127.0.0.1:1", kgo.ClientID("x"), "cannot connect to the broker at 127.0.0.1:1"},
		"unknown authority": {encrypted, kgo.DialTLS(), "certificate"},
		"TLS missing":       {encrypted, kgo.ClientID("x"), "TLS"},
		"TLS too much":      {plaintext, kgo.DialTLS(), "cannot connect"},
		"wrong password":    {guarded, kgo.SASL(scram.Sha256(scramAs("me", "wrong"))), "are the credentials right?"},
		"unknown mechanism": {guarded, kgo.SASL(oneStep{name: "OURS"}), `refused the SASL mechanism OURS, and knows "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512": UNSUPPORTED_SASL_MECHANISM`},
		"no credentials":    {guarded, kgo.SASL(scram.Sha256(scramAs("", ""))), "cannot begin SASL SCRAM-SHA-256 with the broker at " + guarded},
	} {
		_, err := dialer(t, test.option).Dial(t.Context(), test.address)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
	c := dial(t, dialer(t), guarded)
	if _, err := c.ask(metadata()); err == nil || !strings.Contains(err.Error(), "does it want SASL?") {
		t.Errorf("SASL missing: got %v", err)
	}
}

func TestASecondMechanismIsTakenWhereTheFirstIsUnknown(t *testing.T) {
	address := cluster(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "me", "secret"))
	c := dial(t, dialer(t, kgo.SASL(oneStep{name: "OURS"}, oneStep{name: "THEIRS"}, plain.Auth{User: "me", Pass: "secret"}.AsMechanism())), address)
	if topics(t, c); c.mechanism.Name() != "PLAIN" {
		t.Errorf("took %s", c.mechanism.Name())
	}
}

func TestAContextEndsTheWaitForASilentBroker(t *testing.T) {
	address := listen(t, func(p *peer) { _, _ = p.conn.Read(make([]byte, 1<<10)); _, _ = p.conn.Read(make([]byte, 1)) })
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	soon(t, func() {
		if _, err := dialer(t).Dial(ctx, address); !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheBrokerLearnsWhoAsks(t *testing.T) {
	seen := make(chan asked, 1)
	address := listen(t, func(p *peer) {
		a, _ := p.next()
		seen <- a
		p.answer(a, speaks(a, 1))
		p.next()
	})
	for id, option := range map[string]kgo.Opt{"me": kgo.ClientID("me"), "kgo": kgo.DisableClientMetrics()} {
		dial(t, dialer(t, option, kgo.SoftwareNameAndVersion("ours", "1.2")), address)
		a := <-seen
		r := a.Request.(*kmsg.ApiVersionsRequest)
		if a.clientID == nil || *a.clientID != id || r.ClientSoftwareName != "ours" || r.ClientSoftwareVersion != "1.2" {
			t.Errorf("got client id %v, %s %s", *a.clientID, r.ClientSoftwareName, r.ClientSoftwareVersion)
		}
	}
}

func TestOldBrokersAreAskedInTheirVersion(t *testing.T) {
	for name, v := range map[string]*kversion.Versions{"0.11": kversion.V0_11_0(), "1.0": kversion.V1_0_0(), "2.3": kversion.V2_3_0(), "2.4": kversion.V2_4_0(), "4.0": kversion.V4_0_0()} {
		address := cluster(t, kfake.MaxVersions(v))
		c := dial(t, dialer(t), address)
		want, _ := v.LookupMaxKeyVersion(3)
		if got, err := c.Version(3, 9); err != nil || got != min(9, want) {
			t.Errorf("%s: Metadata %d, %v, want %d", name, got, err, want)
		}
	}
	// Before 2.4 a broker did not say which version it knows.
	address := listen(t, func(p *peer) {
		for {
			a, ok := p.next()
			if !ok {
				return
			}
			r := speaks(a, 1)
			if r.Version > 0 {
				r.Version, r.ErrorCode, r.ApiKeys = 0, kerr.UnsupportedVersion.Code, nil
			}
			p.answer(a, r)
		}
	})
	if _, err := dial(t, dialer(t), address).Version(1, 12); err != nil {
		t.Error(err)
	}
}

func TestAVersionIsOneThatBothKnow(t *testing.T) {
	address := listen(t, func(p *peer) {
		a, _ := p.next()
		r := a.ResponseKind().(*kmsg.ApiVersionsResponse)
		for key, v := range map[int16]versions{0: {3, 9}, 1: {4, 17}, 2: {-1, 5}, 3: {5, 4}, 4: {0, 0}, 5: {11, 13}} {
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MinVersion, k.MaxVersion = key, v.least, v.most
			r.ApiKeys = append(r.ApiKeys, k)
		}
		p.answer(a, r)
		p.next()
	})
	most, least := kversion.V2_0_0(), kversion.V1_0_0() // Fetch 8 and 6, Produce 6 and 5
	for _, test := range []struct {
		options   []kgo.Opt
		key, most int16
		want      int16
		err       string
	}{
		{key: 0, most: 11, want: 9},
		{key: 0, most: 5, want: 5},
		{key: 0, most: 2, err: "knows the versions 3 to 9 of Produce, where 0 to 2 can be spoken here"},
		{key: 1, most: 13, want: 13},
		{key: 2, most: 5, err: "does not know requests of the kind ListOffsets (2)"},
		{key: 3, most: 5, err: "does not know"},
		{key: 4, most: 5, want: 0},
		{key: 5, most: 9, err: "11 to 13"},
		{key: 99, most: 9, err: "does not know requests of the kind Unknown (99)"},
		{options: []kgo.Opt{kgo.MaxVersions(most)}, key: 1, most: 13, want: 8},
		{options: []kgo.Opt{kgo.MinVersions(least)}, key: 1, most: 6, want: 6},
		{options: []kgo.Opt{kgo.MinVersions(least)}, key: 1, most: 5, err: "4 to 17"},
	} {
		got, err := dial(t, dialer(t, test.options...), address).Version(test.key, test.most)
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%+v: got %d, %v", test, got, err)
		}
	}
}

func TestADialerNeedsAClient(t *testing.T) {
	if _, err := NewDialer(nil); err == nil {
		t.Error("no error")
	}
	if _, err := clientID([]any{strings.Repeat("x", 1<<15), true}); err == nil {
		t.Error("a client id that fits nowhere was taken")
	}
}

package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/internal/secret"
	"redline/internal/security"
	"redline/internal/security/securitytest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// canary is every password and token in these tests; no sentence may have it.
const canary = "hunter2-canary"

// trusting connects by TLS and trusts ca alone.
func trusting(ca securitytest.Authority) security.Security {
	return security.Security{TLS: &security.TLS{Roots: ca.Roots()}}
}

// trustingAs is trusting with a certificate of the client's own.
func trustingAs(ca, client securitytest.Authority) security.Security {
	s := trusting(ca)
	pair := client.Pair()
	s.TLS.Certificate = &pair
	return s
}

// broker is a certificate for a broker on this machine.
func broker() x509.Certificate {
	return x509.Certificate{Subject: pkix.Name{CommonName: "broker"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
}

// secured is a kfake behind TLS.
func secured(t *testing.T, config *tls.Config) string {
	t.Helper()
	return fake(t, kfake.TLS(config)).ListenAddrs()[0]
}

// login is the user alice of PLAIN or SCRAM.
func login(mechanism security.Mechanism) security.Security {
	return security.Security{SASL: &security.SASL{Mechanism: mechanism, User: "alice", Password: secret.New(canary)}}
}

// bearer comes with a token, whose broker alice refuses.
func bearer(expires time.Time, err error) security.Security {
	return security.Security{SASL: &security.SASL{Mechanism: security.OAuthBearer, Token: func(context.Context) (security.Token, error) {
		return security.Token{Value: secret.New(canary), Principal: "alice", Expires: expires}, err
	}}}
}

// takesNoUser is a kfake whose answers to SaslHandshake and SaslAuthenticate are
// those of a broker that knows the mechanism but not the user.
func takesNoUser(t *testing.T) string {
	t.Helper()
	k := fake(t, kfake.EnableSASL())
	alter(k, kmsg.SASLHandshake, func(_ kmsg.Request, r *kmsg.SASLHandshakeResponse) {})
	alter(k, kmsg.SASLAuthenticate, func(_ kmsg.Request, r *kmsg.SASLAuthenticateResponse) {
		r.ErrorCode = kerr.SaslAuthenticationFailed.Code
		message := "Authentication failed \x1b[31m"
		r.ErrorMessage = &message
	})
	return k.ListenAddrs()[0]
}

// failure is one way in which a connection fails.
type failure struct {
	kind    Kind
	address string
	how     security.Security
	class   error
}

// failures are made by real listeners, each but those that need a slow network
// or a broken machine.
func failures(t *testing.T) []failure {
	t.Helper()
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	ca, other := securitytest.NewAuthority(t, "Test CA"), securitytest.NewAuthority(t, "Other CA")
	good := ca.Sign(t, broker())
	serve := func(c x509.Certificate) string {
		return secured(t, &tls.Config{Certificates: []tls.Certificate{ca.Sign(t, c).Pair()}})
	}
	expired, early, named := broker(), broker(), broker()
	expired.NotBefore, expired.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour)
	early.NotBefore, early.NotAfter = time.Now().Add(time.Hour), time.Now().Add(48*time.Hour)
	named.IPAddresses, named.DNSNames = nil, []string{"broker1.example", "*.example"}
	mutual := secured(t, &tls.Config{Certificates: []tls.Certificate{good.Pair()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()})
	alice := pkix.Name{CommonName: "alice"}
	stranger := other.Sign(t, x509.Certificate{Subject: alice})
	modern := trusting(ca)
	modern.TLS.MinVersion = tls.VersionTLS13
	plain := fake(t).ListenAddrs()[0]
	sasl := fake(t, kfake.EnableSASL(), kfake.User(string(security.Plain), "alice", canary)).ListenAddrs()[0]
	offering := fake(t)
	alter(offering, kmsg.SASLHandshake, func(_ kmsg.Request, r *kmsg.SASLHandshakeResponse) {
		r.ErrorCode = kerr.UnsupportedSaslMechanism.Code
		r.SupportedMechanisms = []string{"PLAIN", "SCRAM-SHA-512"}
	})
	elsewhere, empty := fake(t), fake(t)
	alter(elsewhere, kmsg.Metadata, func(_ kmsg.Request, r *kmsg.MetadataResponse) {
		r.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 7, Host: "no-such-host.invalid", Port: 9092}}
	})
	alter(empty, kmsg.Metadata, func(kmsg.Request, *kmsg.MetadataResponse) {})
	mute := fake(t) // it takes the user without the proof that SCRAM wants
	alter(mute, kmsg.SASLHandshake, func(kmsg.Request, *kmsg.SASLHandshakeResponse) {})
	alter(mute, kmsg.SASLAuthenticate, func(kmsg.Request, *kmsg.SASLAuthenticateResponse) {})
	without := fake(t)
	alter(without, kmsg.SASLHandshake, func(_ kmsg.Request, r *kmsg.SASLHandshakeResponse) { r.ErrorCode = kerr.IllegalSaslState.Code })

	return []failure{
		{KindRefused, closedPort(t), security.Security{}, ErrUnreachable},
		{KindDNS, "no-such-host.invalid:9092", security.Security{}, ErrUnreachable},
		{KindTimeout, listen(t, silent), security.Security{}, ErrUnreachable},
		{KindClosed, listen(t, func(net.Conn) {}), security.Security{}, ErrUnreachable},
		{KindClosed, fake(t, kfake.EnableSASL(), kfake.User(string(security.Plain), "alice", "another")).ListenAddrs()[0], login(security.Plain), ErrUnreachable}, // as before Kafka 1.0
		{KindHTTP, web.Listener.Addr().String(), security.Security{}, ErrUnreachable},
		{KindHTTP, web.Listener.Addr().String(), trusting(ca), ErrUnreachable},
		{KindNotKafka, listen(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH\r\n"); silent(c) }), security.Security{}, ErrUnreachable}, //nolint:errcheck // see silent
		{KindNotKafka, listen(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH\r\n"); silent(c) }), trusting(ca), ErrUnreachable},        //nolint:errcheck // see silent
		{KindProtocol, mute.ListenAddrs()[0], login(security.ScramSHA256), ErrUnreachable},
		{KindNoBrokers, empty.ListenAddrs()[0], security.Security{}, ErrUnreachable},
		{KindAdvertised, elsewhere.ListenAddrs()[0], security.Security{}, ErrUnreachable},
		{KindTLSExpected, serve(broker()), security.Security{}, ErrUnreachable},
		{KindTLSUnexpected, plain, trusting(ca), ErrUnreachable},
		{KindTLSTimeout, listen(t, silent), trusting(ca), ErrUnreachable},
		{KindTLSVersion, secured(t, &tls.Config{Certificates: []tls.Certificate{good.Pair()}, MaxVersion: tls.VersionTLS12}), modern, ErrUnreachable},
		{KindTLSHandshake, secured(t, &tls.Config{Certificates: []tls.Certificate{good.Pair()}, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}), trusting(ca), ErrUnreachable}, //nolint:gosec // a cipher that cannot serve
		{KindCertificateUntrusted, secured(t, &tls.Config{Certificates: []tls.Certificate{other.Sign(t, broker()).Pair()}}), trusting(ca), ErrUnreachable},
		{KindCertificateName, serve(named), trusting(ca), ErrUnreachable},
		{KindCertificateExpired, serve(expired), trusting(ca), ErrUnreachable},
		{KindCertificateNotYetValid, serve(early), trusting(ca), ErrUnreachable},
		{KindClientCertificateMissing, mutual, trusting(ca), ErrNotAllowed},
		{KindClientCertificateRefused, mutual, trustingAs(ca, stranger), ErrNotAllowed},
		{KindSASLExpected, sasl, security.Security{}, ErrNotAllowed},
		{KindSASLUnexpected, without.ListenAddrs()[0], login(security.Plain), ErrNotAllowed},
		{KindMechanism, offering.ListenAddrs()[0], login(security.ScramSHA256), ErrNotAllowed},
		{KindAuthentication, takesNoUser(t), login(security.ScramSHA512), ErrNotAllowed},
		{KindAuthentication, takesNoUser(t), bearer(time.Now().Add(time.Hour), nil), ErrNotAllowed},
		{KindTokenExpired, takesNoUser(t), bearer(time.Now().Add(-time.Minute), nil), ErrNotAllowed},
		{KindCredentials, takesNoUser(t), bearer(time.Time{}, errors.New("cannot read the token file /nowhere/token: no such file or directory")), ErrNotAllowed},
	}
}

var (
	portNumber = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	timeStamp  = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`)
	resolver   = regexp.MustCompile(`does not resolve \([^)]*\)`)
)

// fixed takes out of a sentence what differs from run to run.
func fixed(sentence string) string {
	sentence = portNumber.ReplaceAllString(sentence, "127.0.0.1:9092")
	sentence = timeStamp.ReplaceAllString(sentence, "2026-01-02 15:04:05 UTC")
	return resolver.ReplaceAllString(sentence, "does not resolve (no such host)")
}

// unmade are the sentences of failures that a test cannot bring about.
func unmade(ca securitytest.Authority) []error {
	op := func(err error) error { return &net.OpError{Op: "dial", Err: err} }
	a := Attempt{Address: "127.0.0.1:9092", Timeout: 10 * time.Second, DialTimeout: 3 * time.Second}
	alice := a
	alice.Security = login(security.Plain)
	alice.Needs = []ACL{need("Create", ResourceTopic, "orders"), need("Read", ResourceGroup, "billing"), need("IdempotentWrite", ResourceCluster, ""), need("Write", ResourceTransactionalID, "pay-1")}
	aws := a
	aws.Security = security.Security{SASL: &security.SASL{Mechanism: security.AWSMSKIAM}}
	certified := a
	certified.Security = trustingAs(ca, ca)
	nobody := a
	nobody.Needs = alice.Needs
	errs := []error{
		a.Classify(op(os.ErrDeadlineExceeded)),
		a.problem(KindNoRoute, nil), a.problem(KindLocalLimit, nil), a.problem(KindTimeout, nil),
		a.Classify(op(errors.New("permission denied"))),
		alice.Classify(io.EOF),
		a.Classify(&tls.CertificateVerificationError{Err: errors.New("x509: certificate is not standards compliant")}),
		a.Classify(x509.UnknownAuthorityError{}),
		a.Classify(kerr.SaslAuthenticationFailed), a.Classify(kerr.UnsupportedSaslMechanism), a.Classify(kerr.IllegalSaslState),
		aws.Classify(kerr.SaslAuthenticationFailed), aws.Classify(&security.CredentialsError{Mechanism: security.AWSMSKIAM, Err: errors.New("AWS_ACCESS_KEY_ID is not set")}),
		a.Classify(kerr.TopicAuthorizationFailed), nobody.Classify(kerr.TopicAuthorizationFailed), certified.Classify(kerr.GroupAuthorizationFailed),
	}
	for _, r := range refusals {
		if r.kind == KindNotAuthorized || r.kind == KindPolicy || r.kind == KindSecurityDisabled || r.kind == KindDelegationToken {
			errs = append(errs, alice.Classify(r.code))
		}
	}
	return append(errs,
		Protect("prod", true, ""), Protect("prod", true, "stage"),
		a.problem(KindTLSUnexpected, nil), tlsExpected(a.Address))
}

// The golden file has every sentence, so that they can be read together.
func TestEachFailureIsOneSentenceOfItsKind(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for what does not answer")
	}
	var sentences []string
	note := func(err error) {
		sentences = append(sentences, fmt.Sprintf("%-27s %s", KindOf(err), fixed(err.Error())))
		if len(err.Error()) > 400 {
			t.Errorf("longer than 400 characters: %v", err)
		}
		if strings.Contains(err.Error(), canary) || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("shows a secret, or what a broker may not print: %q", err)
		}
	}
	for _, f := range failures(t) {
		began := time.Now()
		c, err := Connect(t.Context(), Config{Brokers: []string{f.address}, Security: f.how, Timeout: 2 * time.Second, DialTimeout: time.Second})
		if err == nil {
			c.Close()
			t.Errorf("%s: connected", f.kind)
			continue
		}
		note(err)
		if KindOf(err) != string(f.kind) || !errors.Is(err, f.class) {
			t.Errorf("want %s: it is %s: %v", f.kind, KindOf(err), err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %s", f.kind, took)
		}
	}
	guarded := connect(t, fake(t, kfake.SeedTopics(1, "orders")))
	guarded.loopback = false
	note(guarded.Guard(t.Context(), GuardOptions{}))
	note(guarded.Guard(t.Context(), GuardOptions{Target: "other"}))
	for _, err := range unmade(securitytest.NewAuthority(t, "Test CA")) {
		note(err)
	}
	slices.Sort(sentences)
	golden(t, "testdata/sentences.txt", strings.Join(slices.Compact(sentences), "\n")+"\n")
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // for everybody to read
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (rewrite it with -update):\n%s", path, diff)
	}
}

func TestASecuredClusterIsReached(t *testing.T) {
	ca := securitytest.NewAuthority(t, "Test CA")
	config := &tls.Config{Certificates: []tls.Certificate{ca.Sign(t, broker()).Pair()}}
	withCertificate := config.Clone()
	withCertificate.ClientAuth, withCertificate.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	client := ca.Sign(t, x509.Certificate{Subject: pkix.Name{CommonName: "alice"}})
	over := func(mechanism security.Mechanism) security.Security {
		s := login(mechanism)
		s.TLS = trusting(ca).TLS
		return s
	}
	user := func(mechanism security.Mechanism) kfake.Opt { return kfake.User(string(mechanism), "alice", canary) }
	for name, c := range map[string]struct {
		opts []kfake.Opt
		how  security.Security
	}{
		"SSL":                      {[]kfake.Opt{kfake.TLS(config)}, trusting(ca)},
		"SSL, client certificate":  {[]kfake.Opt{kfake.TLS(withCertificate)}, trustingAs(ca, client)},
		"SASL_PLAINTEXT PLAIN":     {[]kfake.Opt{kfake.EnableSASL(), user(security.Plain)}, login(security.Plain)},
		"SASL_SSL SCRAM-SHA-256":   {[]kfake.Opt{kfake.TLS(config), kfake.EnableSASL(), user(security.ScramSHA256)}, over(security.ScramSHA256)},
		"SASL_SSL SCRAM-SHA-512":   {[]kfake.Opt{kfake.TLS(config), kfake.EnableSASL(), user(security.ScramSHA512)}, over(security.ScramSHA512)},
		"nothing is checked of it": {[]kfake.Opt{kfake.TLS(config)}, security.Security{TLS: &security.TLS{SkipVerify: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			k := fake(t, append(c.opts, kfake.SeedTopics(1, "orders"))...)
			cl, err := Connect(t.Context(), Config{Brokers: k.ListenAddrs(), Security: c.how, Timeout: 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			if topics, err := cl.ListTopics(t.Context()); err != nil || !slices.Equal(topics, []string{"orders"}) {
				t.Errorf("got %q, %v", topics, err)
			}
		})
	}
}

// An advertised address by which the certificate does not go is as bad as one
// that nobody answers at.
func TestAnAdvertisedNameThatTheCertificateLacksIsNamed(t *testing.T) {
	ca := securitytest.NewAuthority(t, "Test CA")
	k := fake(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{ca.Sign(t, broker()).Pair()}}))
	_, port, _ := net.SplitHostPort(k.ListenAddrs()[0])
	alter(k, kmsg.Metadata, func(_ kmsg.Request, r *kmsg.MetadataResponse) {
		b := kmsg.MetadataResponseBroker{NodeID: 7, Host: "localhost"}
		fmt.Sscan(port, &b.Port) //nolint:errcheck // it is a number
		r.Brokers = []kmsg.MetadataResponseBroker{b}
	})
	_, err := Connect(t.Context(), Config{Brokers: k.ListenAddrs(), Security: trusting(ca), Timeout: 2 * time.Second})
	wants(t, err, ErrUnreachable, k.ListenAddrs()[0]+" answers", "advertises its brokers at localhost:"+port, "made out to 127.0.0.1, not to localhost", "advertised.listeners")
	if KindOf(err) != string(KindAdvertised) {
		t.Errorf("it is %s", KindOf(err))
	}
}

func TestAMissingACLIsNamedWithItsOperationAndResource(t *testing.T) {
	k := fake(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, "orders"), kfake.User(string(security.Plain), "alice", canary))
	c, err := Connect(t.Context(), Config{Brokers: k.ListenAddrs(), Security: login(security.Plain), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	describe := func(name string) error { _, err := c.DescribeTopic(t.Context(), name); return err }
	group := func(name string) error { _, err := c.DescribeGroup(t.Context(), name); return err }
	offsets := func(name string) error { _, err := c.Offsets(t.Context(), name); return err }
	for want, err := range map[string]error{
		"lacks the ACL Create on topic new (TOPIC_AUTHORIZATION_FAILED): kafka-acls --add --allow-principal User:alice --operation Create --topic new":        c.CreateTopic(t.Context(), TopicSpec{Name: "new", Partitions: 1}),
		"lacks the ACL Delete on topic orders (TOPIC_AUTHORIZATION_FAILED): kafka-acls --add --allow-principal User:alice --operation Delete --topic orders":  c.DeleteTopic(t.Context(), "orders"),
		"lacks the ACL Describe on topic orders (TOPIC_AUTHORIZATION_FAILED): kafka-acls --add --allow-principal User:alice --operation Describe --topic":     describe("orders"),
		"reading the offsets of topic orders: user alice lacks the ACL Describe on topic orders":                                                              offsets("orders"),
		"lacks the ACL Describe on group billing (GROUP_AUTHORIZATION_FAILED): kafka-acls --add --allow-principal User:alice --operation Describe --group b":  group("billing"),
		"lacks the ACL Delete on group billing (GROUP_AUTHORIZATION_FAILED): kafka-acls --add --allow-principal User:alice --operation Delete --group billin": c.DeleteGroup(t.Context(), "billing"),
	} {
		wants(t, err, ErrNotAllowed, "user alice ", want)
		if KindOf(err) != string(KindNotAuthorized) {
			t.Errorf("%v is %s", err, KindOf(err))
		}
	}
}

func TestTheCertificatesNameIsTheUserOfAnACL(t *testing.T) {
	a := Attempt{Security: trustingAs(securitytest.NewAuthority(t, "Test CA"), securitytest.NewAuthority(t, "alice")), Needs: ReadNeeds("orders", "")}
	wants(t, a.Classify(kerr.TopicAuthorizationFailed), ErrNotAllowed, `user "CN=alice" lacks the ACL Read on topic orders`, `--allow-principal "User:CN=alice"`)
}

func TestAProtectedContextNeedsItsName(t *testing.T) {
	for _, c := range []struct {
		context, yesOn string
		protected      bool
		passes         bool
	}{
		{"prod", "", false, true}, {"", "", false, true}, {"prod", "prod", true, true},
		{"prod", "", true, false}, {"prod", "stage", true, false}, {"", "", true, false},
	} {
		err := Protect(c.context, c.protected, c.yesOn)
		if (err == nil) != c.passes {
			t.Errorf("%+v: %v", c, err)
		}
		if err != nil && (!errors.Is(err, ErrNotAllowed) || KindOf(err) != string(KindProtected) || !strings.Contains(err.Error(), "--yes-on")) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestLoadOnAProtectedContextNeedsBothNames(t *testing.T) {
	c := connect(t, fake(t)) // loopback, so that no target is needed
	wants(t, c.Guard(t.Context(), GuardOptions{Context: "prod", Protected: true, Target: c.ID()}), ErrNotAllowed, "--yes-on prod")
	if err := c.Guard(t.Context(), GuardOptions{Context: "prod", Protected: true, YesOn: "prod"}); err != nil {
		t.Error(err)
	}
	c.loopback = false
	wants(t, c.Guard(t.Context(), GuardOptions{Context: "prod", Protected: true, YesOn: "prod"}), ErrNotAllowed, "--target fake-cluster-id")
	if err := c.Guard(t.Context(), GuardOptions{Context: "prod", Protected: true, YesOn: "prod", Target: c.ID()}); err != nil {
		t.Error(err)
	}
}

func TestOnlyWhatStaysIsLasting(t *testing.T) {
	var a Attempt
	for _, err := range []error{kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, x509.UnknownAuthorityError{}, &security.CredentialsError{Err: errors.New("x")}, a.Classify(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"})} {
		if !a.Lasting(err) {
			t.Errorf("%v passes", err)
		}
	}
	for _, err := range []error{nil, io.EOF, context.Canceled, context.DeadlineExceeded, kerr.NotLeaderForPartition, kerr.TopicAuthorizationFailed, a.Classify(io.EOF)} {
		if a.Lasting(err) {
			t.Errorf("%v lasts", err)
		}
	}
}

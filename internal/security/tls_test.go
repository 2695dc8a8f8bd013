package security

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"redline/internal/security/securitytest"
)

// greet dials, sends a byte and wants it back: only then has a broker accepted
// the client's certificate in TLS 1.3.
func greet(t *testing.T, s Security, address string) error {
	t.Helper()
	conn, err := s.Dial(t.Context(), address, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("k")); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err
}

func TestHandshakesEndAsTheCertificatesSay(t *testing.T) {
	ours, other := securitytest.NewAuthority(t, "ours"), securitytest.NewAuthority(t, "other")
	expired := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}
	intermediate := ours.Sign(t, x509.Certificate{Subject: pkix.Name{CommonName: "between"}, IsCA: true})
	chained := issue(t, intermediate, "localhost")
	chained.Certificate = append(chained.Certificate, intermediate.Certificate.Raw)

	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var alert *net.OpError
	for _, test := range []struct {
		name   string
		server *tls.Certificate
		client TLS
		mutual bool
		want   any // nil: accepted; else a target of errors.As
	}{
		{"good", issue(t, ours, "localhost"), TLS{Roots: ours.Roots()}, false, nil},
		{"through an intermediate", chained, TLS{Roots: ours.Roots()}, false, nil},
		{"through an intermediate, name skipped", chained, TLS{Roots: ours.Roots(), SkipName: true, ServerName: "elsewhere"}, false, nil},
		{"wrong authority", issue(t, ours, "localhost"), TLS{Roots: other.Roots()}, false, &unknown},
		{"the system's authorities", issue(t, ours, "localhost"), TLS{}, false, &unknown},
		{"wrong name", issue(t, ours, "elsewhere"), TLS{Roots: ours.Roots()}, false, &name},
		{"wrong name, told", issue(t, ours, "elsewhere"), TLS{Roots: ours.Roots(), ServerName: "elsewhere"}, false, nil},
		{"wrong name, skipped", issue(t, ours, "elsewhere"), TLS{Roots: ours.Roots(), SkipName: true}, false, nil},
		{"wrong authority, name skipped", issue(t, ours, "elsewhere"), TLS{Roots: other.Roots(), SkipName: true}, false, &unknown},
		{"expired", issue(t, ours, "localhost", expired), TLS{Roots: ours.Roots()}, false, &invalid},
		{"expired, name skipped", issue(t, ours, "localhost", expired), TLS{Roots: ours.Roots(), SkipName: true}, false, &invalid},
		{"everything wrong, all skipped", issue(t, other, "elsewhere", expired), TLS{SkipVerify: true}, false, nil},
		{"all skipped wins over name skipped", issue(t, other, "elsewhere"), TLS{SkipVerify: true, SkipName: true}, false, nil},
		{"client certificate", issue(t, ours, "localhost"), TLS{Roots: ours.Roots(), Certificate: issue(t, ours, "alice")}, true, nil},
		{"no client certificate", issue(t, ours, "localhost"), TLS{Roots: ours.Roots()}, true, &alert},
		{"client certificate of another authority", issue(t, ours, "localhost"), TLS{Roots: ours.Roots(), Certificate: issue(t, other, "alice")}, true, &alert},
		{"client certificate expired", issue(t, ours, "localhost"), TLS{Roots: ours.Roots(), Certificate: issue(t, ours, "alice", expired)}, true, &alert},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := &tls.Config{Certificates: []tls.Certificate{*test.server}}
			if test.mutual {
				config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, ours.Pool()
			}
			_, port, _ := net.SplitHostPort(serveTLS(t, config))
			err := greet(t, Security{TLS: &test.client}, net.JoinHostPort("localhost", port))
			switch {
			case test.want == nil && err != nil:
				t.Error(err)
			case test.want != nil && !errors.As(err, test.want):
				t.Errorf("got %v, want a %T", err, test.want)
			}
		})
	}
}

func TestAClientCertificateIsSentWhateverAuthoritiesTheBrokerLists(t *testing.T) {
	ours, other := securitytest.NewAuthority(t, "ours"), securitytest.NewAuthority(t, "other")
	var sent *x509.Certificate
	address := serveTLS(t, &tls.Config{
		Certificates: []tls.Certificate{*issue(t, ours, "localhost")},
		ClientAuth:   tls.RequireAnyClientCert,
		ClientCAs:    ours.Pool(),
		VerifyConnection: func(state tls.ConnectionState) error {
			sent = state.PeerCertificates[0]
			return nil
		},
	})
	mine := issue(t, other, "alice")
	if err := greet(t, Security{TLS: &TLS{Roots: ours.Roots(), ServerName: "localhost", Certificate: mine}}, address); err != nil {
		t.Fatal(err)
	}
	if !sent.Equal(mine.Leaf) {
		t.Errorf("sent %v", sent.Subject)
	}
}

func TestVersionsAndCipherSuitesAreHeld(t *testing.T) {
	ours := securitytest.NewAuthority(t, "ours")
	address := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{*issue(t, ours, "localhost")}, MaxVersion: tls.VersionTLS12})
	const suite = tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
	conn, err := Security{TLS: &TLS{Roots: ours.Roots(), ServerName: "localhost", CipherSuites: []uint16{suite}}}.Dial(t.Context(), address, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.(*tls.Conn).ConnectionState(); got.CipherSuite != suite || got.Version != tls.VersionTLS12 {
		t.Errorf("got %s, %s", tls.CipherSuiteName(got.CipherSuite), tls.VersionName(got.Version))
	}
	conn.Close()
	wants(t, greet(t, Security{TLS: &TLS{Roots: ours.Roots(), ServerName: "localhost", MinVersion: tls.VersionTLS13}}, address), "protocol version", address)
}

func TestADialEnds(t *testing.T) {
	silent := make(chan struct{})
	address := listen(t, func(net.Conn) { <-silent })
	t.Cleanup(func() { close(silent) })
	s := Security{TLS: &TLS{}}

	_, err := s.Dial(t.Context(), address, 50*time.Millisecond)
	wants(t, err, "the TLS handshake with "+address+" took longer than 50ms")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v is no exceeded deadline", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err = s.Dial(ctx, address, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v after the end", err)
	}
}

func TestPlaintextIsPlain(t *testing.T) {
	address := listen(t, func(conn net.Conn) {
		b := make([]byte, 4096)
		n, _ := conn.Read(b)
		_, _ = conn.Write(b[:n])
	})
	if err := greet(t, Security{}, address); err != nil {
		t.Fatal(err)
	}
}

func TestTLSToWhatSpeaksNoneIsToldApart(t *testing.T) {
	address := listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	})
	var header tls.RecordHeaderError
	if err := greet(t, Security{TLS: &TLS{}}, address); !errors.As(err, &header) || !strings.HasPrefix(string(header.RecordHeader[:]), "HTTP/") {
		t.Errorf("got %v", err)
	}
}

func TestProtocolsHaveKafkasNames(t *testing.T) {
	for want, s := range map[string]Security{
		"PLAINTEXT": {}, "SSL": {TLS: &TLS{}}, "SASL_PLAINTEXT": {SASL: &SASL{}}, "SASL_SSL": {TLS: &TLS{}, SASL: &SASL{}},
	} {
		if got := s.Protocol(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPEMTextsAreReadAgainAsTheSame(t *testing.T) {
	ours := securitytest.NewAuthority(t, "ours")
	before := &TLS{Roots: append(ours.Roots(), securitytest.NewAuthority(t, "second").Certificate), Certificate: issue(t, ours, "alice")}
	certificate, err := before.CertificatePEM()
	if err != nil {
		t.Fatal(err)
	}
	key, err := before.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ParseKeyPair(certificate, key, password)
	if err != nil {
		t.Fatal(err)
	}
	roots, err := ParseCertificates(before.RootsPEM())
	if err != nil {
		t.Fatal(err)
	}
	if len(roots) != 2 || !roots[1].Equal(before.Roots[1]) || !bytes.Equal(pair.Certificate[0], before.Certificate.Certificate[0]) {
		t.Error("something else came back")
	}
	if got := before.Expires(); !got.Equal(before.Certificate.Leaf.NotAfter) {
		t.Errorf("expires %v", got)
	}
}

func TestWhatIsNotThereIsNotWritten(t *testing.T) {
	none := &TLS{}
	if none.RootsPEM() != nil || !none.Expires().IsZero() {
		t.Error("made up")
	}
	_, err := none.CertificatePEM()
	wants(t, err, "no client certificate")
	_, err = none.KeyPEM()
	wants(t, err, "no client certificate")
}

func TestMechanismsAreReadInAnySpelling(t *testing.T) {
	for s, want := range map[string]Mechanism{
		"PLAIN": Plain, "plaintext": Plain, "scram_sha_256": ScramSHA256, "SHA256": ScramSHA256, " Scram-Sha-512 ": ScramSHA512,
		"sha-512": ScramSHA512, "oauth": OAuthBearer, "OAuthBearer": OAuthBearer, "awsiam": AWSMSKIAM, "aws_msk_iam": AWSMSKIAM,
	} {
		if got, err := ParseMechanism(s); got != want || err != nil {
			t.Errorf("%q is %q, %v", s, got, err)
		}
	}
	_, err := ParseMechanism("gssapi")
	wants(t, err, "GSSAPI (Kerberos) is not supported", "SCRAM-SHA-512")
	_, err = ParseMechanism("md5")
	wants(t, err, `"md5" is no SASL mechanism`, "AWS_MSK_IAM")
	if strings.Count(err.Error(), "\n") > 0 {
		t.Error("more than a sentence")
	}
}

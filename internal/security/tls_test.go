package security

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
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
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	expired := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}
	intermediate := ours.sign(t, func(c *x509.Certificate) {
		c.Subject.CommonName = "between"
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
	chained := intermediate.issue(t, "localhost")
	chained.Certificate = append(chained.Certificate, intermediate.certificate.Raw)

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
		{"good", ours.issue(t, "localhost"), TLS{Roots: ours.roots()}, false, nil},
		{"through an intermediate", chained, TLS{Roots: ours.roots()}, false, nil},
		{"through an intermediate, name skipped", chained, TLS{Roots: ours.roots(), SkipName: true, ServerName: "elsewhere"}, false, nil},
		{"wrong authority", ours.issue(t, "localhost"), TLS{Roots: other.roots()}, false, &unknown},
		{"the system's authorities", ours.issue(t, "localhost"), TLS{}, false, &unknown},
		{"wrong name", ours.issue(t, "elsewhere"), TLS{Roots: ours.roots()}, false, &name},
		{"wrong name, told", ours.issue(t, "elsewhere"), TLS{Roots: ours.roots(), ServerName: "elsewhere"}, false, nil},
		{"wrong name, skipped", ours.issue(t, "elsewhere"), TLS{Roots: ours.roots(), SkipName: true}, false, nil},
		{"wrong authority, name skipped", ours.issue(t, "elsewhere"), TLS{Roots: other.roots(), SkipName: true}, false, &unknown},
		{"expired", ours.issue(t, "localhost", expired), TLS{Roots: ours.roots()}, false, &invalid},
		{"expired, name skipped", ours.issue(t, "localhost", expired), TLS{Roots: ours.roots(), SkipName: true}, false, &invalid},
		{"everything wrong, all skipped", other.issue(t, "elsewhere", expired), TLS{SkipVerify: true}, false, nil},
		{"all skipped wins over name skipped", other.issue(t, "elsewhere"), TLS{SkipVerify: true, SkipName: true}, false, nil},
		{"client certificate", ours.issue(t, "localhost"), TLS{Roots: ours.roots(), Certificate: ours.issue(t, "alice")}, true, nil},
		{"no client certificate", ours.issue(t, "localhost"), TLS{Roots: ours.roots()}, true, &alert},
		{"client certificate of another authority", ours.issue(t, "localhost"), TLS{Roots: ours.roots(), Certificate: other.issue(t, "alice")}, true, &alert},
		{"client certificate expired", ours.issue(t, "localhost"), TLS{Roots: ours.roots(), Certificate: ours.issue(t, "alice", expired)}, true, &alert},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := &tls.Config{Certificates: []tls.Certificate{*test.server}}
			if test.mutual {
				config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, ours.pool()
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
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	var sent *x509.Certificate
	address := serveTLS(t, &tls.Config{
		Certificates: []tls.Certificate{*ours.issue(t, "localhost")},
		ClientAuth:   tls.RequireAnyClientCert,
		ClientCAs:    ours.pool(),
		VerifyConnection: func(state tls.ConnectionState) error {
			sent = state.PeerCertificates[0]
			return nil
		},
	})
	mine := other.issue(t, "alice")
	if err := greet(t, Security{TLS: &TLS{Roots: ours.roots(), ServerName: "localhost", Certificate: mine}}, address); err != nil {
		t.Fatal(err)
	}
	if !sent.Equal(mine.Leaf) {
		t.Errorf("sent %v", sent.Subject)
	}
}

func TestVersionsAndCipherSuitesAreHeld(t *testing.T) {
	ours := newAuthority(t, "ours")
	address := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{*ours.issue(t, "localhost")}, MaxVersion: tls.VersionTLS12})
	const suite = tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
	conn, err := Security{TLS: &TLS{Roots: ours.roots(), ServerName: "localhost", CipherSuites: []uint16{suite}}}.Dial(t.Context(), address, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.(*tls.Conn).ConnectionState(); got.CipherSuite != suite || got.Version != tls.VersionTLS12 {
		t.Errorf("got %s, %s", tls.CipherSuiteName(got.CipherSuite), tls.VersionName(got.Version))
	}
	conn.Close()
	wants(t, greet(t, Security{TLS: &TLS{Roots: ours.roots(), ServerName: "localhost", MinVersion: tls.VersionTLS13}}, address), "protocol version", address)
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
	ours := newAuthority(t, "ours")
	before := &TLS{Roots: append(ours.roots(), newAuthority(t, "second").certificate), Certificate: ours.issue(t, "alice")}
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

package security

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"redline/internal/secret"
	"redline/internal/security/securitytest"
)

// canary is every password in these tests; it must show nowhere.
const canary = "hunter2-canary"

var password = secret.New(canary)

// issue makes a certificate for name that a signs.
func issue(t testing.TB, a securitytest.Authority, name string, change ...func(*x509.Certificate)) *tls.Certificate {
	t.Helper()
	c := x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}}
	for _, f := range change {
		f(&c)
	}
	pair := a.Sign(t, c).Pair()
	return &pair
}

// listen accepts connections and gives each to serve, until the test ends.
func listen(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serve(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
	return listener.Addr().String()
}

// serveTLS shakes hands and sends back the first byte it gets.
func serveTLS(t *testing.T, config *tls.Config) (address string) {
	t.Helper()
	return listen(t, func(conn net.Conn) {
		secured := tls.Server(conn, config)
		b := make([]byte, 1)
		if _, err := secured.Read(b); err == nil {
			_, _ = secured.Write(b)
		}
	})
}

func file(t testing.TB, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wants fails unless err has every text, and no secret.
func wants(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q lacks %q", err, text)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("%q shows the secret", err)
	}
}

func tlsConfig(certificate *tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{*certificate}}
}

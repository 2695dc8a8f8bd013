package security_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"redline/internal/connection"
	"redline/internal/secret"
	"redline/internal/security"
	"redline/internal/security/securitytest"
)

// words are texts of the characters that some syntax on the way has to escape. Our own
// reader puts in what ${file:…} and ${env:…} refer to, and takes the blanks around a
// user away; Java's clients do neither.
func words(t *rapid.T, label string) string {
	hard := rapid.SampledFrom([]rune("a0 =:#!\\\"'\n\r\t\f\x00\x01\x7f;,{}$%é€😀"))
	text := rapid.StringOfN(rapid.OneOf(hard, rapid.Rune()), 1, 30, -1).
		Filter(func(s string) bool { return !strings.Contains(s, "${") && s == strings.TrimSpace(s) })
	return text.Draw(t, label)
}

// reread is what is left of s after a Java file.
func reread(t *rapid.T, dir string, s security.Security) security.Security {
	properties, err := s.JavaProperties(dir)
	if err != nil {
		t.Fatal(err)
	}
	properties["bootstrap.servers"] = "127.0.0.1:9092"
	path := filepath.Join(dir, "connection.properties")
	if err := security.WriteJavaFile(path, properties); err != nil {
		t.Fatal(err)
	}
	c, err := connection.FromFile(path)
	if err != nil {
		content, _ := os.ReadFile(path)
		t.Fatalf("%v\n%s", err, content)
	}
	return c.Security
}

func TestAJavaFileSaysHowToConnect(t *testing.T) {
	authority := securitytest.NewAuthority(t, "test authority")
	pair := authority.Sign(t, x509.Certificate{Subject: pkix.Name{CommonName: "alice"}}).Pair()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "redline-javafile-") //nolint:usetesting // rapid's T has none
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		var s security.Security
		if rapid.Bool().Draw(t, "encrypted") {
			s.TLS = &security.TLS{
				SkipName:     rapid.Bool().Draw(t, "skip name"),
				MinVersion:   rapid.SampledFrom([]uint16{0, tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13}).Draw(t, "version"),
				CipherSuites: rapid.SampledFrom([][]uint16{nil, {tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}).Draw(t, "ciphers"),
			}
			if rapid.Bool().Draw(t, "authority") {
				s.TLS.Roots = authority.Roots()
			}
			if rapid.Bool().Draw(t, "certificate") {
				s.TLS.Certificate = &pair
			}
		}
		if rapid.Bool().Draw(t, "authenticated") {
			s.SASL = &security.SASL{
				Mechanism: rapid.SampledFrom([]security.Mechanism{security.Plain, security.ScramSHA256, security.ScramSHA512}).Draw(t, "mechanism"),
				User:      words(t, "user"),
				Password:  secret.New(words(t, "password")),
			}
		}
		sameAs(t, s, reread(t, dir, s))
	})
}

func sameAs(t *rapid.T, want, got security.Security) {
	if got.Protocol() != want.Protocol() {
		t.Fatalf("%s became %s", want.Protocol(), got.Protocol())
	}
	if a, b := want.SASL, got.SASL; a != nil && (a.Mechanism != b.Mechanism || a.User != b.User || a.Password.Reveal() != b.Password.Reveal()) {
		t.Errorf("%s %q %q became %s %q %q", a.Mechanism, a.User, a.Password.Reveal(), b.Mechanism, b.User, b.Password.Reveal())
	}
	if want.TLS == nil {
		return
	}
	a, b := want.TLS, got.TLS
	if a.SkipName != b.SkipName || a.MinVersion != b.MinVersion || !bytes.Equal(a.RootsPEM(), b.RootsPEM()) {
		t.Errorf("%+v became %+v", a, b)
	}
	suites := slices.DeleteFunc(slices.Clone(b.CipherSuites), func(id uint16) bool { return id == tls.TLS_AES_128_GCM_SHA256 || id == tls.TLS_AES_256_GCM_SHA384 })
	if !slices.Equal(a.CipherSuites, suites) || (len(a.CipherSuites) > 0) != (len(b.CipherSuites) > len(suites)) {
		t.Errorf("cipher suites %v became %v", a.CipherSuites, b.CipherSuites)
	}
	if (a.Certificate == nil) != (b.Certificate == nil) {
		t.Fatalf("certificate %v became %v", a.Certificate, b.Certificate)
	}
	if a.Certificate != nil {
		mine, _ := a.KeyPEM()
		theirs, _ := b.KeyPEM()
		if mine.Reveal() != theirs.Reveal() || !slices.EqualFunc(a.Certificate.Certificate, b.Certificate.Certificate, bytes.Equal) {
			t.Error("the certificate became another")
		}
	}
}

func TestJavaFilesAreForTheirOwnerAlone(t *testing.T) {
	authority := securitytest.NewAuthority(t, "test authority")
	pair := authority.Sign(t, x509.Certificate{}).Pair()
	s := security.Security{TLS: &security.TLS{Roots: authority.Roots(), Certificate: &pair}}
	dir := t.TempDir()
	properties, err := s.JavaProperties(dir)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "connection.properties")
	if err := security.WriteJavaFile(file, properties); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, properties["ssl.truststore.location"], properties["ssl.keystore.location"]} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if err := security.WriteJavaFile(file, properties); err == nil || !strings.Contains(err.Error(), "cannot be made") {
		t.Errorf("over a file that is there: %v", err)
	}
	if _, err := s.JavaProperties(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "cannot be made") {
		t.Errorf("into no folder: %v", err)
	}
}

func TestWhatAJavaFileCannotCarryIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	const canary = "hunter2-canary"
	authority := securitytest.NewAuthority(t, "test authority")
	trusting := func(t security.TLS) *security.TLS { t.Roots = authority.Roots(); return &t }
	for want, s := range map[string]security.Security{
		"cannot switch the check of the broker's certificate off": {TLS: trusting(security.TLS{SkipVerify: true})},
		"another name in the broker's certificate than":           {TLS: trusting(security.TLS{ServerName: "kafka.example"})},
		"where credentials for OAUTHBEARER come from":             {TLS: trusting(security.TLS{}), SASL: &security.SASL{Mechanism: security.OAuthBearer, Token: security.TokenFile("/none")}},
		"where credentials for AWS_MSK_IAM come from":             {TLS: trusting(security.TLS{}), SASL: &security.SASL{Mechanism: security.AWSMSKIAM}},
		"a user or password that is no UTF-8":                     {TLS: trusting(security.TLS{}), SASL: &security.SASL{Mechanism: security.Plain, User: "alice", Password: secret.New(canary + "\xff")}},
	} {
		dir := t.TempDir()
		_, err := s.JavaProperties(dir)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
			t.Errorf("got %v, want %q", err, want)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: %v is left", want, left)
		}
	}
}

package connection

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"

	"redline/internal/security/securitytest"
)

// canary is a secret that must be seen nowhere.
const canary = "hunter2-canary"

// material is one authority and one client's key, in every form people have them.
type material struct {
	folder                string
	ca, certificate       *x509.Certificate
	caPEM, certPEM, keyPE string
}

func (m material) path(name string) string { return filepath.Join(m.folder, name) }

func (m material) write(t *testing.T, name string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(m.path(name), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return m.path(name)
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newMaterial(t *testing.T) material {
	t.Helper()
	m := material{folder: t.TempDir()}
	authority := securitytest.NewAuthority(t, "test authority")
	alice := authority.Sign(t, x509.Certificate{Subject: pkix.Name{CommonName: "alice"}})
	m.ca, m.certificate = authority.Certificate, alice.Certificate
	keyDER := must[[]byte](t)(x509.MarshalPKCS8PrivateKey(alice.Key))

	m.caPEM, m.certPEM, m.keyPE = block("CERTIFICATE", m.ca.Raw), block("CERTIFICATE", m.certificate.Raw), block("PRIVATE KEY", keyDER)
	m.write(t, "ca.pem", []byte(m.caPEM))
	m.write(t, "client.pem", []byte(m.certPEM))
	m.write(t, "client.key", []byte(m.keyPE))
	m.write(t, "both.pem", []byte(m.certPEM+m.keyPE))
	m.write(t, "password", []byte(canary+"\n"))

	jks := keystore.New()
	entry := keystore.TrustedCertificateEntry{CreationTime: time.Now(), Certificate: keystore.Certificate{Type: "X509", Content: m.ca.Raw}}
	if err := jks.SetTrustedCertificateEntry("ca", entry); err != nil {
		t.Fatal(err)
	}
	var stored bytes.Buffer
	if err := jks.Store(&stored, []byte("changeit")); err != nil {
		t.Fatal(err)
	}
	m.write(t, "truststore.jks", stored.Bytes())
	m.write(t, "keystore.p12", must[[]byte](t)(pkcs12.Modern.Encode(alice.Key, m.certificate, []*x509.Certificate{m.ca}, "changeit")))
	return m
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

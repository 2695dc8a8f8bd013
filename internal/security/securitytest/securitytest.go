// Package securitytest makes the certificates of tests.
//
// The name of an authority and templates enter; certificates with their keys
// leave. Nothing of it is in the program.
package securitytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
	"time"
)

// Authority is a certificate with its key: one that signs others, or one that it
// signed. The zero value signs a certificate with the certificate's own key.
type Authority struct {
	Certificate *x509.Certificate
	Key         *ecdsa.PrivateKey
}

// NewAuthority makes an authority that no other has signed.
func NewAuthority(t testing.TB, name string) Authority {
	t.Helper()
	return Authority{}.Sign(t, x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true})
}

// Sign makes c with a new key on P-256. What c leaves zero is filled in: a random
// serial number, validity from an hour ago until in an hour, and usages, which are
// to sign certificates if c is an authority's, else a server's and a client's.
func (a Authority) Sign(t testing.TB, c x509.Certificate) Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	fill(&c)
	if a.Key == nil {
		a = Authority{&c, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, a.Certificate, key.Public(), a.Key) // gives it the serial number
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return Authority{made, key}
}

func fill(c *x509.Certificate) {
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Now().Add(-time.Hour)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	usage, extended := x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	if c.IsCA {
		c.BasicConstraintsValid = true
		usage, extended = x509.KeyUsageCertSign, nil
	}
	if c.KeyUsage == 0 {
		c.KeyUsage = usage
	}
	if c.ExtKeyUsage == nil {
		c.ExtKeyUsage = extended
	}
}

// Pair is the certificate and its key as one end of a connection shows them.
func (a Authority) Pair() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{a.Certificate.Raw}, PrivateKey: a.Key, Leaf: a.Certificate}
}

// Roots has the certificate alone, for one who trusts nothing else.
func (a Authority) Roots() []*x509.Certificate { return []*x509.Certificate{a.Certificate} }

// Pool is Roots as a tls.Config takes them.
func (a Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	return pool
}

package broker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// validity is how long certificates last: longer than a broker to try things on
// lives, and too short to be used for anything else.
const validity = 30 * 24 * time.Hour

// identity is a certificate with its key, and the authority that signed it.
type identity struct {
	certificate, authority *x509.Certificate
	key                    *ecdsa.PrivateKey
}

// authority signs the certificates of one broker. It is never written down:
// nobody can sign another one later.
type authority struct{ identity }

// newAuthority makes a certificate authority of its own for a broker.
func newAuthority() (*authority, error) {
	a := &authority{}
	certificate := template("redline-ca")
	certificate.IsCA, certificate.BasicConstraintsValid = true, true
	certificate.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	var err error
	a.identity, err = sign(certificate, nil)
	return a, err
}

// node is the certificate of the broker's nodes, who are servers to everybody and
// clients to each other.
func (a *authority) node() (identity, error) {
	certificate := template(nodeName)
	certificate.DNSNames = []string{"localhost"}
	certificate.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	certificate.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return sign(certificate, &a.identity)
}

// client is the certificate of one who connects.
func (a *authority) client(name string) (identity, error) {
	certificate := template(name)
	certificate.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return sign(certificate, &a.identity)
}

func template(name string) *x509.Certificate {
	// A clock that was set back a little must not make it invalid.
	from := time.Now().Add(-time.Hour)
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: from,
		NotAfter:  from.Add(validity),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
}

// sign makes a key and the certificate of it; without a signer it signs itself.
func sign(certificate *x509.Certificate, by *identity) (identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return identity{}, fmt.Errorf("make a key for %s: %w", certificate.Subject, err)
	}
	if certificate.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return identity{}, fmt.Errorf("make a certificate for %s: %w", certificate.Subject, err)
	}
	if by == nil {
		by = &identity{certificate: certificate, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, by.certificate, &key.PublicKey, by.key)
	if err != nil {
		return identity{}, fmt.Errorf("make a certificate for %s: %w", certificate.Subject, err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		return identity{}, fmt.Errorf("make a certificate for %s: %w", certificate.Subject, err)
	}
	return identity{certificate: signed, authority: by.certificate, key: key}, nil
}

// certificatePEM is the certificate alone.
func (i identity) certificatePEM() []byte { return certificatePEM(i.certificate) }

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// keyPEM is the key as PKCS#8, the form that Java reads, not encrypted.
func (i identity) keyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		return nil, fmt.Errorf("write the key of %s: %w", i.certificate.Subject, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

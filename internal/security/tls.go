package security

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"redline/internal/secret"
)

// TLS says whom to trust, how strictly, and as whom to come.
type TLS struct {
	// Roots are the authorities to trust; empty: those of the system.
	Roots []*x509.Certificate
	// Certificate is the client's own with its chain and key; nil: none.
	Certificate *tls.Certificate `json:"-"` // the key in it would be written out
	// ServerName is the name that the broker's certificate must have; empty: the
	// host dialled.
	ServerName string
	// SkipName checks the certificate's chain and dates, and not its name: what
	// Java does with an empty ssl.endpoint.identification.algorithm.
	SkipName bool
	// SkipVerify checks nothing at all.
	SkipVerify bool
	// MinVersion is one of tls.VersionTLS10 to tls.VersionTLS13; 0: TLS 1.2.
	MinVersion uint16
	// CipherSuites are those offered for TLS 1.2 and older; nil: Go's own choice.
	// Those of TLS 1.3 cannot be chosen.
	CipherSuites []uint16
}

// Config is what crypto/tls needs to connect to host (without a port).
//
// The client's certificate is sent whatever authorities the broker lists: a
// broker that refuses it says more than one that was sent nothing.
func (t *TLS) Config(host string) *tls.Config {
	config := &tls.Config{
		ServerName:         host,
		RootCAs:            t.roots(),
		InsecureSkipVerify: t.SkipVerify || t.SkipName,
		MinVersion:         tls.VersionTLS12,
		CipherSuites:       t.CipherSuites,
	}
	if t.ServerName != "" {
		config.ServerName = t.ServerName
	}
	if t.MinVersion != 0 {
		config.MinVersion = t.MinVersion
	}
	if t.SkipName && !t.SkipVerify {
		config.VerifyConnection = t.verifyChain
	}
	if t.Certificate != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.Certificate, nil }
	}
	return config
}

// verifyChain is what crypto/tls does by itself, without the name.
func (t *TLS) verifyChain(state tls.ConnectionState) error {
	intermediates := x509.NewCertPool()
	for _, certificate := range state.PeerCertificates[1:] {
		intermediates.AddCert(certificate)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: t.roots(), Intermediates: intermediates})
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	return nil
}

// roots is nil, which stands for the system's, if there are none.
func (t *TLS) roots() *x509.CertPool {
	if len(t.Roots) == 0 {
		return nil
	}
	pool := x509.NewCertPool()
	for _, certificate := range t.Roots {
		pool.AddCert(certificate)
	}
	return pool
}

// Expires is when the first certificate in the client's own chain ends; zero if
// there is none.
func (t *TLS) Expires() time.Time {
	var earliest time.Time
	if t.Certificate == nil {
		return earliest
	}
	for _, der := range t.Certificate.Certificate {
		certificate, err := x509.ParseCertificate(der)
		if err == nil && (earliest.IsZero() || certificate.NotAfter.Before(earliest)) {
			earliest = certificate.NotAfter
		}
	}
	return earliest
}

// RootsPEM is Roots as librdkafka's ssl.ca.pem takes them; nil if there are none.
func (t *TLS) RootsPEM() []byte {
	var b bytes.Buffer
	for _, certificate := range t.Roots {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: certificate.Raw}))
	}
	return b.Bytes()
}

// CertificatePEM is the client's chain as librdkafka's ssl.certificate.pem takes
// it; an error if there is none.
func (t *TLS) CertificatePEM() ([]byte, error) {
	if t.Certificate == nil || len(t.Certificate.Certificate) == 0 {
		return nil, errNoCertificate
	}
	var b bytes.Buffer
	for _, der := range t.Certificate.Certificate {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: der}))
	}
	return b.Bytes(), nil
}

// KeyPEM is the client's key, unencrypted PKCS#8, as librdkafka's ssl.key.pem
// takes it; an error if there is none.
func (t *TLS) KeyPEM() (secret.Text, error) {
	if t.Certificate == nil || t.Certificate.PrivateKey == nil {
		return secret.Text{}, errNoCertificate
	}
	der, err := x509.MarshalPKCS8PrivateKey(t.Certificate.PrivateKey)
	if err != nil {
		return secret.Text{}, fmt.Errorf("the client's key cannot be written as PKCS#8: %w", err)
	}
	return secret.New(string(pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}))), nil
}

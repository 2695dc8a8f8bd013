package security

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/youmark/pkcs8"

	"redline/internal/secret"
)

// Types of PEM blocks (RFC 7468); keys of other forms end in keyBlock too.
const (
	certificateBlock  = "CERTIFICATE"
	keyBlock          = "PRIVATE KEY"
	encryptedKeyBlock = "ENCRYPTED PRIVATE KEY"
)

var errNoCertificate = errors.New("there is no client certificate")

// ParseCertificates reads the certificates in a PEM text; what else is in it is
// passed over. No certificate at all is an error.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != certificateBlock {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in it cannot be read: %w", len(certificates)+1, err)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, errors.New("there is no certificate in it (-----BEGIN CERTIFICATE-----)")
	}
	return certificates, nil
}

// ParseKeyPair reads a client's certificate with its chain and its private key,
// both PEM: PKCS#8, PKCS#1 or SEC 1, plain or encrypted with keyPassword. The two
// texts may be one. The key must belong to the first certificate.
func ParseKeyPair(certificatePEM []byte, keyPEM, keyPassword secret.Text) (*tls.Certificate, error) {
	chain, err := ParseCertificates(certificatePEM)
	if err != nil {
		return nil, fmt.Errorf("the client's certificate: %w", err)
	}
	key, err := parseKey([]byte(keyPEM.Reveal()), keyPassword)
	if err != nil {
		return nil, fmt.Errorf("the client's private key: %w", err)
	}
	return pair(chain, key)
}

// parseKey reads the first private key in a PEM text.
func parseKey(text []byte, password secret.Text) (crypto.PrivateKey, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, keyBlock) {
			return decodeKey(block, password)
		}
	}
	return nil, errors.New("there is no private key in it (-----BEGIN PRIVATE KEY-----)")
}

func decodeKey(block *pem.Block, password secret.Text) (crypto.PrivateKey, error) {
	legacy := strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED")
	if (legacy || block.Type == encryptedKeyBlock) && password.IsZero() {
		return nil, errors.New("it is encrypted, and no password for it is given (ssl.key.password)")
	}
	der := block.Bytes
	if legacy {
		var err error
		//nolint:staticcheck // SA1019: the form is weak, and in use: openssl wrote it for decades.
		if der, err = x509.DecryptPEMBlock(block, []byte(password.Reveal())); err != nil {
			return nil, errWrongKeyPassword
		}
	}
	switch block.Type {
	case encryptedKeyBlock:
		return decryptKey(der, password)
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(der)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(der)
	case keyBlock:
		return x509.ParsePKCS8PrivateKey(der)
	}
	return nil, fmt.Errorf("%q is a form that TLS does not use: convert it with openssl pkcs8 -topk8", block.Type)
}

var errWrongKeyPassword = errors.New("the password for it is wrong (ssl.key.password)")

// scryptOID is 1.3.6.1.4.1.11591.4.11. A file could ask for any memory by it.
var scryptOID = []byte{0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b}

// decryptKey opens an encrypted PKCS#8 key (RFC 5958).
func decryptKey(der []byte, password secret.Text) (key crypto.PrivateKey, err error) {
	if err := checkRounds(der); err != nil {
		return nil, err
	}
	if bytes.Contains(der, scryptOID) {
		return nil, errors.New("its password is stretched with scrypt, which is not supported: convert it with openssl pkcs8 -topk8 -v2 aes-256-cbc")
	}
	defer recoverParser(&err)
	key, _, err = pkcs8.ParsePrivateKey(der, []byte(password.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("it cannot be decrypted with the password given (ssl.key.password): %w", err)
	}
	return key, nil
}

// recoverParser makes an error of a parser's panic: the libraries trust lengths in
// what they read.
func recoverParser(err *error) {
	if recover() != nil {
		*err = errMalformed
	}
}

// pair puts a chain and a key together, if they belong together.
func pair(chain []*x509.Certificate, key crypto.PrivateKey) (*tls.Certificate, error) {
	if len(chain) == 0 {
		return nil, errors.New("the private key has no certificate")
	}
	if !belong(key, chain[0]) {
		return nil, errors.New("the private key does not belong to the first certificate")
	}
	certificate := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		certificate.Certificate = append(certificate.Certificate, c.Raw)
	}
	return certificate, nil
}

func belong(key crypto.PrivateKey, certificate *x509.Certificate) bool {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return false
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(certificate.PublicKey)
}

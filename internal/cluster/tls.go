package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// recogniseTLS tells the failures of a handshake apart.
func (a Attempt) recogniseTLS(err error) Kind {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var unverified *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &name):
		return KindCertificateName
	case errors.As(err, &authority):
		return KindCertificateUntrusted
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if time.Now().Before(invalid.Cert.NotBefore) {
			return KindCertificateNotYetValid
		}
		return KindCertificateExpired
	case errors.As(err, &invalid), errors.As(err, &unverified):
		return KindCertificate
	case errors.As(err, &header) && strings.HasPrefix(string(header.RecordHeader[:]), "HTTP"):
		return KindHTTP
	case errors.As(err, &header):
		return KindTLSUnexpected
	case strings.Contains(err.Error(), "tls: ") && (strings.Contains(err.Error(), "protocol version") || strings.Contains(err.Error(), "cipher suite")):
		return KindTLSVersion
	}
	return a.recogniseAlert(alertOf(err))
}

// alertOf is the TLS alert that the other side sent, in crypto/tls's words; ""
// for none. The type of the alert is not exported for TCP.
func alertOf(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return ""
	}
	return strings.TrimPrefix(op.Err.Error(), "tls: ")
}

// recogniseAlert: Java's brokers send bad_certificate where RFC 8446 has
// certificate_required, and certificate_unknown for most that they do not trust.
func (a Attempt) recogniseAlert(alert string) Kind {
	switch alert {
	case "":
		return ""
	case "protocol version not supported", "insufficient security level":
		return KindTLSVersion
	case "certificate required", "bad certificate", "unsupported certificate", "revoked certificate", "expired certificate",
		"unknown certificate", "unknown certificate authority", "access denied", "error decrypting message":
		if clientCertificate(a.Security.TLS) == nil {
			return KindClientCertificateMissing
		}
		return KindClientCertificateRefused
	}
	return KindTLSHandshake
}

// tlsSentence is "" for what is not about TLS.
func (a Attempt) tlsSentence(kind Kind, err error) string {
	switch kind {
	case KindHTTP:
		return httpSentence(a.Address)
	case KindTLSUnexpected:
		return fmt.Sprintf("%s speaks plaintext, and this connection is TLS. Leave out --tls, --tls-ca and their like (security.protocol=PLAINTEXT or SASL_PLAINTEXT in the file of -F), or give the port of an SSL listener with -b.", a.Address)
	case KindTLSTimeout:
		return fmt.Sprintf("%s accepts connections but did not finish the TLS handshake within %s. It may not speak TLS, or hang: look into its log, or give it longer with --dial-timeout.", a.Address, bound(a.DialTimeout, "--dial-timeout"))
	case KindTLSVersion:
		return fmt.Sprintf("%s has no TLS version or cipher in common with this connection (%s). Allow more with ssl.enabled.protocols or ssl.cipher.suites (-X), or have the broker's changed.", a.Address, innermost(err))
	case KindTLSHandshake:
		return fmt.Sprintf("%s broke off the TLS handshake (%s). It may want a certificate of the client (--tls-cert, --tls-key), or share no TLS version or cipher with us: look into its log.", a.Address, alertOf(err))
	}
	return a.certificateSentence(kind, err)
}

// certificateSentence is about the broker's certificate; "" for anything else.
func (a Attempt) certificateSentence(kind Kind, err error) string {
	var invalid x509.CertificateInvalidError
	errors.As(err, &invalid)
	switch kind {
	case KindCertificateName:
		var name x509.HostnameError
		errors.As(err, &name)
		return fmt.Sprintf("the certificate of %s is made out to %s, not to %s. Connect by a name that it has, or say with --tls-server-name which one to expect.", a.Address, names(name.Certificate), printable(name.Host))
	case KindCertificateUntrusted:
		return fmt.Sprintf("the certificate of %s is not trusted: it was issued by %s none of %s. Give the authority's certificate with --tls-ca FILE (ssl.truststore.location in the file of -F).", a.Address, issuer(err), a.authorities())
	case KindCertificateExpired:
		return fmt.Sprintf("the certificate of %s (%s) expired on %s. Have it renewed by who runs the broker, and check the clock of this machine: it says %s.", a.Address, printable(invalid.Cert.Subject.String()), moment(invalid.Cert.NotAfter), moment(time.Now()))
	case KindCertificateNotYetValid:
		return fmt.Sprintf("the certificate of %s (%s) is valid only from %s on. Check the clock of this machine: it says %s.", a.Address, printable(invalid.Cert.Subject.String()), moment(invalid.Cert.NotBefore), moment(time.Now()))
	case KindCertificate:
		return fmt.Sprintf("the certificate of %s is not accepted: %s. Check --tls-ca (ssl.truststore.location in the file of -F), or have it replaced by who runs the broker.", a.Address, innermost(err))
	}
	return ""
}

func (a Attempt) authorities() string {
	if a.Security.TLS != nil && len(a.Security.TLS.Roots) > 0 {
		return "the authorities given"
	}
	return "this system's authorities"
}

// issuer of the certificate that nobody here trusts; librdkafka does not tell.
func issuer(err error) string {
	var authority x509.UnknownAuthorityError
	if errors.As(err, &authority) && authority.Cert != nil {
		return printable(authority.Cert.Issuer.String()) + ", which is"
	}
	return "an authority that is"
}

// names are those that a certificate is made out to.
func names(c *x509.Certificate) string {
	var all []string
	all = append(all, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name (its subject is " + printable(c.Subject.String()) + ")"
	}
	return listed(all)
}

// innermost is the text of the first cause, for what we have no words for.
func innermost(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// clientCertificateProblem is about our own certificate: the broker refuses us.
func (a Attempt) clientCertificateProblem(kind Kind, err error) error {
	if kind == KindClientCertificateMissing {
		return notAllowed(kind, err, "%s wants a certificate of the client, and none is given (TLS alert: %s). Give one with --tls-cert FILE and --tls-key FILE (ssl.keystore.location in the file of -F).", a.Address, alertOf(err))
	}
	c := clientCertificate(a.Security.TLS)
	state := "valid until " + moment(c.NotAfter)
	if time.Now().After(c.NotAfter) {
		state = "expired on " + moment(c.NotAfter)
	}
	return notAllowed(kind, err, "%s refuses the certificate of the client, %s, issued by %s, %s (TLS alert: %s). Give one that it trusts with --tls-cert and --tls-key.",
		a.Address, printable(c.Subject.String()), printable(c.Issuer.String()), state, alertOf(err))
}

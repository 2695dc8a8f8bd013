//go:build cgo

package confluent

import (
	"maps"
	"slices"
	"strings"

	"redline/internal/client"
	"redline/internal/secret"
	"redline/internal/security"
)

// secure is librdkafka's properties for how a connection is encrypted and as
// whom it is made. An error names what librdkafka cannot.
func secure(s security.Security) (map[string]secret.Text, error) {
	if err := unsupported(s); err != nil {
		return nil, err
	}
	set := map[string]secret.Text{"security.protocol": secret.New(strings.ToLower(s.Protocol()))}
	if s.TLS != nil {
		if err := encrypt(set, s.TLS); err != nil {
			return nil, err
		}
	}
	if s.SASL != nil {
		set["sasl.mechanisms"] = secret.New(string(s.SASL.Mechanism))
		if s.SASL.Mechanism != security.OAuthBearer {
			set["sasl.username"] = secret.New(s.SASL.User)
			set["sasl.password"] = s.SASL.Password
		}
	}
	return set, nil
}

func encrypt(set map[string]secret.Text, t *security.TLS) error {
	if len(t.Roots) > 0 {
		set["ssl.ca.pem"] = secret.New(string(t.RootsPEM()))
	}
	if t.SkipVerify {
		set["enable.ssl.certificate.verification"] = secret.New("false")
	}
	// Not left to the default, which librdkafka has changed before.
	set["ssl.endpoint.identification.algorithm"] = secret.New("https")
	if t.SkipName || t.SkipVerify {
		set["ssl.endpoint.identification.algorithm"] = secret.New("none")
	}
	if t.Certificate == nil {
		return nil
	}
	certificate, err := t.CertificatePEM()
	if err != nil {
		return err
	}
	key, err := t.KeyPEM()
	if err != nil {
		return err
	}
	set["ssl.certificate.pem"], set["ssl.key.pem"] = secret.New(string(certificate)), key
	return nil
}

// unsupported names what librdkafka has no property for.
func unsupported(s security.Security) error {
	switch t := s.TLS; {
	case t == nil:
	case t.ServerName != "" && !t.SkipVerify && !t.SkipName:
		return client.Unsupported("confluent", "expect the broker's certificate to be made out to another name than the one dialled (--tls-server-name)", "connect by a name that the certificate has, or take the client franz")
	case t.MinVersion != 0:
		return client.Unsupported("confluent", "choose TLS versions (ssl.enabled.protocols, ssl.protocol)", "leave that out, or take the client franz")
	case len(t.CipherSuites) > 0:
		return client.Unsupported("confluent", "choose cipher suites by their Java names (ssl.cipher.suites)", "leave that out, or take the client franz")
	}
	if s.SASL == nil {
		return nil
	}
	switch s.SASL.Mechanism {
	case security.Plain, security.ScramSHA256, security.ScramSHA512, security.OAuthBearer:
		return nil
	}
	return client.Unsupported("confluent", "authenticate with "+string(s.SASL.Mechanism), "take the client franz")
}

// apart refuses properties that the connection sets by itself.
func apart(set map[string]string, secure map[string]secret.Text) error {
	for _, key := range slices.Sorted(maps.Keys(set)) {
		if _, twice := secure[key]; twice {
			return client.Unsupported("confluent", "take "+key+" as a property of its own", "it is set by the connection (-X, -F, --tls-…, --sasl-…)")
		}
	}
	return nil
}

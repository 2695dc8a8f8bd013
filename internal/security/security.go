// Package security holds how a connection to Kafka is encrypted and as whom it
// is made.
//
// Certificates, key stores, passwords and sources of tokens enter; connections
// leave (Dial), and the same settings as options of franz-go (FranzOptions) or as
// PEM texts for librdkafka (TLS.RootsPEM and its neighbours). Secrets sit in
// secret.Text and stand in no error.
package security

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// DefaultDialTimeout bounds a TCP connection, and again the TLS handshake over
// it, where the caller names no bound.
const DefaultDialTimeout = 3 * time.Second

// Security says how a connection is encrypted and as whom it is made. The zero
// value is plaintext, and nobody.
type Security struct {
	TLS  *TLS  // nil: plaintext
	SASL *SASL // nil: nobody, or whom the client's certificate names
}

// Protocol is Kafka's name for it, the value of security.protocol: PLAINTEXT,
// SSL, SASL_PLAINTEXT or SASL_SSL.
func (s Security) Protocol() string {
	switch {
	case s.TLS != nil && s.SASL != nil:
		return "SASL_SSL"
	case s.TLS != nil:
		return "SSL"
	case s.SASL != nil:
		return "SASL_PLAINTEXT"
	}
	return "PLAINTEXT"
}

// FranzOptions are the dialer and the SASL mechanism for a client of franz-go,
// and nothing else. dialTimeout is as in Dial.
//
// The client calls the mechanism again for every connection, and on a living
// connection before the session that the broker granted ends (KIP-368), so a
// token is read afresh each time.
func (s Security) FranzOptions(dialTimeout time.Duration) []kgo.Opt {
	options := []kgo.Opt{kgo.Dialer(func(ctx context.Context, _, address string) (net.Conn, error) {
		return s.Dial(ctx, address, dialTimeout)
	})}
	if s.SASL != nil {
		options = append(options, kgo.SASL(s.SASL.FranzMechanism()))
	}
	return options
}

// Dial connects to address (HOST:PORT) and, with TLS, shakes hands. It ends with
// ctx; TCP (name lookup included) and the handshake have dialTimeout each, which
// is DefaultDialTimeout if it is not positive. Errors wrap those of net, crypto/tls
// and crypto/x509, and context.DeadlineExceeded when the handshake took too long.
//
// With TLS 1.3 a broker that refuses the client's certificate says so only in the
// first read from the connection.
func (s Security) Dial(ctx context.Context, address string, dialTimeout time.Duration) (net.Conn, error) {
	if dialTimeout <= 0 {
		dialTimeout = DefaultDialTimeout
	}
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", address)
	if err != nil || s.TLS == nil {
		return conn, err
	}
	secured, err := s.TLS.handshake(ctx, conn, address, dialTimeout)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

func (t *TLS) handshake(ctx context.Context, conn net.Conn, address string, limit time.Duration) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%q is no broker address: %w", address, err)
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	secured := tls.Client(conn, t.Config(host))
	if err := secured.HandshakeContext(bounded); err != nil {
		if bounded.Err() != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("the TLS handshake with %s took longer than %v: %w", address, limit, err)
		}
		return nil, fmt.Errorf("the TLS handshake with %s failed: %w", address, err)
	}
	return secured, nil
}

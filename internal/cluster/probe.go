package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"redline/internal/security"
)

// The client libraries retry a bad address for a long time and then report
// something far from the cause: an HTTP server's answer reads as a response of
// 1.2 GB. So before a client is made, one ApiVersions request goes to each
// address by hand and the first bytes that come back are looked at.

// probeCorrelation is the probe's correlation id. Its bytes are CR LF CR LF,
// so that an HTTP server takes the request for a finished one and answers,
// where it would wait for the end of a line.
const probeCorrelation = 0x0d0a0d0a

// maxProbeAnswer bounds the length that an answer to ApiVersions may state.
// Kafka 4.3 sends about 500 bytes.
const maxProbeAnswer = 1 << 20

// probe asks what listens at address. nil means a Kafka: it answered an
// ApiVersions request. The error is classified.
func probe(ctx context.Context, c Config, address string) error {
	conn, err := c.Security.Dial(ctx, address, c.DialTimeout)
	if err != nil {
		return dialProblem(ctx, c, address, err)
	}
	defer conn.Close()
	head, err := exchange(ctx, conn, c.answerWait(), apiVersionsRequest(c.ClientID), 8)
	if err != nil && len(head) < 4 {
		return noAnswer(ctx, c, address, err)
	}
	return readHead(address, head)
}

// exchange sends request and reads up to n bytes of the answer.
func exchange(ctx context.Context, conn net.Conn, wait time.Duration, request []byte, n int) ([]byte, error) {
	if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // the read that follows tells
	defer stop()
	if _, err := conn.Write(request); err != nil {
		// What the other side said before it hung up explains more.
		head := make([]byte, n)
		got, readErr := io.ReadFull(conn, head)
		switch {
		case got > 0:
			return head[:got], nil
		case alertOf(readErr) != "":
			return nil, readErr
		}
		return nil, err
	}
	head := make([]byte, n)
	got, err := io.ReadFull(conn, head)
	return head[:got], err
}

// apiVersionsRequest is an ApiVersions request, version 0, which every broker
// since 0.10 answers, also before authentication.
func apiVersionsRequest(clientID string) []byte {
	body := []byte{0, 18, 0, 0} // key, version
	body = binary.BigEndian.AppendUint32(body, probeCorrelation)
	body = binary.BigEndian.AppendUint16(body, uint16(len(clientID)))
	body = append(body, clientID...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// readHead judges the first bytes of an answer.
func readHead(address string, head []byte) error {
	switch {
	case string(head[:4]) == "HTTP":
		return unreachable(KindHTTP, nil, "%s", httpSentence(address))
	case head[0] == 0x15 && head[1] == 0x03: // a TLS alert
		return tlsExpected(address)
	case len(head) < 8,
		binary.BigEndian.Uint32(head) < 4 || binary.BigEndian.Uint32(head) > maxProbeAnswer,
		binary.BigEndian.Uint32(head[4:]) != probeCorrelation:
		return unreachable(KindNotKafka, nil, "%s answers something that is not Kafka (it begins with %q). Give the port of the Kafka listener with -b.", address, head)
	}
	return nil
}

func httpSentence(address string) string {
	return fmt.Sprintf("%s answers HTTP, not Kafka. Give the port of the Kafka listener with -b (often 9092).", address)
}

func tlsExpected(address string) error {
	return unreachable(KindTLSExpected, nil, "%s speaks TLS, and this connection is plaintext. Add --tls, or --tls-ca FILE for an authority of your own (security.protocol=SSL or SASL_SSL in the file of -F), or give the port of a PLAINTEXT listener with -b.", address)
}

// dialProblem names a failed dial or TLS handshake.
func dialProblem(ctx context.Context, c Config, address string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("connecting to %s: %w", address, ctx.Err())
	}
	attempt := c.attempt(address)
	kind := attempt.recognise(err)
	if c.Security.TLS != nil {
		switch kind {
		case KindTimeout, KindClosed, KindTLSUnexpected: // a timeout of TCP is another kind
			if plain := withoutTLS(ctx, c, address); plain != nil {
				return plain
			}
		}
		if kind == KindTimeout {
			kind = KindTLSTimeout
		}
	}
	if kind == "" {
		return unreachable(KindNetwork, err, "cannot reach %s: %s. Check the address and the tls options.", address, innermost(err))
	}
	return attempt.problem(kind, err)
}

// withoutTLS says what is at an address that does not answer a TLS handshake;
// nil when that cannot be told.
func withoutTLS(ctx context.Context, c Config, address string) error {
	c.Security = security.Security{}
	conn, err := c.Security.Dial(ctx, address, c.DialTimeout)
	if err != nil {
		return nil
	}
	defer conn.Close()
	head, _ := exchange(ctx, conn, c.answerWait(), apiVersionsRequest(c.ClientID), 8)
	if len(head) < 4 || head[0] == 0x15 {
		return nil
	}
	if other := readHead(address, head); other != nil {
		return other
	}
	return unreachable(KindTLSUnexpected, nil, "%s", Attempt{Address: address}.tlsSentence(KindTLSUnexpected, nil))
}

// noAnswer names what happened after a connection that was accepted.
func noAnswer(ctx context.Context, c Config, address string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("waiting for %s: %w", address, ctx.Err())
	}
	attempt := c.attempt(address)
	kind := attempt.recognise(err)
	switch {
	case kind == "":
		return unreachable(KindNetwork, err, "cannot reach %s: %s. Check the address, or name another broker with -b.", address, innermost(err))
	case kind == KindTimeout:
		return unreachable(kind, err, "%s accepts connections but did not answer within %s (--timeout is %s). It hangs, is overloaded, or is no Kafka: look into its log, or name another broker with -b.",
			address, c.answerWait(), c.Timeout)
	case kind == KindClosed && c.Security.TLS == nil && speaksTLS(ctx, c, address):
		return tlsExpected(address)
	}
	return attempt.problem(kind, err)
}

// speaksTLS says whether a TLS handshake goes through at address, or fails for
// a reason that only a TLS server gives. Nothing is sent over that connection,
// so the certificate needs no check.
func speaksTLS(ctx context.Context, c Config, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, c.answerWait())
	defer cancel()
	conn, err := security.Security{TLS: &security.TLS{SkipVerify: true}}.Dial(ctx, address, c.DialTimeout)
	if err != nil {
		return alertOf(err) != ""
	}
	conn.Close()
	return true
}

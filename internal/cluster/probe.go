package cluster

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
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
	conn, err := dial(ctx, c, address)
	if err != nil {
		return dialProblem(ctx, c, address, err)
	}
	defer conn.Close()
	wait := c.answerWait()
	head, err := exchange(ctx, conn, wait, apiVersionsRequest(c.ClientID), 8)
	if err != nil && len(head) < 4 {
		return noAnswer(ctx, c, address, err)
	}
	return readHead(address, head)
}

func dial(ctx context.Context, c Config, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: c.DialTimeout}
	return d.DialContext(ctx, "tcp", address)
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
		if got, _ := io.ReadFull(conn, head); got > 0 {
			return head[:got], nil
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
		return unreachable(nil, "%s answers HTTP, not Kafka. Give the port of the Kafka listener with -b (often %d).", address, DefaultPort)
	case head[0] == 0x15 && head[1] == 0x03: // a TLS alert
		return tlsProblem(address)
	case len(head) < 8,
		binary.BigEndian.Uint32(head) < 4 || binary.BigEndian.Uint32(head) > maxProbeAnswer,
		binary.BigEndian.Uint32(head[4:]) != probeCorrelation:
		return unreachable(nil, "%s answers something that is not Kafka (it begins with %q). Give the port of the Kafka listener with -b.", address, head)
	}
	return nil
}

func tlsProblem(address string) error {
	return unreachable(nil, "%s speaks TLS, and this connection is plaintext. Give the port of a PLAINTEXT listener with -b.", address)
}

// dialProblem names a failed dial.
func dialProblem(ctx context.Context, c Config, address string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("connecting to %s: %w", address, ctx.Err())
	}
	if isTimeout(err) && !isDNS(err) {
		return unreachable(err, "cannot reach %s: no connection within %s. Check the address and the firewall between, or name another broker with -b.", address, c.DialTimeout)
	}
	return classifyNetwork(err, address)
}

func isDNS(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns)
}

// noAnswer names what happened after a connection that was accepted.
func noAnswer(ctx context.Context, c Config, address string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("waiting for %s: %w", address, ctx.Err())
	}
	if isTimeout(err) {
		return unreachable(err, "%s accepts connections but did not answer within %s (--timeout is %s). It hangs, is overloaded, or is no Kafka: look into its log, or name another broker with -b.",
			address, c.answerWait(), c.Timeout)
	}
	if hungUp(err) && speaksTLS(ctx, c, address) {
		return tlsProblem(address)
	}
	return classifyNetwork(err, address)
}

func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// speaksTLS says whether a TLS handshake goes through at address, or fails for
// a reason that only a TLS server gives. Nothing is sent over that connection,
// so the certificate needs no check.
func speaksTLS(ctx context.Context, c Config, address string) bool {
	conn, err := dial(ctx, c, address)
	if err != nil {
		return false
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, c.answerWait())
	defer cancel()
	err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx) //nolint:gosec // see above
	var alert tls.AlertError
	return err == nil || errors.As(err, &alert)
}

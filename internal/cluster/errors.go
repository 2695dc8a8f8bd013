package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	// ErrUnreachable says that no broker answered, or what answered is not a Kafka.
	ErrUnreachable = errors.New("cannot reach the cluster")
	// ErrNotAllowed says that the cluster, or our own guard, refuses.
	ErrNotAllowed = errors.New("not allowed")
	// ErrUnknownTopic says that the cluster has no topic of that name.
	ErrUnknownTopic = errors.New("unknown topic")
	// ErrTopicExists says that a topic of that name is there already.
	ErrTopicExists = errors.New("topic exists")
	// ErrUnknownGroup says that the cluster has no consumer group of that name.
	ErrUnknownGroup = errors.New("unknown group")
)

// problem is an error that is a whole sentence already. kind is one of the
// variables above, or nil; cause is what came back, or nil.
type problem struct {
	text        string
	kind, cause error
}

func (p *problem) Error() string { return p.text }

func (p *problem) Unwrap() []error {
	var all []error
	for _, err := range []error{p.kind, p.cause} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

func unreachable(cause error, format string, args ...any) error {
	return &problem{fmt.Sprintf(format, args...), ErrUnreachable, cause}
}

func notAllowed(cause error, format string, args ...any) error {
	return &problem{fmt.Sprintf(format, args...), ErrNotAllowed, cause}
}

// Classify turns an error of a dial or of the protocol, as the Kafka client
// libraries in Go return them, into one sentence that says what to do, wrapping
// ErrUnreachable or ErrNotAllowed. An error that is neither, such as one about
// a record, a cancelled context, or one classified before, is returned as it is.
func Classify(err error) error {
	var known *problem
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	}
	if refused := classifyRefusal(err); refused != nil {
		return refused
	}
	return classifyNetwork(err, dialledAddress(err))
}

// dialledAddress is the address in a network error, or words for it.
func dialledAddress(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		return op.Addr.String()
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.Name
	}
	return "the broker"
}

// classifyNetwork names what went wrong between us and address.
func classifyNetwork(err error, address string) error {
	var dns *net.DNSError
	var network *net.OpError
	switch {
	case errors.As(err, &dns):
		return unreachable(err, "cannot reach %s: the name %q does not resolve (%s). Check the spelling, or name another broker with -b.", address, dns.Name, dns.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return unreachable(err, "cannot reach %s: connection refused. Start one with \"redline broker up\", or name yours with -b.", address)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return unreachable(err, "cannot reach %s: no route to it from here. Check the network, or name another broker with -b.", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return unreachable(err, "cannot reach %s: this machine has no free port or file descriptor left for the connection. Close some, or raise the limit (ulimit -n).", address)
	case isTimeout(err):
		return unreachable(err, "%s did not answer in time. Check the address and the firewall between, or give it longer with --timeout.", address)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return unreachable(err, "%s closed the connection before it answered. It may not be a Kafka, may want TLS or SASL, or may be shutting down: look into its log.", address)
	case errors.As(err, &network):
		return unreachable(err, "cannot reach %s: %v. Check the address, or name another broker with -b.", address, network.Err)
	}
	return err
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

// refusals are the protocol's ways to say no, each with what would help.
var refusals = []struct {
	code error
	help string
}{
	{kerr.TopicAuthorizationFailed, "this user may not do that with the topic; ask for an ACL on it"},
	{kerr.GroupAuthorizationFailed, "this user may not do that with the consumer group; ask for an ACL on it, or choose another with --group"},
	{kerr.ClusterAuthorizationFailed, "this user may not do that on the cluster; ask for an ACL on it"},
	{kerr.TransactionalIDAuthorizationFailed, "this user may not use that transactional id; ask for an ACL on it"},
	{kerr.DelegationTokenAuthorizationFailed, "the delegation token is not accepted; get a new one"},
	{kerr.SaslAuthenticationFailed, "user or password are not accepted; check both"},
	{kerr.UnsupportedSaslMechanism, "the broker does not take this SASL mechanism; ask which it takes"},
	{kerr.IllegalSaslState, "the broker wants SASL authentication first; it needs a user and a password"},
	{kerr.PolicyViolation, "a policy of the cluster forbids it; ask who runs it"},
	{kerr.SecurityDisabled, "the cluster has no security features switched on"},
}

func classifyRefusal(err error) error {
	for _, r := range refusals {
		if errors.Is(err, r.code) {
			return notAllowed(err, "the cluster refuses: %s (%s).", r.help, kerrName(r.code))
		}
	}
	var first *kgo.ErrFirstReadEOF
	if errors.As(err, &first) {
		return unreachable(err, "the broker closed the connection at the first request. It may want TLS or SASL, or may be shutting down: look into its log.")
	}
	return nil
}

// kerrName is Kafka's name of an error code, such as TOPIC_AUTHORIZATION_FAILED.
func kerrName(err error) string {
	var code *kerr.Error
	if errors.As(err, &code) {
		return code.Message
	}
	return err.Error()
}
